//! Commands, payloads, headers and blocks.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    crypto::Transcript,
    protocol::Certificate,
    types::{Digest, Height},
};

/// One order of one client (`OB-4`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Command {
    /// Who: the hash of an Idempotency-Key, a random number made by the node that accepted the command, or the
    /// client's public key where genesis asks for client signatures.
    pub client: Digest,
    /// The client's own number for it. A second command with the same client and number is refused at execution.
    pub sequence: u64,
    /// The last height at which it may be executed; `None`: it does not expire. Then, after its reply has been
    /// forgotten, only the proposers' honesty keeps it from being executed again.
    pub expires_at_height: Option<Height>,
    /// What to do, in the application's encoding.
    pub body: Bytes,
}

impl Command {
    /// The hash of all fields, by which the command is executed exactly once.
    pub fn id(&self) -> Digest {
        Transcript::new("thalweg command v1")
            .digest(&self.client)
            .number(self.sequence)
            .number(self.expires_at_height.map_or(u64::MAX, Height::get))
            .bytes(&self.body)
            .finish()
    }
}

/// What a height decides: the proposer's time and its commands. Encoded once, by the proposer; everyone else passes
/// the same bytes on.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Payload {
    /// The proposer's wall clock in milliseconds since the Unix epoch. No vote looks at it (`OB-6`).
    pub proposed_at_ms: u64,
    /// The commands, in execution order.
    pub commands: Vec<Command>,
}

/// The header chain. The hash of a header attests the whole history below it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// Its height; genesis has height 0.
    pub height: Height,
    /// The hash of the header below; zeros below genesis.
    pub parent: Digest,
    /// The digest of the payload's bytes.
    pub payload_root: Digest,
    /// Never falls (`OB-6`), in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The state after executing this height; equal heights have equal roots.
    pub state_root: Digest,
}

impl Header {
    /// The header's hash.
    pub fn hash(&self) -> Digest {
        Transcript::new("thalweg header v1")
            .number(self.height.get())
            .digest(&self.parent)
            .digest(&self.payload_root)
            .number(self.time_ms)
            .digest(&self.state_root)
            .finish()
    }
}

/// A decided value with its proof: what peers hand to those who fell behind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Block {
    /// Its height.
    pub height: Height,
    /// The decided bytes.
    pub payload: Bytes,
    /// Why anyone must believe it.
    pub certificate: Certificate,
}

/// A block as it is stored once it is executed (a row of [`crate::store::Table::Blocks`]).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StoredBlock {
    /// What its execution gave.
    pub header: Header,
    /// The instance that decided it.
    pub instance: Digest,
    /// The block.
    pub block: Block,
}
