//! Clusters without liars.

use std::time::Duration;

use thalweg::sim::{Amnesia, Faults, Scenario, run};

use crate::play::play;

#[test]
fn quiet_clusters_agree_and_answer() {
    play(&Scenario { faults: Faults::NONE, ..Scenario::default() }, 20);
}

#[test]
fn clusters_with_loss_and_crashes_agree_and_answer() {
    play(&Scenario { faults: Faults::LIGHT, ..Scenario::default() }, 20);
}

/// Each seed draws which faults there are: whatever hides another one is missing in some.
#[test]
fn clusters_on_a_bad_day_agree_and_answer() {
    play(&Scenario { faults: Faults::HEAVY, is_swarm: true, ..Scenario::default() }, 40);
}

#[test]
fn clusters_on_the_worst_day_agree_and_answer() {
    play(&Scenario { faults: Faults::HEAVY, ..Scenario::default() }, 12);
}

/// `JN-9`: one disk loses what it was given, again and again; its validator forgets no vote and stays in.
#[test]
fn a_validator_whose_disk_rots_stays_honest() {
    let faults = Faults { rot: 1000, ..Faults::HEAVY };
    play(&Scenario { faults, is_swarm: true, value_bytes: 3_000, ..Scenario::default() }, 25);
}

#[test]
fn larger_clusters_agree_and_answer() {
    play(&Scenario { validators: 7, commands: 10, is_swarm: true, faults: Faults::HEAVY, ..Scenario::default() }, 10);
}

#[test]
fn a_window_of_several_heights_agrees_and_answers() {
    play(&Scenario { window: 4, faults: Faults::HEAVY, is_swarm: true, ..Scenario::default() }, 25);
}

/// `OB-3`: with the lane of the dead skipped for longer each time, clients soon wait hardly longer.
#[test]
fn a_dead_validator_costs_little() {
    let mean_of_last = |count: usize, scenario: &Scenario| {
        let report = run(scenario, 1);
        assert_eq!(report.violation, None);
        let last = &report.latencies[scenario.commands - count..];
        last.iter().sum::<Duration>() / u32::try_from(count).unwrap()
    };
    let healthy = Scenario { commands: 400, faults: Faults::NONE, ..Scenario::default() };
    let wounded = Scenario { absent: 1, commands: 2_000, ..healthy.clone() };
    let (wounded, healthy) = (mean_of_last(1_000, &wounded), mean_of_last(300, &healthy));
    assert!(wounded <= 2 * healthy, "with one of four dead {wounded:?}, instead of {healthy:?}, on average");
}

/// `OB-10`: a validator that loses its disk again and again never contradicts itself, stops nobody, and follows.
#[test]
fn a_validator_that_loses_its_memory_rejoins() {
    for window in [1, 4] {
        let scenario = Scenario { window, amnesia: Amnesia::Rejoins, ..Scenario::default() };
        play(&scenario, 20);
        play(&Scenario { faults: Faults::HEAVY, ..scenario }, 10);
    }
}

/// `OB-10`: without that rule it does, and is caught.
#[test]
fn a_validator_that_forgets_its_votes_is_noticed() {
    let scenario = Scenario { amnesia: Amnesia::Forgets, faults: Faults::HEAVY, ..Scenario::default() };
    let violation = (0..40).find_map(|seed| run(&scenario, seed).violation);
    assert_eq!(violation.expect("nobody noticed in 40 worlds").checker, "one-vote");
}

#[test]
fn equal_seeds_play_equal_worlds_and_others_do_not() {
    let scenario = Scenario { commands: 5, liars: 1, is_swarm: true, ..Scenario::default() };
    let first = run(&scenario, 7);
    assert_eq!(run(&scenario, 7), first);
    assert_ne!(run(&scenario, 8).hash, first.hash);
}

#[test]
fn impatience_is_noticed() {
    // The liveness checker is alive: nobody can have answered everything by the end of the faults themselves.
    let scenario =
        Scenario { faults: Faults { loss: 1000, ..Faults::LIGHT }, patience: Duration::ZERO, ..Scenario::default() };
    let violation = run(&scenario, 0).violation.expect("nothing can be decided while everything is lost");
    assert_eq!(violation.checker, "liveness");
}
