//! How long a tick may last. Only liveness depends on it.

use std::time::Duration;

use crate::protocol::Timing;

/// A tick may last this many times what a quorum took.
const SLACK: u32 = 4;
/// Doublings of the deadline end here.
const BACKOFF_MAX: u32 = 6;

/// The deadline arithmetic of one instance.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    timing: Timing,
    quorum_delay: Duration,
}

impl Pace {
    /// Starts from the delay that earlier instances measured.
    pub fn new(timing: Timing) -> Self {
        Self { timing, quorum_delay: timing.quorum_delay }
    }

    /// How long a tick may last when `idle_segments` leaders in a row notarized nothing:
    /// `clamp(4 · quorum delay, min, max) · 2^min(idle_segments, 6)`.
    pub fn tick_timeout(&self, idle_segments: u64) -> Duration {
        let (min, max) = (self.timing.round_timeout_min, self.timing.round_timeout_max);
        let base = self.quorum_delay.saturating_mul(SLACK).min(max).max(min);
        let doublings = u32::try_from(idle_segments).unwrap_or(BACKOFF_MAX).min(BACKOFF_MAX);
        base.saturating_mul(1 << doublings)
    }

    /// Takes the time from a leader's message to its quorum into a moving average (weight 1/4), and returns that.
    pub fn measure(&mut self, quorum_delay: Duration) -> Duration {
        self.quorum_delay = (self.quorum_delay.saturating_mul(3).saturating_add(quorum_delay)) / 4;
        self.quorum_delay
    }

    /// How often a wanted instance pulls: not while what it would ask for is most likely on its way.
    pub fn pull_interval(&self) -> Duration {
        let on_its_way = self.quorum_delay.saturating_mul(2).min(self.timing.round_timeout_max);
        self.timing.pull_interval.max(on_its_way)
    }

    /// How long a command waits before it makes an instance wanted.
    pub fn forward_after(&self) -> Duration {
        self.timing.forward_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn pace(quorum_delay: Duration) -> Pace {
        let timing = Timing { round_timeout_min: ms(100), round_timeout_max: ms(1000), ..Timing::default() };
        Pace::new(Timing { quorum_delay, ..timing })
    }

    #[test]
    fn deadline_is_clamped_then_doubled_up_to_the_cap() {
        assert_eq!(pace(ms(1)).tick_timeout(0), ms(100));
        assert_eq!(pace(ms(50)).tick_timeout(0), ms(200));
        assert_eq!(pace(ms(9000)).tick_timeout(0), ms(1000));
        assert_eq!(pace(ms(50)).tick_timeout(3), ms(1600));
        assert_eq!(pace(ms(50)).tick_timeout(u64::MAX), ms(200 * 64));
    }

    #[test]
    fn measurements_move_the_deadline_both_ways() {
        let mut slower = pace(ms(50));
        slower.measure(ms(250));
        assert_eq!(slower.tick_timeout(0), ms(400));
        slower.measure(ms(20));
        assert_eq!(slower.tick_timeout(0), ms(320));
    }
}
