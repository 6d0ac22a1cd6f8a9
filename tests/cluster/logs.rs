//! One height's life is followed through the logs of all nodes by one id.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cluster::{Cluster, PATIENCE, eventually};

/// The lines of a node's log that are about a height.
fn lines_about(cluster: &Cluster, node: usize, height: u64) -> Vec<Value> {
    let log = cluster.log(node);
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["height"].as_u64() == Some(height)).collect()
}

#[test]
fn a_heights_life_is_followed_across_nodes_by_one_id() {
    let cluster = Cluster::start_with(&[], &[("THALWEG__LOG__LEVEL", "debug")]);
    let height = cluster.put(1, "river", "to the sea").unwrap();
    cluster.wait_for_height(height);
    let instance = cluster.json(0, &format!("/v1/blocks/{height}")).unwrap()["instance"].as_str().unwrap().to_owned();
    let mut proposers = 0;
    for node in 0..4 {
        let lines = eventually("the height's life to stand in the log", PATIENCE, || {
            let lines = lines_about(&cluster, node, height);
            let told: BTreeSet<_> = lines.iter().filter_map(|line| line["message"].as_str()).collect();
            let is_whole = ["decided", "recorded", "executed"].iter().all(|station| told.contains(station));
            if is_whole { Ok(lines.clone()) } else { Err(format!("node {node} told {told:?}")) }
        });
        let of_instance: Vec<_> = lines.iter().filter(|line| line["message"] == "instance").collect();
        assert!(!of_instance.is_empty(), "node {node} tells nothing of the instance");
        for line in of_instance {
            let id = line["instance"].as_str().unwrap();
            assert!(id.len() == 8 && instance.starts_with(id), "node {node}: {line} is not of {instance}");
        }
        let has = |event: &str| lines.iter().any(|line| line["event"].as_str().is_some_and(|e| e.starts_with(event)));
        assert!(has("VoteCast") && has("Concluded"), "node {node} voted and saw the decision: {lines:?}");
        proposers += usize::from(has("Proposed"));
        let executed = lines.iter().find(|line| line["message"] == "executed").unwrap();
        assert_eq!(executed["commands"], 1, "{executed}");
    }
    assert!(proposers >= 1, "somebody proposed");
    cluster.stop();
}
