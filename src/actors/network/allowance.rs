//! A token bucket that may fall into debt, for costs that are known only afterwards (the size of an answer).

use std::time::{Duration, Instant};

/// How much a peer may still ask for.
#[derive(Clone, Debug)]
pub(super) struct Allowance {
    /// Left, in units; negative is debt.
    level: i64,
    per_second: u32,
    burst: u32,
    updated: Instant,
}

impl Allowance {
    /// A full bucket. `burst` is its capacity; both at least 1.
    pub fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        Self { level: i64::from(burst.max(1)), per_second: per_second.max(1), burst: burst.max(1), updated: now }
    }

    fn refill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.updated);
        let units = elapsed.as_nanos() * u128::from(self.per_second) / 1_000_000_000;
        if units == 0 {
            return;
        }
        self.level = self.level.saturating_add(i64::try_from(units).unwrap_or(i64::MAX)).min(i64::from(self.burst));
        self.updated = now;
    }

    /// Takes a unit, unless there is none.
    pub fn try_take(&mut self, now: Instant) -> Result<(), Duration> {
        self.refill(now);
        if self.level > 0 {
            self.level -= 1;
            return Ok(());
        }
        let missing = self.level.unsigned_abs().saturating_add(1);
        Err(Duration::from_millis(missing.saturating_mul(1_000).div_ceil(u64::from(self.per_second))))
    }

    /// How long the debt takes to be paid; none when there is no debt.
    pub fn debt(&mut self, now: Instant) -> Duration {
        self.refill(now);
        let missing = if self.level < 0 { self.level.unsigned_abs() } else { 0 };
        Duration::from_millis((missing.saturating_mul(1_000)).div_ceil(u64::from(self.per_second)))
    }

    /// Takes units that are spent already.
    pub fn charge(&mut self, units: usize) {
        self.level = self.level.saturating_sub(i64::try_from(units).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_until_the_debt_is_paid() {
        let start = Instant::now();
        let mut allowance = Allowance::new(10, 2, start);
        assert_eq!(allowance.try_take(start), Ok(()));
        allowance.charge(11);
        assert_eq!(allowance.try_take(start), Err(Duration::from_millis(1_100)));
        assert_eq!(allowance.debt(start), Duration::from_secs(1));
        assert!(allowance.try_take(start + Duration::from_millis(900)).is_err());
        assert_eq!(allowance.try_take(start + Duration::from_millis(1_200)), Ok(()));
        let later = start + Duration::from_secs(100);
        assert_eq!(allowance.debt(later), Duration::ZERO);
        assert_eq!([0; 3].map(|_| allowance.try_take(later).is_ok()), [true, true, false], "never above the burst");
    }
}
