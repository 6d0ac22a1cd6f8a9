//! The heights at which a validator without its memory keeps silent (`OB-10`).

use serde::{Deserialize, Serialize};

use crate::types::Height;

/// Where a validator neither votes nor proposes, since it may have done so before and does not remember.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Abstention {
    /// Everywhere: how far the others are is not known yet.
    Everywhere,
    /// At all heights up to this one. Heights start at 1, so `Height::ZERO` stands for a memory without gaps.
    Through(Height),
}

impl Abstention {
    /// Of a validator that remembers everything.
    pub const NONE: Self = Self::Through(Height::ZERO);

    /// Whether nothing may be signed at a height.
    pub fn covers(&self, height: Height) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Through(last) => height <= *last,
        }
    }
}

impl Default for Abstention {
    fn default() -> Self {
        Self::NONE
    }
}
