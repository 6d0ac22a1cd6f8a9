//! The gate: which connections are let in. A libp2p behaviour that stands before all others.
//!
//! The swarm asks it about each connection; the driver tells it whom it knows and whom it has turned away. It replaces
//! libp2p's own limits because a flood of strangers must never keep a validator out (`NW-C1`): places are counted for
//! strangers only. *Known* are the peers whose ids were configured and those that have proven to be validators.
//!
//! * A connection that has not shown who it is may be refused by number alone: those being opened at once, in all and
//!   of one origin, and those of one origin per second, a tenth of that while the origin is banned and no known peer
//!   lives there.
//! * A stranger takes a place among the strangers, and among those of its origin. When all are taken, a newcomer puts
//!   out one of those that have had their time to prove something, drawn by lot, so that squatters cannot keep a
//!   validator with a new identity outside.
//! * A known peer is refused only while it is turned away itself.
//!
//! Limits: who shares an address with a validator can use up that address's connections per second; the validator
//! then gets in by being dialed.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, dummy,
    },
};
use rand_core::{Rng as _, SeedableRng as _};

use super::{
    allowance::Allowance,
    gauge::{NetworkGauges, Refusal},
    origin::{Origin, origin},
};
use crate::crypto::BatchRng;

/// Connections to one peer above this are refused; surplus ones are closed soon after (see `driver::peer`).
const PER_PEER_MAX: usize = 4;
/// How many connections one from a banned origin counts for.
const BANNED_COST: usize = 10;
/// The most origins whose rate is remembered. When it is full all are forgotten: who has so many addresses is not
/// stopped by counting them.
const ORIGINS_MAX: usize = 4_096;

/// How many are let in.
#[derive(Clone, Debug)]
pub(super) struct GateLimits {
    /// The most connections with strangers; half of them may have come from outside.
    pub strangers_max: usize,
    /// The most connections that strangers of one origin have opened.
    pub origin_max: usize,
    /// The most connections that are being opened from outside, and a quarter of it from one origin.
    pub pending_max: usize,
    /// How many connections of one origin are answered per second. A burst is five times that.
    pub arrivals_per_second: u32,
    /// How long a stranger has before a newcomer may put it out.
    pub grace: Duration,
}

struct Place {
    peer: PeerId,
    origin: Option<Origin>,
    is_inbound: bool,
    since: Instant,
}

/// The behaviour.
pub(super) struct Gate {
    limits: GateLimits,
    gauges: Arc<NetworkGauges>,
    /// Where each known peer was last seen.
    known: HashMap<PeerId, Option<Origin>>,
    blocked: HashSet<PeerId>,
    banned: HashSet<Origin>,
    arrivals: HashMap<Origin, Allowance>,
    pending: HashMap<ConnectionId, Option<Origin>>,
    places: HashMap<ConnectionId, Place>,
    put_out: VecDeque<(PeerId, ConnectionId)>,
    rng: BatchRng,
}

/// What a refused connection is told; our own log says more.
#[derive(Debug, thiserror::Error)]
#[error("refused: {}", crate::metrics::Label::as_str(*.0))]
struct Refused(Refusal);

impl Gate {
    pub fn new(limits: GateLimits, seed: [u8; 32], gauges: Arc<NetworkGauges>) -> Self {
        Self {
            limits,
            gauges,
            known: HashMap::new(),
            blocked: HashSet::new(),
            banned: HashSet::new(),
            arrivals: HashMap::new(),
            pending: HashMap::new(),
            places: HashMap::new(),
            put_out: VecDeque::new(),
            rng: BatchRng::from_seed(seed),
        }
    }

    /// From now on a peer's connections take no stranger's place.
    pub fn know(&mut self, peer: PeerId) {
        let origin = self.places.values().find(|place| place.peer == peer).and_then(|place| place.origin);
        let seen = self.known.entry(peer).or_default();
        *seen = origin.or(*seen);
    }

    /// The peer is a stranger again.
    pub fn forget(&mut self, peer: &PeerId) {
        self.known.remove(peer);
    }

    /// Whether it was configured or has proven to be a validator.
    pub fn is_known(&self, peer: &PeerId) -> bool {
        self.known.contains_key(peer)
    }

    /// Where a connected peer's connections come from.
    pub fn origins(&self, peer: &PeerId) -> Vec<Origin> {
        self.places.values().filter(|place| place.peer == *peer).filter_map(|place| place.origin).collect()
    }

    /// Refuses a peer from now on. Its connections are for the caller to close.
    pub fn block(&mut self, peer: PeerId) {
        self.blocked.insert(peer);
    }

    /// Takes [`Self::block`] back.
    pub fn unblock(&mut self, peer: &PeerId) {
        self.blocked.remove(peer);
    }

    /// Refuses new strangers from there.
    pub fn ban(&mut self, origin: Origin) {
        self.banned.insert(origin);
    }

    /// Takes [`Self::ban`] back.
    pub fn unban(&mut self, origin: &Origin) {
        self.banned.remove(origin);
    }

    fn refuse(&self, refusal: Refusal) -> ConnectionDenied {
        self.gauges.count_refused_connection(refusal);
        ConnectionDenied::new(Refused(refusal))
    }

    /// Before anybody knows who it is.
    fn knock(&mut self, origin: Option<Origin>, now: Instant) -> Result<(), Refusal> {
        let of_origin = self.pending.values().filter(|other| origin.is_some() && **other == origin).count();
        if self.pending.len() >= self.limits.pending_max || of_origin >= self.limits.pending_max.div_ceil(4) {
            return Err(Refusal::Pending);
        }
        let Some(origin) = origin else {
            return Ok(());
        };
        if self.arrivals.len() >= ORIGINS_MAX && !self.arrivals.contains_key(&origin) {
            self.arrivals.clear();
        }
        let rate = self.limits.arrivals_per_second;
        let allowance = self.arrivals.entry(origin).or_insert_with(|| Allowance::new(rate, 5 * rate, now));
        allowance.try_take(now).map_err(|_| Refusal::Rate)?;
        // It may be a known peer that comes from a new place: it has to show who it is, but cheaply for us.
        if self.banned.contains(&origin) && !self.known.values().any(|seen| *seen == Some(origin)) {
            allowance.charge(BANNED_COST - 1);
        }
        Ok(())
    }

    /// Once it has shown who it is.
    fn admit(&mut self, peer: &PeerId, origin: Option<Origin>, is_inbound: bool, now: Instant) -> Result<(), Refusal> {
        if self.blocked.contains(peer) {
            return Err(Refusal::Blocked);
        }
        if self.places.values().filter(|place| place.peer == *peer).count() >= PER_PEER_MAX {
            return Err(Refusal::PerPeer);
        }
        if self.is_known(peer) {
            return Ok(());
        }
        let strangers = self.places.values().filter(|place| !self.is_known(&place.peer));
        if !is_inbound {
            return if strangers.count() < self.limits.strangers_max { Ok(()) } else { Err(Refusal::Full) };
        }
        if origin.is_some_and(|origin| self.banned.contains(&origin)) {
            return Err(Refusal::Banned);
        }
        let (mut all, mut neighbours) = (0, 0);
        for place in strangers.filter(|place| place.is_inbound) {
            all += 1;
            neighbours += usize::from(origin.is_some() && place.origin == origin);
        }
        if neighbours >= self.limits.origin_max {
            return Err(Refusal::PerOrigin);
        }
        if all >= self.limits.strangers_max.div_ceil(2) { self.make_room(now) } else { Ok(()) }
    }

    /// Puts out a stranger that has had its time.
    fn make_room(&mut self, now: Instant) -> Result<(), Refusal> {
        let has_had_its_time = |place: &Place| {
            place.is_inbound
                && !self.is_known(&place.peer)
                && now.saturating_duration_since(place.since) > self.limits.grace
        };
        let old: Vec<_> = self.places.iter().filter(|(_, place)| has_had_its_time(place)).map(|(id, _)| *id).collect();
        let lot = usize::try_from(self.rng.next_u32()).unwrap_or(0).checked_rem(old.len()).ok_or(Refusal::Full)?;
        // Its place is free at once, so that two newcomers put out two.
        if let Some(place) = old.get(lot).and_then(|id| self.places.remove(id).map(|place| (place.peer, *id))) {
            self.gauges.count_refused_connection(Refusal::PutOut);
            self.put_out.push_back(place);
        }
        Ok(())
    }

    fn enter(&mut self, connection: ConnectionId, place: Place) {
        if let Some(seen) = self.known.get_mut(&place.peer) {
            *seen = place.origin.or(*seen);
        }
        self.places.insert(connection, place);
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let origin = origin(remote);
        self.knock(origin, Instant::now()).map_err(|refusal| self.refuse(refusal))?;
        self.pending.insert(connection, origin);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending.remove(&connection);
        self.admit(&peer, origin(remote), true, Instant::now()).map_err(|refusal| self.refuse(refusal))?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(&peer, origin(remote), false, Instant::now()).map_err(|refusal| self.refuse(refusal))?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(established) => {
                let place = Place {
                    peer: established.peer_id,
                    origin: origin(established.endpoint.get_remote_address()),
                    is_inbound: established.endpoint.is_listener(),
                    since: Instant::now(),
                };
                self.enter(established.connection_id, place);
            }
            FromSwarm::ConnectionClosed(closed) => {
                self.places.remove(&closed.connection_id);
            }
            FromSwarm::ListenFailure(failure) => {
                self.pending.remove(&failure.connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        match self.put_out.pop_front() {
            Some((peer_id, connection)) => {
                Poll::Ready(ToSwarm::CloseConnection { peer_id, connection: CloseConnection::One(connection) })
            }
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Yard {
        gate: Gate,
        now: Instant,
        next: usize,
    }

    const GRACE: Duration = Duration::from_secs(1);

    impl Yard {
        fn new() -> Self {
            let limits =
                GateLimits { strangers_max: 8, origin_max: 3, pending_max: 8, arrivals_per_second: 10, grace: GRACE };
            Self { gate: Gate::new(limits, [1; 32], Arc::default()), now: Instant::now(), next: 0 }
        }

        fn origin(host: u8) -> Option<Origin> {
            origin(&format!("/ip4/10.0.0.{host}/tcp/1").parse().unwrap())
        }

        fn arrives(&mut self, peer: PeerId, host: u8) -> Result<ConnectionId, Refusal> {
            let origin = Self::origin(host);
            self.gate.admit(&peer, origin, true, self.now)?;
            self.next += 1;
            let connection = ConnectionId::new_unchecked(self.next);
            self.gate.enter(connection, Place { peer, origin, is_inbound: true, since: self.now });
            Ok(connection)
        }
    }

    /// `NW-C1`
    #[test]
    fn strangers_fill_their_own_places_only() {
        let mut yard = Yard::new();
        for host in 0..4 {
            assert!(yard.arrives(PeerId::random(), host).is_ok());
        }
        assert_eq!(yard.arrives(PeerId::random(), 9), Err(Refusal::Full), "nobody has had its time yet");
        let validator = PeerId::random();
        yard.gate.know(validator);
        assert!(yard.arrives(validator, 9).is_ok(), "a known peer needs no stranger's place");
        yard.now += GRACE * 2;
        assert!(yard.arrives(PeerId::random(), 9).is_ok(), "a newcomer puts out who has had its time");
        let (put_out, _) = yard.gate.put_out.pop_front().unwrap();
        assert_ne!(put_out, validator);
    }

    #[test]
    fn origin_has_its_share_of_places() {
        let mut yard = Yard::new();
        for _ in 0..3 {
            assert!(yard.arrives(PeerId::random(), 1).is_ok());
        }
        assert_eq!(yard.arrives(PeerId::random(), 1), Err(Refusal::PerOrigin));
        assert!(yard.arrives(PeerId::random(), 2).is_ok());
    }

    #[test]
    fn one_peer_has_few_connections() {
        let (mut yard, peer) = (Yard::new(), PeerId::random());
        yard.gate.know(peer);
        for _ in 0..PER_PEER_MAX {
            assert!(yard.arrives(peer, 1).is_ok());
        }
        assert_eq!(yard.arrives(peer, 1), Err(Refusal::PerPeer));
    }

    /// `NW-C1`
    #[test]
    fn ban_of_an_origin_spares_the_known_peers_that_live_there() {
        let mut yard = Yard::new();
        let (validator, here, elsewhere) = (PeerId::random(), Yard::origin(1), Yard::origin(2));
        yard.gate.know(validator);
        yard.arrives(validator, 1).unwrap();
        yard.gate.ban(here.unwrap());
        yard.gate.ban(elsewhere.unwrap());
        for knocks in 0..50 {
            assert_eq!(yard.gate.knock(here, yard.now), Ok(()), "it may be the validator that knocks");
            let expected = if knocks < 5 { Ok(()) } else { Err(Refusal::Rate) };
            assert_eq!(yard.gate.knock(elsewhere, yard.now), expected, "nobody known lives there");
        }
        assert_eq!(yard.arrives(PeerId::random(), 1), Err(Refusal::Banned));
        assert!(yard.arrives(validator, 1).is_ok());
        yard.gate.unban(&here.unwrap());
        assert!(yard.arrives(PeerId::random(), 1).is_ok());
    }

    #[test]
    fn blocked_peers_are_refused_though_known() {
        let (mut yard, peer) = (Yard::new(), PeerId::random());
        yard.gate.know(peer);
        yard.gate.block(peer);
        assert_eq!(yard.arrives(peer, 1), Err(Refusal::Blocked));
        yard.gate.unblock(&peer);
        assert!(yard.arrives(peer, 1).is_ok());
    }

    #[test]
    fn knocking_is_limited_per_origin_in_rate_and_number() {
        let mut yard = Yard::new();
        for _ in 0..50 {
            assert_eq!(yard.gate.knock(Yard::origin(1), yard.now), Ok(()));
        }
        assert_eq!(yard.gate.knock(Yard::origin(1), yard.now), Err(Refusal::Rate));
        assert_eq!(yard.gate.knock(Yard::origin(2), yard.now), Ok(()));
        for number in 0..2 {
            yard.gate.pending.insert(ConnectionId::new_unchecked(number), Yard::origin(3));
        }
        assert_eq!(yard.gate.knock(Yard::origin(3), yard.now), Err(Refusal::Pending));
        assert_eq!(yard.gate.knock(Yard::origin(4), yard.now), Ok(()));
    }

    #[test]
    fn remembered_origins_are_bounded() {
        let mut yard = Yard::new();
        for host in 0..2 * ORIGINS_MAX {
            let address = format!("/ip4/10.0.{}.{}/tcp/1", host / 256, host % 256).parse().unwrap();
            assert_eq!(yard.gate.knock(origin(&address), yard.now), Ok(()));
        }
        assert!(yard.gate.arrivals.len() <= ORIGINS_MAX);
    }
}
