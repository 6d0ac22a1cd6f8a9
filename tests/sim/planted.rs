//! Every planted bug is found by the checker that is said to find it, within the seeds that are said to be enough.
//!
//! `cargo test --no-default-features --features planted --test sim planted -- --nocapture` prints the table.

use thalweg::sim::{planted::BUGS, run};

#[test]
fn every_planted_bug_is_found_in_time() {
    let mut missed = Vec::new();
    for bug in BUGS {
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
    for bug in BUGS {
        if let Some((seeds, _)) = bug.hunt() {
            assert_eq!(run(&bug.scenario(), seeds - 1).violation, None, "{}", bug.name);
        }
    }
}
