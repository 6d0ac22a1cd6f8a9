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

#[test]
fn says_whose_votes_are_missing_under_which_leader() {
    let bench = Bench::new();
    let voters = vec![ValidatorIndex::new(0), ValidatorIndex::new(2)];
    let view = View { round: 3, leader: Some(ValidatorIndex::new(1)), is_wanted: true, voters, ..View::default() };
    let mut instance = InstanceView { height: Height::new(9), view };
    let found = findings(&bench, Examination { instance: Some(instance.clone()), ..healthy() });
    assert_eq!(found, ["height 9 is in round 3 under validator 1; votes missing: validator 1, validator 3"]);
    assert_eq!(bench.get("/v1/doctor").json(200)["missing_votes"], serde_json::json!([1, 3]));
    assert_eq!(bench.get("/v1/doctor").json(200)["instance"]["round"], 3);
    // Nobody waits for a dormant instance: its votes are not missing.
    instance.view.is_wanted = false;
    assert_eq!(findings(&bench, Examination { instance: Some(instance), ..healthy() }), Vec::<String>::new());
}

#[test]
fn says_who_is_not_connected_and_who_is_silent() {
    let bench = Bench::new();
    let validators = vec![validator(0, false), validator(1, true), validator(2, false), validator(3, false)];
    let found = findings(&bench, Examination { validators, is_quorum_connected: false, ..healthy() });
    assert_eq!(found, ["the validators in reach are no quorum; not connected: validator 2, validator 3"]);
    let peer = PeerView {
        peer_id: "p".to_owned(),
        address: "/ip4/127.0.0.1".to_owned(),
        validator: Some(ValidatorIndex::new(2)),
        height: Some(Height::new(5)),
        last_heard_ms_ago: Some(12_345),
    };
    let found = findings(&bench, Examination { peers: vec![peer], ..healthy() });
    assert_eq!(found, ["validator 2 is connected, but was last heard 12 s ago"]);
    let patient = &bench.get("/v1/doctor").json(200)["validators"][2];
    assert_eq!((&patient["last_heard_ms_ago"], &patient["height"]), (&12_345.into(), &5.into()));
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
