//! Pull: what I have, and what you lack.

use serde::{Deserialize, Serialize};

use super::ViewNumber;
use crate::types::{Bitmap, BoundedVec, Digest, Height, ValidatorSet};

/// The most heights of a summary.
pub const KNOWN_MAX: usize = 4096;

/// What is here of a height that is not decided here.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Known {
    /// The height.
    pub height: Height,
    /// Whether a proposal of the current view is here.
    pub has_proposal: bool,
    /// A value that is known by its root only.
    pub lacks: Option<Digest>,
    /// Whose prepares of the current view.
    pub prepares: Bitmap,
    /// Whose commits.
    pub commits: Bitmap,
}

/// What a replica has. A lie here only changes what the liar itself is sent.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Summary {
    /// The current view.
    pub view: ViewNumber,
    /// Whether it is open here.
    pub is_active: bool,
    /// Everything up to here is decided.
    pub decided: Height,
    /// Nothing above is wanted yet.
    pub high: Height,
    /// The heights between that are not decided and of which something is here.
    pub known: BoundedVec<Known, KNOWN_MAX>,
    /// Heights between that are decided here.
    pub certified: BoundedVec<Height, KNOWN_MAX>,
    /// The highest view to which each validator is known to change.
    pub changes: BoundedVec<Option<ViewNumber>, { ValidatorSet::MEMBERS_MAX }>,
}
