//! What lies, foreignness and slowness cost a peer: its connection, for a while.

use std::time::{Duration, Instant};

use libp2p::PeerId;

use super::Driver;
use crate::{
    actors::network::{
        behaviour::GOSSIP_SCORE_MIN,
        gauge::{Dropped, Refusal},
        penalty::Sentence,
    },
    protocol::Rejection,
};

/// How long gossip to a peer may be silent about its slowness before that is forgotten.
const SLOW_PAUSE: Duration = Duration::from_secs(2);

impl Driver {
    /// Counts a rejection against a peer; a few bad ones turn it away. The rejection itself is counted by its finder.
    pub(super) fn blame(&mut self, peer: PeerId, rejection: Rejection) {
        let now = Instant::now();
        let sentence = self.penalties.blame(peer, rejection, self.block_for(&peer), now);
        if self.execute(peer, sentence) {
            tracing::debug!(%peer, reason = rejection.as_str(), "the last of several");
            self.ban_origins(peer, now);
        }
    }

    /// Counts a rejection that the network has found, and holds it against the peer.
    pub(super) fn reject(&mut self, peer: PeerId, rejection: Rejection) {
        self.gauges().count_rejection(rejection);
        self.blame(peer, rejection);
    }

    fn block_for(&self, peer: &PeerId) -> Duration {
        let timings = &self.settings.timings;
        let is_validator = self.bonds.values().any(|bond| bond.peer == *peer);
        if is_validator { timings.validator_block_for } else { timings.block_for }
    }

    /// Whoever follows another chain is no liar: others from there may be of ours.
    pub(super) fn turn_away_foreign(&mut self, peer: PeerId) {
        self.gauges().count_foreign_peer();
        self.gauges().count_rejection(Rejection::ForeignInstance);
        self.addresses.forget(&peer);
        let sentence = self.penalties.block(peer, self.settings.timings.block_for, Instant::now());
        self.execute(peer, sentence);
    }

    /// Peer ids cost nothing: a stranger that lied is turned away with all strangers from there.
    fn ban_origins(&mut self, peer: PeerId, now: Instant) {
        let gate = &mut self.swarm.behaviour_mut().gate;
        if gate.is_known(&peer) {
            return;
        }
        for origin in gate.origins(&peer) {
            if self.penalties.ban(origin, self.settings.timings.block_for, now) {
                gate.ban(origin);
            }
        }
    }

    /// Whether the peer was turned away.
    fn execute(&mut self, peer: PeerId, sentence: Sentence) -> bool {
        match sentence {
            Sentence::Stay => return false,
            Sentence::Disconnect => {}
            Sentence::Block => self.swarm.behaviour_mut().gate.block(peer),
        }
        tracing::debug!(%peer, ?sentence, "peer turned away");
        self.disconnect(peer);
        true
    }

    /// What gossip finds wrong by itself shows only in its scores.
    pub(super) fn look_at_gossip(&mut self) {
        let gossip = &self.swarm.behaviour().gossip;
        let is_guilty = |peer: &&PeerId| gossip.peer_score(peer).is_some_and(|score| score <= GOSSIP_SCORE_MIN);
        let guilty: Vec<_> = self.peers.keys().filter(is_guilty).copied().collect();
        let now = Instant::now();
        for peer in guilty {
            self.gauges().count_rejection(Rejection::Malformed);
            let sentence = self.penalties.block(peer, self.block_for(&peer), now);
            self.execute(peer, sentence);
            self.ban_origins(peer, now);
        }
    }

    /// Gossip had to drop what was meant for a peer. One that does not get faster has to go.
    pub(super) fn on_slow_in_gossip(&mut self, peer: PeerId, dropped: usize) {
        self.gauges().count_dropped(Dropped::Outbound, dropped);
        let now = Instant::now();
        let Some(entry) = self.peers.get_mut(&peer) else {
            return;
        };
        let since = match entry.slow {
            Some((since, last)) if now.saturating_duration_since(last) < SLOW_PAUSE => since,
            _ => now,
        };
        entry.slow = Some((since, now));
        if now.saturating_duration_since(since) > self.settings.timings.write_timeout {
            self.drop_slow(peer);
        }
    }

    /// Ends the connections of a peer that does not read. It may come back at once: slowness is no lie.
    pub(super) fn drop_slow(&mut self, peer: PeerId) {
        self.gauges().count_refused_connection(Refusal::Slow);
        tracing::debug!(%peer, "too slow to stay");
        self.disconnect(peer);
    }
}
