//! What must survive a crash.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    NewView, Proof, Proposal,
    message::{Account, Draft},
};
use crate::types::{Height, Signature};

/// Something to remember.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Record {
    /// We have accepted a new value for a height of a view, and no other from now on. As its primary, we have proposed
    /// it: then there is no signature, ours is made afterwards.
    Accepted {
        /// What.
        proposal: Proposal,
        /// The primary's.
        signature: Option<Signature>,
        /// The value.
        payload: Bytes,
    },
    /// We know that a value is prepared.
    Prepared {
        /// What.
        proposal: Proposal,
        /// Why.
        proof: Proof,
    },
    /// We have left our view for another, with this account.
    Changing {
        /// Above the low mark at the time of writing.
        height: Height,
        /// What we say of ourselves, for good.
        account: Account,
    },
    /// We open a view of ours.
    Opening {
        /// Above the low mark at the time of writing.
        height: Height,
        /// With what.
        draft: Draft,
    },
    /// We have entered a view.
    Entered {
        /// Above the low mark at the time of writing.
        height: Height,
        /// Its opening.
        new_view: Box<NewView>,
    },
}

impl Record {
    /// The height for which it is remembered.
    pub fn height(&self) -> Height {
        match self {
            Self::Accepted { proposal, .. } | Self::Prepared { proposal, .. } => proposal.height,
            Self::Changing { height, .. } | Self::Opening { height, .. } | Self::Entered { height, .. } => *height,
        }
    }
}
