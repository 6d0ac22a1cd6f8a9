//! The number that the protocol counts: views.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::types::{ValidatorIndex, ValidatorSet};

/// A view: the reign of one primary.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ViewNumber(u64);

impl ViewNumber {
    /// The first view, which nobody has to change to.
    pub const ZERO: Self = Self(0);

    /// Wraps a raw number.
    pub const fn new(raw: u64) -> Self {
        Self(raw)
    }

    /// Unwraps the raw number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The view after this one. Saturates: no honest replica ever gets there.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// How many views this one lies above `other`; 0 if it does not.
    pub const fn above(self, other: Self) -> u64 {
        self.0.saturating_sub(other.0)
    }

    /// Who leads it: validators in turn.
    ///
    /// # Panics
    /// Never: a set has between one and 1,024 members.
    pub fn primary(self, set: &ValidatorSet) -> ValidatorIndex {
        let count = u64::try_from(set.len()).expect("at most 1,024 members");
        let place = u16::try_from(self.0 % count).expect("below 1,024");
        ValidatorIndex::new(place)
    }
}

impl fmt::Debug for ViewNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for ViewNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
