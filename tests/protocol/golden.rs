//! The bytes of each message, fixed: whoever changes them changes the protocol, and must say so by a version.

use std::fmt::Write as _;

use thalweg::{
    crypto::{Kind, Signable},
    protocol::{
        self,
        streamlette::{Diff, Header, Message, Proposal, Solicit, Vote, Want},
    },
    types::codec,
};

use crate::world::World;

fn messages() -> Vec<(&'static str, Message)> {
    let mut world = World::running(4, 0..4);
    world.demand(0);
    let mut messages = Vec::new();
    while let Some(letter) = world.wire.pop_front() {
        if let Some(message) = letter.message() {
            let name = match message {
                Message::Proposal { .. } => "proposal",
                Message::Solicit { .. } => "solicit",
                Message::Vote(_) => "vote",
                _ => "other",
            };
            if !messages.iter().any(|(known, _)| *known == name) {
                messages.push((name, message.clone()));
            }
        }
        world.hand_over(letter);
    }
    let (payload, certificate) = world.replicas[1].decided.clone().unwrap();
    messages.push(("certificate", Message::Certificate { certificate, payload }));
    messages.push(("want", world.want(2, 300)));
    let (header, payload) = world.proposal(0, "value");
    let mut diff = Diff::of(vec![world.item(&header, Some(&payload), world.ballots(&header, &[0, 1]))]);
    diff.more = true;
    messages.push(("diff", Message::Diff(diff)));
    messages
}

#[test]
fn every_message_has_its_golden_bytes() {
    let mut text = String::new();
    for (name, message) in messages() {
        let message = protocol::Message::Streamlette(message);
        let bytes = codec::encode(&message);
        assert_eq!(codec::decode::<protocol::Message>(&bytes).as_ref(), Ok(&message));
        writeln!(text, "{name} {}", hex::encode(&bytes)).unwrap();
    }
    let world = World::new(4);
    let (header, _) = world.proposal(0, "value");
    let solicit = world.solicit(1, &header);
    for (name, header) in [("proposal", header), ("solicit", solicit)] {
        writeln!(text, "id of a {name} {}", world.id(&header)).unwrap();
    }
    let golden = include_str!("golden.txt");
    assert_eq!(text, golden, "the encoding changed; the new bytes are above");
}

#[test]
fn no_two_signed_types_share_a_kind() {
    let kinds: [Kind; 4] = [Proposal::KIND, Solicit::KIND, Vote::KIND, Want::KIND];
    let names: std::collections::BTreeSet<_> = kinds.iter().map(|kind| (kind.protocol, kind.name)).collect();
    assert_eq!(names.len(), kinds.len());
}

/// `SL-W1`
#[test]
fn an_id_covers_every_field_and_the_instance() {
    let mut world = World::new(4);
    let (Header::Proposal(base), _) = world.proposal(0, "value") else { unreachable!() };
    let mut ids = std::collections::BTreeSet::new();
    let mut add = |header: Header, world: &World| assert!(ids.insert(world.id(&header)), "{header:?}");
    let mut changed = base;
    add(Header::Proposal(base), &world);
    changed.payload_len += 1;
    add(Header::Proposal(changed), &world);
    changed.tick = changed.tick.next();
    add(Header::Proposal(changed), &world);
    changed.leader = crate::world::index(1);
    add(Header::Proposal(changed), &world);
    changed.payload_root = thalweg::types::Digest::new([1; 32]);
    add(Header::Proposal(changed), &world);
    let Header::Solicit(mut solicit) = world.solicit(1, &Header::Proposal(base)) else { unreachable!() };
    add(Header::Solicit(solicit), &world);
    solicit.depth = solicit.depth.below();
    add(Header::Solicit(solicit), &world);
    solicit.root = thalweg::types::Digest::new([1; 32]);
    add(Header::Solicit(solicit), &world);
    solicit.parent = thalweg::types::Digest::new([1; 32]);
    add(Header::Solicit(solicit), &world);
    world.electorate.id = thalweg::types::Digest::new([1; 32]);
    add(Header::Proposal(base), &world);
}
