//! Coming back after crashes.

use std::time::Duration;

use thalweg::protocol::Record;

use crate::world::{self, Letter, World};

/// Four replicas that are locked on a Proposal, undecided, and many ticks further on.
fn locked_and_far() -> World {
    let mut world = World::running(4, 0..4);
    for at in 0..4 {
        world.demand(at);
    }
    world.deliver_if(|letter| !letter.is_vote() || letter.from == 0);
    let voted = |world: &World, ticks: usize| world.replicas.iter().all(|replica| replica.votes().len() == ticks);
    assert!(voted(&world, 1), "everyone has voted for the Proposal");
    let (votes, _): (Vec<Letter>, Vec<Letter>) = world.wire.drain(..).partition(Letter::is_vote);
    for vote in votes {
        world.hand_over(vote);
    }
    world.deliver_if(Letter::is_solicit);
    assert!(voted(&world, 2), "and for the Solicit: everyone is locked");
    world.wire.clear();
    world.run(Duration::from_secs(120), Letter::is_want);
    assert!(world.replicas.iter().all(|replica| replica.decided.is_none() && replica.round() > 20));
    world
}

#[test]
fn replicas_that_all_restart_while_locked_decide() {
    let mut world = locked_and_far();
    for at in 0..4 {
        world.crash(at);
    }
    for at in 0..4 {
        world.start(at);
    }
    world.run(Duration::from_secs(300), |_| true);
    assert_eq!(world.agreed(0..4).as_deref(), Some(&b"value of 0"[..]), "{}", world.picture());
}

/// `JN-9`, `SL-V1`: the numbers of a vote survive its body, and the body is pulled.
#[test]
fn rotten_body_is_pulled_and_its_vote_is_not_forgotten() {
    let mut world = locked_and_far();
    for at in 0..4 {
        world.crash(at);
    }
    let owner = world.leader(0);
    let struck = (0..4).find(|at| *at != owner).unwrap();
    let voted = world.replicas[struck].votes();
    let emptied = world.replicas[struck].disk.iter_mut().flat_map(Record::bodies_mut);
    assert_eq!(emptied.map(|(_, body)| std::mem::take(body)).filter(|body| !body.is_empty()).count(), 1);
    for at in 0..4 {
        world.start(at);
    }
    // Alone it has nothing to decide with, and nothing that it would vote for in a tick that it has voted in.
    world.run(Duration::from_secs(1), |_| false);
    assert_eq!(world.replicas[struck].votes(), voted);
    world.run(Duration::from_secs(300), |_| true);
    assert_eq!(world.agreed(0..4).as_deref(), Some(&b"value of 0"[..]), "{}", world.picture());
}

/// `JN-9`: a leader cannot say again what it has not any more, but its vote stands, and those who have it decide it.
#[test]
fn leader_whose_body_is_rotten_votes_for_nothing_else() {
    let mut world = locked_and_far();
    let owner = world.leader(0);
    for at in 0..4 {
        world.crash(at);
    }
    let records = world.replicas[owner].disk.iter_mut();
    records.flat_map(Record::bodies_mut).for_each(|(_, body)| body.clear());
    for at in 0..4 {
        world.start(at);
    }
    world.run(Duration::from_secs(300), |_| true);
    assert_eq!(world.agreed(0..4).as_deref(), Some(&b"value of 0"[..]), "{}", world.picture());
    assert!(!world.replicas.iter().any(world::Replica::is_fatal));
}

#[test]
fn replicas_that_restart_again_and_again_keep_what_they_are_locked_on() {
    let mut world = locked_and_far();
    for _ in 0..5 {
        for at in 0..4 {
            world.crash(at);
            world.start(at);
        }
        world.run(Duration::from_secs(20), Letter::is_want);
    }
    world.run(Duration::from_secs(300), |_| true);
    assert_eq!(world.agreed(0..4).as_deref(), Some(&b"value of 0"[..]), "{}", world.picture());
}
