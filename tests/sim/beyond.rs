//! A third of liars and more: agreement must break, and a checker must say so. If it did not, the liars would be tame.

use thalweg::sim::{Faults, Lie, Scenario, run};

#[test]
fn a_third_that_conspires_breaks_agreement_and_is_noticed() {
    for (validators, liars) in [(4, 2), (7, 3)] {
        let scenario = Scenario {
            validators,
            liars,
            lie: Some(Lie::Conspirator),
            commands: 5,
            faults: Faults::NONE,
            ..Scenario::default()
        };
        let noticed = (0..10).find_map(|seed| run(&scenario, seed).violation);
        let violation = noticed.expect("beyond a third, two values are decided");
        assert!(matches!(violation.checker, "agreement" | "evidence"), "{violation:?}");
        let held = Scenario { liars: liars - 1, ..scenario };
        assert_eq!(run(&held, violation.seed).violation, None, "with one liar less, it holds");
    }
}

/// What honest validators may say of it: more than a third must lie.
#[test]
fn agreement_is_what_breaks() {
    let scenario = Scenario { liars: 2, lie: Some(Lie::Conspirator), faults: Faults::NONE, ..Scenario::default() };
    let broken = (0..10).any(|seed| run(&scenario, seed).violation.is_some_and(|broken| broken.checker == "agreement"));
    assert!(broken);
}
