//! How replicas that lost messages, leaders or each other come to an end all the same.

use std::time::Duration;

use thalweg::{
    protocol::{Event, Input, Judgement, Rejection, streamlette::Message},
    types::Time,
};

use crate::world::{Body, Letter, World, index};

fn nobody_from(silent: usize) -> impl Fn(&Letter) -> bool {
    move |letter| letter.from != silent && letter.to != silent
}

/// `SL-T2`
#[test]
fn one_silent_leader_costs_one_deadline() {
    let mut world = World::running(4, 1..4);
    (1..4).for_each(|at| world.demand(at));
    world.run(Duration::from_secs(2), nobody_from(0));
    assert!(world.agreed(1..4).is_some(), "{}", world.picture());
    let timeouts = |at: usize| {
        world.replicas[at].events.iter().filter(|event| matches!(event, Event::RoundTimedOut { .. })).count()
    };
    // The owner's segment is skipped as a whole, as nothing came of it. The silent one may lead the next segment too.
    let expected = if world.leader(2) == 0 { 2 } else { 1 };
    assert_eq!((1..4).map(timeouts).max(), Some(expected));
}

#[test]
fn every_message_lost_once_is_repaired_by_pulling() {
    for lost in 0..30 {
        let mut world = World::running(4, 0..4);
        world.demand(0);
        let mut count = 0;
        while let Some(letter) = world.wire.pop_front() {
            if count != lost {
                world.hand_over(letter);
            }
            count += 1;
        }
        world.run(Duration::from_secs(5), |_| true);
        assert!(world.agreed(0..4).is_some(), "without letter {lost}:\n{}", world.picture());
    }
}

#[test]
fn pulling_alone_decides() {
    let mut world = World::running(4, 0..4);
    (0..4).for_each(|at| world.demand(at));
    let pulled = |letter: &Letter| {
        matches!(letter.body, Body::Pull(_))
            || matches!(letter.message(), Some(Message::Diff(_) | Message::Certificate { .. }))
    };
    world.run(Duration::from_secs(600), pulled);
    assert!(world.agreed(0..4).is_some(), "{}", world.picture());
}

/// `SL-T0`, `SL-T3`, `SL-T4`
#[test]
fn a_single_honest_replica_far_ahead_meets_the_others() {
    // Wishes of 1 and 2 with the liar's took 1 to tick 102; nobody else has seen any of it.
    let mut world = World::led_by(4, 3);
    (0..3).for_each(|at| world.start(at));
    for signer in [0, 2, 3] {
        let want = world.want(signer, 102);
        world.tell(signer, 1, want);
    }
    assert_eq!(world.replicas[1].round(), 102);
    world.wire.clear();
    (0..3).for_each(|at| world.demand(at));
    world.run(Duration::from_secs(600), nobody_from(3));
    assert!(world.agreed(0..3).is_some(), "{}", world.picture());
}

/// `SL-T3`, `SL-T4`
#[test]
fn liars_alone_move_nobody() {
    let mut world = World::running(4, 0..3);
    let want = world.want(3, 1_000_000);
    for at in 0..3 {
        world.tell(3, at, want.clone());
    }
    assert!((0..3).all(|at| world.replicas[at].round() == 0));
    assert!(world.wire.is_empty(), "and make nobody wish");
    let (header, payload) = world.proposal(9, "far");
    let lead = world.lead(&header, Some(&payload));
    world.tell(3, 1, lead);
    assert!(world.replicas[1].events.contains(&Event::Rejected { reason: Rejection::FarFuture }));
    assert_eq!(world.judgement(1), Some(Judgement::Ignore), "being ahead is no lie");
}

#[test]
fn far_messages_are_taken_with_their_quorum() {
    let mut world = World::running(4, [1]);
    let (header, payload) = world.proposal(500, "far");
    let item = world.item(&header, Some(&payload), world.ballots(&header, &[0, 1, 2, 3]));
    world.tell(3, 1, Message::Diff(thalweg::protocol::streamlette::Diff::of(vec![item])));
    assert_eq!(world.replicas[1].round(), 501);
}

#[test]
fn votes_that_overtake_their_target_are_not_lost() {
    let mut world = World::running(4, 0..4);
    world.demand(0);
    // Everyone but 3 goes on; 3 gets everything in the wrong order.
    world.deliver_if(|letter| letter.to != 3);
    while let Some(letter) = world.wire.pop_back() {
        world.hand_over(letter);
    }
    assert!(world.agreed(0..4).is_some(), "{}", world.picture());
}

/// `SL-T5`
#[test]
fn a_dormant_instance_has_no_timer() {
    let mut world = World::running(4, 0..4);
    assert!(world.replicas.iter().all(|replica| replica.seat().deadline().is_none()));
    // A command makes it wanted after a while only.
    let since = Time::from_micros(5);
    world.input(1, Input::Demand { commands_since: Some(since), waited_on: false });
    let forward_after = thalweg::protocol::Timing::default().forward_after;
    assert_eq!(world.replicas[1].seat().deadline(), Some(since.plus(forward_after)));
    assert!(!world.replicas[1].seat().view().is_wanted);
    world.next_deadline();
    assert!(world.replicas[1].seat().view().is_wanted);
    // Answered otherwise, it sleeps again.
    let mut world = World::running(4, 0..4);
    world.input(1, Input::Demand { commands_since: Some(since), waited_on: false });
    world.input(1, Input::Demand { commands_since: None, waited_on: false });
    assert_eq!(world.replicas[1].seat().deadline(), None);
}

/// `SL-W2`
#[test]
fn a_laggard_gets_the_certificate_and_not_at_every_message() {
    let mut world = World::running(4, 0..4);
    world.demand(0);
    world.deliver_if(|letter| letter.to != 3);
    world.wire.clear();
    assert!(world.agreed(0..3).is_some());
    let want = world.want(3, 1);
    world.tell(3, 1, want.clone());
    assert!(world.wire.is_empty(), "what was under way at the decision is not answered");
    world.now = world.now.plus(Duration::from_secs(1));
    world.tell(3, 1, want.clone());
    world.tell(3, 1, want);
    assert_eq!(world.wire.len(), 1);
    world.deliver_all();
    assert!(world.agreed(0..4).is_some());
}

#[test]
fn a_listener_learns_by_pulling() {
    let mut world = World::running(4, 0..4);
    world.demand(0);
    world.deliver_all();
    let seat =
        thalweg::protocol::seat::Seat::open(thalweg::protocol::ProtocolName::Streamlette, world.setup(None), None);
    world.replicas[3].seat = Some(seat);
    world.replicas[3].decided = None;
    world.input(3, Input::Begin { records: Vec::new(), restarted: false });
    world.input(3, Input::Demand { commands_since: None, waited_on: true });
    world.run(Duration::from_secs(1), |_| true);
    assert!(world.agreed(0..4).is_some());
}

#[test]
fn garbage_before_the_honest_vote_does_not_crowd_it_out() {
    let mut world = World::running(4, [1]);
    let (header, payload) = world.proposal(0, "value");
    let lead = world.lead(&header, Some(&payload));
    world.tell(0, 1, lead);
    let mut vote = world.vote(2, &header);
    let good = vote.clone();
    for junk in 0..40 {
        vote.signature = thalweg::types::Signature::new([junk; 64]);
        world.tell(3, 1, Message::Vote(vote.clone()));
    }
    world.tell(2, 1, Message::Vote(good));
    assert_eq!(world.replicas[1].round(), 1, "{}", world.picture());
}

#[test]
fn a_stall_does_not_grow_the_tree() {
    // A liar leads every tick, shows two twins each to one replica, and nothing is ever notarized.
    let mut world = World::running(4, [1]);
    for tick in 0..400u64 {
        for signer in [0, 2, 3] {
            let want = world.want(signer, tick);
            world.tell(signer, 1, want);
        }
        for value in ["a", "b", "c"] {
            let (header, payload) = world.proposal(tick, value);
            let lead = world.lead(&header, Some(&payload));
            world.tell(3, 1, lead);
        }
        world.wire.clear();
    }
    let nodes = world.picture().matches("shape=diamond").count();
    assert!(nodes <= 2 * 9 + 1, "{nodes} messages are kept");
}

#[test]
fn a_peer_that_comes_up_is_told_and_asked() {
    let mut world = World::running(4, 0..4);
    world.demand(0);
    world.wire.clear();
    world.input(0, Input::PeerUp { validator: index(2) });
    let told = world.wire.iter().filter(|letter| letter.to == 2).count();
    assert_eq!(told, 2, "our Proposal, and a pull");
    assert_eq!(world.wire.len(), told);
}

#[test]
fn joins_those_whom_an_honest_replica_joined() {
    let mut world = World::running(4, [1]);
    let want = world.want(0, 9);
    world.tell(0, 1, want);
    assert_eq!(world.replicas[1].round(), 0, "one may be a liar");
    let want = world.want(2, 12);
    world.tell(2, 1, want);
    // More than a third wants at least 9; our own wish completes the quorum.
    assert_eq!(world.replicas[1].round(), 9);
}

#[test]
fn garbage_under_check_does_not_keep_an_honest_vote_out() {
    let mut world = World::running(4, [1]);
    let (header, payload) = world.proposal(0, "value");
    let lead = world.lead(&header, Some(&payload));
    world.tell(0, 1, lead);
    world.replicas[1].verifies = false;
    let good = world.vote(2, &header);
    let mut junk = good.clone();
    junk.signature = thalweg::types::Signature::new([5; 64]);
    world.tell(3, 1, Message::Vote(junk));
    world.tell(2, 1, Message::Vote(good));
    assert_eq!(world.replicas[1].unverified.len(), 1, "one check for each voter and target");
    world.verify(1);
    assert_eq!(world.replicas[1].round(), 0);
    world.verify(1);
    assert_eq!(world.replicas[1].round(), 1, "{}", world.picture());
}

#[test]
fn a_forged_copy_under_check_does_not_keep_the_leaders_message_out() {
    let mut world = World::running(4, [1]);
    world.replicas[1].verifies = false;
    let (header, payload) = world.proposal(0, "value");
    let good = world.lead(&header, Some(&payload));
    let junk = thalweg::protocol::streamlette::Votes::one(index(0), thalweg::types::Signature::new([5; 64]));
    let forged = world.item(&header, Some(&payload), junk);
    world.tell(3, 1, Message::Diff(thalweg::protocol::streamlette::Diff::of(vec![forged])));
    world.tell(0, 1, good);
    world.verify(1);
    world.verify(1);
    assert_eq!(world.replicas[1].votes(), [(0, world.id(&header))]);
}

#[test]
fn held_votes_are_checked_when_the_tick_ends() {
    // The verifier lost two checks: what was held back for their sake must not be lost too.
    let mut world = World::running(7, [1]);
    let (header, payload) = world.proposal(0, "value");
    let lead = world.lead(&header, Some(&payload));
    world.tell(0, 1, lead);
    world.replicas[1].verifies = false;
    for voter in 2..7 {
        let vote = world.vote(voter, &header);
        world.tell(voter, 1, Message::Vote(vote));
    }
    assert_eq!(world.replicas[1].unverified.len(), 3, "a quorum of five, with the leader's and our own");
    world.replicas[1].unverified.clear();
    world.replicas[1].verifies = true;
    while world.replicas[1].events.iter().all(|event| !matches!(event, Event::RoundTimedOut { .. })) {
        world.next_deadline();
    }
    assert_eq!(world.replicas[1].seat().view().voters.len(), 4, "two were held");
}

#[test]
fn a_solicit_that_overtakes_its_parents_check_waits_for_it() {
    let mut world = World::running(4, [1]);
    world.replicas[1].verifies = false;
    let (header, payload) = world.proposal(0, "value");
    let lead = world.lead(&header, Some(&payload));
    world.tell(0, 1, lead);
    let solicit = world.solicit(1, &header);
    let vote = world.votes(&header, &[0, 2, 3]);
    world.tell(0, 1, vote);
    let lead = world.lead(&solicit, None);
    world.tell(0, 1, lead);
    assert!(world.wire.is_empty(), "nobody is asked: the parent is here already");
    for _ in 0..4 {
        world.verify(1);
    }
    let ticks: Vec<u64> = world.replicas[1].votes().iter().map(|(tick, _)| *tick).collect();
    assert_eq!(ticks.last(), Some(&1), "{}", world.picture());
}
