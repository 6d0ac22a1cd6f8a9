//! What travels between nodes.

use serde::{Deserialize, Serialize};

use crate::{
    app::{Block, Command},
    crypto::Signed,
    protocol::{Checkpoint, Message, Summary},
    types::{BoundedVec, Digest, Height},
};

/// A one-way message: on a validator's substream or through gossip.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Frame {
    /// A protocol's message.
    Instance {
        /// The instance's first height, a hint for those who do not know the instance.
        height: Height,
        /// The instance.
        instance: Digest,
        /// The message.
        message: Message,
    },
    /// Commands for whoever will propose them (`OB-2`).
    Commands(BoundedVec<Command, 4096>),
    /// How far the sender is.
    Status {
        /// How far.
        status: PeerStatus,
        /// The sender's wall clock, milliseconds since the Unix epoch. For operators: no rule looks at it.
        wall_ms: u64,
    },
    /// The sender's last vote for a checkpoint (`OB-8`).
    Checkpoint(Signed<Checkpoint>),
}

/// How far a peer says it is. A hint: nothing is believed without certificates.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PeerStatus {
    /// The last height it has executed.
    pub executed: Height,
    /// The hash of that height's header, so that replicas notice when their states differ. `None` while it is not
    /// known: recovery comes before execution.
    pub tip: Option<Digest>,
    /// The lowest height whose block it can serve.
    pub oldest: Height,
}

/// A question to one peer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Request {
    /// What do you have of this instance that I lack?
    Diff {
        /// The instance's first height.
        height: Height,
        /// The instance.
        instance: Digest,
        /// What I have.
        summary: Summary,
    },
    /// Decided blocks from a height on.
    Blocks {
        /// The first height wanted.
        from: Height,
    },
}

/// The answer to a [`Request`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Response {
    /// To `Diff`, when the instance is live: what you lack.
    Diff(Message),
    /// To `Blocks`: as many as fit, consecutive, from the height asked for; none when that one is not here. Also to
    /// `Diff`, when that height is decided here.
    Blocks {
        /// The blocks.
        blocks: Vec<Block>,
        /// How far I am.
        status: PeerStatus,
    },
    /// The instance is not known here, or nothing is missing.
    Nothing(PeerStatus),
    /// Asked too much; try later or elsewhere.
    Busy,
}
