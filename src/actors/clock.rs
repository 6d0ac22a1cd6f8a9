//! The hands' clocks. Brains are told the time; this is where it comes from.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::types::Time;

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
