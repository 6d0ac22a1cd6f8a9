//! A certificate convinces whoever knows the validators, and nothing that was tampered with does.

use serde_json::Value;
use thalweg::{
    crypto::seeded_rng,
    protocol::{
        Certificate, Rejection, payload_root,
        streamlette::{self, Diff, Message},
    },
};

use crate::world::World;

/// Decisions by the shortcut, from a Proposal on, and far above one.
fn decisions() -> Vec<(World, streamlette::Certificate)> {
    let chains: [&[u64]; 3] = [&[0, 1], &[2, 3, 4], &[0, 3, 7, 8, 9]];
    chains.into_iter().map(decision).collect()
}

fn decision(ticks: &[u64]) -> (World, streamlette::Certificate) {
    let mut world = World::running(4, [1]);
    let (mut header, payload) = world.proposal(ticks[0], "value");
    let everyone = [0, 1, 2, 3];
    let mut items = vec![world.item(&header, Some(&payload), world.ballots(&header, &everyone))];
    for tick in &ticks[1..] {
        header = world.solicit(*tick, &header);
        items.push(world.item(&header, None, world.ballots(&header, &everyone)));
    }
    world.tell(0, 1, Message::Diff(Diff::of(items)));
    let (payload, certificate) = world.replicas[1].decided.clone().expect("decides");
    assert_eq!(payload, "value");
    (world, certificate)
}

/// `SL-W1`
#[test]
fn verifies_alone_and_names_the_payload() {
    for (world, certificate) in decisions() {
        let verdict = certificate.verify(&world.electorate, &mut seeded_rng(3));
        assert_eq!(verdict, Ok(payload_root(b"value")));
        assert!(certificate.steps.len() <= 3, "constant size whatever the depth");
    }
}

#[test]
fn json_is_accepted_verbatim_and_readable() {
    for (world, certificate) in decisions() {
        let certificate = Certificate::Streamlette(certificate);
        let text = serde_json::to_string_pretty(&certificate).unwrap();
        let back: Certificate = serde_json::from_str(&text).unwrap();
        assert_eq!(back, certificate);
        assert!(back.verify(thalweg::types::Height::FIRST, &world.electorate, &mut seeded_rng(3)).is_ok());
        assert!(text.contains(&payload_root(b"value").to_string()), "digests are hexadecimal");
    }
}

#[test]
fn every_mutated_certificate_is_refused() {
    for (world, certificate) in decisions() {
        let json = serde_json::to_value(&certificate).unwrap();
        let mut paths = Vec::new();
        leaves(&json, String::new(), &mut paths);
        assert!(paths.len() > 20);
        for path in paths {
            for mutated in mutations(json.pointer(&path).unwrap()) {
                let mut json = json.clone();
                *json.pointer_mut(&path).unwrap() = mutated.clone();
                let Ok(certificate) = serde_json::from_value::<streamlette::Certificate>(json) else { continue };
                let verdict = certificate.verify(&world.electorate, &mut seeded_rng(3));
                assert!(verdict.is_err(), "{path} = {mutated}");
            }
        }
    }
}

#[test]
fn parts_left_out_doubled_or_swapped_are_refused() {
    for (world, certificate) in decisions() {
        let json = serde_json::to_value(&certificate).unwrap();
        for list in ["/votes", "/steps", "/steps/0/votes"] {
            let entries = json.pointer(list).and_then(Value::as_array).unwrap().clone();
            for at in 0..entries.len() {
                let mut without = entries.clone();
                without.remove(at);
                let mut doubled = entries.clone();
                doubled.insert(at, entries[at].clone());
                let mut swapped = entries.clone();
                swapped.swap(at, 0);
                for changed in [without, doubled, swapped] {
                    if changed == entries {
                        continue;
                    }
                    let mut json = json.clone();
                    *json.pointer_mut(list).unwrap() = Value::Array(changed);
                    let Ok(certificate) = serde_json::from_value::<streamlette::Certificate>(json) else { continue };
                    assert!(certificate.verify(&world.electorate, &mut seeded_rng(3)).is_err(), "{list} {at}");
                }
            }
        }
        let mut json = json;
        json["extra"] = Value::Null;
        assert!(serde_json::from_value::<streamlette::Certificate>(json).is_err(), "unknown fields are errors");
    }
}

/// `SL-S2`
#[test]
fn the_shortcut_holds_for_ticks_zero_and_one_exactly() {
    let mut world = World::running(4, [1]);
    let everyone = [0, 1, 2, 3];
    // Successive, but not at the beginning.
    let (root, payload) = world.proposal(2, "value");
    let next = world.solicit(3, &root);
    let items = vec![
        world.item(&root, Some(&payload), world.ballots(&root, &everyone)),
        world.item(&next, None, world.ballots(&next, &everyone)),
    ];
    world.tell(0, 1, Message::Diff(Diff::of(items)));
    assert!(world.replicas[1].decided.is_none());
    // At the beginning, but not successive.
    let mut world = World::running(4, [1]);
    let (root, payload) = world.proposal(0, "value");
    let next = world.solicit(2, &root);
    let items = vec![
        world.item(&root, Some(&payload), world.ballots(&root, &everyone)),
        world.item(&next, None, world.ballots(&next, &everyone)),
    ];
    world.tell(0, 1, Message::Diff(Diff::of(items)));
    assert!(world.replicas[1].decided.is_none());
}

#[test]
fn a_certificate_of_another_instance_or_set_is_refused() {
    let (mut world, certificate) = decision(&[0, 1]);
    world.electorate.id = thalweg::types::Digest::new([7; 32]);
    assert!(certificate.verify(&world.electorate, &mut seeded_rng(3)).is_err());
    let larger = World::new(7);
    assert_eq!(certificate.verify(&larger.electorate, &mut seeded_rng(3)), Err(Rejection::NoQuorum));
}

fn leaves(json: &Value, path: String, paths: &mut Vec<String>) {
    match json {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| leaves(value, format!("{path}/{name}"), paths)),
        Value::Array(entries) => {
            entries.iter().enumerate().for_each(|(at, value)| leaves(value, format!("{path}/{at}"), paths));
        }
        _ => paths.push(path),
    }
}

fn mutations(leaf: &Value) -> Vec<Value> {
    match leaf {
        Value::Number(number) => {
            let number = number.as_u64().unwrap();
            vec![(number + 1).into(), number.wrapping_sub(1).into(), (number ^ 4).into(), Value::Null]
        }
        Value::String(hex) => [0, hex.len() / 2, hex.len() - 1]
            .into_iter()
            .map(|at| {
                let mut hex = hex.clone().into_bytes();
                hex[at] = if hex[at] == b'0' { b'1' } else { b'0' };
                String::from_utf8(hex).unwrap().into()
            })
            .collect(),
        other => panic!("no leaf: {other}"),
    }
}
