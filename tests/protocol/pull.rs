//! Summaries and diffs: whoever keeps asking ends up with everything that matters.

use proptest::prelude::*;
use thalweg::protocol::{
    Input,
    streamlette::{Diff, Header, Message},
};

use crate::world::{Body, World};

/// A random tree: each step stands on an earlier one (or on nothing) and has some of the votes.
fn steps() -> impl Strategy<Value = Vec<(usize, Vec<usize>)>> {
    let voters = proptest::sample::subsequence((0..7).collect::<Vec<_>>(), 0..7);
    proptest::collection::vec((0usize..6, voters), 1..8)
}

fn plant(world: &mut World, at: usize, steps: &[(usize, Vec<usize>)], keep: impl Fn(usize) -> bool) {
    let mut known: Vec<(Header, Option<bytes::Bytes>)> = Vec::new();
    for (tick, (parent, voters)) in steps.iter().enumerate() {
        let tick = tick as u64;
        let made = match known.get(*parent) {
            Some((header, _)) => (world.solicit(tick, header), None),
            None => {
                let (header, payload) = world.proposal(tick, &format!("value {tick}"));
                (header, Some(payload))
            }
        };
        known.push(made.clone());
        let (header, payload) = made;
        let leader = header.leader().position();
        let mut voters: Vec<usize> = voters.iter().copied().filter(|voter| keep(*voter)).collect();
        voters.push(leader);
        voters.sort_unstable();
        voters.dedup();
        let item = world.item(&header, payload.as_ref(), world.ballots(&header, &voters));
        world.tell(6, at, Message::Diff(Diff::of(vec![item])));
    }
    world.wire.clear();
}

/// Two replicas that neither vote nor lead.
fn two() -> World {
    let mut world = World::running(7, [0, 1]);
    for at in [0, 1] {
        world.input(at, Input::Retire);
        world.input(at, Input::Demand { commands_since: None, waited_on: true });
    }
    world
}

/// One asks the other until nothing follows; returns the answers' sizes.
fn pull(world: &mut World, asker: usize, from: usize, budget: usize) -> usize {
    let before = world.wire.len();
    world.next_deadline();
    let pull = world.wire.drain(before..).find(|letter| letter.from == asker && matches!(letter.body, Body::Pull(_)));
    world.wire.clear();
    let Some(mut pull) = pull else { return 0 };
    let mut answers = 0;
    loop {
        pull.to = from;
        let Body::Pull(summary) = pull.body.clone() else { unreachable!() };
        world.input(from, Input::Pull { asker: asker as u64, summary, budget });
        let answer = world.wire.pop_back().expect("every pull is answered");
        let Body::Message(message) = &answer.body else { unreachable!() };
        assert!(thalweg::types::codec::encode(message).len() <= budget, "over the budget");
        world.wire.clear();
        world.hand_over(answer);
        answers += 1;
        assert!(answers < 500, "no progress");
        let next = world.wire.drain(..).find(|letter| letter.from == asker && matches!(letter.body, Body::Pull(_)));
        match next {
            Some(next) => pull = next,
            None => return answers,
        }
    }
}

/// How far a replica got: its round, or nothing more to say after the decision.
fn progress(world: &World, at: usize) -> Option<u64> {
    world.replicas[at].decided.is_none().then(|| world.replicas[at].round())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn pulling_both_ways_converges(steps in steps(), split in 1usize..6, budget in 1000usize..3000) {
        let mut world = two();
        for at in [0, 1] {
            // Both know the same messages, but other votes.
            plant(&mut world, at, &steps, |voter| (voter < split) == (at == 0));
        }
        for _ in 0..4 {
            pull(&mut world, 0, 1, budget);
            pull(&mut world, 1, 0, budget);
        }
        prop_assert_eq!(progress(&world, 0), progress(&world, 1));
    }

    #[test]
    fn an_empty_replica_gets_everything_in_small_bites(steps in steps(), budget in 700usize..1500) {
        let mut world = two();
        plant(&mut world, 0, &steps, |_| true);
        for _ in 0..4 {
            pull(&mut world, 1, 0, budget);
        }
        if world.replicas[0].decided.is_none() {
            prop_assert_eq!(progress(&world, 0), progress(&world, 1));
        }
    }
}

#[test]
fn a_byte_limit_is_kept_and_continued() {
    let mut world = two();
    let steps: Vec<_> = (0..6).map(|at| (9, vec![at, 5])).collect();
    plant(&mut world, 0, &steps, |_| true);
    let answers = pull(&mut world, 1, 0, 1000);
    assert!(answers > 1, "one answer cannot hold all");
    let count = |at: usize| world.replicas[at].seat().graphviz().matches("shape=diamond").count();
    assert_eq!(count(0), 6);
    assert_eq!(count(1), 6);
}
