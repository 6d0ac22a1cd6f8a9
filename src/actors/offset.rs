//! How far our clock is from the validators': for the operator, never for a rule.
//!
//! Each proposal that is decided here while it is news says what its proposer's clock showed a few milliseconds ago.
//! The median over the proposers' last ones is wrong only if half of the clocks are. Called by the replica's actor.
//! Limit: one sample for each validator.

use std::{collections::BTreeMap, time::Duration};

use crate::types::ValidatorIndex;

/// The last sample of each proposer: our clock minus its own, in seconds.
#[derive(Debug, Default)]
pub struct Offsets(BTreeMap<ValidatorIndex, f64>);

impl Offsets {
    /// Takes a sample from a validator of the set. Returns our clock minus the median of the validators', in seconds.
    pub fn take(&mut self, proposer: ValidatorIndex, proposed_at_ms: u64, now_ms: u64) -> f64 {
        let seconds = |ms| Duration::from_millis(ms).as_secs_f64();
        self.0.insert(proposer, seconds(now_ms) - seconds(proposed_at_ms));
        let mut samples: Vec<f64> = self.0.values().copied().collect();
        samples.sort_unstable_by(f64::total_cmp);
        samples[(samples.len() - 1) / 2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(samples: &[(u16, u64)], now_ms: u64) -> f64 {
        let mut offsets = Offsets::default();
        let take = |&(proposer, at): &(u16, u64)| offsets.take(ValidatorIndex::new(proposer), at, now_ms);
        samples.iter().map(take).last().unwrap()
    }

    #[test]
    fn one_wrong_clock_is_told_from_three_right_ones() {
        assert_eq!(last(&[(0, 9_000), (1, 9_000), (2, 900_000), (3, 9_000)], 9_000), 0.0);
        assert_eq!(last(&[(0, 9_000), (1, 9_000), (2, 900_000), (3, 9_000)], 900_000), 891.0);
    }

    #[test]
    fn the_last_word_of_a_proposer_counts() {
        assert_eq!(last(&[(0, 1_000), (1, 9_000), (0, 9_000), (0, 9_500)], 9_000), -0.5);
    }
}
