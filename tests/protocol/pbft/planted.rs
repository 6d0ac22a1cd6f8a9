//! The rules' mutants: each is a bug that the chaos must find.

use thalweg::sim::planted;

use super::{change, chaos, crash};

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

/// Tells a story with a bug in the rules, which must spoil it.
#[track_caller]
fn spoils(bug: &'static str, story: fn()) {
    let told = planted::with(Some(bug), || std::panic::catch_unwind(story));
    assert!(told.is_err(), "{bug} was not found");
}

/// `PB-V2`
#[test]
fn choosing_the_lowest_view_is_found() {
    spoils("pbft-lowest-view", change::the_highest_view_wins_in_a_view_change);
}

/// `PB-D1`
#[test]
fn speaking_before_the_disk_is_found() {
    spoils("send-before-durable", crash::nothing_is_said_before_it_is_on_disk);
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
