//! `thalweg status`: where nodes stand.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use serde_json::{Value, json};

use super::{Backoff, Client, NodeArguments, Request, Trouble};
use crate::cli::{Failure, output, table::table};

/// Show where each node stands.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  thalweg status
  thalweg status --wait 60      # until all take part
  thalweg status --json --node http://127.0.0.1:8700,http://127.0.0.1:8701")]
pub(in crate::cli) struct StatusArguments {
    /// First wait until every node takes part and has what the others have, at most so long; fails when it is over.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    wait: u64,
    #[command(flatten)]
    nodes: NodeArguments,
}

/// Asks every node, and fails when none answers. With `json`, one line for each node: its status with its `url`, or
/// an `error`.
pub(in crate::cli) fn status(arguments: &StatusArguments, json: bool) -> Result<ExitCode, Failure> {
    let client = Client::new(arguments.nodes.node.clone());
    let is_awaited = arguments.wait == 0 || wait_until_ready(&client, Duration::from_secs(arguments.wait));
    let answers: Vec<_> = client.nodes().iter().map(|node| (node, ask(&client, node))).collect();
    if json {
        for (node, answer) in &answers {
            output::line(&document(node, answer))?;
        }
    } else {
        let heading = ["URL", "ROLE", "HEIGHT", "ROUND", "STATE ROOT", "PEERS", "WAITING", ""].map(str::to_owned);
        let rows = answers.iter().map(|(node, answer)| row(node, answer));
        let rows: Vec<_> = std::iter::once(heading.to_vec()).chain(rows).collect();
        output::bytes(format!("{}\n", table(&rows)).as_bytes())?;
    }
    let answered = answers.iter().any(|(_, answer)| answer.is_ok());
    Ok(if answered && is_awaited { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether all nodes were ready in time, and each as high as the highest was when all had become ready: what was
/// committed before the waiting began is then known everywhere. What is in the way of the last one is told.
fn wait_until_ready(client: &Client, patience: Duration) -> bool {
    let mut backoff = Backoff::new();
    let mut horizon = None;
    loop {
        let Some(reason) = why_not_ready(client, &mut horizon) else { return true };
        if !backoff.try_pause(patience) {
            output::say(format_args!("not ready in time: {reason}"));
            return false;
        }
    }
}

fn why_not_ready(client: &Client, horizon: &mut Option<u64>) -> Option<String> {
    let why_not = |node: &String| match client.ask(node, &Request::get("/readyz")) {
        Ok(reply) if reply.is_success() => None,
        Ok(reply) => Some(reply.problem().to_string()),
        Err(trouble) => Some(trouble.to_string()),
    };
    if let Some(reason) = client.nodes().iter().find_map(why_not) {
        return Some(reason);
    }
    let height = |node: &String| ask(client, node).map(|status| (node.clone(), status["height"].as_u64().unwrap_or(0)));
    let heights: Vec<_> = match client.nodes().iter().map(height).collect() {
        Ok(heights) => heights,
        Err(trouble) => return Some(trouble.to_string()),
    };
    let horizon = *horizon.get_or_insert_with(|| heights.iter().map(|(_, height)| *height).max().unwrap_or(0));
    let (node, height) = heights.into_iter().find(|(_, height)| *height < horizon)?;
    Some(format!("{node} is at height {height}, others at {horizon}"))
}

fn ask(client: &Client, node: &str) -> Result<Value, Trouble> {
    let reply = client.ask(node, &Request::get("/v1/status"))?;
    if !reply.is_success() {
        return Err(Trouble::Problem(reply.problem()));
    }
    let no_json = |error: serde_json::Error| Trouble::Unreachable { node: node.to_owned(), error: error.to_string() };
    serde_json::from_slice(&reply.body).map_err(no_json)
}

fn document(node: &str, answer: &Result<Value, Trouble>) -> Value {
    match answer {
        Ok(Value::Object(status)) => {
            let mut status = status.clone();
            status.insert("url".to_owned(), json!(node));
            Value::Object(status)
        }
        Ok(other) => json!({ "url": node, "status": other }),
        Err(trouble) => json!({ "url": node, "error": trouble.to_string() }),
    }
}

fn row(node: &str, answer: &Result<Value, Trouble>) -> Vec<String> {
    let status = match answer {
        Ok(status) => status,
        Err(trouble) => {
            let unknown = std::iter::repeat_n("-".to_owned(), 6);
            // The node stands at the beginning of the line.
            let why = match trouble {
                Trouble::Unreachable { error, .. } => error.clone(),
                Trouble::Problem(problem) => problem.to_string(),
            };
            return std::iter::once(node.to_owned()).chain(unknown).chain([why]).collect();
        }
    };
    let show = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let root: String = show(&status["state_root"]).chars().take(12).collect();
    let state = match status["syncing"].as_bool() {
        Some(true) => {
            let (target, percent) = (show(&status["target_height"]), show(&status["sync"]["percent"]));
            format!("syncing to {target}, {percent} %")
        }
        _ => String::new(),
    };
    let (role, height, round) = (show(&status["role"]), show(&status["height"]), show(&status["round"]));
    let (peers, waiting) = (show(&status["peers"]), show(&status["mempool"]["commands"]));
    vec![node.to_owned(), role, height, round, root, peers, waiting, state]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::testing::{Answer, FakeNode, closed_port};

    const STATUS: &str = r#"{"height":5,"role":"validator","round":0,"state_root":"abcdefabcdefabcdef","syncing":true,
                             "target_height":9,"sync":{"percent":55},"peers":3,"mempool":{"commands":1,"bytes":2}}"#;

    #[test]
    fn succeeds_when_any_node_answers() {
        let node = FakeNode::start(|_| Answer::new(200, STATUS));
        let ask = |node: Vec<String>| status(&StatusArguments { wait: 0, nodes: NodeArguments { node } }, true);
        assert_eq!(ask(vec![closed_port(), node.url()]), Ok(ExitCode::SUCCESS));
        assert_eq!(ask(vec![closed_port()]), Ok(ExitCode::FAILURE));
    }

    #[test]
    fn waits_until_all_are_ready_and_says_who_is_not() {
        let late = FakeNode::start(|earlier| match earlier {
            0 => Answer::new(503, "{}"),
            2 => Answer::new(200, r#"{"height":4}"#),
            _ => Answer::new(200, STATUS),
        });
        let ready = FakeNode::start(|_| Answer::new(200, STATUS));
        let wait_for =
            |wait: u64, node: Vec<String>| status(&StatusArguments { wait, nodes: NodeArguments { node } }, true);
        assert_eq!(wait_for(20, vec![ready.url(), late.url()]), Ok(ExitCode::SUCCESS));
        let asked = late.requests();
        assert_eq!(asked.len(), 6, "not ready; then a height behind; then as high as the other; then the table");
        assert_eq!(asked[1].line, "GET /readyz HTTP/1.1");
        let busy = FakeNode::start(|_| Answer::new(503, "{}"));
        assert_eq!(wait_for(1, vec![late.url(), busy.url()]), Ok(ExitCode::FAILURE));
    }

    #[test]
    fn rows_show_the_essentials() {
        let status: Value = serde_json::from_str(STATUS).unwrap();
        let row = row("u", &Ok(status.clone()));
        assert_eq!(row, ["u", "validator", "5", "0", "abcdefabcdef", "3", "1", "syncing to 9, 55 %"]);
        assert_eq!(document("u", &Ok(status))["url"], "u");
    }
}
