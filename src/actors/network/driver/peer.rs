//! Peers from their first connection to their last: identified, proven, announced, trimmed, turned away.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId, Stream, identify, ping, swarm::ConnectionId};
use rand_core::SeedableRng as _;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::{Bond, Driver, Pending};
use crate::{
    actors::network::{
        allowance::Allowance,
        behaviour::protocol_version,
        dial::{Backoff, said_to_live},
        event::NetworkEvent,
        identity::{FRAME_VERSION, Hello, PeerProof},
        lane::Lane,
        port::PeerView,
        settings::NetworkLimits,
        substream::{self, Notice, Writer},
    },
    crypto::BatchRng,
    protocol::Rejection,
    replica::Peer,
    types::{PublicKey, codec},
};

/// How long two connections to one peer are both kept, so that neither side closes what the other has just opened.
const SETTLE: Duration = Duration::from_millis(250);
/// How often a peer may tell who it is on its connections; it does so every few minutes.
const IDENTIFICATIONS_PER_SECOND: u32 = 1;
const IDENTIFICATIONS_BURST: u32 = 16;

/// A connected peer.
pub(super) struct Entry {
    pub mark: Peer,
    connections: Vec<(ConnectionId, Instant)>,
    address: Multiaddr,
    since: Instant,
    /// What it says of itself; until then it is nobody.
    agent: Option<String>,
    takes_substreams: bool,
    pub proven: Option<PublicKey>,
    /// The validator it was last announced as, once it was.
    announced: Option<Option<PublicKey>>,
    pub lane: Arc<Lane>,
    writer: Option<AbortOnDropHandle<()>>,
    reader: Option<AbortOnDropHandle<()>>,
    pub is_subscribed: bool,
    round_trip: Option<Duration>,
    pub gossip_frames: Allowance,
    pub gossip_bytes: Allowance,
    identifications: Allowance,
    /// When gossip began and when it last went on to drop what is meant for this peer.
    pub slow: Option<(Instant, Instant)>,
    /// Where it says that it listens.
    pub listens: Vec<Multiaddr>,
    pub request_allowance: Allowance,
    pub response_allowance: Allowance,
    /// Requests far above what is served.
    pub patience: Allowance,
    pub serving: Arc<Semaphore>,
    pub asked: usize,
}

impl Entry {
    fn new(mark: Peer, address: Multiaddr, limits: &NetworkLimits, now: Instant) -> Self {
        let twice = |rate: u32| Allowance::new(rate, rate.saturating_mul(2), now);
        Self {
            mark,
            connections: Vec::new(),
            address,
            since: now,
            agent: None,
            takes_substreams: false,
            proven: None,
            announced: None,
            lane: Arc::new(Lane::new(limits.lane_frames_max, limits.lane_bytes_max)),
            writer: None,
            reader: None,
            is_subscribed: false,
            round_trip: None,
            gossip_frames: Allowance::new(limits.frames_per_second, limits.frames_per_second.saturating_mul(5), now),
            gossip_bytes: twice(limits.frame_bytes_per_second),
            identifications: Allowance::new(IDENTIFICATIONS_PER_SECOND, IDENTIFICATIONS_BURST, now),
            slow: None,
            listens: Vec::new(),
            request_allowance: twice(limits.requests_per_second),
            response_allowance: twice(limits.response_bytes_per_second),
            patience: twice(limits.requests_per_second.saturating_mul(2)),
            serving: Arc::new(Semaphore::new(limits.requests_max)),
            asked: 0,
        }
    }

    /// Where its newest connection leads.
    pub fn address(&self) -> &Multiaddr {
        &self.address
    }

    /// Whether it was announced, so that others know its mark.
    pub fn is_announced(&self) -> bool {
        self.announced.is_some()
    }

    /// Whether frames reach it by a substream.
    pub fn is_reached(&self) -> bool {
        self.proven.is_some() && self.lane.is_open()
    }

    pub fn view(&self, peer_id: PeerId, is_in_mesh: bool) -> Option<PeerView> {
        let validator = self.announced?;
        Some(PeerView {
            peer: self.mark,
            peer_id,
            validator,
            address: self.address.clone(),
            agent: self.agent.clone().unwrap_or_default(),
            round_trip: self.round_trip,
            has_substream: self.is_reached(),
            is_in_mesh,
            queued_frames: self.lane.len(),
        })
    }
}

impl Driver {
    pub(super) fn on_connected(&mut self, peer: PeerId, connection: ConnectionId, address: Multiaddr) {
        let now = Instant::now();
        if !self.peers.contains_key(&peer) {
            let mark = Peer(self.next_mark);
            self.next_mark += 1;
            self.marks.insert(mark, peer);
            self.peers.insert(peer, Entry::new(mark, address.clone(), &self.settings.limits, now));
        }
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.connections.push((connection, now));
            entry.address = address;
        }
    }

    pub(super) fn on_closed(&mut self, peer: PeerId, connection: ConnectionId, left: u32) {
        let Some(entry) = self.peers.get_mut(&peer) else {
            return;
        };
        entry.connections.retain(|(id, _)| *id != connection);
        if left > 0 {
            return;
        }
        if let Some(entry) = self.peers.remove(&peer) {
            self.marks.remove(&entry.mark);
            if entry.is_announced() {
                self.pending.push_back(Pending::Event(NetworkEvent::PeerDown { peer: entry.mark }));
            }
        }
    }

    /// Who speaks another chain's language is turned away; who takes substreams gets one.
    pub(super) fn on_identified(&mut self, peer: PeerId, info: identify::Info) {
        if info.protocol_version != protocol_version(&self.settings.chain) {
            return self.turn_away_foreign(peer);
        }
        let now = Instant::now();
        if self.peers.get_mut(&peer).is_some_and(|entry| entry.identifications.try_take(now).is_err()) {
            return self.reject(peer, Rejection::OverRate);
        }
        let writer = self.writer(peer);
        let listens = self.dialable(peer, info.listen_addrs);
        self.tell_kademlia(peer, &info.protocols, &listens);
        let Some(entry) = self.peers.get_mut(&peer) else {
            return;
        };
        entry.listens = listens;
        entry.agent = Some(info.agent_version.chars().filter(|c| !c.is_control()).take(64).collect());
        entry.takes_substreams = info.protocols.contains(&substream::PROTOCOL);
        if entry.takes_substreams
            && entry.writer.is_none()
            && let Some(writer) = writer
        {
            let writer = Writer { lane: Arc::clone(&entry.lane), ..writer };
            entry.writer = Some(AbortOnDropHandle::new(tokio::spawn(writer.run())));
        }
        self.announce(peer);
        self.hear_of_validator(peer);
    }

    /// A writer that proves who we are; `None` for a listener.
    fn writer(&mut self, peer: PeerId) -> Option<Writer> {
        let (limits, timings) = (&self.settings.limits, &self.settings.timings);
        let proof = self.settings.proof.clone()?;
        let hello = Hello { chain: self.settings.chain, version: FRAME_VERSION, proof: Some(proof) };
        Some(Writer {
            peer,
            lane: Arc::new(Lane::new(limits.lane_frames_max, limits.lane_bytes_max)),
            opener: self.opener.clone(),
            notices: self.notices_in.clone(),
            hello: codec::encode(&hello).into(),
            open_timeout: timings.handshake_timeout,
            write_timeout: timings.write_timeout,
            backoff: Backoff::new(timings.retry_min, timings.retry_max),
            rng: BatchRng::from_rng(&mut self.rng),
        })
    }

    /// A peer opened a substream; it replaces an earlier one, whose connection may be dead without our knowing.
    pub(super) fn on_stream(&mut self, peer: PeerId, stream: Stream) {
        let Some(entry) = self.peers.get_mut(&peer) else {
            return;
        };
        let read = Arc::clone(&self.readers).read(peer, stream);
        entry.reader = Some(AbortOnDropHandle::new(tokio::spawn(read)));
    }

    pub(super) fn on_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Proven { peer, proof, grant } => self.on_proven(peer, &proof, grant),
            Notice::Foreign { peer } => self.turn_away_foreign(peer),
            Notice::Rejected { peer, rejection } => self.blame(peer, rejection),
            Notice::Slow { peer } => self.drop_slow(peer),
        }
    }

    /// `NW-P1`: of all nodes that prove to be one validator, the one with the highest counter is it.
    fn on_proven(&mut self, peer: PeerId, proof: &PeerProof, grant: oneshot::Sender<Peer>) {
        let is_ours = self.settings.proof.as_ref().is_some_and(|own| own.validator == proof.validator);
        let outdone = self
            .bonds
            .get(&proof.validator)
            .filter(|bond| bond.counter > proof.counter || (bond.counter == proof.counter && bond.peer != peer));
        if is_ours {
            tracing::error!(%peer, counter = proof.counter, "another node proves to be our own validator");
        }
        if is_ours || outdone.is_some() || !self.validators.contains(&proof.validator) {
            tracing::debug!(%peer, validator = %proof.validator, counter = proof.counter, "proof refused");
            // One that was outdone may be an honest node's from before its restart, and a stranger may join us later.
            let rejection = if outdone.is_some() { Rejection::Replayed } else { Rejection::UnknownSigner };
            self.gauges().count_rejection(rejection);
            return self.gauges().count_refused_proof();
        }
        let bond = Bond { counter: proof.counter, peer };
        if let Some(before) = self.bonds.insert(proof.validator, bond).filter(|before| before.peer != peer) {
            self.unprove(before.peer);
        }
        let Some(entry) = self.peers.get_mut(&peer) else {
            return;
        };
        entry.proven = Some(proof.validator);
        let mark = entry.mark;
        self.swarm.behaviour_mut().gate.know(peer);
        self.announce(peer);
        self.hear_of_validator(peer);
        self.pending.push_back(Pending::Grant(grant, mark));
    }

    fn unprove(&mut self, peer: PeerId) {
        if !self.settings.peers.iter().any(|address| said_to_live(address) == Some(peer)) {
            self.swarm.behaviour_mut().gate.forget(&peer);
        }
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.proven = None;
            entry.reader = None;
            self.announce(peer);
        }
    }

    /// The believed keys have changed. Peers whose key became known prove it again by themselves: their writers try
    /// until they are let in.
    pub(super) fn on_validators(&mut self) {
        self.validators = self.ends.validators.borrow_and_update().clone();
        // Also of those who are not connected.
        let gone: Vec<_> = self.bonds.extract_if(|key, _| !self.validators.contains(key)).collect();
        for (_, bond) in gone {
            self.unprove(bond.peer);
        }
        let is_stranger = |entry: &Entry| entry.proven.is_some_and(|key| !self.validators.contains(&key));
        let strangers: Vec<_> =
            self.peers.iter().filter(|(_, entry)| is_stranger(entry)).map(|(peer, _)| *peer).collect();
        for peer in strangers {
            self.unprove(peer);
        }
    }

    /// Tells of a peer as soon as it is clear what it is, and again when that changes.
    fn announce(&mut self, peer: PeerId) {
        let we_listen = self.settings.proof.is_none();
        let Some(entry) = self.peers.get_mut(&peer) else {
            return;
        };
        let may_prove = entry.takes_substreams && !we_listen && entry.since.elapsed() < self.settings.timings.grace;
        let is_clear = entry.proven.is_some() || (entry.agent.is_some() && !may_prove) || entry.is_announced();
        if is_clear && entry.announced != Some(entry.proven) {
            entry.announced = Some(entry.proven);
            let event = NetworkEvent::PeerUp { peer: entry.mark, peer_id: peer, validator: entry.proven };
            self.pending.push_back(Pending::Event(event));
        }
    }

    /// Announces peers whose grace is over, closes surplus connections and those that stay silent.
    pub(super) fn look_after_peers(&mut self, now: Instant) {
        let timings = &self.settings.timings;
        let (mut waiting, mut surplus, mut silent) = (Vec::new(), Vec::new(), Vec::new());
        for (peer, entry) in &self.peers {
            let age = now.saturating_duration_since(entry.since);
            if entry.announced.is_none() && entry.agent.is_some() {
                waiting.push(*peer);
            } else if entry.agent.is_none() && age > timings.handshake_timeout {
                silent.push(*peer);
            }
            // One side chooses, else each could close what the other keeps; the other one only when nothing happens.
            let patience = if self.swarm.local_peer_id() < peer { SETTLE } else { SETTLE * 8 };
            if let [older @ .., (_, newest)] = entry.connections.as_slice()
                && now.saturating_duration_since(*newest) > patience
            {
                // The newest stays: an older one may be what is left of a peer that restarted.
                surplus.extend(older.iter().map(|(connection, _)| *connection));
            }
        }
        for connection in surplus {
            self.swarm.close_connection(connection);
        }
        for peer in silent {
            self.disconnect(peer);
        }
        for peer in waiting {
            self.announce(peer);
        }
    }

    pub(super) fn on_ping(&mut self, ping: ping::Event) {
        match ping.result {
            Ok(round_trip) => {
                if let Some(entry) = self.peers.get_mut(&ping.peer) {
                    entry.round_trip = Some(round_trip);
                }
            }
            Err(ping::Failure::Unsupported) => {}
            // A cut cable says nothing for minutes otherwise.
            Err(failure) => {
                tracing::debug!(peer = %ping.peer, %failure, "ping failed");
                self.swarm.close_connection(ping.connection);
            }
        }
    }

    pub(super) fn disconnect(&mut self, peer: PeerId) {
        // An error says that it is not connected, which is what is wanted.
        let _ = self.swarm.disconnect_peer_id(peer);
    }
}
