//! What the event stream of a node tells between blocks.
//!
//! Made by the hands from the brains' events, for people and programs that watch. Blocks are not among them: whoever
//! follows reads those from the store at its own pace, so that nothing is lost and nothing piles up.

use serde::{Deserialize, Serialize};

use crate::types::{Height, ValidatorIndex};

/// Something worth watching.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Notice {
    /// A round of a live instance ended by its deadline.
    RoundTimedOut {
        /// Of which height.
        height: Height,
        /// Which round.
        round: u64,
    },
    /// A validator signed two things that exclude each other.
    Equivocated {
        /// At which height.
        height: Height,
        /// In which round.
        round: u64,
        /// Who.
        validator: ValidatorIndex,
    },
    /// The owner of a height failed its turn.
    TurnMissed {
        /// Of which height.
        height: Height,
        /// Who.
        validator: ValidatorIndex,
    },
    /// A validator says that a height we have executed has another header.
    Diverged {
        /// Which height.
        height: Height,
        /// Who says so.
        validator: ValidatorIndex,
    },
    /// More than a third of the power signed another state than ours (`OB-8`).
    StateMismatch {
        /// At which height.
        height: Height,
    },
    /// A quorum signed the state that we have executed (`OB-8`).
    CheckpointStable {
        /// At which height.
        height: Height,
    },
    /// A peer is connected; `validator`: which one it is proven to be.
    PeerUp {
        /// The validator.
        validator: Option<ValidatorIndex>,
    },
    /// A peer is gone.
    PeerDown {
        /// The validator it was.
        validator: Option<ValidatorIndex>,
    },
    /// Blocks are being fetched, or it is over.
    Syncing {
        /// Whether they are.
        is_syncing: bool,
        /// Where we are.
        executed: Height,
        /// Where peers say they are.
        target: Height,
    },
}

impl Notice {
    /// The name of the event.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RoundTimedOut { .. } => "round_timed_out",
            Self::Equivocated { .. } => "equivocated",
            Self::TurnMissed { .. } => "turn_missed",
            Self::Diverged { .. } => "diverged",
            Self::StateMismatch { .. } => "state_mismatch",
            Self::CheckpointStable { .. } => "checkpoint_stable",
            Self::PeerUp { .. } => "peer_up",
            Self::PeerDown { .. } => "peer_down",
            Self::Syncing { .. } => "syncing",
        }
    }
}
