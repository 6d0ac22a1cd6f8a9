//! Every planted bug is found by the checker that is said to find it, within the seeds that are said to be enough.
//!
//! `cargo test --no-default-features --features planted --test sim planted -- --nocapture` prints the table;
//! `THALWEG_BUG=NAME` hunts those only whose names begin so.

use thalweg::sim::{
    planted::{BUGS, Bug},
    run,
};

fn bugs() -> impl Iterator<Item = &'static Bug> {
    let wanted = std::env::var("THALWEG_BUG").unwrap_or_default();
    BUGS.iter().filter(move |bug| bug.name.starts_with(&wanted))
}

#[test]
fn every_planted_bug_is_found_in_time() {
    let mut missed = Vec::new();
    for bug in bugs() {
        let found = bug.hunt();
        let verdict = match &found {
            Some((seeds, violation)) => format!("{} after {seeds} seeds", violation.checker),
            None => format!("nothing in {} seeds", bug.seeds_max),
        };
        println!("{:<24} {:<14} within {:>4}: {verdict}", bug.name, bug.found_by, bug.seeds_max);
        if found.is_none_or(|(_, violation)| violation.checker != bug.found_by) {
            missed.push(format!("{}: {verdict}, not {}", bug.name, bug.found_by));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

/// It is the bug that is found, not something that is always there.
#[test]
fn without_its_bug_the_seed_that_finds_it_holds() {
    for bug in bugs() {
        if let Some((seeds, _)) = bug.hunt() {
            assert_eq!(run(&bug.scenario(), seeds - 1).violation, None, "{}", bug.name);
        }
    }
}
