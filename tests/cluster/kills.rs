//! SIGKILL at any moment, of one node, of all, of as many as stall the cluster.

use std::time::Duration;

use crate::{
    audit::audit,
    cluster::{Cluster, PATIENCE, eventually, hold},
    load::{Client, Load},
};

const ALL: [usize; 4] = [0, 1, 2, 3];

#[test]
fn writes_on_one_node_are_read_on_the_others_under_load() {
    let cluster = Cluster::start(&[]);
    let load = Load::start(&cluster.https(), 8);
    load.more(800, PATIENCE);
    let outcome = load.finish();
    audit(cluster, outcome);
}

#[test]
fn one_node_after_another_is_killed_under_load() {
    let mut cluster = Cluster::start(&[]);
    let load = Load::start(&cluster.https(), 8);
    for node in ALL {
        load.more(150, PATIENCE);
        cluster.kill(&[node]);
        load.more(150, PATIENCE);
        cluster.restart(node);
    }
    load.more(150, PATIENCE);
    let outcome = load.finish();
    audit(cluster, outcome);
}

#[test]
fn all_nodes_are_killed_again_and_again_under_load() {
    let mut cluster = Cluster::start(&[]);
    let load = Load::start(&cluster.https(), 8);
    for _ in 0..8 {
        load.more(100, PATIENCE);
        cluster.kill(&ALL);
        cluster.spawn(&ALL, &[]);
        cluster.wait_until_ready(&ALL);
    }
    load.more(100, PATIENCE);
    let outcome = load.finish();
    audit(cluster, outcome);
}

#[test]
fn nodes_that_are_killed_while_they_start_lose_nothing() {
    let mut cluster = Cluster::start(&[]);
    let load = Load::start(&cluster.https(), 4);
    load.more(200, PATIENCE);
    // Not waited for: each round meets the starts of the round before at another moment.
    for round in 0..12 {
        cluster.kill(&ALL);
        cluster.spawn(&ALL, &[]);
        hold(Duration::from_millis(40 * round));
    }
    cluster.wait_until_ready(&ALL);
    load.more(200, PATIENCE);
    let outcome = load.finish();
    audit(cluster, outcome);
}

#[test]
fn two_of_four_down_stalls_without_damage_and_resumes() {
    let mut cluster = Cluster::start(&[]);
    let load = Load::start(&cluster.https(), 8);
    load.more(300, PATIENCE);
    cluster.kill(&[1, 2]);
    // What was on its way is decided or not by now; from here on nothing can be.
    let height = cluster.highest();
    let stalled = stalled_write(&cluster, 0);
    assert_eq!(stalled.0, 504, "nothing can be decided");
    assert!(cluster.highest() <= height + 1, "two of four decided something");
    cluster.spawn(&[1, 2], &[]);
    cluster.wait_until_ready(&ALL);
    load.more(300, PATIENCE);
    let fate = Client::new(PATIENCE);
    eventually("the stalled write to be committed", PATIENCE, || {
        let reply = fate.get(&format!("{}/v1/commands/{}", cluster.nodes[3].http, stalled.1))?.json();
        if reply["status"] == "committed" { Ok(()) } else { Err(reply.to_string()) }
    });
    let outcome = load.finish();
    audit(cluster, outcome);
}

/// A write that waits three seconds in vain; returns the status and the id.
fn stalled_write(cluster: &Cluster, node: usize) -> (u16, String) {
    let url = format!("{}/v1/kv/stalled?timeout_ms=3000", cluster.nodes[node].http);
    let reply = Client::new(PATIENCE).send("PUT", &url, Some("stalled"), "value").expect("the node answers");
    (reply.status, reply.json()["id"].as_str().unwrap_or_default().to_owned())
}
