//! Which addresses to dial, and when: for ever, with exponential back-off and jitter.
//!
//! An address is where a node was said to live, nothing more: the peer id that it may carry is a hint. Who a peer is
//! is decided by its proof, so a node that comes back with another key or that moved is found again by whichever
//! address still leads to it. Names are resolved anew at each dial. Validators tell where they listen, and discovery
//! tells of others: such addresses are dialed too, but forgotten when they lead nowhere for long.

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
    /// The dial succeeded at that time.
    Up(ConnectionId, Instant),
}

/// Who said that somebody lives at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    /// The operator: dialed for ever.
    Configured,
    /// The one who lives there, or somebody who may know: forgotten when it leads nowhere for long.
    Heard,
}

struct Entry {
    address: Multiaddr,
    source: Source,
    /// Who answered there last, or who is said to live there.
    peer: Option<PeerId>,
    attempt: Attempt,
    backoff: Backoff,
    /// Since when it leads nowhere.
    failing: Option<Instant>,
}

impl Entry {
    fn try_later(&mut self, now: Instant, rng: &mut impl Rng) {
        self.attempt = Attempt::Due(now + self.backoff.next(rng));
    }
}

/// How long an address that turned out to be our own is left alone. Not for ever: another node may get it.
const OWN_ADDRESS_PAUSE: Duration = Duration::from_secs(60);
/// The most addresses heard of for one peer; a further one takes the place of the first.
const HEARD_PER_PEER_MAX: usize = 4;

/// The addresses to stay connected to.
pub(super) struct AddressBook {
    entries: Vec<Entry>,
    backoff: Backoff,
    entries_max: usize,
    forget_after: Duration,
}

impl AddressBook {
    /// At most `entries_max` addresses, half of which may be heard of; those are forgotten after leading nowhere for
    /// `forget_after`.
    pub fn new(backoff: Backoff, entries_max: usize, forget_after: Duration) -> Self {
        Self { entries: Vec::new(), backoff, entries_max, forget_after }
    }

    /// Adds an address for good, unless it is known, carries our own id, or the book is full.
    pub fn add(&mut self, address: Multiaddr, me: &PeerId, now: Instant) {
        let peer = said_to_live(&address);
        let address = without_peer_id(address);
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.address == address) {
            entry.source = Source::Configured;
            return;
        }
        if peer.as_ref() != Some(me) && self.entries.len() < self.entries_max {
            self.push(address, Source::Configured, peer, now);
        }
    }

    /// Adds an address that was heard of for a peer, unless it is known or there is no room.
    pub fn hear(&mut self, address: Multiaddr, peer: PeerId, now: Instant) {
        let address = without_peer_id(address);
        let is_known = self.entries.iter().any(|entry| entry.address == address);
        let heard = self.entries.iter().filter(|entry| entry.source == Source::Heard).count();
        if is_known || self.entries.len() >= self.entries_max || heard >= self.entries_max / 2 {
            return;
        }
        let is_of_peer = |entry: &Entry| entry.source == Source::Heard && entry.peer == Some(peer);
        if self.entries.iter().filter(|entry| is_of_peer(entry)).count() >= HEARD_PER_PEER_MAX
            && let Some(first) = self.entries.iter().position(is_of_peer)
        {
            self.entries.remove(first);
        }
        self.push(address, Source::Heard, Some(peer), now);
    }

    fn push(&mut self, address: Multiaddr, source: Source, peer: Option<PeerId>, now: Instant) {
        let attempt = Attempt::Due(now);
        self.entries.push(Entry { address, source, peer, attempt, backoff: self.backoff, failing: None });
    }

    /// Drops what was heard of a peer that turned out to be of no use.
    pub fn forget(&mut self, peer: &PeerId) {
        self.entries.retain(|entry| entry.source == Source::Configured || entry.peer.as_ref() != Some(peer));
    }

    /// The addresses to dial now; tell of each by [`Self::dialing`].
    pub fn due(&self, now: Instant, is_connected: impl Fn(&PeerId) -> bool) -> Vec<Multiaddr> {
        let is_due = |entry: &&Entry| {
            matches!(entry.attempt, Attempt::Due(at) if at <= now) && !entry.peer.as_ref().is_some_and(&is_connected)
        };
        self.entries.iter().filter(is_due).map(|entry| entry.address.clone()).collect()
    }

    /// How many dials are under way.
    pub fn dials(&self) -> usize {
        self.entries.iter().filter(|entry| matches!(entry.attempt, Attempt::Dialing(_))).count()
    }

    /// A dial to `address` is under way.
    pub fn dialing(&mut self, address: &Multiaddr, connection: ConnectionId) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.address == *address) {
            entry.attempt = Attempt::Dialing(connection);
        }
    }

    /// A dial succeeded.
    pub fn established(&mut self, connection: ConnectionId, peer: PeerId, now: Instant) {
        let is_it = |entry: &&mut Entry| matches!(entry.attempt, Attempt::Dialing(id) if id == connection);
        if let Some(entry) = self.entries.iter_mut().find(is_it) {
            entry.peer = Some(peer);
            entry.failing = None;
            entry.attempt = Attempt::Up(connection, now);
        }
    }

    /// A dialed connection ended. One that lasted is dialed again after the shortest time; one that did not, such as
    /// to a peer that turns us away, after ever longer ones.
    pub fn closed(&mut self, connection: ConnectionId, now: Instant, rng: &mut impl Rng) {
        for entry in &mut self.entries {
            if let Attempt::Up(id, since) = entry.attempt
                && id == connection
            {
                if now.saturating_duration_since(since) > entry.backoff.cap {
                    entry.backoff.reset();
                }
                entry.try_later(now, rng);
            }
        }
    }

    /// A dial failed.
    pub fn failed(&mut self, connection: ConnectionId, now: Instant, rng: &mut impl Rng) {
        let is_it = |entry: &Entry| matches!(entry.attempt, Attempt::Dialing(id) if id == connection);
        let Some(at) = self.entries.iter().position(is_it) else {
            return;
        };
        let entry = &mut self.entries[at];
        entry.try_later(now, rng);
        let failing = *entry.failing.get_or_insert(now);
        if entry.source == Source::Heard && now.saturating_duration_since(failing) >= self.forget_after {
            self.entries.remove(at);
        }
    }

    /// An address turned out to be our own.
    pub fn own(&mut self, address: &Multiaddr, now: Instant) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.address == *address) {
            entry.attempt = Attempt::Due(now + OWN_ADDRESS_PAUSE);
        }
    }
}

/// The id at the end of an address.
pub(super) fn said_to_live(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        _ => None,
    }
}

/// Where, without who. Behind a `/dnsaddr/…` the id stays: it says which of the name's addresses is meant.
pub(super) fn without_peer_id(mut address: Multiaddr) -> Multiaddr {
    let is_name_of_many = matches!(address.iter().next(), Some(Protocol::Dnsaddr(_)));
    if !is_name_of_many && said_to_live(&address).is_some() {
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

    fn book() -> AddressBook {
        AddressBook::new(Backoff::new(BASE, CAP), 8, CAP * 10)
    }

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
        let (mut book, mut rng) = (book(), seeded_rng(2));
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
        let (mut book, mut rng) = (book(), seeded_rng(3));
        let now = Instant::now();
        book.add(address(1).with(Protocol::P2p(old)), &me, now);
        book.dialing(&address(1), ConnectionId::new_unchecked(1));
        book.established(ConnectionId::new_unchecked(1), new, now);
        assert_eq!(book.due(now + CAP, |_| false), [], "it is up");
        book.closed(ConnectionId::new_unchecked(1), now, &mut rng);
        let later = now + BASE;
        assert_eq!(book.due(later, |connected| *connected == new), []);
        assert_eq!(book.due(later, |connected| *connected == old), [address(1)]);
    }

    #[test]
    fn short_connections_are_dialed_ever_later_and_long_ones_at_once() {
        let (me, peer) = (PeerId::random(), PeerId::random());
        let (mut book, mut rng, mut now) = (book(), seeded_rng(4), Instant::now());
        book.add(address(1), &me, now);
        for attempt in 0..10 {
            let connection = ConnectionId::new_unchecked(attempt);
            book.dialing(&address(1), connection);
            book.established(connection, peer, now);
            book.closed(connection, now, &mut rng);
            let earliest = BASE.saturating_mul(1 << attempt).min(CAP) / 2;
            assert_eq!(book.due(now + earliest - Duration::from_nanos(1), |_| false), [], "{attempt}");
            now += CAP;
        }
        let connection = ConnectionId::new_unchecked(10);
        book.dialing(&address(1), connection);
        book.established(connection, peer, now);
        now += CAP * 2;
        book.closed(connection, now, &mut rng);
        assert_eq!(book.due(now + BASE, |_| false), [address(1)]);
    }

    #[test]
    fn what_was_only_heard_of_is_bounded_and_forgotten_when_it_leads_nowhere() {
        let (me, peer) = (PeerId::random(), PeerId::random());
        let (mut book, mut rng, mut now) = (book(), seeded_rng(5), Instant::now());
        book.add(address(99), &me, now);
        for port in 1..=8 {
            book.hear(address(port), peer, now);
        }
        let heard = book.due(now, |_| false);
        assert_eq!(heard, [99, 1, 2, 3, 4].map(address), "no more than half of the book");
        let mut attempt = 0;
        for _ in 0..20 {
            now += CAP;
            for address in book.due(now, |_| false) {
                attempt += 1;
                book.dialing(&address, ConnectionId::new_unchecked(attempt));
                book.failed(ConnectionId::new_unchecked(attempt), now, &mut rng);
            }
        }
        assert_eq!(book.due(now + CAP, |_| false), [address(99)], "what was configured stays");
        book.hear(address(5), peer, now);
        book.forget(&peer);
        assert_eq!(book.due(now + CAP, |_| false), [address(99)]);
    }

    #[test]
    fn newest_addresses_of_a_peer_win() {
        let (mut book, peer, now) =
            (AddressBook::new(Backoff::new(BASE, CAP), 100, CAP), PeerId::random(), Instant::now());
        for port in 1..=6 {
            book.hear(address(port), peer, now);
        }
        assert_eq!(book.due(now, |_| false), [3, 4, 5, 6].map(address));
    }

    #[test]
    fn name_of_many_addresses_keeps_whom_it_is_for() {
        let id = PeerId::random();
        let many: Multiaddr = format!("/dnsaddr/example.org/p2p/{id}").parse().unwrap();
        let one: Multiaddr = format!("/dns4/example.org/tcp/1/p2p/{id}").parse().unwrap();
        assert_eq!(without_peer_id(many.clone()), many);
        assert_eq!(said_to_live(&many), Some(id));
        assert_eq!(without_peer_id(one).to_string(), "/dns4/example.org/tcp/1");
    }
}
