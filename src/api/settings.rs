//! What the HTTP server is told at start, and the sizes that the outside can rely on.

use std::{net::SocketAddr, time::Duration};

use crate::{
    config::{ApplicationName, ClientSignatures, Genesis},
    protocol::ProtocolName,
    types::Digest,
};

/// The most bytes of a key. Longer ones are answered 414.
pub const KEY_BYTES_MAX: usize = 1024;

/// The most bytes of an `Idempotency-Key`.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 256;

/// The most items of a list in one answer, and how many come unless `limit` says otherwise: a whole validator set.
pub const PAGE_ITEMS_MAX: usize = 1024;

/// The most commands of one batch. Larger ones are answered 413.
pub const BATCH_COMMANDS_MAX: usize = 1000;

/// The most bytes of one batch's JSON. Larger ones are answered 413.
pub const BATCH_BYTES_MAX: usize = 4 << 20;

/// How long a request waits unless it says otherwise with `timeout_ms`.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// The longest `timeout_ms`.
pub const TIMEOUT_MAX: Duration = Duration::from_mins(2);

/// What is fixed at start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen; port 0 picks a free one.
    pub bind: SocketAddr,
    /// Threads that serve requests. Small: the machine also has to decide.
    pub workers: usize,
    /// The most requests that may be in progress, most of them waiting for a commit. Further ones are answered 429.
    pub requests_max: usize,
    /// The most bytes of request bodies held at once. Further ones are answered 429.
    pub body_bytes_total_max: usize,
    /// The most requests a second of one client; 0: any number. Further ones are answered 429.
    pub client_requests_per_second_max: u32,
    /// The most bytes of request bodies a second of one client; 0: any number. Further ones are answered 429.
    pub client_bytes_per_second_max: u32,
    /// The most open connections of one worker. Further ones wait in the backlog.
    pub connections_max: usize,
    /// How long a client may take to send its head, and then its body.
    pub client_timeout: Duration,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// How long a stop lets requests in progress wait before they are answered with what is known.
    pub stop_timeout: Duration,
    /// Whose pages may read and write, as browsers write their origin.
    pub cors_origins: Vec<String>,
    /// What the chain fixes.
    pub chain: ChainFacts,
}

/// What genesis says that requests depend on.
#[derive(Clone, Debug)]
pub struct ChainFacts {
    /// The chain's name, for people.
    pub name: String,
    /// The chain's id.
    pub id: Digest,
    /// Which protocol decides.
    pub protocol: ProtocolName,
    /// Which application executes.
    pub application: ApplicationName,
    /// Whether clients sign their commands.
    pub client_signatures: ClientSignatures,
    /// How many heights are live at once: a height is attested by the certificate `window + 1` above it.
    pub window: u64,
    /// The most bytes of a command's body.
    pub command_bytes_max: usize,
    /// For how many heights a reply is remembered. A command without an Idempotency-Key expires after as many.
    pub retention_heights: u64,
}

impl ChainFacts {
    /// The facts of a genesis.
    ///
    /// # Panics
    /// Never: four bytes fit into a `usize` on every supported machine.
    pub fn new(genesis: &Genesis) -> Self {
        Self {
            name: genesis.chain.clone(),
            id: genesis.chain_id(),
            protocol: genesis.protocol,
            application: genesis.application,
            client_signatures: genesis.client_signatures,
            window: genesis.window,
            command_bytes_max: usize::try_from(genesis.command_bytes_max).expect("u32 fits into usize"),
            retention_heights: genesis.retention_heights,
        }
    }
}

impl Settings {
    /// The defaults for a chain.
    pub fn new(bind: SocketAddr, chain: ChainFacts) -> Self {
        Self {
            bind,
            workers: 1,
            requests_max: 16_384,
            body_bytes_total_max: 256 << 20,
            client_requests_per_second_max: 0,
            client_bytes_per_second_max: 0,
            connections_max: 20_000,
            client_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            stop_timeout: Duration::from_millis(700),
            cors_origins: Vec::new(),
            chain,
        }
    }
}
