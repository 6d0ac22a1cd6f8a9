//! The doctor's findings, each from the figures that it rests on.

use super::*;
use crate::{
    api::port::{Examination, InstanceView, PeerView, QueueView, ValidatorView},
    protocol::View,
    types::{Power, PublicKey, ValidatorIndex},
};

fn validator(index: u16, is_connected: bool) -> ValidatorView {
    let (index, power) = (ValidatorIndex::new(index), Power::new(1));
    let is_self = index == ValidatorIndex::new(0);
    ValidatorView { index, public_key: PublicKey::new([7; 32]), power, is_self, is_connected }
}

fn healthy() -> Examination {
    let validators = (0..4).map(|index| validator(index, index > 0)).collect();
    Examination {
        validators,
        is_quorum_connected: true,
        mesh_peers: 3,
        mempool_bytes_max: 1000,
        ..Examination::default()
    }
}

fn findings(bench: &Bench, examination: Examination) -> Vec<String> {
    bench.node.set_examination(examination);
    let document = bench.get("/v1/doctor").json(200);
    document["findings"].as_array().unwrap().iter().map(|finding| finding.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_healthy_node_has_no_findings() {
    assert_eq!(findings(&Bench::new(), healthy()), Vec::<String>::new());
}

fn peer(index: u16) -> PeerView {
    PeerView {
        peer_id: format!("p{index}"),
        address: "/ip4/127.0.0.1".to_owned(),
        validator: Some(ValidatorIndex::new(index)),
        height: Some(Height::new(5)),
        last_heard_ms_ago: Some(400),
        round_trip_us: None,
        is_in_mesh: true,
        has_substream: true,
        queued_frames: 0,
        agent: crate::agent(),
        clock_ahead_ms: Some(3),
    }
}

#[test]
fn says_whose_votes_are_missing_under_which_leader() {
    let bench = Bench::new();
    let voters = vec![ValidatorIndex::new(0), ValidatorIndex::new(2)];
    let (leader, next_leader) = (Some(ValidatorIndex::new(1)), Some(ValidatorIndex::new(2)));
    let view = View { round: 3, leader, next_leader, is_wanted: true, voters, ..View::default() };
    let stuck = Examination {
        instance: Some(InstanceView { height: Height::new(9), view }),
        power_voted: 2,
        power_needed: 3,
        peers: vec![peer(1)],
        last_executed_ms_ago: Some(12_300),
        ..healthy()
    };
    let found = findings(&bench, stuck.clone());
    let words = "height 9 is in round 3 under validator 1; votes of power 2 of 3 needed are here, missing: \
        validator 1 (last heard 0 s ago), validator 3 (not heard since the start); validator 2 leads next; \
        the last height was executed 12 s ago";
    assert_eq!(found, [words]);
    let document = bench.get("/v1/doctor").json(200);
    assert_eq!(document["missing_votes"], serde_json::json!([1, 3]));
    assert_eq!(document["instance"]["round"], 3);
    assert_eq!(document["advice"].as_array().unwrap().len(), 1);
    // Votes are always missing for a moment: while blocks are decided nothing is said of it.
    let moving = Examination { last_executed_ms_ago: Some(100), ..stuck.clone() };
    assert_eq!(findings(&bench, moving), Vec::<String>::new());
    // Nobody waits for a dormant instance: its votes are not missing.
    let mut dormant = stuck;
    dormant.instance.as_mut().unwrap().view.is_wanted = false;
    assert_eq!(findings(&bench, dormant), Vec::<String>::new());
}

#[test]
fn says_who_is_not_connected_and_who_is_silent() {
    let bench = Bench::new();
    let validators = vec![validator(0, false), validator(1, true), validator(2, false), validator(3, false)];
    let (power_needed, gone_ms_ago) = (3, [(ValidatorIndex::new(3), 125_000)].into());
    let cut = Examination { validators, is_quorum_connected: false, power_needed, gone_ms_ago, ..healthy() };
    let words = "the validators in reach are no quorum: power 2 of 4, 3 needed; not connected: \
        validator 2 (not heard since the start), validator 3 (last heard 2 min ago)";
    assert_eq!(findings(&bench, cut), [words]);
    assert_eq!(bench.get("/v1/doctor").json(200)["validators"][3]["last_heard_ms_ago"], 125_000);
    let silent = PeerView { last_heard_ms_ago: Some(12_345), ..peer(2) };
    let found = findings(&bench, Examination { peers: vec![silent], ..healthy() });
    assert_eq!(found, ["validator 2 is connected, but was last heard 12 s ago"]);
    let patient = &bench.get("/v1/doctor").json(200)["validators"][2];
    assert_eq!((&patient["last_heard_ms_ago"], &patient["height"]), (&12_345.into(), &5.into()));
}

#[test]
fn a_listener_does_not_miss_validators_that_it_cannot_know() {
    let listener = || {
        let validators = (0..4).map(|index| ValidatorView { is_self: false, ..validator(index, false) }).collect();
        Examination { validators, is_quorum_connected: false, ..healthy() }
    };
    let followed = Examination { peers: vec![PeerView { validator: None, ..peer(0) }], ..listener() };
    assert_eq!(findings(&Bench::new(), followed), Vec::<String>::new());
    assert_eq!(findings(&Bench::new(), listener()), ["no peer is connected"]);
}

#[test]
fn says_whose_clock_is_wrong() {
    let bench = Bench::new();
    let ahead = |ms: [i64; 3]| {
        let peers = (1..).zip(ms).map(|(index, ms)| PeerView { clock_ahead_ms: Some(ms), ..peer(index) }).collect();
        findings(&bench, Examination { peers, ..healthy() })
    };
    assert_eq!(ahead([0, 900, -900]), Vec::<String>::new());
    assert_eq!(ahead([0, 7_300_000, 0]), ["the clock of validator 2 is 2 h ahead of this node's"]);
    assert_eq!(ahead([-5_000, 0, 0]), ["the clock of validator 1 is 5 s behind this node's"]);
    let ours = "this node's clock is 2 h ahead of those of 3 of 3 validators";
    assert_eq!(ahead([-7_300_000, -7_300_010, -7_299_990]), [ours]);
}

#[test]
fn says_who_is_of_another_chain_or_version() {
    let bench = Bench::new();
    let foreign = Examination { foreign_peers: 4, last_foreign_ms_ago: Some(3_000), ..healthy() };
    let words = "peers of another chain were turned away 4 times since the start, the last one 3 s ago: \
        their genesis is another";
    assert_eq!(findings(&bench, foreign.clone()), [words]);
    let long_ago = Examination { last_foreign_ms_ago: Some(200_000), ..foreign };
    assert_eq!(findings(&bench, long_ago), Vec::<String>::new());
    let newer = PeerView { agent: "thalweg/9.9.9".to_owned(), ..peer(3) };
    let words = format!("validator 3 runs thalweg/9.9.9, this node {}", crate::agent());
    assert_eq!(findings(&bench, Examination { peers: vec![newer], ..healthy() }), [words]);
}

#[test]
fn says_what_is_full() {
    let bench = Bench::new();
    let queues = vec![
        QueueView { actor: "router", depth: 2049, depth_max: 4096 },
        QueueView { actor: "replica", depth: 2048, depth_max: 4096 },
    ];
    let disk_warning = Some("the disk is almost full".to_owned());
    let found = findings(&bench, Examination { queues, disk_warning, ..healthy() });
    assert_eq!(found, ["the disk is almost full", "2049 messages wait for the router, of 4096 at most"]);
}

#[test]
fn evidence_is_a_list() {
    assert_eq!(Bench::new().get("/v1/evidence").json(200), serde_json::json!({"evidence": []}));
}
