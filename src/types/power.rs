//! Quorum arithmetic, once: exact, in `u128`, for weighted power and both crash models.
//!
//! With total power W, a Byzantine *quorum* is more than 2W/3 (two of them share more than W/3, hence an honest
//! validator) and a *blocking* power is more than W/3 (at least one honest validator). In the crash model a quorum
//! is more than W/2, and any power above zero contains a truthful validator.

use serde::{Deserialize, Serialize};

use super::Power;

/// What faulty validators may do, which sets the size of a quorum.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CrashModel {
    /// They may do anything. Tolerates less than a third of the power.
    #[default]
    Byzantine,
    /// They only stop. Tolerates less than half of the power.
    Crash,
}

/// A sum of voting power. `u128` holds 65,536 times the largest [`Power`] with room for the factors below.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tally(u128);

impl Tally {
    /// No power.
    pub const ZERO: Self = Self(0);

    /// Adds one validator's power.
    #[must_use]
    pub fn plus(self, power: Power) -> Self {
        Self(self.0 + u128::from(power.get()))
    }

    /// Takes one validator's power away again.
    ///
    /// # Panics
    /// If more is taken than was added, which is a bug of the caller.
    #[must_use]
    pub fn minus(self, power: Power) -> Self {
        Self(self.0.checked_sub(u128::from(power.get())).expect("took more power than was tallied"))
    }

    /// The sum of two disjoint tallies.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// The raw sum.
    pub const fn get(self) -> u128 {
        self.0
    }

    /// Whether this is a quorum of `total` under `model`.
    pub const fn is_quorum(self, total: Self, model: CrashModel) -> bool {
        match model {
            CrashModel::Byzantine => 3 * self.0 > 2 * total.0,
            CrashModel::Crash => 2 * self.0 > total.0,
        }
    }

    /// The least power that is a quorum of `total` under `model`.
    #[must_use]
    pub const fn least_quorum(total: Self, model: CrashModel) -> Self {
        match model {
            CrashModel::Byzantine => Self(2 * total.0 / 3 + 1),
            CrashModel::Crash => Self(total.0 / 2 + 1),
        }
    }

    /// Whether this power holds at least one validator that does not lie.
    pub const fn is_blocking(self, total: Self, model: CrashModel) -> bool {
        match model {
            CrashModel::Byzantine => 3 * self.0 > total.0,
            CrashModel::Crash => self.0 > 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(raw: u128) -> Tally {
        Tally(raw)
    }

    #[test]
    fn quorum_of_four_equals_is_three() {
        let byzantine: Vec<bool> = (0..=4).map(|p| tally(p).is_quorum(tally(4), CrashModel::Byzantine)).collect();
        assert_eq!(byzantine, [false, false, false, true, true]);
        let crash: Vec<bool> = (0..=4).map(|p| tally(p).is_quorum(tally(4), CrashModel::Crash)).collect();
        assert_eq!(crash, [false, false, false, true, true]);
    }

    #[test]
    fn exactly_two_thirds_is_no_quorum() {
        assert!(!tally(2).is_quorum(tally(3), CrashModel::Byzantine));
        assert!(!tally(200).is_quorum(tally(300), CrashModel::Byzantine));
        assert!(tally(201).is_quorum(tally(300), CrashModel::Byzantine));
    }

    #[test]
    fn largest_powers_do_not_overflow() {
        let all = (0..u16::MAX).fold(Tally::ZERO, |sum, _| sum.plus(Power::new(u64::MAX)));
        assert!(all.is_quorum(all, CrashModel::Byzantine));
        assert!(!Tally::ZERO.plus(Power::new(u64::MAX)).is_quorum(all, CrashModel::Byzantine));
    }

    proptest::proptest! {
        #[test]
        fn the_least_quorum_is_one_and_less_is_none(total in 1u128..1 << 80) {
            for model in [CrashModel::Byzantine, CrashModel::Crash] {
                let least = Tally::least_quorum(tally(total), model);
                proptest::prop_assert!(least.is_quorum(tally(total), model));
                proptest::prop_assert!(!tally(least.get() - 1).is_quorum(tally(total), model));
            }
        }

        #[test]
        fn two_quorums_share_a_blocking_power(total in 1u128..1 << 80, a in 0u128..1 << 80, b in 0u128..1 << 80) {
            for model in [CrashModel::Byzantine, CrashModel::Crash] {
                let (a, b) = (a.min(total), b.min(total));
                if tally(a).is_quorum(tally(total), model) && tally(b).is_quorum(tally(total), model) {
                    let shared = (a + b).saturating_sub(total);
                    proptest::prop_assert!(tally(shared).is_blocking(tally(total), model));
                }
            }
        }
    }
}
