//! The hands' clocks. Brains are told the time; this is where it comes from.

use std::{
    collections::BTreeMap,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use crate::types::{Time, ValidatorIndex};

/// A monotonic clock with the process's start as its origin, and the wall clock beside it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Starts now.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Time since the start.
    pub fn now(&self) -> Time {
        Time::ZERO.plus(self.origin.elapsed())
    }

    /// When a brain's time will be, for timers.
    pub fn instant(&self, time: Time) -> Instant {
        self.origin + time.since(Time::ZERO)
    }

    /// Milliseconds since the Unix epoch, for what people read and proposers write; 0 before 1970.
    pub fn wall_ms() -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |past| u64::try_from(past.as_millis()).unwrap_or(u64::MAX))
    }
}

/// How far our wall clock is from the validators'.
#[derive(Debug, Default)]
pub struct Clocks {
    /// Theirs minus ours, milliseconds.
    ahead: BTreeMap<ValidatorIndex, i64>,
}

impl Clocks {
    /// A validator told its time just now.
    pub fn told(&mut self, validator: ValidatorIndex, wall_ms: u64, own_ms: u64) {
        let ahead = i64::try_from(i128::from(wall_ms) - i128::from(own_ms)).unwrap_or(i64::MAX);
        self.ahead.insert(validator, ahead);
    }

    /// How far a validator's clock is ahead of ours, milliseconds.
    pub fn ahead_ms(&self, validator: ValidatorIndex) -> Option<i64> {
        self.ahead.get(&validator).copied()
    }

    /// A validator is gone.
    pub fn forget(&mut self, validator: ValidatorIndex) {
        self.ahead.remove(&validator);
    }

    /// Our clock minus the median of all clocks, ours included, in seconds. Messages on their way make it seem up to
    /// a few milliseconds more.
    #[expect(clippy::cast_precision_loss, reason = "an offset that loses milliseconds is of millions of years")]
    pub fn offset_seconds(&self) -> f64 {
        let mut ahead: Vec<i64> = self.ahead.values().copied().chain([0]).collect();
        ahead.sort_unstable();
        -(ahead[ahead.len() / 2] as f64) / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_clock_is_its_own_problem() {
        let mut clocks = Clocks::default();
        let hour_ms = 3_600_000;
        for (validator, wall_ms) in [(0, 50_000), (1, 50_003), (2, 50_000 + hour_ms)] {
            clocks.told(ValidatorIndex::new(validator), wall_ms, 50_001);
        }
        assert!(clocks.offset_seconds().abs() < 0.01);
        (0..3).for_each(|validator| clocks.told(ValidatorIndex::new(validator), 50_000, 50_000 + hour_ms));
        assert!((clocks.offset_seconds() - 3600.0).abs() < 0.01, "ours is the wrong one");
        (0..3).for_each(|validator| clocks.forget(ValidatorIndex::new(validator)));
        assert!(clocks.offset_seconds().abs() < f64::EPSILON, "alone nobody is wrong");
    }
}
