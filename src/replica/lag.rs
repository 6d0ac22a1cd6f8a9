//! How far behind we are, and how long it will take.

use std::time::Duration;

use crate::types::{Height, Time};

/// Catching up, for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Where it began.
    pub from: Height,
    /// Where we are.
    pub executed: Height,
    /// Where peers say they are.
    pub target: Height,
    /// How long it has taken.
    pub elapsed: Duration,
}

impl Progress {
    /// The part that is done, 0 to 100.
    pub fn percent(&self) -> u64 {
        let (done, all) = (self.done(), self.target.above(self.from));
        done.saturating_mul(100).checked_div(all).map_or(100, |percent| percent.min(100))
    }

    /// Blocks a second since it began.
    pub fn blocks_per_second(&self) -> u64 {
        let millis = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        self.done().saturating_mul(1000) / millis
    }

    /// How long it will take at this pace; `None` while nothing has come.
    pub fn left(&self) -> Option<Duration> {
        let rate = self.blocks_per_second();
        (rate > 0).then(|| Duration::from_secs(self.target.above(self.executed).div_ceil(rate)))
    }

    fn done(&self) -> u64 {
        self.executed.above(self.from)
    }
}

/// Whether we catch up, and since when.
#[derive(Default)]
pub(super) struct Lag {
    began: Option<(Height, Time)>,
}

impl Lag {
    /// Whether blocks are being fetched to close a gap.
    pub(super) fn is_syncing(&self) -> bool {
        self.began.is_some()
    }

    /// Notes whether it goes on; returns whether that is news.
    pub(super) fn note(&mut self, now: Time, executed: Height, is_syncing: bool) -> bool {
        let is_news = is_syncing != self.is_syncing();
        if is_news {
            self.began = is_syncing.then_some((executed, now));
        }
        is_news
    }

    /// How far it is.
    pub(super) fn progress(&self, now: Time, executed: Height, target: Height) -> Option<Progress> {
        let (from, since) = self.began?;
        Some(Progress { from, executed, target: target.max(executed), elapsed: now.since(since) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(from: u64, executed: u64, target: u64, seconds: u64) -> Progress {
        let [from, executed, target] = [from, executed, target].map(Height::new);
        Progress { from, executed, target, elapsed: Duration::from_secs(seconds) }
    }

    #[test]
    fn pace_gives_the_time_left() {
        let progress = progress(1_000, 4_000, 11_000, 2);
        assert_eq!(progress.percent(), 30);
        assert_eq!(progress.blocks_per_second(), 1_500);
        assert_eq!(progress.left(), Some(Duration::from_secs(5)));
    }

    #[test]
    fn nothing_divides_by_zero() {
        let at_start = progress(5, 5, 9, 0);
        assert_eq!((at_start.percent(), at_start.blocks_per_second(), at_start.left()), (0, 0, None));
        assert_eq!(progress(5, 5, 5, 0).percent(), 100);
    }

    #[test]
    fn a_gap_is_news_when_it_opens_and_when_it_closes() {
        let mut lag = Lag::default();
        let (now, height) = (Time::ZERO, Height::new(7));
        assert!(!lag.note(now, height, false));
        assert!(lag.note(now, height, true));
        assert!(!lag.note(now, Height::new(8), true));
        assert_eq!(lag.progress(now, Height::new(8), Height::new(9)).unwrap().from, height);
        assert!(lag.note(now, Height::new(9), false));
        assert_eq!(lag.progress(now, height, height), None);
    }
}
