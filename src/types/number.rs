//! Protocol numbers. Each is a type of its own: no `From<u64>`, no cast, checked arithmetic, so that a height can
//! never be passed where a power is meant.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($raw:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name($raw);

        impl $name {
            /// The smallest value.
            pub const ZERO: Self = Self(0);

            /// Wraps a raw number.
            pub const fn new(raw: $raw) -> Self {
                Self(raw)
            }

            /// Unwraps the raw number.
            pub const fn get(self) -> $raw {
                self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number! {
    /// A position in the agreed sequence. Genesis is height 0, the first decided block height 1.
    Height(u64)
}

number! {
    /// The voting power of one validator. Sums are taken in `u128` (see [`super::Tally`]) and cannot overflow.
    Power(u64)
}

number! {
    /// A validator's position in its [`super::ValidatorSet`], which is ordered by public key.
    ValidatorIndex(u16)
}

impl Height {
    /// The first height that is decided.
    pub const FIRST: Self = Self(1);

    /// The next height. Saturates: 2^64 heights are never reached.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The height `count` above.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }

    /// The height `count` below, genesis at the lowest.
    #[must_use]
    pub const fn minus(self, count: u64) -> Self {
        Self(self.0.saturating_sub(count))
    }

    /// How many heights this one lies above `other`; 0 if it does not.
    pub const fn above(self, other: Self) -> u64 {
        self.0.saturating_sub(other.0)
    }
}

impl ValidatorIndex {
    /// The index as a position in a slice.
    pub fn position(self) -> usize {
        usize::from(self.0)
    }

    /// The index of a position; `None` past 65,535.
    pub fn at(position: usize) -> Option<Self> {
        u16::try_from(position).ok().map(Self)
    }
}
