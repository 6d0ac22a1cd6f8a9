//! What the network is told at start.

use std::time::Duration;

use libp2p::Multiaddr;

use super::identity::{NodeKey, PeerProof};
use crate::types::{Digest, PublicKey};

/// The network's settings: plain data. What has no natural value is an argument of [`NetworkSettings::new`].
#[derive(Clone, Debug)]
pub struct NetworkSettings {
    /// The chain; peers of other chains are turned away.
    pub chain: Digest,
    /// Our libp2p identity, distinct from the consensus key.
    pub node_key: NodeKey,
    /// Proof that this node is a validator's; `None` for a listener.
    pub proof: Option<PeerProof>,
    /// The validators whose proofs are believed; changed later by [`super::NetworkPort::set_validators`].
    pub validators: Vec<PublicKey>,
    /// Where to listen: `/ip4/…/tcp/…` or `/ip4/…/udp/…/quic-v1`.
    pub listen: Vec<Multiaddr>,
    /// Whom to stay connected to: as above, with a name (`/dns4/…`), or a name for a whole address (`/dnsaddr/…`). A
    /// `/p2p/…` at the end is a hint who lives there, and keeps that peer a place whoever else floods us.
    pub peers: Vec<Multiaddr>,
    /// How to find others beside those.
    pub discovery: Discovery,
    /// Bounds.
    pub limits: NetworkLimits,
    /// Times.
    pub timings: NetworkTimings,
    /// Threads of the network's own runtime, at least 1. One is enough for a small committee and wakes fewer threads
    /// for each message; more spread the encryption of large payloads.
    pub worker_threads: usize,
}

impl NetworkSettings {
    /// Settings with defaults for everything else. Listens nowhere and knows no peer yet.
    pub fn new(chain: Digest, node_key: NodeKey, validators: Vec<PublicKey>) -> Self {
        Self {
            chain,
            node_key,
            proof: None,
            validators,
            listen: Vec::new(),
            peers: Vec::new(),
            discovery: Discovery::default(),
            limits: NetworkLimits::default(),
            timings: NetworkTimings::default(),
            worker_threads: 1,
        }
    }
}

/// How peers are found that nobody configured. What is found is where to dial, never whom to believe.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Discovery {
    /// By multicast on the local network.
    pub mdns: bool,
    /// By asking peers for peers.
    pub kademlia: bool,
}

/// Bounds, each with what happens at it (`NW-B1`).
#[derive(Clone, Debug)]
pub struct NetworkLimits {
    /// The most bytes of an encoded frame. Ours above it are dropped, those of peers rejected.
    pub frame_bytes_max: usize,
    /// The most bytes of an encoded response: the largest payload with its certificate, and a margin.
    pub response_bytes_max: usize,
    /// The most bytes of an encoded request.
    pub request_bytes_max: usize,
    /// The most events that wait for their receiver; then the newest frames are dropped.
    pub events_max: usize,
    /// The most bytes of frames handed up and not yet dropped; then the newest frames are dropped.
    pub inbound_bytes_max: usize,
    /// The most orders that wait for the network's task; then the newest are dropped.
    pub orders_max: usize,
    /// The most frames that wait for a validator's substream; then the oldest are dropped.
    pub lane_frames_max: usize,
    /// The most bytes that wait for a validator's substream; then the oldest frames are dropped.
    pub lane_bytes_max: usize,
    /// How many frames wait for or remember their verdict; then the oldest is ignored.
    pub verdicts_max: usize,
    /// The most connections with strangers, who are neither configured nor proven validators; further ones are refused,
    /// or take the place of others. Half of them may come from outside, an eighth from one origin. Peers that are known
    /// have places of their own.
    pub connections_max: usize,
    /// The most connections that are being opened from outside, a quarter of them from one origin; more are refused.
    pub pending_max: usize,
    /// How many connections of one origin are answered per second; more are refused. A burst is five times that.
    pub arrivals_per_second: u32,
    /// The most addresses to dial; further ones are not taken.
    pub addresses_max: usize,
    /// The most requests of one peer that are served at once; then `Busy`. Also of ours to one peer.
    pub requests_max: usize,
    /// How many requests of one peer are served per second; then `Busy`. A burst is twice that.
    pub requests_per_second: u32,
    /// How many bytes of responses one peer gets per second; then `Busy`. A burst is twice that.
    pub response_bytes_per_second: u32,
    /// How many frames of one peer are taken per second: a substream is read no faster, gossip above it ignored and
    /// held against the peer. A burst is five times that.
    pub frames_per_second: u32,
    /// How many bytes of frames of one peer are taken per second, in the same way. A burst is twice that.
    pub frame_bytes_per_second: u32,
}

impl Default for NetworkLimits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 9 << 20,
            response_bytes_max: 10 << 20,
            request_bytes_max: 256 << 10,
            events_max: 8_192,
            inbound_bytes_max: 128 << 20,
            orders_max: 8_192,
            lane_frames_max: 4_096,
            lane_bytes_max: 64 << 20,
            verdicts_max: 16_384,
            connections_max: 256,
            pending_max: 64,
            arrivals_per_second: 50,
            addresses_max: 1_024,
            requests_max: 16,
            requests_per_second: 500,
            response_bytes_per_second: 64 << 20,
            frames_per_second: 10_000,
            frame_bytes_per_second: 64 << 20,
        }
    }
}

/// Times.
#[derive(Clone, Debug)]
pub struct NetworkTimings {
    /// The first pause before an address is dialed or a substream opened again.
    pub retry_min: Duration,
    /// The longest pause.
    pub retry_max: Duration,
    /// How long a peer that may be a validator has to prove it before it is announced as a listener.
    pub grace: Duration,
    /// How long a dial, a handshake, an identification or the opening of a substream may take.
    pub handshake_timeout: Duration,
    /// How long a peer may take to answer a request.
    pub request_timeout: Duration,
    /// How often connections are probed; one that fails to answer within three times this is closed. TCP alone would try
    /// again ever later, and find a network that has healed as long after as it was cut.
    pub ping_interval: Duration,
    /// The heartbeat of gossip: how fast its mesh is repaired.
    pub gossip_heartbeat: Duration,
    /// How long a peer is turned away after a few lies, and other strangers with it that come from where it came from.
    pub block_for: Duration,
    /// The same for a proven validator, alone: it may be honest behind a bug, and its votes are missed.
    pub validator_block_for: Duration,
    /// How long one write to a peer may take; then it is too slow to stay.
    pub write_timeout: Duration,
    /// How long an address is dialed in vain that nobody configured; then it is forgotten.
    pub forget_after: Duration,
}

impl Default for NetworkTimings {
    fn default() -> Self {
        Self {
            retry_min: Duration::from_millis(50),
            retry_max: Duration::from_secs(2),
            grace: Duration::from_secs(1),
            handshake_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(1),
            gossip_heartbeat: Duration::from_millis(300),
            block_for: Duration::from_secs(30),
            validator_block_for: Duration::from_secs(5),
            write_timeout: Duration::from_secs(20),
            forget_after: Duration::from_secs(600),
        }
    }
}
