//! The two numbers that rules compare. "None yet" is [`None`], which sorts below every number: an absent last vote,
//! an absent lock and the depth of the virtual genesis (−1 in the paper) need no special cases.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A round of the instance. Numbered from zero; the virtual genesis counts as the tick before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tick(u64);

impl Tick {
    /// The first tick.
    pub const ZERO: Self = Self(0);

    /// Wraps a raw number.
    pub const fn new(raw: u64) -> Self {
        Self(raw)
    }

    /// Unwraps the raw number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The tick after this one. Saturates: no honest replica ever gets there.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The tick `count` later; saturates.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }

    /// The tick before, none before the first.
    pub const fn previous(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(raw) => Some(Self(raw)),
            None => None,
        }
    }

    /// Whether `next` comes right after this tick.
    pub const fn is_followed_by(self, next: Self) -> bool {
        matches!(next.previous(), Some(before) if before.0 == self.0)
    }
}

impl fmt::Debug for Tick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// How far a message is from its root: a Proposal has depth 0, its children 1, and so on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Depth(u64);

impl Depth {
    /// A Proposal's depth.
    pub const ROOT: Self = Self(0);

    /// Wraps a raw number.
    pub const fn new(raw: u64) -> Self {
        Self(raw)
    }

    /// Unwraps the raw number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The depth of a child; saturates.
    #[must_use]
    pub const fn below(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Debug for Depth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_sorts_below_everything() {
        assert!(None < Some(Tick::ZERO));
        assert!(None < Some(Depth::ROOT));
    }

    #[test]
    fn followed_by_holds_for_neighbours_only() {
        assert!(Tick::new(4).is_followed_by(Tick::new(5)));
        assert!(!Tick::new(4).is_followed_by(Tick::new(6)));
        assert!(!Tick::new(u64::MAX).is_followed_by(Tick::new(u64::MAX).next()), "saturation is no successor");
    }
}
