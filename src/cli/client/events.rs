//! `thalweg events`: what a node tells while it happens, block by block.
//!
//! When a node ends or is lost, the next one goes on after the last block that was shown: none is missed, none is shown
//! twice.

use std::{
    io::{BufRead, BufReader, Read},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use serde_json::{Map, Value, json};
use ureq::Agent;

use super::{
    Backoff, NodeArguments, Problem,
    look::{field, height_first, label},
};
use crate::cli::{Failure, output};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Until an answer begins; then it may last for ever.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest line of a stream.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// How much of an answer that is no stream is read.
const PROBLEM_BYTES_MAX: u64 = 1 << 16;

/// Follow what happens: each block as it is committed, and what a node notices in between.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  thalweg events
  thalweg events --from 1 --until 100 --json")]
pub(in crate::cli) struct EventsArguments {
    /// The first block to show [default: the next one].
    #[arg(long, value_name = "HEIGHT")]
    from: Option<u64>,
    /// Ends after the block of this height.
    #[arg(long, value_name = "HEIGHT")]
    until: Option<u64>,
    /// For how many seconds to look for a node when none is there.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    timeout: u64,
    #[command(flatten)]
    nodes: NodeArguments,
}

/// How a stream ended.
enum Ended {
    /// What was asked for is shown.
    Done,
    /// The node is gone, or never was there.
    Lost(String),
}

/// Shows events until told to stop, with `json` one line of JSON each.
pub(in crate::cli) fn events(arguments: &EventsArguments, json: bool) -> Result<ExitCode, Failure> {
    let mut follower = Follower { agent: agent(), last: None, arguments, json };
    let mut backoff = Backoff::new();
    let patience = Duration::from_secs(arguments.timeout);
    loop {
        let mut why = String::new();
        for node in &arguments.nodes.node {
            let before = follower.last;
            match follower.follow(node)? {
                Ended::Done => return Ok(ExitCode::SUCCESS),
                Ended::Lost(error) => why = format!("{node}: {error}"),
            }
            if follower.last != before {
                backoff.reset();
            }
        }
        if !backoff.try_pause(patience) {
            return Err(Failure::Failed(format!("no node tells events, the last said: {why}; --node names others")));
        }
    }
}

fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(ANSWER_TIMEOUT))
        .max_redirects(0)
        .proxy(None)
        .build()
        .new_agent()
}

struct Follower<'a> {
    agent: Agent,
    /// The last block that was shown.
    last: Option<u64>,
    arguments: &'a EventsArguments,
    json: bool,
}

impl Follower<'_> {
    /// Shows what one node tells until it ends.
    fn follow(&mut self, node: &str) -> Result<Ended, Failure> {
        let from = self.arguments.from.map_or(String::new(), |from| format!("?from={from}"));
        let mut request = self.agent.get(format!("{node}/v1/events{from}")).header("Accept", "text/event-stream");
        if let Some(last) = self.last {
            request = request.header("Last-Event-ID", last.to_string());
        }
        let response = match request.call() {
            Ok(response) => response,
            Err(error) => return Ok(Ended::Lost(super::reason(&error))),
        };
        let status = response.status().as_u16();
        let mut body = response.into_body().into_with_config().limit(u64::MAX).reader();
        if status != 200 {
            let mut said = Vec::new();
            let read = body.by_ref().take(PROBLEM_BYTES_MAX).read_to_end(&mut said);
            let problem = Problem::read(status, read.map_or(&[][..], |_| &said), node);
            return match super::is_retryable(status) {
                true => Ok(Ended::Lost(problem.to_string())),
                false => Err(Failure::Refused(Box::new(problem))),
            };
        }
        let mut stream = Stream { lines: BufReader::new(body) };
        loop {
            match stream.next() {
                Ok(Some(event)) if self.show(&event)? => return Ok(Ended::Done),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(Ended::Lost("it ended the stream".to_owned())),
                Err(error) => return Ok(Ended::Lost(error.to_string())),
            }
        }
    }

    /// Shows one event; `true` when it is the last one that was asked for.
    fn show(&mut self, event: &Event) -> Result<bool, Failure> {
        if let Some(height) = event.height {
            // A node that is asked again may begin a little earlier.
            if self.last.is_some_and(|last| height <= last) {
                return Ok(false);
            }
            self.last = Some(height);
        }
        if self.json {
            output::line(&event.document())?;
        } else {
            output::bytes(format!("{}\n", event.text()).as_bytes())?;
        }
        Ok(self.arguments.until.is_some_and(|until| event.height.is_some_and(|height| height >= until)))
    }
}

/// One event of the stream.
#[derive(Debug, PartialEq)]
struct Event {
    name: String,
    /// Of a block; what the stream calls its id.
    height: Option<u64>,
    data: Map<String, Value>,
}

impl Event {
    fn document(&self) -> Value {
        let mut document = self.data.clone();
        document.insert("event".to_owned(), json!(self.name));
        Value::Object(document)
    }

    fn text(&self) -> String {
        let word = |name: &str, value: &Value| match value {
            // Hashes are long; who needs all of one asks for JSON.
            Value::String(text) => text.chars().take(12).collect(),
            other => field(name, other),
        };
        // Of a block those that tell it from others: its line fits on a terminal.
        let is_shown =
            |name: &str| self.name != "block" || !matches!(name, "instance" | "state_root" | "payload_bytes");
        let fields = height_first(&self.data).filter(|(name, _)| is_shown(name));
        let words: Vec<_> = fields.map(|(name, value)| format!("{} {}", label(name), word(name, value))).collect();
        format!("{:<16} {}", self.name, words.join("  ")).trim_end().to_owned()
    }
}

/// Reads server-sent events (WHATWG HTML, section 9.2.6), as far as nodes use them.
struct Stream<R> {
    lines: R,
}

impl<R: BufRead> Stream<R> {
    fn next(&mut self) -> std::io::Result<Option<Event>> {
        let (mut name, mut height, mut data) = (String::new(), None, String::new());
        loop {
            let mut line = String::new();
            if self.lines.by_ref().take(LINE_BYTES_MAX).read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                if data.is_empty() {
                    continue;
                }
                let data = serde_json::from_str(&data).map_err(std::io::Error::other)?;
                return Ok(Some(Event { name, height, data }));
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut name),
                "id" => height = value.parse().ok(),
                "data" => data.push_str(value),
                // Comments keep the connection alive.
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::testing::{Answer, FakeNode, closed_port};

    const THREE: &str = ": alive\n\nid: 3\nevent: block\ndata: {\"height\":3,\"hash\":\"ab\",\"state_root\":\"cd\",\"time_ms\":86403000}\n\n";
    const FOUR: &str = "event: turn_missed\ndata: {\"height\":4,\"validator\":1}\n\n\
                        id: 3\nevent: block\ndata: {\"height\":3}\n\nid: 4\nevent: block\ndata: {\"height\":4}\n\n";

    #[test]
    fn events_are_read_and_comments_are_not() {
        let mut stream = Stream { lines: [THREE, FOUR].concat().leak().as_bytes() };
        let mut seen = Vec::new();
        while let Some(event) = stream.next().unwrap() {
            seen.push(event.text());
        }
        assert_eq!(
            seen,
            [
                "block            height 3  hash ab  time 1970-01-02T00:00:03Z",
                "turn_missed      height 4  validator 1",
                "block            height 3",
                "block            height 4"
            ]
        );
    }

    #[test]
    fn the_next_node_goes_on_after_the_last_block() {
        let first = FakeNode::start(|_| Answer::new(200, THREE));
        let second = FakeNode::start(|_| Answer::new(200, FOUR));
        let nodes = NodeArguments { node: vec![closed_port(), first.url(), second.url()] };
        let arguments = EventsArguments { from: Some(3), until: Some(4), timeout: 0, nodes };
        assert_eq!(events(&arguments, true), Ok(ExitCode::SUCCESS));
        assert_eq!(first.requests()[0].line, "GET /v1/events?from=3 HTTP/1.1");
        assert_eq!(first.requests()[0].header("last-event-id"), None);
        assert_eq!(second.requests()[0].header("last-event-id"), Some("3"));
    }

    #[test]
    fn a_node_without_events_is_a_failure() {
        let node = FakeNode::start(|_| Answer::new(404, r#"{"title":"There is no such route"}"#));
        let nodes = NodeArguments { node: vec![node.url()] };
        let arguments = EventsArguments { from: None, until: None, timeout: 0, nodes };
        assert!(matches!(events(&arguments, false), Err(Failure::Refused(_))));
        let nodes = NodeArguments { node: vec![closed_port()] };
        let arguments = EventsArguments { from: None, until: None, timeout: 0, nodes };
        assert!(matches!(events(&arguments, false), Err(Failure::Failed(_))));
    }
}
