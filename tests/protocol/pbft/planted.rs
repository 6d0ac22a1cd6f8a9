//! The rules' mutants: each is a bug that the chaos must find.

use thalweg::sim::planted;

use super::chaos;

/// Plays seeds with a bug in the rules until something breaks.
#[track_caller]
fn finds(bug: &'static str, seeds: u64) {
    let found = (0..seeds).find(|seed| {
        let play = std::panic::AssertUnwindSafe(|| planted::with(Some(bug), || chaos::play(*seed)));
        std::panic::catch_unwind(play).is_err()
    });
    planted::with(None, || ());
    assert!(found.is_some(), "{bug} was not found");
}

/// `PB-A3`
#[test]
fn committing_without_a_quorum_of_prepares_is_found() {
    finds("pbft-commit-unprepared", 100);
}

/// `PB-D2`
#[test]
fn forgetting_the_view_at_a_restart_is_found() {
    finds("pbft-forgotten-view", 100);
}
