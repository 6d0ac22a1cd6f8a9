//! Several worlds at once, judged in the order of their seeds.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

use super::progress::Progress;
use crate::{
    crypto::Transcript,
    sim::{Report, Scenario, Violation, planted, run},
    types::Digest,
};

/// How many finished worlds may wait to be judged.
const FINISHED_MAX: usize = 64;

/// How a range of seeds went.
pub(super) struct Played {
    /// How many, up to and with the first that failed.
    pub(super) seeds: u64,
    /// A digest of all of them.
    pub(super) hash: Digest,
    /// The first violation.
    pub(super) violation: Option<Violation>,
}

/// Plays seeds until all are done or the lowest that fails is known.
pub(super) fn play(scenario: &Scenario, seeds: Range<u64>, bug: Option<&'static str>) -> Played {
    let next = AtomicU64::new(seeds.start);
    let is_over = AtomicBool::new(false);
    let (sender, receiver) = mpsc::sync_channel(FINISHED_MAX);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            let (next, is_over, sender, end) = (&next, &is_over, sender.clone(), seeds.end);
            scope.spawn(move || {
                planted::with(bug, || {
                    while !is_over.load(Ordering::Relaxed) {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        // Whoever judges has gone once the first failure is known.
                        if seed >= end || sender.send((seed, run(scenario, seed))).is_err() {
                            return;
                        }
                    }
                });
            });
        }
        drop(sender);
        let played = judge(seeds, &receiver);
        is_over.store(true, Ordering::Relaxed);
        drop(receiver);
        played
    })
}

fn judge(seeds: Range<u64>, finished: &mpsc::Receiver<(u64, Report)>) -> Played {
    let mut progress = Progress::new(seeds.end - seeds.start);
    let mut waiting = BTreeMap::new();
    let mut hash = Transcript::new("thalweg worlds v1");
    let (mut next, mut violation) = (seeds.start, None);
    while violation.is_none()
        && let Ok((seed, report)) = finished.recv()
    {
        waiting.insert(seed, report);
        while violation.is_none()
            && let Some(report) = waiting.remove(&next)
        {
            hash = hash.digest(&report.hash);
            violation = report.violation;
            next += 1;
            progress.advance();
        }
    }
    progress.finish();
    Played { seeds: next - seeds.start, hash: hash.finish(), violation }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Faults;

    #[test]
    fn the_same_seeds_give_the_same_hash_however_the_threads_run() {
        let scenario = Scenario { commands: 2, faults: Faults::NONE, ..Scenario::default() };
        let hash = |seeds| play(&scenario, seeds, None).hash;
        assert_eq!(hash(0..6), hash(0..6));
        assert_ne!(hash(0..6), hash(1..7));
    }

    #[test]
    fn the_lowest_seed_that_fails_is_told() {
        let faults = Faults { loss: 1000, ..Faults::LIGHT };
        let scenario = Scenario { commands: 2, faults, patience: std::time::Duration::ZERO, ..Scenario::default() };
        let played = play(&scenario, 4..12, None);
        let violation = played.violation.unwrap();
        assert_eq!((played.seeds, violation.seed, violation.checker), (1, 4, "liveness"));
    }
}
