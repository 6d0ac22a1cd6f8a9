//! Whole clusters under virtual time: some hundred seeds of agreement, exactly-once and liveness.
//!
//! `THALWEG_SEEDS=A..B` plays other seeds, half open; a failing one is named with the line that plays it alone.
//! With `THALWEG_TRACE` set, every event is printed (to be used with a single seed).

use std::{ops::Range, time::Duration};

use thalweg::sim::{Amnesia, Faults, Scenario, run, watch};

/// The seeds to play: those of the environment, or `0..default`.
fn seeds(default: u64) -> Range<u64> {
    let Ok(range) = std::env::var("THALWEG_SEEDS") else { return 0..default };
    let (from, to) = range.split_once("..").expect("THALWEG_SEEDS is A..B");
    from.parse().expect("A is a number")..to.parse().expect("B is a number")
}

#[expect(clippy::print_stdout, reason = "whoever sets THALWEG_TRACE wants to read it")]
fn play(scenario: &Scenario, default: u64) {
    for seed in seeds(default) {
        let report = match std::env::var_os("THALWEG_TRACE") {
            Some(_) => watch(scenario, seed, &mut |line| println!("{line}")),
            None => run(scenario, seed),
        };
        if let Some(violation) = report.violation {
            let again = format!("THALWEG_SEEDS={seed}..{} cargo test --test sim", seed + 1);
            panic!("{violation:?} in {scenario:?}\nplay it alone: {again}");
        }
        assert!(report.height.get() > 0, "seed {seed} decided nothing");
    }
}

#[test]
fn quiet_clusters_agree_and_answer() {
    play(&Scenario { faults: Faults::NONE, ..Scenario::default() }, 60);
}

#[test]
fn clusters_with_loss_and_crashes_agree_and_answer() {
    play(&Scenario { faults: Faults::LIGHT, ..Scenario::default() }, 100);
}

#[test]
fn clusters_on_a_bad_day_agree_and_answer() {
    play(&Scenario { faults: Faults::HEAVY, ..Scenario::default() }, 100);
}

#[test]
fn larger_clusters_agree_and_answer() {
    play(&Scenario { validators: 7, commands: 10, ..Scenario::default() }, 15);
}

#[test]
fn a_window_of_several_heights_agrees_and_answers() {
    play(&Scenario { window: 4, ..Scenario::default() }, 40);
}

#[test]
fn larger_clusters_on_a_bad_day_agree_and_answer() {
    play(&Scenario { validators: 7, commands: 10, faults: Faults::HEAVY, ..Scenario::default() }, 10);
}

#[test]
fn a_window_on_a_bad_day_agrees_and_answers() {
    play(&Scenario { window: 4, faults: Faults::HEAVY, ..Scenario::default() }, 40);
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
        play(&scenario, 40);
        play(&Scenario { faults: Faults::HEAVY, ..scenario }, 20);
    }
}

/// `OB-10`: without that rule it does, and is caught.
#[test]
fn a_validator_that_forgets_its_votes_is_noticed() {
    let scenario = Scenario { amnesia: Amnesia::Forgets, faults: Faults::HEAVY, ..Scenario::default() };
    let violation = (0..40).find_map(|seed| run(&scenario, seed).violation);
    assert_eq!(violation.expect("nobody noticed in 40 worlds").checker, "equivocation");
}

#[test]
fn equal_seeds_play_equal_worlds_and_others_do_not() {
    let scenario = Scenario { commands: 5, ..Scenario::default() };
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
