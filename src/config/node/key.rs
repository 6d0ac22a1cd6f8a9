//! The table of keys: what may stand in `node.toml`, and what it means.

use super::{NodeConfig, setting::Setting};

/// One section.
pub(super) struct Section {
    pub(super) name: &'static str,
    /// What the commented file says above it.
    pub(super) about: &'static str,
    pub(super) keys: &'static [Key],
}

/// One key of a section.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// What the commented file says above it.
    pub(super) about: &'static str,
    /// What the commented file shows when there is no default.
    pub(super) example: &'static str,
    pub(super) field: fn(&mut NodeConfig) -> &mut dyn Setting,
}

const fn key(name: &'static str, about: &'static str, field: fn(&mut NodeConfig) -> &mut dyn Setting) -> Key {
    Key { name, about, example: "", field }
}

pub(super) const SECTIONS: &[Section] = &[
    Section {
        name: "node",
        about: "The node's files.",
        keys: &[
            key("genesis", "What all nodes of the chain agree on.", |c| &mut c.node.genesis),
            Key {
                name: "validator_key",
                about: "The consensus key, Ed25519 in PKCS#8 PEM. Without one the node follows as a listener.",
                example: "validator.pem",
                field: |c| &mut c.node.validator_key,
            },
            key("peer_key", "The key behind the node's peer id; never the consensus key.", |c| &mut c.node.peer_key),
            Key {
                name: "passphrase_file",
                about: "The file with the passphrase of keys that are encrypted, for its owner alone (mode 0600). Without one: THALWEG_PASSPHRASE, or a question at the terminal.",
                example: "passphrase",
                field: |c| &mut c.node.passphrase_file,
            },
            key("data", "The directory of the vote journal and of the store.", |c| &mut c.node.data),
        ],
    },
    Section {
        name: "network",
        about: "Peer to peer.",
        keys: &[
            key("listen", "Multiaddresses to listen on.", |c| &mut c.network.listen),
            key(
                "peers",
                "Peers to connect to: /ip4/HOST/tcp/PORT/p2p/ID, /dns4/NAME/…, or /dnsaddr/NAME/p2p/ID. Names are resolved anew at each dial.",
                |c| &mut c.network.peers,
            ),
            key("mdns", "Whether to find peers by multicast on the local network.", |c| &mut c.network.mdns),
            key("kademlia", "Whether to find peers by asking peers.", |c| &mut c.network.kademlia),
            key(
                "connections_max",
                "The most connections with others than the peers above and validators; more are refused.",
                |c| &mut c.network.connections_max,
            ),
            key(
                "address_connections_per_second_max",
                "The most connections of one IP address that are answered; more are refused.",
                |c| &mut c.network.address_connections_per_second_max,
            ),
            key("redial_min_ms", "The first pause before a lost peer is dialled again; it doubles.", |c| {
                &mut c.network.redial_min_ms
            }),
            key("redial_max_ms", "The longest pause before a lost peer is dialled again.", |c| {
                &mut c.network.redial_max_ms
            }),
            key(
                "peer_requests_per_second_max",
                "The most requests served to one peer; more are answered: busy.",
                |c| &mut c.network.peer_requests_per_second_max,
            ),
            key(
                "peer_bytes_per_second_max",
                "The most bytes of answers sent to one peer; then requests are answered: busy.",
                |c| &mut c.network.peer_bytes_per_second_max,
            ),
            key("peer_frames_per_second_max", "The most messages taken from one peer; it is read no faster.", |c| {
                &mut c.network.peer_frames_per_second_max
            }),
            key(
                "peer_frame_bytes_per_second_max",
                "The most bytes of messages taken from one peer; it is read no faster.",
                |c| &mut c.network.peer_frame_bytes_per_second_max,
            ),
            key("block_ms", "How long a peer that lies is turned away, and strangers from its address with it.", |c| {
                &mut c.network.block_ms
            }),
            key("validator_block_ms", "How long a validator that lies is turned away, alone.", |c| {
                &mut c.network.validator_block_ms
            }),
        ],
    },
    Section {
        name: "http",
        about: "The API for clients, metrics and health. It has no authentication: let trusted networks reach it, no others.",
        keys: &[
            key("listen", "Address and port to listen on.", |c| &mut c.http.listen),
            key("workers", "Threads that serve requests. Few: the machine also has to decide.", |c| {
                &mut c.http.workers
            }),
            key("connections_max", "The most connections of one worker; more wait to be accepted.", |c| {
                &mut c.http.connections_max
            }),
            key("requests_max", "The most requests in progress, waiting ones included; more are refused (429).", |c| {
                &mut c.http.requests_max
            }),
            key("body_bytes_total_max", "The most bytes of request bodies at once; more are refused (429).", |c| {
                &mut c.http.body_bytes_total_max
            }),
            key(
                "client_requests_per_second_max",
                "The most requests of one client, an IP address (IPv6: its /64); more are refused (429); 0: no limit. Not for loopback addresses, probes and /metrics.",
                |c| &mut c.http.client_requests_per_second_max,
            ),
            key(
                "client_bytes_per_second_max",
                "The most bytes of request bodies of one client; more are refused (429); 0: no limit. Not for loopback addresses.",
                |c| &mut c.http.client_bytes_per_second_max,
            ),
            key(
                "cors_origins",
                "Whose pages a browser lets read and write here, such as \"https://app.example.org\"; of nobody by default.",
                |c| &mut c.http.cors_origins,
            ),
        ],
    },
    Section {
        name: "admin",
        about: "What changes a running node: its log, its peers, its end. Off unless it listens; plain HTTP, so on loopback or a network of operators.",
        keys: &[
            Key {
                name: "listen",
                about: "Address and port to listen on, another one than that of [http].",
                example: "127.0.0.1:8690",
                field: |c| &mut c.admin.listen,
            },
            Key {
                name: "token_file",
                about: "The file with the token that callers send, 32 characters at least, for its owner alone (mode 0600).",
                example: "admin.token",
                field: |c| &mut c.admin.token_file,
            },
        ],
    },
    Section {
        name: "consensus",
        about: "The local pace. Nodes may differ; only speed depends on it, never safety.",
        keys: &[
            key("round_timeout_min_ms", "The shortest deadline of a round.", |c| &mut c.consensus.round_timeout_min_ms),
            key("round_timeout_max_ms", "The longest deadline of a round, before back-off.", |c| {
                &mut c.consensus.round_timeout_max_ms
            }),
            key("forward_after_ms", "How long a command waits here before it is sent to all validators.", |c| {
                &mut c.consensus.forward_after_ms
            }),
            key("pull_interval_ms", "How often a peer is asked for what is missing.", |c| {
                &mut c.consensus.pull_interval_ms
            }),
        ],
    },
    Section {
        name: "sync",
        about: "Catching up with the others.",
        keys: &[
            key("status_interval_ms", "How often peers are told how far this node is.", |c| {
                &mut c.sync.status_interval_ms
            }),
            key("fetch_timeout_ms", "How long a peer may take to answer before another is asked.", |c| {
                &mut c.sync.fetch_timeout_ms
            }),
        ],
    },
    Section {
        name: "mempool",
        about: "Commands that wait to be decided. When it is full, clients are told to try later (429).",
        keys: &[
            key("commands_max", "The most commands.", |c| &mut c.mempool.commands_max),
            key("bytes_max", "The most bytes of commands.", |c| &mut c.mempool.bytes_max),
        ],
    },
    Section {
        name: "storage",
        about: "The data directory: vote journal and embedded store.",
        keys: &[
            key("cache_bytes_max", "The most memory for the store's cache.", |c| &mut c.storage.cache_bytes_max),
            key(
                "free_bytes_min",
                "Below so many free bytes the log and /healthz warn; 0: never. A full disk stops the node.",
                |c| &mut c.storage.free_bytes_min,
            ),
        ],
    },
    Section {
        name: "log",
        about: "What is written to standard error. RUST_LOG, where set, is stronger than the level.",
        keys: &[
            key("level", "error, warn, info, debug or trace.", |c| &mut c.log.level),
            key("format", "human, json, or auto: human on a terminal, json elsewhere.", |c| &mut c.log.format),
        ],
    },
];
