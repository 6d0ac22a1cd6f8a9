//! The port: what the HTTP server asks of the node behind it, and the plain data it gets back.
//!
//! Implemented by the node over its actors, and in memory by the tests. Everything here is intentions and nouns;
//! neither side learns of the other's HTTP, mailboxes, disk or network.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::{broadcast, mpsc, watch};

use crate::{
    app::{CheckError, Header, Identified, Proof, Receipt, SignatureError},
    metrics::Limit,
    protocol::{self, Drawing, Evidence},
    replica::{Attestation, CertificateDocument, CheckpointDocument, Fate, Notice, View},
    types::{Digest, Height, Power, PublicKey, ValidatorIndex},
};

/// Whoever is connected but has said nothing for longer counts as failed: statuses come each second.
pub const SILENT: Duration = Duration::from_secs(5);

/// An answer that comes later. It makes progress whether or not it is polled; dropping it says that nobody waits any
/// more, upon which the other side must forget the question.
pub type Pending<T> = BoxFuture<'static, T>;

/// What the HTTP server needs of a node.
///
/// Methods that return plain values answer from a published snapshot: they never block and cost about as much as a
/// clone. The others return at once and answer through a [`Pending`].
pub trait Backend: Send + Sync + 'static {
    /// The last executed height, as soon as [`Self::read`] can see it. Waiting readers follow it.
    fn heights(&self) -> watch::Receiver<Height>;

    /// What happens between blocks, from now on.
    fn notices(&self) -> broadcast::Receiver<Notice>;

    /// Writes an operation in the application's encoding, as a command's body.
    ///
    /// # Errors
    /// [`CheckError`] for operations that the application does not have or finds too large.
    fn encode(&self, operation: &Operation) -> Result<Bytes, CheckError>;

    /// Reads a receipt's result for people: what stands under `result` in JSON.
    fn describe(&self, receipt: &Receipt) -> serde_json::Value;

    /// Hands commands over, in this order and as a whole before it returns; what finds no room is answered
    /// [`Fate::Full`]. There is one answer for each command, in the same order. [`Fate::Committed`] is told only when
    /// [`Self::read`] can see the change, so that clients read their own writes.
    fn submit(&self, commands: Vec<Identified>, until: Until) -> Vec<Pending<Result<Fate, Refusal>>>;

    /// What has become of a command.
    fn command(&self, id: Digest) -> Pending<Result<CommandState, Refusal>>;

    /// Reads a key from this node's committed state, at [`Self::heights`] or above.
    fn read(&self, key: Bytes) -> Pending<Result<Answer, Refusal>>;

    /// Reads a key as [`Self::read`] does, with the proof of what the state says of it.
    fn prove(&self, key: Bytes) -> Pending<Result<ProvenAnswer, Refusal>>;

    /// The height that must be committed before a height's header can be attested.
    fn attested_at(&self, height: Height) -> Height;

    /// Why anyone must believe in a header, once [`Self::attested_at`] is committed; may take a moment longer. `None`
    /// when nothing here says so, then or ever.
    fn attestation(&self, header: Header) -> Pending<Result<Option<Attestation>, Refusal>>;

    /// A committed block with its receipts; `None` when it is not here.
    fn block(&self, height: Height) -> Pending<Result<Option<BlockView>, Refusal>>;

    /// The proof of a height's decision; `None` when it is not here.
    fn certificate(&self, height: Height) -> Pending<Result<Option<CertificateDocument>, Refusal>>;

    /// The last stable checkpoint; `None` while there is none.
    fn checkpoint(&self) -> Pending<Result<Option<CheckpointDocument>, Refusal>>;

    /// The state at the last stable checkpoint, with its proof, to be restored elsewhere; `None` while there is none
    /// in this life of the node. It ends early when its reader is too slow.
    fn snapshot(&self) -> Pending<Result<Option<SnapshotStream>, Refusal>>;

    /// Where the node stands.
    fn status(&self) -> Status;

    /// The validators of the next height, ordered by index.
    fn validators(&self) -> Vec<ValidatorView>;

    /// The connected peers.
    fn peers(&self) -> Pending<Result<Vec<PeerView>, Refusal>>;

    /// The last heights, the highest first: live ones in which something has happened, then decided ones.
    fn drawings(&self, count: usize) -> Pending<Result<Vec<Arc<Drawing>>, Refusal>>;

    /// What a height's instance holds; `None` when it is not remembered here.
    fn drawing(&self, height: Height) -> Pending<Result<Option<Arc<Drawing>>, Refusal>>;

    /// What a doctor wants to know.
    fn examine(&self) -> Pending<Result<Examination, Refusal>>;

    /// The proofs of lies found since the start; a bounded number of them.
    fn evidence(&self) -> Pending<Result<Vec<Evidence>, Refusal>>;

    /// Whether the node takes part and is not behind.
    ///
    /// # Errors
    /// Why not, for people.
    fn readiness(&self) -> Result<(), String>;

    /// Whether all parts of the node answer, and what will end it unless somebody acts.
    ///
    /// # Errors
    /// Which does not, for people.
    fn health(&self) -> Result<Option<String>, String>;

    /// All metrics in Prometheus' text format.
    fn metrics(&self) -> String;

    /// A request was refused since its client is over a limit: to be counted.
    fn limited(&self, limit: Limit);

    /// Stays connected to one more address, until the node ends. In vain when there are very many already.
    ///
    /// # Errors
    /// It is no multiaddress; says why, for people.
    fn dial(&self, address: &str) -> Result<(), String>;

    /// Lets [`Self::readiness`] say no from now on, and the node stop in order after a while; a later call replaces the
    /// time.
    fn drain(&self, after: Duration);
}

/// The log of the process, whoever writes it.
pub trait LogFilter: Send + Sync + 'static {
    /// What is written: directives, as in `RUST_LOG`.
    fn current(&self) -> String;

    /// Writes something else from now on: a level as in `log.level`, or directives.
    ///
    /// # Errors
    /// They make no sense; says why, for people. Then nothing is changed.
    fn replace(&self, directives: &str) -> Result<(), String>;
}

/// What a client of the key-value application can order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Give a key a value.
    Put {
        /// The key.
        key: Bytes,
        /// The value.
        value: Bytes,
    },
    /// Take a key away.
    Delete {
        /// The key.
        key: Bytes,
    },
    /// Change nothing, whatever the state. Its place in the order is what a linearizable read waits for.
    Barrier,
}

/// Which word on a command ends the waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Until {
    /// The first one: [`Fate::Accepted`] or a final one.
    Accepted,
    /// A final one: anything but [`Fate::Accepted`].
    #[default]
    Committed,
}

/// Why the node did not even try.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The application does not take it.
    #[error("{0}")]
    Invalid(#[from] CheckError),
    /// The chain asks for another signature, or for none (`OB-11`).
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A mailbox is full; it was not tried.
    #[error("the node is busy")]
    Busy,
    /// The node stops. What was handed over may still be committed.
    #[error("the node is stopping")]
    Stopping,
}

/// What a node knows of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CommandState {
    /// Never seen, refused before it was ordered, or forgotten since.
    Unknown,
    /// In the mempool.
    Pending,
    /// In a decided block that is not executed and durable yet.
    Decided {
        /// Of this height.
        height: Height,
    },
    /// Executed and durable.
    Committed {
        /// At this height.
        height: Height,
        /// The outcome.
        receipt: Receipt,
    },
}

/// A value as of a height.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The height of the state that was read.
    pub height: Height,
    /// The value; `None` for an absent key.
    pub value: Option<Bytes>,
}

/// A value, or none, as a state's root proves it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProvenAnswer {
    /// The header whose state was read.
    pub header: Header,
    /// The value; `None` for an absent key.
    pub value: Option<Bytes>,
    /// From the value to the state root.
    pub proof: Proof,
}

/// A committed block as it is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlockView {
    /// Its header.
    pub header: Header,
    /// The instance that decided it.
    pub instance: Digest,
    /// The decided bytes.
    pub payload: Bytes,
    /// The outcome of each command, in the payload's order. May be shorter or empty once receipts are forgotten.
    pub receipts: Vec<Receipt>,
}

/// A snapshot on its way.
#[derive(Debug)]
pub struct SnapshotStream {
    /// Of this height.
    pub height: Height,
    /// Its bytes.
    pub frames: mpsc::Receiver<Bytes>,
}

/// Where a node stands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// What the ordering brain says.
    pub view: View,
    /// Our place among the validators; `None` for a listener.
    pub index: Option<ValidatorIndex>,
    /// The round of the lowest live instance.
    pub round: u64,
    /// Who leads it.
    pub leader: Option<ValidatorIndex>,
    /// How many peers are connected.
    pub peers: usize,
}

/// A validator as it is shown.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct ValidatorView {
    /// Its place.
    pub index: ValidatorIndex,
    /// Its key.
    pub public_key: PublicKey,
    /// Its voting power.
    pub power: Power,
    /// Whether it is this node.
    pub is_self: bool,
    /// Whether a connection to it is up.
    pub is_connected: bool,
}

/// A connected peer as it is shown.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct PeerView {
    /// Its id in the network.
    pub peer_id: String,
    /// Its address as seen from here.
    pub address: String,
    /// Which validator it is proven to be.
    pub validator: Option<ValidatorIndex>,
    /// The last height that it said it has executed.
    pub height: Option<Height>,
    /// How long ago it sent its last frame, milliseconds.
    pub last_heard_ms_ago: Option<u64>,
    /// The last measured round trip, microseconds.
    pub round_trip_us: Option<u64>,
    /// Whether it is in our gossip mesh.
    pub is_in_mesh: bool,
    /// Whether our substream to it is open.
    pub has_substream: bool,
    /// Frames that wait for it.
    pub queued_frames: usize,
    /// Its software, as it says.
    pub agent: String,
    /// How far its clock is ahead of ours, milliseconds; negative when it is behind.
    pub clock_ahead_ms: Option<i64>,
}

/// A node's inner state, as far as it explains why nothing is being decided.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Examination {
    /// The lowest live instance.
    pub instance: Option<InstanceView>,
    /// The connected peers.
    pub peers: Vec<PeerView>,
    /// The validators.
    pub validators: Vec<ValidatorView>,
    /// Whether this node and the validators connected to it are a quorum.
    pub is_quorum_connected: bool,
    /// The power of those who voted in the instance's round.
    pub power_voted: u64,
    /// The least power that decides.
    pub power_needed: u64,
    /// When validators that are not connected now were last heard, milliseconds ago.
    pub gone_ms_ago: BTreeMap<ValidatorIndex, u64>,
    /// How long ago the last height was executed here; `None` when none was since the start.
    pub last_executed_ms_ago: Option<u64>,
    /// Peers turned away since the start because they follow another chain.
    pub foreign_peers: u64,
    /// When the last of them came, milliseconds ago.
    pub last_foreign_ms_ago: Option<u64>,
    /// Peers in the gossip mesh.
    pub mesh_peers: usize,
    /// How much waits for whom.
    pub queues: Vec<QueueView>,
    /// The most bytes of waiting commands.
    pub mempool_bytes_max: usize,
    /// Room where the data directory lies; `None` when the file system does not say.
    pub disk_free_bytes: Option<u64>,
    /// What will end the node unless somebody makes room.
    pub disk_warning: Option<String>,
}

/// An instance as it is shown.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct InstanceView {
    /// Its height.
    pub height: Height,
    /// What it shows.
    #[serde(flatten)]
    pub view: protocol::View,
}

/// A part's mailbox as it is shown.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct QueueView {
    /// Whose.
    pub actor: &'static str,
    /// Messages that wait.
    pub depth: usize,
    /// The most that may.
    pub depth_max: usize,
}
