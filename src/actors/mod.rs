//! The actors: hands around the brains, and the only place that says actix.
//!
//! Each owns one brain or one device, accepts its own typed messages and translates. All but the executor (and the
//! threads behind the verifier, storage and the network) share one arbiter, where a hop costs 0.7 µs instead of 58.
//! Each file's header says what happens when an edge is full; nothing here is unbounded and nothing is `do_send`.

mod clock;
pub mod decider;
pub mod executor;
pub mod gallery;
mod librarian;
pub mod network;
pub mod pacemaker;
pub mod port;
mod priority;
pub mod replica;
pub mod router;
mod signatures;
pub mod storage;
pub mod verifier;

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

pub use clock::{Clock, Clocks};
use tokio::sync::{broadcast, watch};

pub use self::{
    decider::Decider, executor::Executor, pacemaker::Pacemaker, router::Router, signatures::Signatures,
    verifier::Verifier,
};
use self::{network::FrameTicket, port::Port};
use crate::{
    app::Application,
    metrics::Metrics,
    protocol::{Judgement, ProtocolName, StableCheckpoint},
    replica::{Notice, View, wire::PeerStatus},
    types::{Digest, Height, Time, ValidatorIndex, ValidatorSet},
};

/// The exit status when this replica has another state than a quorum signed, or than it signed before a restart
/// (`EX_DATAERR`): going on would serve a wrong state.
pub const EXIT_DIVERGED: u8 = 65;
/// Messages that each mailbox holds.
pub const MAILBOX: usize = 4096;

/// Notices that wait for readers of the event stream, for all of them together. Who is slower misses some, and is told
/// how many.
pub const NOTICES: usize = 256;

/// What an operator may see of the ordering brain.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Snapshot {
    /// The brain.
    pub view: View,
    /// Lies that were proven since the start.
    pub proven: usize,
    /// When the last height was executed, since the start.
    pub executed_at: Option<Time>,
}

/// Where the instance is that entered a round last: the lowest live one, while nothing else is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Round {
    /// The round.
    pub number: u64,
    /// Who leads it.
    pub leader: ValidatorIndex,
}

/// Whom an actor can reach. Cloned into each.
#[derive(Clone)]
pub struct Ports {
    /// The time.
    pub clock: Clock,
    /// The protocol of this chain.
    pub protocol: ProtocolName,
    /// Our place among the validators; `None` for a listener.
    pub me: Option<ValidatorIndex>,
    /// The validators.
    pub set: Arc<ValidatorSet>,
    /// The application, for checks that need no state.
    pub app: Arc<dyn Application>,
    /// The most bytes of a diff or of a range of blocks.
    pub diff_bytes_max: usize,
    /// How far we are, for answers to peers.
    pub status: Arc<watch::Sender<PeerStatus>>,
    /// The last committed height, for readers that wait for one.
    pub heights: Arc<watch::Sender<Height>>,
    /// What an operator may see.
    pub snapshot: Arc<watch::Sender<Snapshot>>,
    /// What the event stream tells between blocks.
    pub notices: broadcast::Sender<Notice>,
    /// Where the lowest live instance is.
    pub round: Arc<watch::Sender<Option<Round>>>,
    /// The last stable checkpoint with its proof.
    pub stable: Arc<watch::Sender<Option<StableCheckpoint>>>,
    /// Tells repetitions of a frame apart.
    pub resends: Arc<AtomicU32>,
    /// What is on disk.
    pub reader: storage::StoreReader,
    /// The single writer.
    pub storage: storage::StoragePort,
    /// The states at the last checkpoints.
    pub pins: storage::Pins,
    /// The swarm.
    pub network: network::NetworkPort,
    /// Deadlines.
    pub pacemaker: Port<Pacemaker>,
    /// Clients' signatures.
    pub signatures: Arc<Signatures>,
    /// Validators' signatures.
    pub verifier: Port<Verifier>,
    /// The application's thread.
    pub executor: Port<Executor>,
    /// Messages in and questions out.
    pub router: Port<Router>,
    /// Pictures of decided heights.
    pub gallery: gallery::Gallery,
    /// The ordering brain.
    pub replica: Port<replica::Replica>,
    /// Numbers for operators.
    pub metrics: Metrics,
}

impl Ports {
    /// The word on a frame, if somebody waits for it.
    fn judge(&self, ticket: Option<Digest>, judgement: Judgement) {
        self.network.judge(FrameTicket(ticket), judgement);
    }

    /// Tells whoever follows the event stream; nobody may.
    fn notice(&self, notice: Notice) {
        let _ = self.notices.send(notice);
    }

    fn next_resend(&self) -> u32 {
        self.resends.fetch_add(1, Ordering::Relaxed)
    }
}
