//! Coming back without a memory: nothing is said where something may have been said before.

use std::{cell::RefCell, time::Duration};

use thalweg::protocol::pbft::Message;

use super::world::{Letter, World};

const SECOND: Duration = Duration::from_secs(1);
const LOST: usize = 3;

/// Four replicas, of which one lost its journal after height 5; what it may have voted on ends at 5 + 2 windows.
fn after_a_loss() -> World {
    let mut world = World::running(4, 0..4);
    world.want(5, 0..4);
    world.run(SECOND, |_| true);
    world.crash(LOST);
    world.replicas[LOST].disk.clear();
    world.replicas[LOST].forgotten = 5 + 2 * world.window;
    world.start(LOST);
    world
}

/// Lets time pass and returns the views that the replica without memory spoke of.
fn views_spoken_of(world: &mut World, span: Duration, wanted: impl Fn(&Letter) -> bool) -> Vec<u64> {
    let spoken = RefCell::new(Vec::new());
    world.run(span, |letter| {
        if letter.from == LOST
            && let Some(message) = letter.message()
        {
            let of = match message {
                Message::PrePrepare(it) => vec![it.proposal.view],
                Message::Votes(votes) => votes.iter().map(|vote| vote.message.proposal.view).collect(),
                Message::ViewChange(it) => vec![it.change.message.view],
                Message::NewView(it) => vec![it.opening.message.view],
                Message::Diff(_) => Vec::new(),
            };
            spoken.borrow_mut().extend(of.into_iter().map(|view| view.get()));
        }
        wanted(letter)
    });
    spoken.into_inner()
}

/// `PB-D3`
#[test]
fn follows_in_silence_while_the_views_last_in_which_it_may_have_spoken() {
    let mut world = after_a_loss();
    world.want(40, 0..4);
    assert!(views_spoken_of(&mut world, SECOND * 20, |_| true).is_empty());
    assert_eq!(world.executed(0..4), [40; 4], "{}", world.picture());
    assert!(world.replicas[LOST].disk.is_empty(), "one that says nothing has nothing to remember");
}

/// `PB-D3`: the others cannot go on without it, so it meets them in the first view that it cannot have spoken of.
#[test]
fn is_a_validator_again_when_views_change() {
    let mut world = after_a_loss();
    world.want(24, 0..4);
    world.run(SECOND * 20, |_| true);
    world.crash(0);
    world.want(40, 1..4);
    let views = views_spoken_of(&mut world, SECOND * 60, |_| true);
    assert_eq!(views.first(), Some(&2), "{views:?}");
    assert_eq!(world.executed(1..4), [40; 3], "{}", world.picture());
    world.assert_agreement();

    // What it says from now on it remembers, also after a restart.
    world.crash(LOST);
    world.start(LOST);
    world.want(44, 1..4);
    world.run(SECOND * 60, |_| true);
    assert_eq!(world.executed(1..4), [44; 3], "{}", world.picture());
}

/// `PB-D3`: a view change would leave out what it forgot, so none is made before a checkpoint covers that.
#[test]
fn leaves_no_view_before_its_low_mark_is_high_enough() {
    let mut world = after_a_loss();
    world.want(12, 0..4);
    world.run(SECOND * 20, |_| true);
    assert_eq!(world.executed(0..4), [12; 4]);
    world.crash(0);
    world.want(20, 1..4);
    assert!(views_spoken_of(&mut world, SECOND * 30, |_| true).is_empty());
    assert_eq!(world.executed(1..4), [12; 3], "two of four decide nothing");
    world.start(0);
    world.want(20, [0]);
    world.run(SECOND * 60, |_| true);
    assert_eq!(world.executed(0..4), [20; 4], "{}", world.picture());
}
