//! Which way a frame goes out, and what gossip brings in.

use std::time::Instant;

use bytes::Bytes;
use libp2p::{
    PeerId,
    gossipsub::{self, MessageAcceptance, MessageId},
};

use super::{Driver, peer::Entry};
use crate::{
    actors::network::{
        book::Route,
        gauge::{Direction, Dropped, MessageKind},
        inbound::Taken,
        lane::Pushed,
        port::{To, acceptance},
    },
    protocol::{Judgement, Rejection},
    types::{Digest, PublicKey},
};

impl Driver {
    /// Sends by substreams to whoever has one, and once through gossip when somebody asked for has none.
    pub(super) fn send(&mut self, to: &To, kind: MessageKind, envelope: &Bytes) {
        let needs_gossip = match to {
            To::Peer(mark) => {
                let Some(peer) = self.marks.get(mark).copied() else {
                    return;
                };
                !self.push(peer, kind, envelope)
            }
            To::Validators(keys) => !self.push_to(keys.iter().copied(), kind, envelope),
            To::AllValidators => self.push_to_all(kind, envelope),
            To::Everyone => {
                let is_unreached = |entry: &Entry| entry.is_subscribed && !entry.is_reached();
                let somebody_listens = self.peers.values().any(is_unreached);
                self.push_to_all(kind, envelope) || somebody_listens
            }
        };
        if needs_gossip && self.peers.values().any(|entry| entry.is_subscribed) {
            self.publish(kind, envelope);
        }
    }

    /// Whether gossip is needed, since some validator has no substream.
    fn push_to_all(&mut self, kind: MessageKind, envelope: &Bytes) -> bool {
        let keys: Vec<PublicKey> = self.validators.iter().copied().collect();
        !self.push_to(keys.into_iter(), kind, envelope)
    }

    /// Whether all of them have a substream, ourselves left out.
    fn push_to(&mut self, keys: impl Iterator<Item = PublicKey>, kind: MessageKind, envelope: &Bytes) -> bool {
        let own = self.settings.proof.as_ref().map(|proof| proof.validator);
        let mut is_complete = true;
        for key in keys.filter(|key| Some(*key) != own) {
            let peer = self.bonds.get(&key).map(|bond| bond.peer);
            is_complete &= peer.is_some_and(|peer| self.push(peer, kind, envelope));
        }
        is_complete
    }

    /// Whether the peer has a substream.
    fn push(&mut self, peer: PeerId, kind: MessageKind, envelope: &Bytes) -> bool {
        let Some(entry) = self.peers.get(&peer).filter(|entry| entry.is_reached()) else {
            return false;
        };
        match entry.lane.push(envelope.clone()) {
            Pushed::Queued { dropped } => {
                self.gauges().count_message(kind, Direction::Out, envelope.len());
                self.gauges().count_dropped(Dropped::Outbound, dropped);
                true
            }
            Pushed::Closed => false,
        }
    }

    fn publish(&mut self, kind: MessageKind, envelope: &Bytes) {
        let topic = self.topic.hash();
        match self.swarm.behaviour_mut().gossip.publish(topic, envelope.clone()) {
            Ok(_) => {
                self.gauges().count_published();
                self.gauges().count_message(kind, Direction::Out, envelope.len());
            }
            // Upper layers send again from their state; gossip itself never does.
            Err(error) => {
                self.gauges().count_publish_error();
                tracing::debug!(%error, "publication failed");
            }
        }
    }

    pub(super) fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                let judgement = self.take_gossip(propagation_source, &message.data);
                if let Some(judgement) = judgement {
                    self.swarm.behaviour_mut().gossip.report_message_validation_result(
                        &message_id,
                        &propagation_source,
                        acceptance(judgement),
                    );
                }
            }
            gossipsub::Event::Subscribed { peer_id, .. } => self.set_subscribed(peer_id, true),
            gossipsub::Event::Unsubscribed { peer_id, .. } => self.set_subscribed(peer_id, false),
            gossipsub::Event::SlowPeer { peer_id, failed_messages } => {
                let failed = failed_messages.priority + failed_messages.non_priority;
                self.on_slow_in_gossip(peer_id, failed);
            }
            gossipsub::Event::GossipsubNotSupported { .. } => {}
        }
    }

    /// The word on a gossiped envelope, if there is one already. Who comes too early or too often may still be honest
    /// and is ignored, not rejected (`NW-G2`).
    fn take_gossip(&mut self, peer: PeerId, data: &[u8]) -> Option<Judgement> {
        // Before it is announced nobody knows its mark; what it said will be pulled.
        let Some(entry) = self.peers.get_mut(&peer).filter(|entry| entry.is_announced()) else {
            return Some(Judgement::Ignore);
        };
        let now = Instant::now();
        entry.gossip_bytes.charge(data.len());
        if entry.gossip_frames.try_take(now).is_err() || !entry.gossip_bytes.debt(now).is_zero() {
            self.reject(peer, Rejection::OverRate);
            return Some(Judgement::Ignore);
        }
        let mark = entry.mark;
        match self.ends.inbound.take(mark, peer, Route::Gossip, data) {
            Taken::Waiting => None,
            Taken::Judged(judgement) => {
                if let Judgement::Reject(rejection) = judgement {
                    self.blame(peer, rejection);
                }
                Some(judgement)
            }
        }
    }

    fn set_subscribed(&mut self, peer: PeerId, is_subscribed: bool) {
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.is_subscribed = is_subscribed;
        }
    }

    pub(super) fn report(&mut self, id: &Digest, passed_on_by: &PeerId, acceptance: MessageAcceptance) {
        let id = MessageId::new(id.as_bytes());
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        if !gossip.report_message_validation_result(&id, passed_on_by, acceptance) {
            tracing::debug!("verdict came too late for gossip");
        }
    }
}
