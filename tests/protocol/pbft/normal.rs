//! The normal case: a primary that does its work.

use std::time::Duration;

use thalweg::{
    crypto::seeded_rng,
    protocol::{
        Event, Input, Judgement, Origin, Rejection,
        pbft::{Certificate, Message, Phase},
    },
    types::Height,
};

use super::world::{World, index, proposal, value};

/// `PB-A1`, `PB-A3`, `PB-L1`, `PB-S1`
#[test]
fn four_replicas_decide_a_window_at_once() {
    let mut world = World::running(4, 0..4);
    world.want(3, 0..4);
    world.deliver_all();
    assert_eq!(world.executed(0..4), [3; 4]);
    for height in 1..=3 {
        assert_eq!(world.value_at(2, height), Some(value(0, height, 0)));
    }
    world.assert_agreement();
    assert_eq!(world.replicas[1].leading, [(0, 0)]);
}

#[test]
fn weight_counts_and_not_heads() {
    // Two of five hold seven tenths.
    let mut world = World::with_powers(&[4, 3, 1, 1, 1]);
    [0, 1].into_iter().for_each(|at| world.start(at));
    world.want(5, [0, 1]);
    world.deliver_all();
    assert_eq!(world.executed([0, 1]), [5, 5]);
    // Three of five hold six tenths.
    let mut world = World::with_powers(&[4, 3, 1, 1, 1]);
    [0, 2, 3].into_iter().for_each(|at| world.start(at));
    world.want(5, [0, 2, 3]);
    world.run(Duration::from_secs(5), |_| true);
    assert_eq!(world.executed([0, 2, 3]), [0, 0, 0]);
}

/// `PB-M1`, `PB-M2`
#[test]
fn goes_on_over_many_checkpoints_and_forgets_what_is_stable() {
    let mut world = World::running(4, 0..4);
    world.want(100, 0..4);
    world.deliver_all();
    assert_eq!(world.executed(0..4), [100; 4]);
    for replica in &world.replicas {
        assert!(replica.disk.iter().all(|record| record.height().unwrap().get() > 96), "records below the low mark");
        assert!(replica.seat.as_ref().unwrap().view().messages < 200);
    }
}

/// `PB-T1`
#[test]
fn an_idle_instance_is_dormant() {
    let mut world = World::running(4, 0..4);
    assert_eq!(world.next_deadline(), None);
    world.want(2, 0..4);
    assert!(world.next_deadline().is_some());
    world.deliver_all();
    assert_eq!(world.next_deadline(), None);
}

#[test]
fn votes_may_come_before_what_they_are_for() {
    let mut world = World::running(4, 0..4);
    world.want(1, 0..4);
    world.deliver_if(|letter| letter.to != 3);
    assert_eq!(world.executed(0..3), [1; 3]);
    world.deliver_if(|letter| letter.is_vote(Phase::Commit));
    world.deliver_if(|letter| letter.is_vote(Phase::Prepare));
    assert_eq!(world.executed([3]), [0]);
    world.deliver_all();
    assert_eq!(world.executed([3]), [1]);
    assert!(!world.replicas[3].behind);
}

/// `PB-M1`: beyond the high mark one window is kept, and nothing is voted for.
#[test]
fn the_high_mark_holds_votes_back_and_messages_beyond_it_are_kept() {
    let mut world = World::running(4, [3]);
    for height in 1..=12 {
        world.say(0, 3, world.pre_prepare(0, 0, height, &value(0, height, 0)));
    }
    let heights: Vec<u64> = world.replicas[3].validated.iter().map(|(height, _)| *height).collect();
    assert_eq!(heights, [1, 2, 3, 4], "the window is four");
    // Once the window has moved, what was kept is taken up: 5 to 8, but not 9 and above.
    for height in 1..=4 {
        let proposal = proposal(0, height, &value(0, height, 0));
        for phase in [Phase::Prepare, Phase::Commit] {
            [1, 2].into_iter().for_each(|from| world.say(from, 3, world.vote(from, phase, proposal)));
        }
    }
    assert_eq!(world.executed([3]), [4], "{}", world.picture());
    let heights: Vec<u64> = world.replicas[3].validated.iter().map(|(height, _)| *height).collect();
    assert_eq!(heights, [1, 2, 3, 4, 5, 6, 7, 8]);
}

/// A decision above the high mark says that we are behind, and is not taken.
#[test]
fn a_quorum_beyond_the_high_mark_calls_for_blocks() {
    let mut world = World::running(4, [3]);
    let far = proposal(0, 6, b"far");
    (0..3).for_each(|from| world.say(from, 3, world.vote(from, Phase::Commit, far)));
    assert!(world.replicas[3].behind);
    assert!(world.replicas[3].blocks.is_empty());
}

#[test]
fn lies_are_rejected_and_lateness_is_not() {
    let mut world = World::running(4, [3]);
    let judge = |world: &mut World, from: usize, message: Message| {
        let before = world.replicas[3].judgements.len();
        world.say(from, 3, message);
        world.replicas[3].judgements.get(before).copied()
    };
    let right = proposal(0, 1, &value(0, 1, 0));
    // Signed by another than it says.
    let mut forged = world.signed(1, Phase::Prepare, right);
    forged.signer = index(2);
    judge(&mut world, 1, Message::Votes(vec![forged].try_into().unwrap()));
    assert!(world.replicas[3].events.contains(&Event::Rejected { reason: Rejection::BadSignature }));
    let mut stranger = world.signed(1, Phase::Prepare, right);
    stranger.signer = index(9);
    let verdict = judge(&mut world, 1, Message::Votes(vec![stranger].try_into().unwrap()));
    assert_eq!(verdict, Some(Judgement::Reject(Rejection::UnknownSigner)));
    // A proposal of another than the primary is one with a bad signature.
    world.say(1, 3, world.pre_prepare(1, 0, 1, &value(1, 1, 0)));
    assert!(world.replicas[3].validated.is_empty());
    // Another payload than the one that is signed for.
    let Message::PrePrepare(mut proposal) = world.pre_prepare(0, 0, 1, &value(0, 1, 0)) else { panic!() };
    proposal.payload = value(0, 1, 9);
    let verdict = judge(&mut world, 0, Message::PrePrepare(proposal));
    assert_eq!(verdict, Some(Judgement::Reject(Rejection::WrongPayload)));
    // Signed within another instance.
    let mut elsewhere = World::new(4);
    elsewhere.electorate.id = thalweg::types::Digest::new([7; 32]);
    world.say(0, 3, elsewhere.pre_prepare(0, 0, 1, &value(0, 1, 0)));
    assert!(world.replicas[3].validated.is_empty());
    // Far ahead is early, no lie.
    let far = world.pre_prepare(0, 0, 99, &value(0, 99, 0));
    let verdict = judge(&mut world, 0, far);
    assert_eq!(verdict, Some(Judgement::Ignore));
    assert!(world.replicas[3].events.contains(&Event::Rejected { reason: Rejection::FarFuture }));
    // A message of another protocol.
    let vote = thalweg::protocol::streamlette::Diff::default();
    let message = thalweg::protocol::Message::Streamlette(thalweg::protocol::streamlette::Message::Diff(vote));
    world.input(3, Input::Arrived { origin: Origin { validator: Some(index(0)), ticket: None }, message });
    assert_eq!(world.replicas[3].judgements.last(), Some(&Judgement::Reject(Rejection::ForeignInstance)));
}

/// `PB-A1`: what the application refuses is not prepared; its primary is given up.
#[test]
fn an_invalid_value_is_not_voted_for() {
    let mut world = World::running(4, 1..4);
    let stolen = value(2, 1, 0);
    (1..4).for_each(|to| world.say(0, to, world.pre_prepare(0, 0, 1, &stolen)));
    assert!(world.wire.iter().all(|letter| !letter.is_vote(Phase::Prepare)));
    world.want(1, 1..4);
    world.run(Duration::from_secs(10), |_| true);
    assert_eq!(world.value_at(1, 1), Some(value(1, 1, 1)));
}

#[test]
fn a_flooder_fills_no_memory() {
    let mut world = World::running(4, [3]);
    for round in 0..300u64 {
        for height in 1..30 {
            let proposal = proposal(round, height, &round.to_le_bytes());
            world.say(1, 3, world.vote(1, Phase::Prepare, proposal));
        }
        world.say(1, 3, Message::ViewChange(Box::new(world.view_change(1, round + 1, &[]))));
    }
    let held = world.replicas[3].seat.as_ref().unwrap().view();
    assert!(held.messages <= 2 * 2 * 8 + 1, "{held:?}");
    assert_eq!(held.round, 0);
    // What one liar says makes nobody leave.
    world.run(Duration::from_secs(10), |_| true);
    assert_eq!(world.replicas[3].view(), 0);
}

#[test]
fn a_certificate_proves_its_own_height_only() {
    let world = World::new(4);
    let proposal = proposal(3, 5, b"value");
    let certificate = Certificate { proposal, commits: world.ballots(&[0, 1, 3], Phase::Commit, proposal) };
    let verify = |certificate: &Certificate, height: u64| {
        certificate.verify(Height::new(height), &world.electorate, &mut seeded_rng(1))
    };
    assert_eq!(verify(&certificate, 5), Ok(proposal.payload_root));
    assert_eq!(verify(&certificate, 9), Err(Rejection::WrongTarget));
    let two = Certificate { proposal, commits: world.ballots(&[0, 1], Phase::Commit, proposal) };
    assert_eq!(verify(&two, 5), Err(Rejection::NoQuorum));
    let prepares = Certificate { proposal, commits: world.ballots(&[0, 1, 3], Phase::Prepare, proposal) };
    assert_eq!(verify(&prepares, 5), Err(Rejection::BadSignature), "prepares decide nothing");
    let json = serde_json::to_string(&certificate).unwrap();
    assert_eq!(serde_json::from_str::<Certificate>(&json).unwrap(), certificate);
}
