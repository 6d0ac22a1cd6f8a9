//! The event stream: replay, following, notices, slow readers, the end.

use std::io::{BufRead as _, BufReader};

use super::*;
use crate::{replica::Notice, types::ValidatorIndex};

/// One server-sent event.
#[derive(Debug, PartialEq)]
struct Event {
    id: Option<u64>,
    name: String,
    data: Value,
}

struct Follower(BufReader<std::net::TcpStream>);

impl Follower {
    fn new(bench: &Bench, request: &Request) -> Self {
        let mut lines = BufReader::new(request.send(bench.server.address()));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(lines.read_line(&mut head).unwrap(), 0, "a whole head: {head}");
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("text/event-stream"), "{head}");
        Self(lines)
    }

    fn from(bench: &Bench, target: &str) -> Self {
        Self::new(bench, &Request::new("GET", target))
    }

    /// The next event; `None` at the end of the stream. Lines of the chunked encoding are passed over.
    fn next(&mut self) -> Option<Event> {
        let (mut id, mut name) = (None, None);
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("id", text)) => id = Some(text.parse().unwrap()),
                Some(("event", text)) => name = Some(text.to_owned()),
                Some(("data", text)) => {
                    let data = serde_json::from_str(text).unwrap();
                    return Some(Event { id, name: name.unwrap(), data });
                }
                _ => {}
            }
        }
    }
}

#[test]
fn blocks_are_replayed_from_a_height_and_followed() {
    let bench = Bench::new();
    (0..3).for_each(|key| drop(bench.put(&format!("/v1/kv/{key}"), b"1")));
    let mut follower = Follower::from(&bench, "/v1/events?from=2");
    for height in 2..=4 {
        if height == 4 {
            bench.put("/v1/kv/later", b"1");
        }
        let event = follower.next().unwrap();
        assert_eq!((event.id, event.name.as_str()), (Some(height), "block"));
        assert_eq!((&event.data["height"], &event.data["commands"]), (&height.into(), &1.into()));
        assert_eq!(event.data["state_root"], Digest::new([1; 32]).to_string());
        assert_eq!(event.data["hash"], bench.node.header(Height::new(height)).hash().to_string());
    }
}

#[test]
fn a_reader_that_comes_back_goes_on_behind_what_it_saw() {
    let bench = Bench::new();
    (0..3).for_each(|key| drop(bench.put(&format!("/v1/kv/{key}"), b"1")));
    let request = Request::new("GET", "/v1/events?from=1").header("Last-Event-ID", "2");
    assert_eq!(Follower::new(&bench, &request).next().unwrap().id, Some(3));
    bench.call(&Request::new("GET", "/v1/events").header("Last-Event-ID", "x")).problem(400, "bad-request");
    bench.get("/v1/events?form=1").problem(400, "bad-request");
}

#[test]
fn what_happens_between_blocks_is_told_and_what_was_missed_is_counted() {
    let bench = Bench::new();
    let mut follower = Follower::from(&bench, "/v1/events");
    let validator = ValidatorIndex::new(3);
    bench.node.notice(Notice::RoundTimedOut { height: Height::new(1), round: 2 });
    let event = follower.next().unwrap();
    assert_eq!((event.id, event.name.as_str()), (None, "round_timed_out"));
    assert_eq!(event.data, serde_json::json!({"height": 1, "round": 2}));
    // The queue holds two; the server's one thread has no time to read in between for all of these.
    (0..10_000).for_each(|round| bench.node.notice(Notice::Equivocated { height: Height::new(1), round, validator }));
    let mut seen = 0;
    while seen < 10_000 {
        let event = follower.next().unwrap();
        seen += match event.name.as_str() {
            "equivocated" => 1,
            "missed" => event.data["notices"].as_u64().unwrap(),
            other => panic!("{other}"),
        };
    }
    assert_eq!(seen, 10_000, "each is told or counted");
}

#[test]
fn streams_end_when_the_node_stops_and_give_back_their_places() {
    let bench = Bench::with(|settings| {
        settings.requests_max = 1;
        settings.stop_timeout = Duration::from_secs(60);
    });
    let mut follower = Follower::from(&bench, "/v1/events");
    bench.get("/v1/blocks/1").problem(429, "full");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(20), bench.server.stop()).await })
        .unwrap()
        .unwrap();
    assert_eq!(follower.next(), None);
}
