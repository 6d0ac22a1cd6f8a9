//! The bytes of each message, fixed: whoever changes them changes the protocol, and must say so by a version.

use std::fmt::Write as _;

use thalweg::{
    crypto::{Kind, Signable},
    protocol::{
        self,
        pbft::{Change, Diff, Message, Opening, Phase, Vote},
    },
    types::codec,
};

use super::world::{World, proposal, value};

fn messages(world: &World) -> Vec<(&'static str, Message)> {
    let prepared = proposal(0, 1, b"value");
    let proof = world.proof(&[0, 1, 2], Phase::Prepare, prepared);
    let with = world.view_change(0, 1, &[(prepared, proof.clone())]);
    let changes = [with.clone(), world.view_change(1, 1, &[]), world.view_change(2, 1, &[])];
    let new_view = world.new_view(1, 1, &changes, vec![proof]);
    let bodies = vec![value(0, 2, 0)].try_into().unwrap();
    let diff = Diff { bodies, more: true, ..Diff::default() };
    vec![
        ("pre-prepare", world.pre_prepare(0, 0, 1, &value(0, 1, 0))),
        ("prepare", world.vote(1, Phase::Prepare, prepared)),
        ("commit", world.vote(1, Phase::Commit, prepared)),
        ("view change", Message::ViewChange(Box::new(with))),
        ("new view", Message::NewView(Box::new(new_view))),
        ("diff", Message::Diff(diff)),
    ]
}

#[test]
fn every_message_has_its_golden_bytes() {
    let mut text = String::new();
    for (name, message) in messages(&World::new(4)) {
        let message = protocol::Message::Pbft(message);
        let bytes = codec::encode(&message);
        assert_eq!(codec::decode::<protocol::Message>(&bytes).as_ref(), Ok(&message));
        writeln!(text, "{name} {}", hex::encode(&bytes)).unwrap();
    }
    assert_eq!(text, include_str!("golden.txt"), "the encoding changed; the new bytes are above");
}

/// `PB-W1`
#[test]
fn no_two_kinds_of_what_is_signed_share_a_name() {
    let kinds = [Vote::KIND, Change::KIND, Opening::KIND];
    let names: Vec<(&str, &str)> = kinds.iter().map(|Kind { protocol, name, .. }| (*protocol, *name)).collect();
    assert_eq!(names, [("pbft", "vote"), ("pbft", "view change"), ("pbft", "new view")]);
}
