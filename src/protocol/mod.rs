//! Protocols: state machines that decide values for an instance, all behind one contract.
//!
//! Called by the deciders (actors in production, mailboxes in the simulator) and by embedders who need a single
//! decision. Never does I/O. Protocols do not know each other; this file is the only place that lists them.

mod abstention;
mod checkpoint;
mod contract;
mod lifetime;
pub mod pbft;
mod picture;
mod rejection;
pub mod seat;
pub mod streamlette;
pub mod votes;

use std::{sync::Arc, time::Duration};

pub use abstention::Abstention;
use bytes::Bytes;
pub use checkpoint::{Checkpoint, CheckpointEvidence, StableCheckpoint, Voucher};
pub use contract::*;
pub use lifetime::{Lifetime, epoch};
pub use picture::*;
pub use rejection::Rejection;
use serde::{Deserialize, Serialize};

use crate::{
    crypto::{BatchRng, Check, Claim, UnknownSigner},
    types::{BoundedVec, Digest, Height, ValidatorIndex, ValidatorSet},
};

/// Which protocol decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProtocolName {
    /// One-shot Streamlet with pull-diffs.
    #[default]
    Streamlette,
    /// Castro and Liskov's, with signatures: one long instance for each epoch.
    Pbft,
}

impl ProtocolName {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Streamlette, Self::Pbft];

    /// The name in configuration, signatures and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Streamlette => "streamlette",
            Self::Pbft => "pbft",
        }
    }

    /// For how long an instance of it lives.
    pub const fn lifetime(self) -> Lifetime {
        match self {
            Self::Streamlette => Lifetime::Height,
            Self::Pbft => Lifetime::Epoch,
        }
    }
}

/// Everything an instance is told at birth.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its id: a hash of chain, protocol, first height, validator set and history (`OB-7`).
    pub id: Digest,
    /// Its height; the first one of a long instance, by which it is known.
    pub height: Height,
    /// Who votes.
    pub set: Arc<ValidatorSet>,
    /// Our own place in the set; `None` for a listener, who only learns.
    pub me: Option<ValidatorIndex>,
    /// Who leads the first rounds; nobody in particular in a long instance.
    pub owner: ValidatorIndex,
    /// Local pace; may differ between replicas.
    pub timing: Timing,
    /// The most bytes a payload may have.
    pub payload_bytes_max: usize,
    /// Up to this height we may have voted in a life that we do not remember (`OB-10`); `Height::ZERO` if we remember all.
    pub forgotten: Height,
}

/// Local pace of a replica. Only liveness depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// The shortest round deadline.
    pub round_timeout_min: Duration,
    /// The longest round deadline before back-off.
    pub round_timeout_max: Duration,
    /// The quorum delay measured in earlier instances; the deadline starts from four times this.
    pub quorum_delay: Duration,
    /// How long a command waits here before everyone is made to want its height (`OB-2`, `SL-T5`).
    pub forward_after: Duration,
    /// How often a wanted instance asks a peer for what it lacks.
    pub pull_interval: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            round_timeout_min: Duration::from_millis(100),
            round_timeout_max: Duration::from_secs(10),
            quorum_delay: Duration::from_millis(25),
            forward_after: Duration::from_millis(100),
            pull_interval: Duration::from_millis(50),
        }
    }
}

/// Opens an instance of a protocol.
pub fn open(protocol: ProtocolName, setup: Setup) -> Box<dyn Instance> {
    match protocol {
        ProtocolName::Streamlette => Box::new(streamlette::Streamlette::new(setup)),
        ProtocolName::Pbft => Box::new(pbft::Pbft::new(setup)),
    }
}

/// A message between replicas, as it travels. Its signatures have not been checked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Message {
    /// Of Streamlette.
    Streamlette(streamlette::Message),
    /// Of PBFT.
    Pbft(pbft::Message),
}

/// A message of our own before it is signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unsigned {
    /// Of Streamlette.
    Streamlette(streamlette::Unsigned),
    /// Of PBFT.
    Pbft(pbft::Unsigned),
}

/// Something that must survive a crash.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Record {
    /// Of Streamlette.
    Streamlette(streamlette::Record),
    /// Of PBFT.
    Pbft(pbft::Record),
}

impl Record {
    /// The height for which it is remembered; `None`: that of its instance, which has only one. A long instance's
    /// record is kept until [`Effect::Forget`] goes above that.
    pub fn height(&self) -> Option<Height> {
        match self {
            Self::Streamlette(_) => None,
            Self::Pbft(record) => Some(record.height()),
        }
    }

    /// The bodies in it, each with the digest by which it is known, and its place. They are kept apart from the record,
    /// and may be lost where it may not (`JN-9`): then their place is empty when the record comes back.
    pub fn bodies_mut(&mut self) -> Vec<(Digest, &mut Bytes)> {
        match self {
            Self::Streamlette(record) => record.bodies_mut(),
            Self::Pbft(record) => record.bodies_mut(),
        }
    }
}

/// What a replica has, so that a peer can tell what it lacks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Summary {
    /// Of Streamlette.
    Streamlette(streamlette::Summary),
    /// Of PBFT.
    Pbft(pbft::Summary),
}

/// Proof of a decision that verifies alone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Certificate {
    /// Of Streamlette.
    Streamlette(streamlette::Certificate),
    /// Of PBFT.
    Pbft(pbft::Certificate),
}

/// Proof of a lie that verifies alone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// Of Streamlette.
    Streamlette(streamlette::Evidence),
    /// Of PBFT.
    Pbft(pbft::Evidence),
    /// Of the checkpoints that all protocols have.
    Checkpoint(CheckpointEvidence),
}

/// What signatures are checked against: the instance's id and its validators.
#[derive(Clone, Debug)]
pub struct Electorate {
    /// The instance.
    pub id: Digest,
    /// Who may sign.
    pub set: Arc<ValidatorSet>,
}

impl From<streamlette::Message> for Message {
    fn from(message: streamlette::Message) -> Self {
        Self::Streamlette(message)
    }
}

impl From<pbft::Message> for Message {
    fn from(message: pbft::Message) -> Self {
        Self::Pbft(message)
    }
}

impl Message {
    /// The message, if it is Streamlette's.
    pub fn streamlette(self) -> Option<streamlette::Message> {
        if let Self::Streamlette(message) = self { Some(message) } else { None }
    }

    /// The message, if it is PBFT's.
    pub fn pbft(self) -> Option<pbft::Message> {
        if let Self::Pbft(message) = self { Some(message) } else { None }
    }
}

impl Claim for Message {
    type Context = Electorate;

    fn checks(&self, electorate: &Electorate, checks: &mut Vec<Check>) -> Result<(), UnknownSigner> {
        match self {
            Self::Streamlette(message) => message.checks(electorate, checks),
            Self::Pbft(message) => message.checks(electorate, checks),
        }
    }
}

impl Certificate {
    /// Whether the owner's first proposal was decided (`OB-3`). All certificates of a height agree on it, for the
    /// decided root is the same.
    pub fn is_in_turn(&self) -> bool {
        match self {
            Self::Streamlette(certificate) => certificate.proposal.tick == streamlette::Tick::ZERO,
            // Heights have no owners: the primary of a view leads all of them.
            Self::Pbft(_) => true,
        }
    }

    /// The digest of the payload that it claims is decided.
    pub fn payload_root(&self) -> Digest {
        match self {
            Self::Streamlette(certificate) => certificate.proposal.payload_root,
            Self::Pbft(certificate) => certificate.proposal.payload_root,
        }
    }

    /// A proof of nothing, for tests and benches of those who do not look into proofs.
    #[doc(hidden)]
    pub fn of_nothing() -> Self {
        Self::Streamlette(streamlette::Certificate {
            proposal: streamlette::Proposal {
                tick: streamlette::Tick::ZERO,
                leader: ValidatorIndex::new(0),
                payload_root: Digest::new([0; 32]),
                payload_len: 0,
            },
            votes: streamlette::Votes::default(),
            steps: BoundedVec::default(),
        })
    }

    /// Checks the whole proof with nothing but the electorate, and returns the digest of the payload decided at
    /// `height`. The id of a one-shot instance names its height; a long one's votes must.
    ///
    /// # Errors
    /// A [`Rejection`] that says what is wrong.
    pub fn verify(&self, height: Height, electorate: &Electorate, rng: &mut BatchRng) -> Result<Digest, Rejection> {
        match self {
            Self::Streamlette(certificate) => certificate.verify(electorate, rng),
            Self::Pbft(certificate) => certificate.verify(height, electorate, rng),
        }
    }
}

/// The digest by which a payload is voted for, journaled and stored.
pub fn payload_root(payload: &[u8]) -> Digest {
    crate::crypto::Transcript::new("thalweg payload v1").bytes(payload).finish()
}
