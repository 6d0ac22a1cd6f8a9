//! The connected peers: how far they say they are, what they were asked for, and who is avoided.
//!
//! Rule `RP-S1`: what a peer says about itself is only a hint. A claim that a peer does not make good is forgotten, and
//! whoever fails is avoided for a while that doubles with each failure in a row; liars are avoided for longer.
//! Limit: [`PEERS_MAX`].

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{contract::Peer, quota::Source, wire::PeerStatus};
use crate::types::{Height, Time, ValidatorIndex};

/// The most peers remembered; further ones are served but never asked.
pub(super) const PEERS_MAX: usize = 4096;
/// How often the time of avoidance doubles at most.
const DOUBLINGS_MAX: u32 = 6;
/// How long a liar is avoided.
const LIAR_AVOIDED: Duration = Duration::from_secs(600);

/// A request for blocks under way.
#[derive(Clone, Copy)]
pub(super) struct Ask {
    /// The first height asked for.
    pub(super) from: Height,
    /// When it is given up.
    pub(super) deadline: Time,
}

/// What is known of one peer.
#[derive(Default)]
struct Known {
    validator: Option<ValidatorIndex>,
    status: PeerStatus,
    failures: u32,
    /// What it was asked for last and did not answer in time.
    overdue: Option<Height>,
    /// The turn of the last request, to spread them.
    asked_at: u64,
}

/// All of them.
#[derive(Default)]
pub(super) struct Peers {
    known: BTreeMap<Peer, Known>,
    /// Who claims how much, so that the furthest is found without a search.
    claims: BTreeSet<(Height, Peer)>,
    asks: BTreeMap<Peer, Ask>,
    avoided_until: BTreeMap<Peer, Time>,
    turns: u64,
}

impl Peers {
    /// A peer connected.
    pub(super) fn up(&mut self, peer: Peer, validator: Option<ValidatorIndex>) {
        if self.known.len() < PEERS_MAX || self.known.contains_key(&peer) {
            self.known.entry(peer).or_default().validator = validator;
        }
    }

    /// A peer is gone.
    pub(super) fn down(&mut self, peer: Peer) {
        if let Some(known) = self.known.remove(&peer) {
            self.claims.remove(&(known.status.executed, peer));
        }
        self.asks.remove(&peer);
        self.avoided_until.remove(&peer);
    }

    /// Whether nobody is connected.
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whose commands a peer's are.
    pub(super) fn source(&self, peer: Peer) -> Source {
        let validator = self.known.get(&peer).and_then(|known| known.validator);
        validator.map_or(Source::Followers, Source::Validator)
    }

    /// A peer says how far it is.
    pub(super) fn report(&mut self, peer: Peer, status: PeerStatus) {
        if let Some(known) = self.known.get_mut(&peer) {
            self.claims.remove(&(known.status.executed, peer));
            self.claims.insert((status.executed, peer));
            known.status = status;
        }
    }

    /// A peer's message hints that it has executed at least this.
    pub(super) fn hint(&mut self, peer: Peer, executed: Height) {
        if let Some(status) = self.known.get(&peer).map(|known| known.status) {
            self.report(peer, PeerStatus { executed: status.executed.max(executed), ..status });
        }
    }

    /// How far the furthest peer that is not avoided says it is.
    pub(super) fn target(&self, now: Time) -> Height {
        let credible = self.claims.iter().rev().find(|(_, peer)| !self.is_avoided(now, *peer));
        credible.map(|(executed, _)| *executed).unwrap_or_default()
    }

    /// The best peer to ask for a height: one that says it has it, is not asked and not avoided; of those the one with
    /// the fewest failures in a row, then the one whose last request is longest ago.
    pub(super) fn best(&self, now: Time, height: Height) -> Option<Peer> {
        let claimants = self.claims.range((height, Peer(0))..).map(|(_, peer)| *peer);
        let free = claimants.filter(|peer| !self.asks.contains_key(peer) && !self.is_avoided(now, *peer));
        let able = free.filter_map(|peer| Some((peer, self.known.get(&peer)?)));
        let able = able.filter(|(_, known)| known.status.oldest <= height);
        able.min_by_key(|(peer, known)| (known.failures, known.asked_at, *peer)).map(|(peer, _)| peer)
    }

    /// Notes a request.
    pub(super) fn ask(&mut self, peer: Peer, ask: Ask) {
        self.turns += 1;
        if let Some(known) = self.known.get_mut(&peer) {
            known.asked_at = self.turns;
            self.asks.insert(peer, ask);
        }
    }

    /// What a peer was asked for.
    pub(super) fn asked(&self, peer: Peer) -> Option<Ask> {
        self.asks.get(&peer).copied()
    }

    /// Whether blocks from a height on may be the answer to a request that was given up.
    pub(super) fn may_answer_late(&self, peer: Peer, from: Height) -> bool {
        self.known.get(&peer).is_some_and(|known| known.overdue == Some(from))
    }

    /// All requests under way.
    pub(super) fn asks(&self) -> impl Iterator<Item = Ask> + '_ {
        self.asks.values().copied()
    }

    /// A peer answered well.
    pub(super) fn praise(&mut self, peer: Peer) {
        self.asks.remove(&peer);
        if let Some(known) = self.known.get_mut(&peer) {
            known.failures = 0;
        }
    }

    /// A peer did not have what it said, or did not answer: it is avoided, and its claim is void until it makes
    /// another.
    pub(super) fn fail(&mut self, now: Time, peer: Peer, pause: Duration) {
        let Some(known) = self.known.get_mut(&peer) else { return };
        let doublings = known.failures.min(DOUBLINGS_MAX);
        known.failures = known.failures.saturating_add(1);
        let status = known.status;
        self.avoided_until.insert(peer, now.plus(pause.saturating_mul(1 << doublings)));
        if let Some(ask) = self.asks.remove(&peer) {
            known.overdue = Some(ask.from);
            self.report(peer, PeerStatus { executed: status.executed.min(ask.from.minus(1)), ..status });
        }
    }

    /// A peer lied.
    pub(super) fn condemn(&mut self, now: Time, peer: Peer) {
        self.fail(now, peer, LIAR_AVOIDED);
    }

    /// Gives up the requests whose time is over, and forgives whose time of avoidance is.
    pub(super) fn pass(&mut self, now: Time, pause: Duration) {
        let late = self.asks.iter().filter(|(_, ask)| ask.deadline <= now).map(|(peer, _)| *peer);
        for peer in late.collect::<Vec<_>>() {
            self.fail(now, peer, pause);
        }
        self.avoided_until.retain(|_, until| *until > now);
    }

    /// When the next request is given up, or the next peer is not avoided any more.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.asks().map(|ask| ask.deadline).chain(self.avoided_until.values().copied()).min()
    }

    /// How many peers are known.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    fn is_avoided(&self, now: Time, peer: Peer) -> bool {
        self.avoided_until.get(&peer).is_some_and(|until| *until > now)
    }
}
