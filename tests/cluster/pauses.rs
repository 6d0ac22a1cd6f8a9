//! SIGSTOP and SIGCONT: processes that stand still while the world goes on, and come back in the middle of a sentence.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::{
    audit::audit,
    cluster::{Cluster, PATIENCE, hold},
    load::Load,
};

/// As of a machine that is moved or debugged, and longer than every timeout of a node: requests 5 s, pings 6 s, rounds
/// 10 s.
const PAUSE: Duration = Duration::from_secs(30);

/// How soon after a pause writes must be answered again. Rounds that were backed off to their longest may have to end.
const RESUMED_WITHIN: Duration = Duration::from_secs(15);

fn stop(cluster: &Cluster, nodes: &[usize]) {
    nodes.iter().for_each(|node| cluster.signal(*node, Signal::STOP));
}

fn go_on(cluster: &Cluster, nodes: &[usize]) {
    nodes.iter().for_each(|node| cluster.signal(*node, Signal::CONT));
}

#[test]
fn a_node_that_stands_still_is_not_missed_and_comes_back() {
    let cluster = Cluster::start(&[]);
    let load = Load::start(&cluster.https(), 8);
    load.more(200, PATIENCE);
    stop(&cluster, &[2]);
    let before = load.done();
    hold(PAUSE);
    // Clients that asked the fourth wait for it in vain; the others are answered.
    assert!(load.done() > before + 30, "three of four answered {} in {:?}", load.done() - before, PAUSE);
    go_on(&cluster, &[2]);
    cluster.wait_until_ready(&[2]);
    // A quorum that needs it.
    cluster.signal(0, Signal::STOP);
    load.more(100, PATIENCE);
    cluster.signal(0, Signal::CONT);
    cluster.wait_until_ready(&[0]);
    let outcome = load.finish();
    audit(cluster, outcome);
}

#[test]
fn two_nodes_that_stand_still_stall_the_others_without_damage() {
    let cluster = Cluster::start(&[]);
    let load = Load::start(&cluster.https(), 8);
    load.more(200, PATIENCE);
    stop(&cluster, &[1, 3]);
    hold(PAUSE);
    let height = cluster.height(0).max(cluster.height(2));
    hold(Duration::from_secs(1));
    assert_eq!(cluster.height(0).max(cluster.height(2)), height, "two of four decided something");
    go_on(&cluster, &[1, 3]);
    let since = Instant::now();
    load.more(20, RESUMED_WITHIN);
    eprintln!("{:?} after the pause twenty operations are answered", since.elapsed());
    load.more(200, PATIENCE);
    cluster.wait_until_ready(&[0, 1, 2, 3]);
    let outcome = load.finish();
    audit(cluster, outcome);
}

#[test]
fn all_nodes_stand_still_and_go_on() {
    let cluster = Cluster::start(&[]);
    let load = Load::start(&cluster.https(), 8);
    for length in [100, 1_000, 7_000] {
        load.more(100, PATIENCE);
        stop(&cluster, &[0, 1, 2, 3]);
        hold(Duration::from_millis(length));
        go_on(&cluster, &[0, 1, 2, 3]);
    }
    load.more(100, RESUMED_WITHIN);
    cluster.wait_until_ready(&[0, 1, 2, 3]);
    let outcome = load.finish();
    audit(cluster, outcome);
}
