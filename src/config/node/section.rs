//! The sections of `node.toml`, with their defaults.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::protocol::Timing;

/// `node.toml` with everything that was laid over it. What each key means is said once, in the table of keys from
/// which `config/node.toml` is generated.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "each section documents itself")]
pub struct NodeConfig {
    pub node: NodeSection,
    pub network: NetworkSection,
    pub http: HttpSection,
    pub admin: AdminSection,
    pub consensus: ConsensusSection,
    pub sync: SyncSection,
    pub mempool: MempoolSection,
    pub storage: StorageSection,
    pub log: LogSection,
}

/// `[node]`: the node's files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeSection {
    /// The chain's `genesis.json`.
    pub genesis: PathBuf,
    /// The consensus key; `None`: a listener.
    pub validator_key: Option<PathBuf>,
    /// The key of the peer id.
    pub peer_key: PathBuf,
    /// The file with the passphrase of encrypted keys.
    pub passphrase_file: Option<PathBuf>,
    /// Journal and store.
    pub data: PathBuf,
}

/// `[network]`: peer to peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetworkSection {
    /// Multiaddresses to listen on.
    pub listen: Vec<String>,
    /// Multiaddresses of peers, with their ids.
    pub peers: Vec<String>,
    /// Whether peers are found by multicast on the local network.
    pub mdns: bool,
    /// Whether peers are asked for further peers.
    pub kademlia: bool,
    /// The most connections with strangers at once.
    pub connections_max: u32,
    /// The most connections of one address that are answered a second.
    pub address_connections_per_second_max: u32,
    /// The first pause before a lost peer is dialled again.
    pub redial_min_ms: u64,
    /// The longest pause before a lost peer is dialled again.
    pub redial_max_ms: u64,
    /// The most requests a second that are served to one peer.
    pub peer_requests_per_second_max: u32,
    /// The most bytes of answers a second that one peer is sent.
    pub peer_bytes_per_second_max: u32,
    /// The most frames a second that are taken from one peer.
    pub peer_frames_per_second_max: u32,
    /// The most bytes of frames a second that are taken from one peer.
    pub peer_frame_bytes_per_second_max: u32,
    /// How long a peer that lies is turned away.
    pub block_ms: u64,
    /// How long a validator that lies is turned away.
    pub validator_block_ms: u64,
}

/// `[http]`: the clients' side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpSection {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Threads that serve requests.
    pub workers: usize,
    /// The most connections at once.
    pub connections_max: usize,
    /// The most requests in progress.
    pub requests_max: usize,
    /// The most bytes of request bodies held at once.
    pub body_bytes_total_max: usize,
    /// The most requests a second of one client; 0: no limit.
    pub client_requests_per_second_max: u32,
    /// The most bytes of request bodies a second of one client; 0: no limit.
    pub client_bytes_per_second_max: u32,
    /// Whose pages may read and write.
    pub cors_origins: Vec<String>,
}

/// `[admin]`: the operators' side.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AdminSection {
    /// Address and port to listen on; `None`: there is no such side.
    pub listen: Option<SocketAddr>,
    /// The file with the token that its callers must know.
    pub token_file: Option<PathBuf>,
}

/// `[consensus]`: the local pace; only liveness depends on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsensusSection {
    /// The shortest round deadline.
    pub round_timeout_min_ms: u64,
    /// The longest round deadline before back-off.
    pub round_timeout_max_ms: u64,
    /// How long a command waits before everyone is made to want its height.
    pub forward_after_ms: u64,
    /// How often a wanted instance asks a peer for what it lacks.
    pub pull_interval_ms: u64,
}

/// `[sync]`: catching up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncSection {
    /// How often peers are told how far we are.
    pub status_interval_ms: u64,
    /// How long a peer may take to answer a request for blocks.
    pub fetch_timeout_ms: u64,
}

/// `[mempool]`: waiting commands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MempoolSection {
    /// The most commands.
    pub commands_max: usize,
    /// The most bytes of commands.
    pub bytes_max: usize,
}

/// `[storage]`: the embedded store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StorageSection {
    /// The most bytes of the store's cache.
    pub cache_bytes_max: usize,
    /// Below so many free bytes on the disk, log and `/healthz` warn.
    pub free_bytes_min: u64,
}

/// `[log]`: what is written to standard error.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogSection {
    /// The least important level that is written.
    pub level: LogLevel,
    /// How it looks.
    pub format: LogFormat,
}

/// A log level, the most important first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[expect(missing_docs, reason = "the usual five words")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogFormat {
    /// For people on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl Default for NodeSection {
    fn default() -> Self {
        Self {
            genesis: "genesis.json".into(),
            validator_key: None,
            peer_key: "peer.pem".into(),
            passphrase_file: None,
            data: "data".into(),
        }
    }
}

impl Default for NetworkSection {
    fn default() -> Self {
        Self {
            listen: vec![format!("/ip4/127.0.0.1/tcp/{}", NodeConfig::P2P_PORT)],
            peers: Vec::new(),
            mdns: false,
            kademlia: false,
            connections_max: 256,
            address_connections_per_second_max: 50,
            redial_min_ms: 100,
            redial_max_ms: 2_000,
            peer_requests_per_second_max: 500,
            peer_bytes_per_second_max: 64 << 20,
            peer_frames_per_second_max: 10_000,
            peer_frame_bytes_per_second_max: 64 << 20,
            block_ms: 30_000,
            validator_block_ms: 5_000,
        }
    }
}

impl Default for HttpSection {
    fn default() -> Self {
        let listen = (Ipv4Addr::LOCALHOST, NodeConfig::HTTP_PORT).into();
        Self {
            listen,
            workers: 1,
            connections_max: 20_000,
            requests_max: 16_384,
            body_bytes_total_max: 256 << 20,
            client_requests_per_second_max: 5_000,
            client_bytes_per_second_max: 64 << 20,
            cors_origins: Vec::new(),
        }
    }
}

impl Default for ConsensusSection {
    fn default() -> Self {
        let timing = Timing::default();
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).expect("a few seconds");
        Self {
            round_timeout_min_ms: ms(timing.round_timeout_min),
            round_timeout_max_ms: ms(timing.round_timeout_max),
            forward_after_ms: ms(timing.forward_after),
            pull_interval_ms: ms(timing.pull_interval),
        }
    }
}

impl Default for SyncSection {
    fn default() -> Self {
        Self { status_interval_ms: 1_000, fetch_timeout_ms: 5_000 }
    }
}

impl Default for MempoolSection {
    fn default() -> Self {
        Self { commands_max: 100_000, bytes_max: 64 << 20 }
    }
}

impl Default for StorageSection {
    fn default() -> Self {
        Self { cache_bytes_max: 64 << 20, free_bytes_min: 1 << 30 }
    }
}

impl NodeConfig {
    /// The first port of the peer to peer network.
    pub const P2P_PORT: u16 = 4700;
    /// The first port of the HTTP API.
    pub const HTTP_PORT: u16 = 8700;

    /// The pace of the deciders. The quorum delay starts at its default and is measured from then on.
    pub fn timing(&self) -> Timing {
        let ConsensusSection { round_timeout_min_ms, round_timeout_max_ms, forward_after_ms, pull_interval_ms } =
            self.consensus;
        Timing {
            round_timeout_min: Duration::from_millis(round_timeout_min_ms),
            round_timeout_max: Duration::from_millis(round_timeout_max_ms),
            forward_after: Duration::from_millis(forward_after_ms),
            pull_interval: Duration::from_millis(pull_interval_ms),
            ..Timing::default()
        }
    }

    /// Makes relative paths start at `dir`, the directory of the file.
    #[must_use]
    pub(super) fn resolved(mut self, dir: &Path) -> Self {
        let NodeSection { genesis, validator_key, peer_key, passphrase_file, data } = &mut self.node;
        let files = validator_key.iter_mut().chain(passphrase_file).chain(&mut self.admin.token_file);
        for path in [genesis, peer_key, data].into_iter().chain(files) {
            *path = dir.join(&*path);
        }
        self
    }
}
