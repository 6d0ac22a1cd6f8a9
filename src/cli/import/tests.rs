//! Imports against a node that executes each idempotency key once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use super::*;
use crate::cli::client::testing::{Answer, FakeNode, Seen};

/// What a node has executed.
#[derive(Default)]
struct Store {
    executed: BTreeSet<String>,
    values: BTreeMap<String, Vec<String>>,
}

type Shared = Arc<Mutex<Store>>;

fn execute(store: &Shared, command: &Value) -> Value {
    let mut store = store.lock().unwrap();
    let key = command["idempotency_key"].as_str().unwrap().to_owned();
    if store.executed.insert(key) {
        let value = command["value"].as_str().unwrap().to_owned();
        store.values.entry(command["key"].as_str().unwrap().to_owned()).or_default().push(value);
    }
    json!({ "id": "00", "status": "committed", "height": 1, "result": null, "problem": null })
}

/// A node that executes batches, with each answer's results passed through `spoil`.
fn node(store: &Shared, spoil: impl Fn(usize, &Value) -> Option<Value> + Send + Sync + 'static) -> FakeNode {
    let store = Arc::clone(store);
    FakeNode::start_reading(move |earlier, seen: &Seen| {
        assert_eq!(seen.line, "POST /v1/commands?wait=committed HTTP/1.1");
        let batch: Value = serde_json::from_slice(&seen.body).unwrap();
        let commands = batch["commands"].as_array().unwrap();
        assert!(commands.len() <= lane::BATCH_COMMANDS_MAX && seen.body.len() <= lane::BATCH_BYTES_MAX + 64);
        let results =
            commands.iter().map(|command| spoil(earlier, command).unwrap_or_else(|| execute(&store, command)));
        Answer::new(200, json!({ "results": results.collect::<Vec<_>>() }).to_string())
    })
}

fn problem(status: u16, title: &str, fate: &str) -> Value {
    let problem = json!({ "type": "urn:x", "title": title, "status": status, "detail": "d" });
    json!({ "id": null, "status": fate, "height": null, "result": null, "problem": problem })
}

struct Written {
    _dir: tempfile::TempDir,
    arguments: Arguments,
}

fn written(name: &str, content: &str, nodes: &[&FakeNode]) -> Written {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(name);
    std::fs::write(&file, content).unwrap();
    let nodes = NodeArguments { node: nodes.iter().map(|node| node.url()).collect() };
    Written {
        _dir: dir,
        arguments: Arguments { file, format: None, in_flight: 4, timeout: 20, key: KeyArguments::default(), nodes },
    }
}

impl Written {
    fn import(&self) -> Result<Report, Failure> {
        let survey = Survey::of(&self.arguments.file).unwrap();
        let format = Format::of(&self.arguments.file).unwrap();
        import(&self.arguments, format, survey.digest, &mut Progress::new(survey.lines))
    }
}

#[test]
fn every_line_is_executed_once_however_often_the_file_is_imported() {
    let store = Shared::default();
    let nodes = [node(&store, |_, _| None), node(&store, |_, _| None)];
    let content: String = (0..5_000).map(|number| format!("key{},value{number}\n", number % 1_700)).collect();
    let file = written("pairs.csv", &content, &[&nodes[0], &nodes[1]]);
    for _ in 0..2 {
        let report = file.import().unwrap();
        assert_eq!((report.lines, report.committed, report.rejected), (5_000, 5_000, 0));
    }
    let store = store.lock().unwrap();
    assert_eq!(store.executed.len(), 5_000);
    for (key, values) in &store.values {
        let number: usize = key[3..].parse().unwrap();
        let expected: Vec<_> = (number..5_000).step_by(1_700).map(|number| format!("value{number}")).collect();
        assert_eq!(values, &expected, "{key} keeps its order");
    }
    assert!(nodes.iter().all(|node| !node.requests().is_empty()), "both nodes carry load");
}

#[test]
fn an_interrupted_import_is_resumed_without_repeating_a_line() {
    let store = Shared::default();
    // Executes the first batch, whose answer is lost, and takes no more.
    let dying = {
        let store = Arc::clone(&store);
        FakeNode::start_reading(move |earlier, seen| {
            let batch: Value = serde_json::from_slice(&seen.body).unwrap();
            if earlier == 0 {
                batch["commands"].as_array().unwrap().iter().for_each(|command| {
                    execute(&store, command);
                });
            }
            Answer::hang_up()
        })
    };
    let content: String = (0..2_500).map(|number| format!("{{\"key\":\"k{number}\",\"value\":\"v\"}}\n")).collect();
    let mut file = written("pairs.jsonl", &content, &[&dying]);
    file.arguments.timeout = 0;
    let failure = file.import().unwrap_err();
    assert!(failure.to_string().contains("run the same command again"), "{failure}");
    assert_eq!(store.lock().unwrap().executed.len(), 1_000);

    let healthy = node(&store, |_, _| None);
    file.arguments.nodes.node = vec![healthy.url()];
    assert_eq!(file.import().unwrap().committed, 2_500);
    let store = store.lock().unwrap();
    assert_eq!(store.values.len(), 2_500);
    assert!(store.values.values().all(|values| values.len() == 1));
}

#[test]
fn lines_without_room_or_with_an_open_fate_are_asked_for_again() {
    let store = Shared::default();
    let node = node(&store, |earlier, command| match (earlier, command["key"].as_str()) {
        (0, Some("b")) => Some(problem(429, "full", "rejected")),
        (0 | 1, Some("c")) => Some(problem(504, "open", "pending")),
        _ => None,
    });
    let report = written("pairs.csv", "a,1\nb,2\nc,3\n", &[&node]).import().unwrap();
    assert_eq!((report.committed, report.rejected), (3, 0));
    let sizes = node.requests().into_iter().map(|seen| {
        let batch: Value = serde_json::from_slice(&seen.body).unwrap();
        batch["commands"].as_array().unwrap().len()
    });
    assert_eq!(sizes.collect::<Vec<_>>(), [3, 2, 1], "only what is open is sent again");
}

#[test]
fn rejected_lines_are_reported_with_their_numbers_and_the_others_go_on() {
    let store = Shared::default();
    let node = node(&store, |_, command| {
        (command["key"] == "bad").then(|| problem(422, "The application does not take this", "rejected"))
    });
    let report = written("pairs.csv", "a,1\nbad,2\nonly\nb,3\nbad,4\n", &[&node]).import().unwrap();
    assert_eq!((report.lines, report.committed, report.rejected), (5, 2, 3));
    let mut lines: Vec<_> = report.rejections.iter().map(|rejection| rejection.line).collect();
    lines.sort_unstable();
    assert_eq!(lines, [2, 3, 5]);
    assert!(report.rejections.iter().any(|rejection| rejection.reason.contains("does not take this: d (422)")));
}

#[test]
fn a_node_that_refuses_whole_batches_stops_the_import() {
    let node = FakeNode::start(|_| Answer::new(404, r#"{"title":"There is no such route"}"#));
    let failure = written("pairs.csv", "a,1\n", &[&node]).import().unwrap_err();
    assert!(failure.to_string().contains("There is no such route"), "{failure}");
    assert_eq!(node.requests().len(), 1, "asking again would not help");
}

#[test]
fn values_that_are_no_text_are_put_alone() {
    let node = FakeNode::start(|_| Answer::new(200, r#"{"id":"00","status":"committed","height":1}"#));
    let file = written("pairs.csv", "", &[&node]);
    std::fs::write(&file.arguments.file, b"\xffk,\xfe\n").unwrap();
    assert_eq!(file.import().unwrap().committed, 1);
    let seen = &node.requests()[0];
    assert_eq!((seen.line.as_str(), seen.body.as_slice()), ("PUT /v1/kv/%FFk HTTP/1.1", &b"\xfe"[..]));
    assert!(seen.header("idempotency-key").unwrap().ends_with("-1"));
}

#[test]
fn files_of_unknown_format_are_usage_errors() {
    let node = FakeNode::start(|_| Answer::new(200, ""));
    let file = written("pairs.txt", "a,1\n", &[&node]);
    assert!(matches!(run(&file.arguments, false), Err(Failure::Usage(_))));
}
