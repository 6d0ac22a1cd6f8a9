//! What became of commands, and how long it took.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use hdrhistogram::Histogram;
use tokio::time::{Duration, Instant};

/// Latencies are kept to three digits, up to a minute.
const LATENCY_MICROS_MAX: u64 = 60_000_000;
const DIGITS: u8 = 3;

/// Counts and latencies of one part of a measurement.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) latencies: Histogram<u64>,
    /// Commands whose answer came in this part.
    pub(super) committed: u64,
    /// Commands that were due in this part and did not end well, by what was heard.
    pub(super) errors: BTreeMap<String, u64>,
}

impl Part {
    fn new() -> Self {
        let latencies = Histogram::new_with_max(LATENCY_MICROS_MAX, DIGITS).expect("a range that the crate can keep");
        Self { latencies, committed: 0, errors: BTreeMap::new() }
    }
}

/// How the commands of one request ended.
pub(super) struct Ended {
    /// When the request was to be sent.
    pub(super) due: Instant,
    /// How many were committed.
    pub(super) committed: u64,
    /// What was heard of the others, and of how many.
    pub(super) errors: Vec<(String, u64)>,
}

/// Takes what connections report; shared by all of them.
#[derive(Clone)]
pub(super) struct Tally(Arc<Mutex<Inside>>);

struct Inside {
    /// The moments between which parts lie.
    borders: Vec<Instant>,
    parts: Vec<Part>,
    /// Of the present second, for the progress.
    committed: u64,
}

impl Tally {
    /// Parts between successive moments; what lies outside of all does not count.
    pub(super) fn new(borders: Vec<Instant>) -> Self {
        let parts = borders.windows(2).map(|_| Part::new()).collect();
        Self(Arc::new(Mutex::new(Inside { borders, parts, committed: 0 })))
    }

    /// A request has ended just now.
    pub(super) fn end(&self, ended: Ended) {
        let now = Instant::now();
        let mut inside = self.lock();
        inside.committed += ended.committed;
        if let Some(part) = inside.part_at(now) {
            part.committed += ended.committed;
        }
        if let Some(part) = inside.part_at(ended.due) {
            let latency = u64::try_from(now.saturating_duration_since(ended.due).as_micros()).unwrap_or(u64::MAX);
            part.latencies.saturating_record_n(latency, ended.committed);
            for (what, commands) in ended.errors {
                *part.errors.entry(what).or_default() += commands;
            }
        }
    }

    /// How many were committed since this was asked before.
    pub(super) fn recently(&self) -> u64 {
        std::mem::take(&mut self.lock().committed)
    }

    /// The parts.
    pub(super) fn parts(&self) -> Vec<Part> {
        self.lock().parts.clone()
    }

    /// How long each part is.
    pub(super) fn lengths(&self) -> Vec<Duration> {
        self.lock().borders.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().expect("nothing panics while holding the lock")
    }
}

impl Inside {
    fn part_at(&mut self, moment: Instant) -> Option<&mut Part> {
        let passed = self.borders.iter().take_while(|border| **border <= moment).count();
        self.parts.get_mut(passed.checked_sub(1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_where_it_was_due_and_its_commands_where_they_were_committed() {
        let now = Instant::now();
        let ago = |millis| now.checked_sub(Duration::from_millis(millis)).unwrap();
        let tally = Tally::new(vec![ago(2_000), ago(1_000), now + Duration::from_mins(1)]);
        for due in [3_000, 1_500, 500] {
            tally.end(Ended { due: ago(due), committed: 2, errors: vec![("429".to_owned(), 1)] });
        }
        let parts = tally.parts();
        let found: Vec<_> =
            parts.iter().map(|part| (part.latencies.len(), part.committed, part.errors["429"])).collect();
        assert_eq!(found, [(2, 0, 1), (2, 6, 1)]);
        assert!(parts[0].latencies.max() >= 1_500_000, "the wait before it was sent counts");
        assert_eq!((tally.recently(), tally.recently()), (6, 0));
    }
}
