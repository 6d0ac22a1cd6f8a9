//! The doctor on real faults: for each, made for real on real processes, what it says of it and what it says to try.
//! What can be told without a cluster is in the unit tests of the HTTP interface.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use thalweg::{
    config::Genesis,
    journal::{self, Salt},
};

use crate::{
    clocks::FakeClock,
    cluster::{Cluster, PATIENCE, eventually, thalweg},
    disks::{SmallDisk, move_data},
};

/// Waits until the doctor of a node says something of which all these are part, and what to try.
#[track_caller]
pub fn says(cluster: &Cluster, node: usize, parts: &[&str]) -> Value {
    one_says(cluster, &[node], parts)
}

/// As [`says`], whichever of the nodes it is.
#[track_caller]
fn one_says(cluster: &Cluster, nodes: &[usize], parts: &[&str]) -> Value {
    let mut turns = nodes.iter().cycle();
    eventually(&format!("a finding with {parts:?}"), PATIENCE, || {
        let text = cluster.get(*turns.next().ok_or("no nodes")?, "/v1/doctor")?;
        let diagnosis: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let findings = diagnosis["findings"].as_array().cloned().unwrap_or_default();
        let has_all =
            |finding: &Value| finding.as_str().is_some_and(|text| parts.iter().all(|part| text.contains(part)));
        let is_advised = diagnosis["advice"].as_array().is_some_and(|advice| !advice.is_empty());
        if findings.iter().any(has_all) && is_advised { Ok(diagnosis) } else { Err(format!("it says {findings:#?}")) }
    })
}

#[track_caller]
fn says_nothing(cluster: &Cluster, node: usize) {
    eventually("nothing to be found", PATIENCE, || {
        let text = cluster.get(node, "/v1/doctor")?;
        let diagnosis: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if diagnosis["findings"] == serde_json::json!([]) { Ok(()) } else { Err(diagnosis["findings"].to_string()) }
    });
}

/// A write that will not be decided: from then on a height is wanted.
fn wants(cluster: &Cluster) {
    let put = thalweg().args(["put", "a", "b", "--timeout", "1", "--node", &cluster.nodes[0].http]).output().unwrap();
    assert!(!put.status.success(), "it must not be decided: {put:?}");
}

#[test]
fn all_is_well_and_then_two_of_four_are_killed() {
    let cluster = Cluster::start(&[]);
    says_nothing(&cluster, 0);
    let text = thalweg().args(["doctor", "--node", &cluster.nodes[0].http]).output().unwrap();
    assert!(String::from_utf8_lossy(&text.stdout).contains("all is well here"), "{text:?}");
    cluster.kill(&[3]);
    says(&cluster, 0, &["not connected, while a quorum is: validator ", "last heard"]);
    cluster.kill(&[2]);
    says(&cluster, 0, &["are no quorum: power 2 of 4, 3 needed; not connected: validator", "last heard"]);
    wants(&cluster);
    let parts =
        ["is in round", "votes of power", "of 3 needed are here, missing: validator", "last heard", "leads next"];
    let diagnosis = says(&cluster, 0, &parts);
    assert_eq!(diagnosis["missing_votes"].as_array().unwrap().len(), 2, "{diagnosis}");
    let text = thalweg().args(["doctor", "--node", &cluster.nodes[0].http]).output().unwrap();
    assert!(String::from_utf8_lossy(&text.stdout).contains("  try: start the validators that are down"), "{text:?}");
}

#[test]
fn two_of_four_stand_still() {
    let cluster = Cluster::start(&[]);
    for node in [2, 3] {
        cluster.signal(node, Signal::STOP);
    }
    wants(&cluster);
    says(&cluster, 0, &["is in round", "missing: validator"]);
    // Either the connection still seems to be up, or it was given up by then.
    eventually("who is silent", Duration::from_secs(30), || {
        let text = cluster.get(0, "/v1/doctor")?;
        let is_named = text.contains("is connected, but was last heard") || text.contains("are no quorum");
        if is_named { Ok(()) } else { Err(text) }
    });
    for node in [2, 3] {
        cluster.signal(node, Signal::CONT);
    }
    says_nothing(&cluster, 0);
}

#[test]
fn a_clock_hours_off_another_genesis_and_a_lost_memory() {
    let mut cluster = Cluster::start(&[]);
    let clock = FakeClock::new(&cluster, "clock", "+3h");
    cluster.kill(&[1]);
    cluster.spawn(&[1], &clock.environment());
    says(&cluster, 0, &["the clock of validator ", " is ", " ahead of this node's"]);
    says(&cluster, 1, &["this node's clock is ", " ahead of those of 3 of 3 validators"]);
    cluster.kill(&[1]);
    cluster.restart(1);
    says_nothing(&cluster, 0);

    // A validator that was given another genesis: the same keys, another chain.
    let genesis = std::fs::read_to_string(cluster.genesis()).unwrap();
    let mut other: Value = serde_json::from_str(&genesis).unwrap();
    other["chain"] = "another".into();
    let path = cluster.dir().join("another.json");
    std::fs::write(&path, other.to_string()).unwrap();
    cluster.kill(&[3]);
    let data = cluster.dir().join("elsewhere");
    std::fs::create_dir(&data).unwrap();
    let chain = Genesis::load(&path).unwrap().chain_id();
    journal::create_in(&data, chain, Salt::new([1; 16])).unwrap();
    let environment =
        [("THALWEG__NODE__GENESIS", path.to_str().unwrap()), ("THALWEG__NODE__DATA", data.to_str().unwrap())];
    cluster.spawn(&[3], &environment);
    // Whichever end sees it first turns the other away, which then has seen nothing.
    one_says(&cluster, &[0, 3], &["peers of another chain were turned away", "their genesis is another"]);

    // With another gone there is no quorum, so that one without its memory stays without a vote.
    cluster.kill(&[2, 3]);
    std::fs::remove_dir_all(journal::directory(&cluster.nodes[3].dir.join("data"))).unwrap();
    cluster.spawn_with(&[3], &["--rejoin"], &[]);
    says(&cluster, 3, &["rejoining: this node "]);
}

#[test]
fn the_mempool_is_full() {
    let cluster = Cluster::start_with(&[], &[("THALWEG__MEMPOOL__BYTES_MAX", "262144")]);
    cluster.kill(&[2, 3]);
    let value = "v".repeat(4_000);
    for key in 0..70 {
        let url = format!("{}/v1/kv/key{key}?wait=accepted", cluster.nodes[0].http);
        // The last ones are refused.
        let _ = ureq::put(&url).send(&value);
    }
    says(&cluster, 0, &["the mempool is full, or nearly: ", "262144 bytes at most; clients are answered 429"]);
}

#[test]
fn the_disk_is_almost_full() {
    // Before the cluster: dropped after it.
    let disk = SmallDisk::mount(96 << 20);
    let mut cluster = Cluster::start(&[]);
    cluster.kill(&[3]);
    move_data(&cluster, 3, disk.path());
    cluster.spawn(&[3], &[("THALWEG__STORAGE__FREE_BYTES_MIN", "16777216")]);
    says_nothing(&cluster, 3);
    let filler = disk.fill_but(12 << 20);
    says(&cluster, 3, &["the disk is almost full: ", "less than 16777216; at 0 the node stops"]);
    std::fs::remove_file(filler).unwrap();
    says_nothing(&cluster, 3);
}
