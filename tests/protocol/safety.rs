//! The counter-examples by which the safety rules were found. Each shows what goes wrong without its rule.

use bytes::Bytes;
use thalweg::protocol::{
    Input, Record,
    streamlette::{Diff, Item, Message, Record as Memory},
};

use crate::world::{Letter, World, index};

/// `SL-V2`
#[test]
fn a_vote_counts_and_leaves_only_after_it_is_durable() {
    let mut world = World::running(4, [1]);
    world.replicas[1].syncs = false;
    let (header, payload) = world.proposal(0, "value");
    let lead = world.lead(&header, Some(&payload));
    world.tell(0, 1, lead);
    let votes = world.votes(&header, &[2]);
    world.tell(2, 1, votes);
    assert_eq!(world.replicas[1].votes().len(), 1, "the vote is cast");
    assert!(!world.wire.iter().any(Letter::is_vote), "but not sent");
    assert_eq!(world.replicas[1].round(), 0, "and not counted: two others and it would be a quorum");
    world.sync(1);
    assert!(world.wire.iter().any(Letter::is_vote));
    assert_eq!(world.replicas[1].round(), 1);
}

#[test]
fn what_was_not_durable_never_happened() {
    let mut world = World::running(4, [0]);
    world.replicas[0].syncs = false;
    world.demand(0);
    assert!(world.wire.is_empty(), "a leader's message waits for the disk");
    world.crash(0);
    world.replicas[0].syncs = true;
    world.replicas[0].payload = Some(Bytes::from_static(b"other"));
    world.start(0);
    assert!(world.wire.is_empty());
    world.demand(0);
    assert_eq!(world.wire.len(), 3, "free to propose something else");
}

/// `SL-V1`, `SL-V2`
#[test]
fn refuses_second_vote_in_tick_after_restart() {
    let mut world = World::led_by(4, 3);
    world.start(1);
    let (first, first_payload) = world.proposal(0, "first");
    let (second, second_payload) = world.proposal(0, "second");
    let lead = world.lead(&first, Some(&first_payload));
    world.tell(3, 1, lead);
    world.crash(1);
    world.start(1);
    world.wire.clear();
    let lead = world.lead(&second, Some(&second_payload));
    world.tell(3, 1, lead);
    let targets: std::collections::BTreeSet<_> = world.replicas[1].votes().iter().map(|(_, target)| *target).collect();
    assert_eq!(targets.len(), 1, "one vote in tick 0, before and after the restart");
}

/// The trace of amnesia: 0 decides on the first value with the help of 1; 1 restarts; the liar 3 and the partitioned
/// 2 try to win 1 over for another value.
#[test]
fn a_restarted_voter_keeps_its_lock() {
    amnesia(|_| {});
}

/// With the tree back, the longest chain speaks against the other value too; the lock must do alone.
#[test]
fn a_restarted_voter_keeps_its_lock_even_without_its_tree() {
    amnesia(|items| items.clear());
}

fn amnesia(damage: impl Fn(&mut Vec<Item>)) {
    let mut world = World::led_by(4, 3);
    (0..3).for_each(|at| world.start(at));
    let (root, payload) = world.proposal(0, "one");
    let middle = world.solicit(1, &root);
    let last = world.solicit(2, &middle);
    for (header, payload) in [(&root, Some(&payload)), (&middle, None), (&last, None)] {
        for at in [0, 1] {
            let lead = world.lead(header, payload);
            world.tell(3, at, lead);
        }
        world.deliver_if(|letter| letter.is_vote() && letter.to != 2);
        world.lose_if(|letter| letter.to == 2);
    }
    assert_eq!(world.agreed([0]).as_deref(), Some(&b"one"[..]), "{}", world.picture());
    world.crash(1);
    world.replicas[1].decided = None;
    for record in &mut world.replicas[1].disk {
        let Record::Streamlette(record) = record else { continue };
        if let Memory::Vote { items, .. } = record {
            damage(items);
        }
    }
    world.start(1);
    world.wire.clear();
    let (root, payload) = world.proposal(3, "two");
    for at in [1, 2] {
        for signer in [0, 2, 3] {
            let want = world.want(signer, 3);
            world.tell(signer, at, want);
        }
        let lead = world.lead(&root, Some(&payload));
        world.tell(3, at, lead);
    }
    let voted_for_two = |at: usize, world: &World| world.replicas[at].votes().iter().any(|(tick, _)| *tick == 3);
    assert!(voted_for_two(2, &world), "2 knows nothing of the first value");
    assert!(!voted_for_two(1, &world), "1 is locked on it");
}

#[test]
fn restarted_replicas_alone_finish_what_they_began() {
    // All are killed at once, after every number of deliveries in turn; the owner never comes back.
    for deliveries in 0..40 {
        let mut world = World::running(4, 0..4);
        world.demand(0);
        for _ in 0..deliveries {
            if let Some(letter) = world.wire.pop_front() {
                world.hand_over(letter);
            }
        }
        let decided: Vec<_> =
            world.replicas.iter().filter_map(|replica| replica.decided.clone()).map(|(payload, _)| payload).collect();
        (0..4).for_each(|at| world.crash(at));
        world.wire.clear();
        for at in 1..4 {
            world.replicas[at].decided = None;
            world.start(at);
            world.demand(at);
        }
        world.run(std::time::Duration::from_secs(120), |letter| letter.to != 0);
        let value = world.agreed(1..4).unwrap_or_else(|| panic!("after {deliveries}:\n{}", world.picture()));
        assert!(decided.iter().all(|before| *before == value), "a decided value is never lost");
    }
}

/// `SL-V3`
#[test]
fn a_vote_is_recorded_with_what_justifies_it() {
    let mut world = World::running(4, 0..4);
    world.demand(0);
    world.deliver_all();
    for replica in &world.replicas[1..] {
        let items: Vec<usize> = replica
            .disk
            .iter()
            .filter_map(|record| if let Record::Streamlette(record) = record { Some(record) } else { None })
            .map(|record| match record {
                Memory::Vote { items, .. } => items.len(),
                Memory::Want { .. } => 0,
            })
            .collect();
        // First the Proposal with its value; then the votes that notarize it, and the Solicit.
        assert_eq!(items, [1, 2]);
    }
    // The value is written once.
    let disk = format!("{:?}", world.replicas[1].disk);
    assert_eq!(disk.matches("value of 0").count(), 1);
}

#[test]
fn recovers_from_records_without_their_optional_parts() {
    let mut world = World::running(4, 0..4);
    world.demand(0);
    world.deliver_all();
    world.crash(1);
    world.replicas[1].decided = None;
    for record in &mut world.replicas[1].disk {
        let Record::Streamlette(record) = record else { continue };
        if let Memory::Vote { items, .. } = record {
            items.clear();
        }
    }
    world.start(1);
    world.demand(1);
    assert_eq!(world.replicas[1].round(), 1, "where it voted last");
    world.run(std::time::Duration::from_secs(5), |_| true);
    assert!(world.agreed(0..4).is_some(), "the others have the rest");
}

/// `SL-I4`
#[test]
fn a_notarized_third_twin_is_taken() {
    // A cap of two messages in a tick would keep a replica from ever seeing the one that a quorum voted for.
    let mut world = World::led_by(4, 3);
    world.start(1);
    let twins = ["a", "b", "c"].map(|value| world.proposal(0, value));
    for (header, payload) in &twins {
        let lead = world.lead(header, Some(payload));
        world.tell(3, 1, lead);
    }
    let (third, payload) = &twins[2];
    let item = world.item(third, Some(payload), world.ballots(third, &[0, 2, 3]));
    world.tell(0, 1, Message::Diff(Diff::of(vec![item])));
    assert_eq!(world.replicas[1].round(), 1, "{}", world.picture());
}

#[test]
fn another_notarized_message_beside_the_first_of_three_is_not_fatal() {
    // P@0 and P'@2 may both be notarized with one liar; then s@3 and s@4 decide P'.
    let mut world = World::led_by(4, 3);
    world.start(1);
    let (first, first_payload) = world.proposal(0, "first");
    let (second, second_payload) = world.proposal(2, "second");
    let middle = world.solicit(3, &second);
    let last = world.solicit(4, &middle);
    let items = vec![
        world.item(&first, Some(&first_payload), world.ballots(&first, &[0, 2, 3])),
        world.item(&second, Some(&second_payload), world.ballots(&second, &[0, 2, 3])),
        world.item(&middle, None, world.ballots(&middle, &[0, 2, 3])),
        world.item(&last, None, world.ballots(&last, &[0, 2, 3])),
    ];
    world.tell(3, 1, Message::Diff(Diff::of(items)));
    assert_eq!(world.agreed([1]).as_deref(), Some(&b"second"[..]));
    assert!(!world.replicas[1].is_fatal());
}

/// `SL-F1`
#[test]
fn a_certificate_for_another_value_is_fatal() {
    let mut world = World::running(4, 0..4);
    world.demand(0);
    world.deliver_all();
    let (root, payload) = world.proposal(0, "other");
    let last = world.solicit(1, &root);
    let mut other = World::running(4, [1]);
    let items = vec![
        other.item(&root, Some(&payload), other.ballots(&root, &[0, 2, 3])),
        other.item(&last, None, other.ballots(&last, &[0, 2, 3])),
    ];
    other.tell(0, 1, Message::Diff(Diff::of(items)));
    let (payload, certificate) = other.replicas[1].decided.clone().unwrap();
    world.tell(3, 1, Message::Certificate { certificate, payload });
    assert!(world.replicas[1].is_fatal());
    assert_eq!(world.agreed(0..4).as_deref(), Some(&b"value of 0"[..]), "what is decided stays");
}

#[test]
fn a_retired_replica_serves_but_does_not_vote() {
    let mut world = World::running(4, [1]);
    world.input(1, Input::Retire);
    let (header, payload) = world.proposal(0, "value");
    let lead = world.lead(&header, Some(&payload));
    world.tell(0, 1, lead);
    assert!(world.replicas[1].votes().is_empty());
    assert_eq!(world.replicas[1].seat().view().voters, [index(0)]);
}

/// `SL-V4`
#[test]
fn votes_in_the_current_tick_only_and_looks_again_when_it_comes() {
    let mut world = World::running(4, [1]);
    let (early, payload) = world.proposal(1, "early");
    let message = world.lead(&early, Some(&payload));
    world.tell(0, 1, message);
    assert_eq!(world.replicas[1].votes(), [], "tick 1 has not come");
    for signer in [0, 2, 3] {
        let want = world.want(signer, 1);
        world.tell(signer, 1, want);
    }
    assert_eq!(world.replicas[1].votes(), [(1, world.id(&early))], "tick 0 is over");
}
