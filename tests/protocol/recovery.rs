//! Coming back after crashes.

use std::time::Duration;

use crate::world::{Letter, World};

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
