//! Changing views: dead and lying primaries, and what survives them.

use std::time::Duration;

use thalweg::protocol::pbft::{Evidence, Message, Phase};

use super::world::{World, proposal, value};

const SECOND: Duration = Duration::from_secs(1);

/// `PB-V1`, `PB-V2`, `PB-T2`, `PB-L1`
#[test]
fn the_next_primary_takes_over_from_a_dead_one() {
    let mut world = World::running(4, 1..4);
    world.want(5, 1..4);
    world.run(SECOND * 10, |_| true);
    assert_eq!(world.executed(1..4), [5; 3], "{}", world.picture());
    assert_eq!(world.value_at(2, 1), Some(value(1, 1, 1)));
    assert_eq!(world.replicas[3].leading.last(), Some(&(1, 1)));
    world.assert_agreement();
}

/// `PB-T2`
#[test]
fn two_dead_primaries_in_a_row_cost_a_doubled_deadline() {
    let mut world = World::running(7, 2..7);
    world.want(3, 2..7);
    let mut turns = Vec::new();
    for _ in 0..2000 {
        world.run(Duration::from_millis(10), |_| true);
        let view = world.replicas[4].view();
        if turns.last().is_none_or(|(_, known)| *known != view) {
            turns.push((world.now.as_micros() / 1000, view));
        }
    }
    let views: Vec<u64> = turns.iter().map(|(_, view)| *view).collect();
    assert_eq!(views, [0, 1, 2], "{turns:?}");
    let (first, second) = (turns[1].0 - turns[0].0, turns[2].0 - turns[1].0);
    assert!(second > first * 3 / 2, "{turns:?}");
    assert_eq!(world.executed(2..7), [3; 5]);
}

/// `PB-V2`, `PB-A2`
#[test]
fn a_prepared_value_survives_its_primary() {
    let mut world = World::running(4, 0..4);
    world.want(1, 0..4);
    world.deliver_if(|letter| !letter.is_vote(Phase::Commit) && !letter.is_pull());
    world.crash(0);
    world.wire.clear();
    world.run(Duration::from_millis(250), |letter| !letter.is_pull());
    world.run(SECOND * 20, |_| true);
    assert_eq!(world.executed(1..4), [1; 3], "{}", world.picture());
    assert_eq!(world.value_at(3, 1), Some(value(0, 1, 0)), "the first primary's, in its name");
    assert!(world.replicas[1].view() > 0);
}

/// `PB-N1`: heights 2 and 3 were proposed to nobody who is left, 4 was prepared.
#[test]
fn gaps_below_something_prepared_become_null_requests() {
    let mut world = World::running(4, 1..4);
    let values: Vec<_> = (1..=4).map(|height| value(0, height, 0)).collect();
    for height in [1, 4] {
        let message = world.pre_prepare(0, 0, height, &values[usize::try_from(height).unwrap() - 1]);
        (1..4).for_each(|to| world.say(0, to, message.clone()));
    }
    world.deliver_if(|letter| !letter.is_vote(Phase::Commit) && !letter.is_pull());
    world.want(6, 1..4);
    world.run(SECOND * 20, |letter| letter.from != 0);
    assert_eq!(world.executed(1..4), [6; 3], "{}", world.picture());
    assert_eq!(world.value_at(1, 1), Some(values[0].clone()));
    assert_eq!(world.value_at(1, 2).unwrap().len(), 0);
    assert_eq!(world.value_at(1, 3).unwrap().len(), 0);
    assert_eq!(world.value_at(1, 4), Some(values[3].clone()));
    assert_eq!(world.value_at(1, 5), Some(value(1, 5, 1)));
    world.assert_agreement();
}

/// `PB-E1`
#[test]
fn an_equivocating_primary_is_exposed_and_replaced() {
    let mut world = World::running(4, 1..4);
    let one = world.pre_prepare(0, 0, 1, &value(0, 1, 0));
    let other = world.pre_prepare(0, 0, 1, &value(0, 1, 77));
    world.say(0, 1, one.clone());
    world.say(0, 2, other.clone());
    world.say(0, 3, one.clone());
    world.say(0, 3, other);
    let evidence = &world.replicas[3].evidence;
    assert!(matches!(evidence[..], [Evidence::Votes { .. }]), "{evidence:?}");
    world.want(2, 1..4);
    world.run(SECOND * 20, |_| true);
    assert_eq!(world.executed(1..4), [2; 3], "{}", world.picture());
    world.assert_agreement();
}

/// `PB-V2`: two values were prepared at one height, in views 0 and 1; only the later can be decided.
#[test]
pub fn the_highest_view_wins_in_a_view_change() {
    let mut world = World::running(4, [2, 3]);
    let (old, new) = (proposal(0, 1, b"old"), proposal(1, 1, b"new"));
    let old_proof = world.proof(&[0, 1, 2], Phase::Prepare, old);
    let new_proof = world.proof(&[0, 1, 3], Phase::Prepare, new);
    // The decided one, of which the primary of view 2 must hear.
    world.say(0, 2, Message::ViewChange(Box::new(world.view_change(0, 2, &[(new, new_proof)]))));
    world.say(1, 2, Message::ViewChange(Box::new(world.view_change(1, 2, &[(old, old_proof)]))));
    let new_view = world.wire.iter().find(|letter| letter.is_new_view()).and_then(|letter| letter.message().cloned());
    let Some(Message::NewView(new_view)) = new_view else { panic!("no new view: {}", world.picture()) };
    let again = world.signed(2, Phase::Prepare, proposal(2, 1, b"new"));
    assert_eq!(new_view.ballots[..], [again.signature]);
}

/// `PB-V3`
#[test]
fn new_views_that_lie_are_refused() {
    let mut world = World::running(4, [3]);
    let prepared = proposal(0, 1, b"value");
    let proof = world.proof(&[0, 1, 2], Phase::Prepare, prepared);
    let with = world.view_change(0, 1, &[(prepared, proof.clone())]);
    let without = [1, 2].map(|at| world.view_change(at, 1, &[]));
    let changes = [with.clone(), without[0].clone(), without[1].clone()];
    let good = world.new_view(1, 1, &changes, vec![proof.clone()]);
    let mut lies = Vec::new();
    // Of two only; of another than the primary; with the prepared value left out; with a proof of nobody; with another
    // value in its place; with a view change of another view; with a view change of nobody.
    lies.push(world.new_view(1, 1, &changes[..2], vec![proof.clone()]));
    lies.push(world.new_view(2, 1, &changes, vec![proof.clone()]));
    let mut dropped = good.clone();
    dropped.proofs = Vec::new().try_into().unwrap();
    dropped.ballots = Vec::new().try_into().unwrap();
    lies.push(dropped);
    let forged = world.proof(&[0, 1], Phase::Prepare, prepared);
    lies.push(world.new_view(1, 1, &changes, vec![forged]));
    let mut replaced = good.clone();
    let other = world.signed(1, Phase::Prepare, proposal(1, 1, b"other"));
    replaced.ballots = vec![other.signature].try_into().unwrap();
    lies.push(replaced);
    let early = world.view_change(2, 2, &[]);
    lies.push(world.new_view(1, 1, &[with.clone(), without[0].clone(), early], vec![proof.clone()]));
    let mut unsigned = changes.clone();
    unsigned[2].change.signature = unsigned[1].change.signature;
    lies.push(world.new_view(1, 1, &unsigned, vec![proof]));
    for lie in lies {
        world.say(1, 3, Message::NewView(Box::new(lie)));
        assert_eq!(world.replicas[3].view(), 0);
    }
    world.say(1, 3, Message::NewView(Box::new(good)));
    assert_eq!(world.replicas[3].view(), 1);
}

/// `PB-E1`: and both are sound, so nothing is lost but time.
#[test]
fn two_openings_of_a_view_are_evidence() {
    let mut world = World::running(4, [3]);
    let changes = [0, 1, 2].map(|at| world.view_change(at, 1, &[]));
    let others = [world.view_change(0, 1, &[]), world.view_change(1, 1, &[]), world.view_change(3, 1, &[])];
    let (one, other) = (world.new_view(1, 1, &changes, vec![]), world.new_view(1, 1, &others, vec![]));
    world.say(1, 3, Message::NewView(Box::new(one)));
    world.say(1, 3, Message::NewView(Box::new(other)));
    assert!(matches!(world.replicas[3].evidence[..], [Evidence::Openings { .. }]));
}

/// `PB-T4`
#[test]
fn follows_at_once_when_more_than_a_third_has_left() {
    let mut world = World::running(4, [3]);
    world.say(0, 3, Message::ViewChange(Box::new(world.view_change(0, 7, &[]))));
    assert_eq!(world.replicas[3].view(), 0, "one may lie");
    world.say(2, 3, Message::ViewChange(Box::new(world.view_change(2, 4, &[]))));
    assert_eq!(world.replicas[3].view(), 4);
    assert_eq!(world.replicas[3].time_outs(), 0);
}

/// `PB-T3`
#[test]
fn a_lost_view_change_is_sent_again() {
    let mut world = World::running(4, 1..4);
    world.want(1, 1..4);
    world.run(Duration::from_millis(300), |letter| !letter.is_view_change() && !letter.is_pull());
    assert_eq!(world.executed(1..4), [0; 3]);
    world.run(SECOND * 5, |letter| !letter.is_pull());
    assert_eq!(world.executed(1..4), [1; 3], "{}", world.picture());
}

#[test]
fn one_that_slept_for_ten_views_is_told() {
    let mut world = World::running(4, 0..3);
    // Whoever leads is cut off once it has decided a little.
    for round in 1..=10 {
        let cut = usize::try_from(world.replicas[0].view() % 4).unwrap();
        world.want(3 * round, 0..3);
        world.run(SECOND * 2, |letter| letter.from != cut || !(letter.is_pre_prepare() || letter.is_pull()));
        world.run(SECOND * 5, |_| true);
    }
    let view = world.replicas[0].view();
    assert!(view >= 10, "{view}");
    world.start(3);
    world.want(31, 0..4);
    world.run(SECOND * 10, |_| true);
    assert_eq!(world.replicas[3].view(), world.replicas[0].view());
    // What is below the others' low mark comes as blocks.
    world.catch_up(3);
    world.run(SECOND * 10, |_| true);
    assert_eq!(world.executed(0..4), [31; 4], "{}", world.picture());
    assert_eq!(world.replicas[3].view(), world.replicas[0].view());
    world.assert_agreement();
}

#[test]
fn a_value_that_is_known_by_its_root_only_is_pulled() {
    let mut world = World::running(4, 0..4);
    world.want(1, 0..4);
    // Replica 3 never sees the value; the others prepare it, then their primary dies.
    world.deliver_if(|letter| letter.to != 3 && !letter.is_vote(Phase::Commit) && !letter.is_pull());
    world.wire.clear();
    world.crash(0);
    world.run(Duration::from_millis(250), |letter| !letter.is_pull());
    assert_eq!(world.replicas[3].view(), 1);
    world.run(SECOND * 20, |_| true);
    assert_eq!(world.executed(1..4), [1; 3], "{}", world.picture());
    assert_eq!(world.value_at(3, 1), Some(value(0, 1, 0)));
    assert!(world.replicas[3].validated.is_empty(), "what was prepared is valid by the word of others");
}

/// `PB-V4`
#[test]
fn an_open_view_takes_no_new_value_where_it_has_proposed_one_again() {
    let mut world = World::running(4, [3]);
    let prepared = proposal(0, 2, b"value");
    let proof = world.proof(&[0, 1, 2], Phase::Prepare, prepared);
    let changes = [
        world.view_change(0, 1, &[(prepared, proof.clone())]),
        world.view_change(1, 1, &[]),
        world.view_change(2, 1, &[]),
    ];
    let new_view = world.new_view(1, 1, &changes, vec![proof]);
    world.say(1, 3, Message::NewView(Box::new(new_view)));
    for height in [1, 2] {
        world.say(1, 3, world.pre_prepare(1, 1, height, &value(1, height, 1)));
    }
    assert!(world.replicas[3].validated.is_empty());
    world.say(1, 3, world.pre_prepare(1, 1, 3, &value(1, 3, 1)));
    assert_eq!(world.replicas[3].validated.len(), 1);
}
