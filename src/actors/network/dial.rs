//! Which addresses to dial, and when: for ever, with exponential back-off and jitter.
//!
//! An address is where a node was said to live, nothing more: the peer id that it may carry is a hint. Who a peer is
//! is decided by its proof, so a node that comes back with another key or that moved is found again by whichever
//! address still leads to it.

use std::time::{Duration, Instant};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol, swarm::ConnectionId};
use rand_core::Rng;

/// Waiting times that double up to a cap; each is drawn from the upper half of its range, so that peers that lost
/// each other at one moment do not meet at the door again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    pub fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap, failures: 0 }
    }

    /// The next waiting time.
    pub fn next(&mut self, rng: &mut impl Rng) -> Duration {
        let full = self.base.saturating_mul(1 << self.failures.min(16)).min(self.cap);
        self.failures = self.failures.saturating_add(1);
        let half = full / 2;
        half + half.mul_f64(f64::from(rng.next_u32()) / f64::from(u32::MAX))
    }

    /// Back to the shortest waiting time.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

enum Attempt {
    Due(Instant),
    Dialing(ConnectionId),
}

struct Entry {
    address: Multiaddr,
    /// Who answered there last, or who is said to live there.
    peer: Option<PeerId>,
    attempt: Attempt,
    backoff: Backoff,
}

/// How long an address that turned out to be our own is left alone. Not for ever: another node may get it.
const OWN_ADDRESS_PAUSE: Duration = Duration::from_secs(60);

/// The addresses to stay connected to.
pub(super) struct AddressBook {
    entries: Vec<Entry>,
    backoff: Backoff,
    entries_max: usize,
}

impl AddressBook {
    pub fn new(backoff: Backoff, entries_max: usize) -> Self {
        Self { entries: Vec::new(), backoff, entries_max }
    }

    /// Adds an address, unless it is known, carries our own id, or the book is full.
    pub fn add(&mut self, address: Multiaddr, me: &PeerId, now: Instant) {
        let peer = match address.iter().last() {
            Some(Protocol::P2p(peer)) => Some(peer),
            _ => None,
        };
        let address = without_peer_id(address);
        let is_known = self.entries.iter().any(|entry| entry.address == address);
        if is_known || peer.as_ref() == Some(me) || self.entries.len() >= self.entries_max {
            return;
        }
        self.entries.push(Entry { address, peer, attempt: Attempt::Due(now), backoff: self.backoff });
    }

    /// The addresses to dial now; tell of each by [`Self::dialing`].
    pub fn due(&self, now: Instant, is_connected: impl Fn(&PeerId) -> bool) -> Vec<Multiaddr> {
        let is_due = |entry: &&Entry| {
            matches!(entry.attempt, Attempt::Due(at) if at <= now) && !entry.peer.as_ref().is_some_and(&is_connected)
        };
        self.entries.iter().filter(is_due).map(|entry| entry.address.clone()).collect()
    }

    /// A dial to `address` is under way.
    pub fn dialing(&mut self, address: &Multiaddr, connection: ConnectionId) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.address == *address) {
            entry.attempt = Attempt::Dialing(connection);
        }
    }

    fn dialed(&mut self, connection: ConnectionId) -> Option<&mut Entry> {
        let is_it = |entry: &&mut Entry| matches!(entry.attempt, Attempt::Dialing(id) if id == connection);
        self.entries.iter_mut().find(is_it)
    }

    /// A dial succeeded. Should the connection end, the address is dialed again after the shortest time.
    pub fn established(&mut self, connection: ConnectionId, peer: PeerId, now: Instant, rng: &mut impl Rng) {
        if let Some(entry) = self.dialed(connection) {
            entry.peer = Some(peer);
            entry.backoff.reset();
            entry.attempt = Attempt::Due(now + entry.backoff.next(rng));
        }
    }

    /// A dial failed.
    pub fn failed(&mut self, connection: ConnectionId, now: Instant, rng: &mut impl Rng) {
        if let Some(entry) = self.dialed(connection) {
            entry.attempt = Attempt::Due(now + entry.backoff.next(rng));
        }
    }

    /// An address turned out to be our own.
    pub fn own(&mut self, address: &Multiaddr, now: Instant) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.address == *address) {
            entry.attempt = Attempt::Due(now + OWN_ADDRESS_PAUSE);
        }
    }
}

/// Where, without who.
pub(super) fn without_peer_id(mut address: Multiaddr) -> Multiaddr {
    if matches!(address.iter().last(), Some(Protocol::P2p(_))) {
        address.pop();
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::seeded_rng;

    const BASE: Duration = Duration::from_millis(100);
    const CAP: Duration = Duration::from_secs(2);

    fn address(port: u16) -> Multiaddr {
        format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
    }

    #[test]
    fn waiting_times_double_up_to_the_cap_with_jitter() {
        let (mut backoff, mut rng) = (Backoff::new(BASE, CAP), seeded_rng(1));
        let times: Vec<_> = std::iter::repeat_with(|| backoff.next(&mut rng)).take(40).collect();
        for (at, time) in times.iter().enumerate() {
            let full = BASE.saturating_mul(1 << at.min(16)).min(CAP);
            assert!(full / 2 <= *time && *time <= full, "{at}: {time:?}");
        }
        assert_ne!(times[30], times[31]);
        backoff.reset();
        assert!(backoff.next(&mut rng) <= BASE);
    }

    #[test]
    fn dials_for_ever_but_neither_the_connected_nor_ourselves() {
        let (me, peer) = (PeerId::random(), PeerId::random());
        let (mut book, mut rng) = (AddressBook::new(Backoff::new(BASE, CAP), 8), seeded_rng(2));
        let mut now = Instant::now();
        book.add(address(1).with(Protocol::P2p(me)), &me, now);
        book.add(address(2).with(Protocol::P2p(peer)), &me, now);
        book.add(address(2), &me, now);
        assert_eq!(book.due(now, |_| false), [address(2)], "once, and not our own");
        assert_eq!(book.due(now, |connected| *connected == peer), []);
        for attempt in 0..50 {
            let connection = ConnectionId::new_unchecked(attempt);
            book.dialing(&address(2), connection);
            assert_eq!(book.due(now, |_| false), []);
            book.failed(connection, now, &mut rng);
            now += CAP;
            assert_eq!(book.due(now, |_| false), [address(2)]);
        }
    }

    #[test]
    fn remembers_who_answered_in_place_of_who_was_said_to_live_there() {
        let (me, old, new) = (PeerId::random(), PeerId::random(), PeerId::random());
        let (mut book, mut rng) = (AddressBook::new(Backoff::new(BASE, CAP), 8), seeded_rng(3));
        let now = Instant::now();
        book.add(address(1).with(Protocol::P2p(old)), &me, now);
        book.dialing(&address(1), ConnectionId::new_unchecked(1));
        book.established(ConnectionId::new_unchecked(1), new, now, &mut rng);
        let later = now + BASE;
        assert_eq!(book.due(later, |connected| *connected == new), []);
        assert_eq!(book.due(later, |connected| *connected == old), [address(1)]);
    }
}
