//! What the network counts about itself, for the metrics. Atomics, because readers and writers of substreams count
//! from several threads. Only the bound on inbound bytes is decided by one of them.

use std::sync::atomic::{AtomicU64, Ordering};

pub use crate::metrics::{Bound as Dropped, Direction, MessageKind, Refusal};
use crate::{
    actors::Clock,
    protocol::{Message, Rejection, pbft, streamlette},
    replica::wire::{Frame, Request, Response},
};

/// Values of [`MessageKind`].
const KINDS: usize = 11;
/// Values of [`Refusal`].
const REFUSALS: usize = 9;
/// Values of [`Dropped`].
const DROPS: usize = 6;

impl From<&Frame> for MessageKind {
    fn from(frame: &Frame) -> Self {
        match frame {
            Frame::Instance { message, .. } => match message {
                Message::Streamlette(message) => match message {
                    streamlette::Message::Proposal { .. } => Self::Proposal,
                    streamlette::Message::Solicit { .. } => Self::Solicit,
                    streamlette::Message::Vote(_) => Self::Vote,
                    streamlette::Message::Want(_) => Self::Want,
                    streamlette::Message::Diff(_) => Self::Diff,
                    streamlette::Message::Certificate { .. } => Self::Certificate,
                },
                Message::Pbft(message) => match message {
                    pbft::Message::PrePrepare(_) => Self::Proposal,
                    pbft::Message::Votes(_) => Self::Vote,
                    pbft::Message::ViewChange(_) | pbft::Message::NewView(_) => Self::Want,
                    pbft::Message::Diff(_) => Self::Diff,
                },
            },
            Frame::Commands(_) => Self::Commands,
            Frame::Status { .. } | Frame::Checkpoint(_) => Self::Status,
        }
    }
}

impl From<&Request> for MessageKind {
    fn from(request: &Request) -> Self {
        match request {
            Request::Diff { .. } => Self::Pull,
            Request::Blocks { .. } => Self::Blocks,
        }
    }
}

impl From<&Response> for MessageKind {
    fn from(response: &Response) -> Self {
        match response {
            Response::Diff(_) => Self::Diff,
            Response::Blocks { .. } => Self::Blocks,
            Response::Nothing(_) | Response::Busy => Self::Other,
        }
    }
}

/// A level that rises and falls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Connected peers of this chain.
    Peers,
    /// Those proven to be validators.
    Validators,
    /// Those we have an open substream to.
    Substreams,
    /// Peers in our gossip mesh.
    MeshPeers,
    /// Peers turned away for their lies.
    Blocked,
    /// Addresses that are being dialed.
    Dialing,
    /// Bytes of frames handed up and not yet dropped by their receivers.
    InboundBytes,
}

impl Level {
    /// All of them, so that metrics can create their labels beforehand.
    pub const ALL: [Self; 7] = [
        Self::Peers,
        Self::Validators,
        Self::Substreams,
        Self::MeshPeers,
        Self::Blocked,
        Self::Dialing,
        Self::InboundBytes,
    ];

    /// The metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Peers => "peers",
            Self::Validators => "validators",
            Self::Substreams => "substreams",
            Self::MeshPeers => "mesh_peers",
            Self::Blocked => "blocked",
            Self::Dialing => "dialing",
            Self::InboundBytes => "inbound_bytes",
        }
    }
}

/// The network's counters since start. Read them at any time, from any thread.
#[derive(Debug, Default)]
pub struct NetworkGauges {
    messages: [[AtomicU64; KINDS]; 2],
    bytes: [[AtomicU64; KINDS]; 2],
    rejected: [AtomicU64; Rejection::ALL.len()],
    dropped: [AtomicU64; DROPS],
    levels: [AtomicU64; Level::ALL.len()],
    refused_connections: [AtomicU64; REFUSALS],
    publish_errors: AtomicU64,
    published: AtomicU64,
    duplicates: AtomicU64,
    dials: AtomicU64,
    foreign_peers: AtomicU64,
    foreign_at_ms: AtomicU64,
    refused_proofs: AtomicU64,
}

fn read(cell: &AtomicU64) -> u64 {
    cell.load(Ordering::Relaxed)
}

fn count(cell: &AtomicU64) {
    cell.fetch_add(1, Ordering::Relaxed);
}

impl NetworkGauges {
    /// How many messages travelled.
    pub fn messages(&self, kind: MessageKind, direction: Direction) -> u64 {
        read(&self.messages[direction as usize][kind as usize])
    }

    /// How many bytes of messages travelled, without the transport's overhead.
    pub fn bytes(&self, kind: MessageKind, direction: Direction) -> u64 {
        read(&self.bytes[direction as usize][kind as usize])
    }

    /// How many messages of peers were rejected, by the network or by those who judged them.
    pub fn rejected(&self, rejection: Rejection) -> u64 {
        Rejection::ALL.iter().position(|other| *other == rejection).map_or(0, |at| read(&self.rejected[at]))
    }

    /// How much was dropped at a bound.
    pub fn dropped(&self, what: Dropped) -> u64 {
        read(&self.dropped[what as usize])
    }

    /// How many connections were refused or ended at the gate.
    pub fn refused_connections(&self, reason: Refusal) -> u64 {
        read(&self.refused_connections[reason as usize])
    }

    /// A level as of now.
    pub fn level(&self, level: Level) -> u64 {
        read(&self.levels[level as usize])
    }

    /// Publications that gossip refused: nobody subscribed in the meantime, all queues full, or a duplicate.
    pub fn publish_errors(&self) -> u64 {
        read(&self.publish_errors)
    }

    /// Publications to gossip, each when somebody could not be reached by a substream.
    pub fn published(&self) -> u64 {
        read(&self.published)
    }

    /// Copies of frames that were not handed up again.
    pub fn duplicates(&self) -> u64 {
        read(&self.duplicates)
    }

    /// Attempts to dial.
    pub fn dials(&self) -> u64 {
        read(&self.dials)
    }

    /// Peers turned away because they follow another chain.
    pub fn foreign_peers(&self) -> u64 {
        read(&self.foreign_peers)
    }

    /// How long ago the last of them came, milliseconds by the wall clock.
    pub fn last_foreign_ms_ago(&self) -> Option<u64> {
        (self.foreign_peers() > 0).then(|| Clock::wall_ms().saturating_sub(read(&self.foreign_at_ms)))
    }

    /// Proofs refused: a bad signature, a stranger's key, or a counter that was outdone.
    pub fn refused_proofs(&self) -> u64 {
        read(&self.refused_proofs)
    }

    pub(super) fn count_message(&self, kind: MessageKind, direction: Direction, bytes: usize) {
        count(&self.messages[direction as usize][kind as usize]);
        self.bytes[direction as usize][kind as usize].fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn count_rejection(&self, rejection: Rejection) {
        if let Some(at) = Rejection::ALL.iter().position(|other| *other == rejection) {
            count(&self.rejected[at]);
        }
    }

    pub(super) fn count_dropped(&self, what: Dropped, times: usize) {
        self.dropped[what as usize].fetch_add(times as u64, Ordering::Relaxed);
    }

    pub(super) fn count_refused_connection(&self, reason: Refusal) {
        count(&self.refused_connections[reason as usize]);
    }

    pub(super) fn set_level(&self, level: Level, value: usize) {
        self.levels[level as usize].store(value as u64, Ordering::Relaxed);
    }

    pub(super) fn raise_level(&self, level: Level, by: usize) {
        self.levels[level as usize].fetch_add(by as u64, Ordering::Relaxed);
    }

    pub(super) fn lower_level(&self, level: Level, by: usize) {
        self.levels[level as usize].fetch_sub(by as u64, Ordering::Relaxed);
    }

    pub(super) fn count_publish_error(&self) {
        count(&self.publish_errors);
    }

    pub(super) fn count_published(&self) {
        count(&self.published);
    }

    pub(super) fn count_duplicate(&self) {
        count(&self.duplicates);
    }

    pub(super) fn count_dial(&self) {
        count(&self.dials);
    }

    pub(super) fn count_foreign_peer(&self) {
        count(&self.foreign_peers);
        self.foreign_at_ms.store(Clock::wall_ms(), Ordering::Relaxed);
    }

    pub(super) fn count_refused_proof(&self) {
        count(&self.refused_proofs);
    }
}
