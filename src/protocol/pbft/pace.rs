//! How long a view may last without progress. Only liveness depends on it.

use std::time::Duration;

use crate::protocol::Timing;

/// A decision may take this many times what decisions took before.
const SLACK: u32 = 8;
/// Doublings of the deadline end here.
const BACKOFF_MAX: u32 = 8;
/// A command may wait for this many deadlines though others are executed.
const PATIENCE: u32 = 32;

/// The deadline arithmetic of one instance (`PB-T2`).
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    timing: Timing,
    delay: Duration,
}

impl Pace {
    /// Starts from the delay that the hands expect of a quorum; a decision takes two after the proposal.
    pub fn new(timing: Timing) -> Self {
        Self { timing, delay: timing.quorum_delay }
    }

    /// `clamp(8 · delay, min, max) · 2^min(fruitless views, 8)`.
    pub fn timeout(&self, fruitless: u64) -> Duration {
        let (min, max) = (self.timing.round_timeout_min, self.timing.round_timeout_max);
        let base = self.delay.saturating_mul(SLACK).min(max).max(min);
        let doublings = u32::try_from(fruitless).unwrap_or(BACKOFF_MAX).min(BACKOFF_MAX);
        base.saturating_mul(1 << doublings)
    }

    /// How long the oldest command may wait while others are executed: a primary that passes one over is given up.
    pub fn patience(&self, fruitless: u64) -> Duration {
        self.timeout(fruitless).saturating_mul(PATIENCE)
    }

    /// Takes the time from a proposal to its decision into a moving average (weight 1/4).
    pub fn measure(&mut self, delay: Duration) {
        self.delay = (self.delay.saturating_mul(3).saturating_add(delay)) / 4;
    }

    /// How often one that lacks something pulls.
    pub fn pull_interval(&self) -> Duration {
        self.timing.pull_interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// `PB-T2`
    #[test]
    fn the_deadline_is_clamped_then_doubled_with_each_fruitless_view() {
        let timing = Timing { round_timeout_min: ms(100), round_timeout_max: ms(1000), ..Timing::default() };
        let pace = |delay| Pace::new(Timing { quorum_delay: delay, ..timing });
        assert_eq!(pace(ms(1)).timeout(0), ms(100));
        assert_eq!(pace(ms(50)).timeout(0), ms(400));
        assert_eq!(pace(ms(9000)).timeout(0), ms(1000));
        assert_eq!([0, 1, 2].map(|fruitless| pace(ms(50)).timeout(fruitless)), [ms(400), ms(800), ms(1600)]);
        assert_eq!(pace(ms(50)).timeout(u64::MAX), ms(400 * 256));
        let mut slower = pace(ms(50));
        slower.measure(ms(90));
        assert_eq!(slower.timeout(0), ms(480));
    }
}
