//! The rest of the command line against a cluster: answers of several validators, batches, a look at what a killed
//! node left.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::cluster::{Cluster, PATIENCE, eventually, thalweg};

fn run(command: &mut Command) -> (Output, Value) {
    let output = command.output().unwrap();
    let said = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output, said)
}

#[test]
fn enough_validators_are_believed_and_too_few_are_not() {
    let cluster = Cluster::start(&[]);
    let urls = cluster.urls();
    let with = |line: &[&str]| run(thalweg().args(line).args(["--json", "--node", &urls, "--replies"]));
    let (output, said) = with(&["put", "river", "to the sea"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(said["replies"]["needed"], 2, "f + 1 of four: {said}");
    let (_, said) = with(&["get", "river", "--consistency", "linearizable"]);
    assert_eq!(said["value"], "to the sea", "{said}");
    cluster.kill(&[2, 3]);
    let (_, said) = with(&["get", "river"]);
    assert_eq!(said["replies"]["agreeing"].as_array().unwrap().len(), 2, "{said}");
    let too_few =
        thalweg().args(["get", "river", "--node", &urls, "--replies", "3", "--timeout", "0"]).output().unwrap();
    assert_eq!(too_few.status.code(), Some(1));
    let words = String::from_utf8_lossy(&too_few.stderr).into_owned();
    assert!(words.contains("3 validators must agree") && words.contains(&cluster.nodes[3].http), "{words}");
}

#[test]
fn a_batch_is_submitted_in_order_from_standard_input() {
    let cluster = Cluster::start(&[]);
    let mut submit = thalweg()
        .args(["submit", "-", "--json", "--node", &cluster.urls()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let batch = "{\"op\":\"put\",\"key\":\"a\",\"value\":\"1\"}\n{\"op\":\"put\",\"key\":\"a\",\"value\":\"2\"}\n";
    submit.stdin.take().unwrap().write_all(batch.as_bytes()).unwrap();
    let output = submit.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let height = said["results"][1]["height"].as_u64().unwrap();
    assert_eq!(cluster.get(3, &format!("/v1/kv/a?at_least={height}")).unwrap(), "2");
    cluster.stop();
}

#[test]
fn what_a_killed_node_left_can_be_looked_at_and_a_running_one_is_left_alone() {
    let mut cluster = Cluster::start(&[]);
    let (output, said) = run(thalweg().args(["put", "key", "value", "--json", "--node", &cluster.urls()]));
    assert!(output.status.success(), "{output:?}");
    let height = said["height"].as_u64().unwrap();
    cluster.wait_for_height(height);
    let dir = cluster.nodes[1].dir.clone();
    let inspect = || run(thalweg().args(["inspect", "--json"]).arg(&dir));
    let (refused, _) = inspect();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("a running node has locked it"));
    cluster.kill(&[1]);
    let (output, first) = inspect();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(first["identity"]["node"]["index"], 1, "{first}");
    assert!(first["journal"]["votes"][0]["votes"].as_u64().unwrap() > 0, "{first}");
    assert_eq!(first["journal"]["decided"]["highest"], height, "{first}");
    assert!(first["store"]["was_closed"].is_boolean(), "{first}");
    assert_eq!(inspect().1, first, "looking changes nothing");
    cluster.restart(1);
    cluster.wait_for_height(height);
    cluster.stop();
}

#[test]
fn an_import_that_is_killed_midway_goes_on_and_keeps_the_order_of_equal_keys() {
    const LINES: usize = 1_800;
    const KEYS: usize = 60;
    let cluster = Cluster::start(&[]);
    let file = cluster.dir().join("lines.csv");
    let lines: String = (0..LINES).map(|line| format!("key-{},{line}\n", line % KEYS)).collect();
    std::fs::write(&file, lines).unwrap();
    let import = || {
        let mut command = thalweg();
        command.args(["import", "--json", "--node", &cluster.urls()]).arg(&file);
        command
    };
    let mut first = import().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("some of the lines to be committed", PATIENCE, || match cluster.height(0) {
        height if height >= 5 => Ok(()),
        height => Err(format!("at height {height}")),
    });
    first.kill().unwrap();
    assert!(first.wait().unwrap().code().is_none(), "it was killed before its end");
    let (output, report) = run(&mut import());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(report["committed"], LINES, "{report}");
    cluster.wait_for_height(cluster.highest());
    for key in 0..KEYS {
        let last = (LINES - KEYS + key).to_string();
        assert_eq!(cluster.get(key % 4, &format!("/v1/kv/key-{key}")).unwrap(), last, "key-{key}");
    }
    cluster.stop();
}
