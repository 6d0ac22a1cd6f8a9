//! Links that lose packets, carry them one way only, or take their time, between processes that are all well. As in
//! [`crate::partitions`] each node has a network namespace of its own.

use std::time::{Duration, Instant};

use crate::{
    audit::audit,
    cluster::{Cluster, PATIENCE, hold},
    load::Load,
    partitions::Network,
};

/// Longer than the pings that find a dead connection take.
const CUT: Duration = Duration::from_secs(8);

/// How long the way from one validator to another is.
const DELAY: Duration = Duration::from_millis(50);

const ALL: [usize; 4] = [0, 1, 2, 3];

/// What clients were answered before, meanwhile and afterwards is one history.
#[track_caller]
fn heal_and_audit(network: &Network, cluster: Cluster, load: Load) {
    network.heal();
    load.more(100, PATIENCE);
    cluster.wait_until_ready(&ALL);
    audit(cluster, load.finish());
}

#[test]
fn a_fifth_lost_one_way_on_two_links_costs_nobody_an_answer() {
    let network = Network::create(4);
    let cluster = Cluster::start_at(&network.places());
    let load = Load::start(&cluster.https(), 8);
    load.more(100, PATIENCE);
    let links = [(0, 1), (2, 3)];
    links.iter().for_each(|&(from, to)| network.lose(from, to, 20));
    load.more(300, PATIENCE);
    for (from, to) in links {
        assert!(network.dropped(from, to) > 0, "nothing was lost from {from} to {to}");
    }
    heal_and_audit(&network, cluster, load);
}

/// Each cut is one way: 3 hears 0 and is not heard by it, 1 hears 3 and is not heard.
#[test]
fn links_that_carry_one_way_only_stop_nobody() {
    let network = Network::create(4);
    let cluster = Cluster::start_at(&network.places());
    let load = Load::start(&cluster.https(), 8);
    load.more(100, PATIENCE);
    let before = load.done();
    network.deafen(0, 3);
    hold(CUT);
    assert!(load.done() > before + 30, "all but one link work, and {} were answered", load.done() - before);
    network.deafen(3, 1);
    load.more(100, PATIENCE);
    for (deaf, to) in [(0, 3), (3, 1)] {
        assert!(network.dropped(to, deaf) > 0, "nothing was lost from {to} to {deaf}");
    }
    heal_and_audit(&network, cluster, load);
}

#[test]
fn validators_far_from_each_other_serve_slowly_and_alike() {
    let network = Network::create(4);
    network.delay(DELAY);
    let cluster = Cluster::start_at(&network.places());
    let started = Instant::now();
    cluster.put(0, "far", "away").expect("it is only slow");
    // A proposal and the votes for it, at the least.
    assert!(started.elapsed() >= 2 * DELAY, "decided in {:?}: nothing is delayed", started.elapsed());
    let load = Load::start(&cluster.https(), 8);
    load.more(150, PATIENCE);
    let outcome = load.finish();
    audit(cluster, outcome);
}
