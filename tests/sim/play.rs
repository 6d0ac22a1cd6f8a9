//! Playing a range of seeds.

use std::ops::Range;

use thalweg::{
    protocol::ProtocolName,
    sim::{Report, Scenario, run},
};

/// The seeds to play: those of the environment, or `0..default`.
pub fn seeds(default: u64) -> Range<u64> {
    let Ok(range) = std::env::var("THALWEG_SEEDS") else { return 0..default };
    let (from, to) = range.split_once("..").expect("THALWEG_SEEDS is A..B");
    from.parse().expect("A is a number")..to.parse().expect("B is a number")
}

/// Plays seeds of every protocol, all of which must hold every invariant, and looks at each report.
pub fn play_and(scenario: &Scenario, default: u64, mut look: impl FnMut(&Report)) {
    for protocol in ProtocolName::ALL {
        let scenario = Scenario { protocol, ..scenario.clone() };
        for seed in seeds(default) {
            look(&hold(&scenario, seed));
        }
    }
}

/// Plays seeds of every protocol, all of which must hold every invariant.
pub fn play(scenario: &Scenario, default: u64) {
    play_and(scenario, default, |_| {});
}

/// Plays one seed, which must hold every invariant and get somewhere.
pub fn hold(scenario: &Scenario, seed: u64) -> Report {
    let report = run(scenario, seed);
    if let Some(violation) = &report.violation {
        let again = format!("THALWEG_SEEDS={seed}..{} cargo test --test sim", seed + 1);
        panic!("{violation:?} with {:?} in {scenario:?}\nplay it alone: {again}", report.liars);
    }
    assert!(report.height.get() > 0, "seed {seed} decided nothing in {scenario:?}");
    report
}
