//! The faults of the program that Streamlette comes from, each as a story that fails if it comes back.

use bytes::Bytes;
use thalweg::{
    protocol::{
        Event, Input, Judgement, Rejection, Verdict,
        streamlette::{Diff, Header, Leaders, Message, Votes, segment_start},
    },
    types::Digest,
};

use crate::world::{Body, Letter, PAYLOAD_BYTES_MAX, World, index};

/// `SL-W3`
#[test]
fn b01_only_the_leader_with_a_good_signature_gets_a_message_in() {
    let mut world = World::running(4, [1]);
    let (header, payload) = world.proposal(0, "stranger's");
    // The leader's name under somebody else's signature.
    let forged = world.ballots(&header, &[3]).iter().next().unwrap().signature;
    let votes = Votes::one(index(0), forged);
    let message = Message::Diff(Diff::of(vec![world.item(&header, Some(&payload), votes)]));
    world.tell(3, 1, message);
    assert!(world.replicas[1].events.contains(&Event::Rejected { reason: Rejection::BadSignature }));
    // A good signature of somebody who does not lead.
    let Header::Proposal(mut own) = header else { unreachable!() };
    own.leader = index(3);
    let own = Header::Proposal(own);
    let message = world.lead(&own, Some(&payload));
    world.tell(3, 1, message);
    assert_eq!(world.judgement(1), Some(Judgement::Reject(Rejection::NotLeader)));
    assert!(world.replicas[1].votes().is_empty(), "{}", world.picture());
}

/// `SL-V5`
#[test]
fn b02_a_value_that_the_application_refuses_gets_no_vote() {
    let mut world = World::running(4, [1]);
    world.replicas[1].verdict = Verdict::Invalid;
    let (header, payload) = world.proposal(0, "nonsense");
    let message = world.lead(&header, Some(&payload));
    world.tell(0, 1, message);
    assert_eq!(world.replicas[1].validated.len(), 1, "the application is asked once");
    assert!(world.replicas[1].votes().is_empty());
    // Notarized by others all the same, what stands on it may be voted for (SL-V5).
    let message = world.votes(&header, &[2, 3]);
    world.tell(2, 1, message);
    let solicit = world.solicit(1, &header);
    let message = world.lead(&solicit, None);
    world.tell(0, 1, message);
    assert_eq!(world.replicas[1].votes(), [(1, world.id(&solicit))]);
}

/// `SL-S1`, `SL-V1`
#[test]
fn b03_late_voting_decides_no_two_values() {
    // Two complete chains are shown to honest replicas after the fact, tick by tick, in the order that suits the liar
    // best. Voting for both chains level by level would decide both.
    let mut world = World::led_by(4, 3);
    (0..3).for_each(|at| world.start(at));
    let mut chains = Vec::new();
    for (first, value) in [(0, "one"), (3, "two")] {
        let (root, payload) = world.proposal(first, value);
        let middle = world.solicit(first + 1, &root);
        let last = world.solicit(first + 2, &middle);
        chains.push([(root, Some(payload)), (middle, None), (last, None)]);
    }
    for level in 0..3 {
        for chain in &chains {
            let (header, payload) = &chain[level];
            for at in 0..3 {
                let message = world.lead(header, payload.as_ref());
                world.tell(3, at, message);
            }
        }
        world.deliver_if(Letter::is_vote);
        for chain in &chains {
            for at in 0..3 {
                let message = world.votes(&chain[level].0, &[3]);
                world.tell(3, at, message);
            }
        }
    }
    let decided: Vec<_> = world.replicas.iter().filter_map(|replica| replica.decided.clone()).collect();
    assert!(decided.windows(2).all(|pair| pair[0].0 == pair[1].0), "{}", world.picture());
    for replica in &world.replicas[..3] {
        let ticks: Vec<u64> = replica.votes().iter().map(|(tick, _)| *tick).collect();
        assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]), "ticks of votes ascend: {ticks:?}");
    }
}

/// `SL-I4`
#[test]
fn b04_twins_are_both_kept_so_the_notarized_one_is_never_missed() {
    let mut world = World::running(4, [1]);
    let (first, first_payload) = world.proposal(0, "first");
    let (second, second_payload) = world.proposal(0, "second");
    let message = world.lead(&first, Some(&first_payload));
    world.tell(0, 1, message);
    let message = world.lead(&second, Some(&second_payload));
    world.tell(0, 1, message);
    assert_eq!(world.replicas[1].votes(), [(0, world.id(&first))], "one vote, for the first seen");
    // The others notarize the second, and go on.
    let solicit = world.solicit(1, &second);
    for message in [world.votes(&second, &[2, 3]), world.lead(&solicit, None), world.votes(&solicit, &[2, 3])] {
        world.tell(2, 1, message);
    }
    assert_eq!(world.agreed([1]).as_deref(), Some(&b"second"[..]), "{}", world.picture());
    // The leader's two signatures prove its lie to anybody.
    let evidence = &world.replicas[1].evidence;
    assert_eq!(evidence.len(), 1);
    assert_eq!(evidence[0].verify(&world.electorate), Ok(index(0)));
}

#[test]
fn b05_a_restarted_leader_sends_the_same_bytes_again() {
    let mut world = World::running(4, [0]);
    world.demand(0);
    let before: Vec<Message> = world.wire.iter().filter_map(|letter| letter.message().cloned()).collect();
    assert!(matches!(before[0], Message::Proposal { .. }));
    world.wire.clear();
    world.crash(0);
    world.replicas[0].payload = Some(Bytes::from_static(b"something else"));
    world.start(0);
    world.demand(0);
    let after: Vec<Message> = world.wire.iter().filter_map(|letter| letter.message().cloned()).collect();
    assert_eq!(before, after, "no second message for a tick");
    // And its own message returning from a peer is nothing special.
    world.tell(1, 0, before[0].clone());
    assert_eq!(world.judgement(0), Some(Judgement::Ignore));
}

#[test]
fn b06_a_late_joiner_catches_up_with_far_ticks() {
    let mut world = World::running(4, 0..4);
    // Three replicas spend a while on silent leaders, and reach far ticks.
    for at in 0..3 {
        world.replicas[at].payload = None;
        world.demand(at);
    }
    world.run(std::time::Duration::from_secs(60), |letter| letter.to != 3 && letter.from != 3);
    assert!(world.replicas[0].round() > 20, "far ahead: {}", world.replicas[0].round());
    assert_eq!(world.replicas[3].round(), 0);
    world.demand(3);
    world.run(std::time::Duration::from_secs(20), |_| true);
    let rounds: Vec<u64> = world.replicas.iter().map(|replica| replica.round()).collect();
    assert!(world.agreed(0..4).is_some() || rounds[3] + 5 >= rounds[0], "{rounds:?}");
}

#[test]
fn b07_signatures_mean_nothing_in_another_instance() {
    let mut world = World::running(4, [1]);
    let (header, payload) = world.proposal(0, "elsewhere");
    world.electorate.id = Digest::new([43; 32]);
    let message = world.lead(&header, Some(&payload));
    world.electorate.id = Digest::new([42; 32]);
    world.tell(0, 1, message);
    assert!(world.replicas[1].events.contains(&Event::Rejected { reason: Rejection::BadSignature }));
    assert!(world.replicas[1].votes().is_empty());
}

#[test]
fn b08_equal_power_of_different_voters_is_told_apart() {
    // Both hold the Proposal with two further votes, but of different voters: a pull joins them to a quorum.
    let mut world = World::running(7, [1, 2]);
    let (header, payload) = world.proposal(0, "value");
    for (at, others) in [(1, [3, 4]), (2, [5, 6])] {
        let message = world.lead(&header, Some(&payload));
        world.tell(0, at, message);
        let message = world.votes(&header, &others);
        world.tell(0, at, message);
    }
    world.wire.clear();
    assert!(world.replicas[1].round() == 0 && world.replicas[2].round() == 0);
    world.next_deadline();
    world.lose_if(|letter| !matches!(letter.body, Body::Pull(_)));
    // Whoever was asked, ask the other one.
    let pulls: Vec<_> = world.wire.drain(..).collect();
    for mut pull in pulls {
        pull.to = if pull.from == 1 { 2 } else { 1 };
        world.hand_over(pull);
    }
    world.deliver_all();
    assert_eq!((world.replicas[1].round(), world.replicas[2].round()), (1, 1), "{}", world.picture());
}

#[test]
fn b09_strangers_and_oversized_values_are_refused_before_any_signature_check() {
    let mut world = World::running(4, [1]);
    let (header, payload) = world.proposal(0, &"x".repeat(PAYLOAD_BYTES_MAX + 1));
    let message = world.lead(&header, Some(&payload));
    world.tell(0, 1, message);
    assert_eq!(world.judgement(1), Some(Judgement::Reject(Rejection::TooLarge)));
    let (header, _) = world.proposal(0, "value");
    let mut vote = world.vote(3, &header);
    vote.signer = index(4);
    world.tell(3, 1, Message::Vote(vote));
    assert_eq!(world.judgement(1), Some(Judgement::Reject(Rejection::UnknownSigner)));
    let (header, _) = world.proposal(0, "value");
    let message = world.lead(&header, Some(&Bytes::from_static(b"other")));
    world.tell(0, 1, message);
    assert_eq!(world.judgement(1), Some(Judgement::Reject(Rejection::WrongPayload)));
    assert_eq!(world.replicas[1].checks, 0);
}

#[test]
fn b10_a_decision_costs_a_quorum_of_checks_for_each_tick() {
    let mut world = World::running(31, 0..31);
    world.demand(0);
    world.deliver_all();
    assert!(world.agreed(0..31).is_some());
    for (at, replica) in world.replicas.iter().enumerate() {
        // A quorum of 21, with the own vote and the leader's message among it, in each of two ticks.
        assert!(replica.checks <= 2 * 20, "replica {at} checked {} signatures", replica.checks);
    }
}

#[test]
fn b11_a_long_stall_needs_no_deep_stack() {
    let mut world = World::running(4, [1]);
    let (mut header, payload) = world.proposal(0, "deep");
    let message = world.lead(&header, Some(&payload));
    world.tell(0, 1, message);
    let message = world.votes(&header, &[2, 3]);
    world.tell(0, 1, message);
    for depth in 1..1500 {
        // Every second tick: never three in a row.
        header = world.solicit(2 * depth + 1, &header);
        let item = world.item(&header, None, world.ballots(&header, &[0, 1, 2, 3]));
        world.tell(0, 1, Message::Diff(Diff::of(vec![item])));
        world.wire.clear();
    }
    assert_eq!(world.replicas[1].round(), 3000);
    assert!(world.replicas[1].decided.is_none());
}

#[test]
fn b12_leaders_of_different_instances_are_not_correlated() {
    let world = World::new(7);
    let order = |id: u8| {
        let leaders = Leaders::new(Digest::new([id; 32]), world.electorate.set.clone(), world.owner);
        (1..8).map(|segment| leaders.leader(segment_start(segment))).collect::<Vec<_>>()
    };
    let orders: std::collections::BTreeSet<_> = (0..20).map(order).collect();
    assert!(orders.len() > 15, "twenty instances share few orders");
}

#[test]
fn b13_own_messages_that_return_do_no_harm() {
    let mut world = World::running(4, 0..4);
    world.demand(0);
    let echoes: Vec<_> = world.wire.iter().cloned().collect();
    for letter in echoes {
        let message = letter.message().unwrap().clone();
        world.tell(1, letter.from, message);
    }
    world.deliver_all();
    assert!(world.agreed(0..4).is_some());
}

/// `SL-F1`
#[test]
fn b14_more_than_a_third_of_liars_is_reported_and_not_asserted() {
    let mut world = World::running(4, [1]);
    let (first, first_payload) = world.proposal(0, "first");
    let (second, second_payload) = world.proposal(0, "second");
    let first = world.item(&first, Some(&first_payload), world.ballots(&first, &[0, 2, 3]));
    let second = world.item(&second, Some(&second_payload), world.ballots(&second, &[0, 2, 3]));
    let diff = Diff::of(vec![first, second]);
    world.tell(0, 1, Message::Diff(diff));
    assert!(world.replicas[1].is_fatal(), "two notarized messages of a tick");
    assert_eq!(world.replicas[1].evidence.len(), 3, "and each of the liars is named");
    world.input(1, Input::Wake);
}
