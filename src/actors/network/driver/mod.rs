//! The swarm's task: owns the swarm, and turns orders, notices of readers and events of libp2p into each other.
//!
//! Nothing here blocks, verifies a signature or waits for anyone, but for the receiver of events, and only when
//! thousands of peers' comings and goings wait for it.

mod exchange;
mod finding;
mod peer;
mod route;
mod sentence;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream::FuturesUnordered};
use libp2p::{
    PeerId, Swarm,
    core::transport::ListenerId,
    gossipsub::IdentTopic,
    identify, mdns,
    request_response::OutboundRequestId,
    swarm::{DialError, SwarmEvent, dial_opts::DialOpts},
};
use rand_core::SeedableRng as _;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use self::{
    exchange::{Answer, Asked},
    peer::Entry,
};
use super::{
    behaviour::{self, Behaviour, BehaviourEvent},
    dial::{AddressBook, Backoff, said_to_live, without_peer_id},
    event::NetworkEvent,
    gauge::{Level, NetworkGauges},
    inbound::Inbound,
    penalty::Penalties,
    port::{Culprit, Order, PeerView},
    settings::NetworkSettings,
    stream::{Opener, StreamEvent},
    substream::{Notice, Readers},
};
use crate::{crypto::BatchRng, protocol::Rejection, replica::Peer, types::PublicKey};

/// How often addresses, graces and surplus connections are looked at.
const TICK: Duration = Duration::from_millis(50);
/// Events that may wait for their receiver beside its queue; beyond, the swarm is not polled.
const PENDING_MAX: usize = 4_096;
/// Notices of readers that may wait; readers wait beyond.
const NOTICES_MAX: usize = 256;

/// The ends of the channels to everyone else.
pub(super) struct Ends {
    pub listeners: Vec<ListenerId>,
    pub orders: mpsc::Receiver<Order>,
    pub validators: watch::Receiver<BTreeSet<PublicKey>>,
    pub events: mpsc::Sender<NetworkEvent>,
    pub inbound: Arc<Inbound>,
    pub peers: Arc<Mutex<Vec<PeerView>>>,
    pub stop: CancellationToken,
}

/// What waits for room in the channel of events, in order.
#[expect(clippy::large_enum_variant, reason = "nearly all are events; a grant comes once for each substream")]
enum Pending {
    Event(NetworkEvent),
    /// A reader that may go on once everything before has been told.
    Grant(oneshot::Sender<Peer>, Peer),
}

/// The highest proof of a validator.
struct Bond {
    counter: u64,
    peer: PeerId,
}

/// The swarm's task.
pub(super) struct Driver {
    settings: NetworkSettings,
    swarm: Swarm<Behaviour>,
    topic: IdentTopic,
    opener: Opener,
    readers: Arc<Readers>,
    notices_in: mpsc::Sender<Notice>,
    notices: mpsc::Receiver<Notice>,
    ends: Ends,
    pending: VecDeque<Pending>,
    addresses: AddressBook,
    penalties: Penalties,
    peers: HashMap<PeerId, Entry>,
    marks: HashMap<Peer, PeerId>,
    next_mark: u64,
    validators: BTreeSet<PublicKey>,
    bonds: HashMap<PublicKey, Bond>,
    asked: HashMap<OutboundRequestId, Asked>,
    answers: FuturesUnordered<Answer>,
    rng: BatchRng,
}

impl Driver {
    pub fn new(settings: NetworkSettings, swarm: Swarm<Behaviour>, ends: Ends) -> Self {
        let (notices_in, notices) = mpsc::channel(NOTICES_MAX);
        let readers = Arc::new(Readers {
            chain: settings.chain,
            inbound: Arc::clone(&ends.inbound),
            notices: notices_in.clone(),
            frame_bytes_max: settings.limits.frame_bytes_max,
            frames_per_second: settings.limits.frames_per_second,
            frame_bytes_per_second: settings.limits.frame_bytes_per_second,
            hello_timeout: settings.timings.handshake_timeout,
        });
        let backoff = Backoff::new(settings.timings.retry_min, settings.timings.retry_max);
        let mut addresses = AddressBook::new(backoff, settings.limits.addresses_max, settings.timings.forget_after);
        for address in &settings.peers {
            addresses.add(address.clone(), swarm.local_peer_id(), Instant::now());
        }
        Self {
            topic: behaviour::topic(&settings.chain),
            validators: settings.validators.iter().copied().collect(),
            // Jitter only. The peer id differs between nodes, which is all that jitter needs.
            rng: BatchRng::from_seed(*blake3::hash(&swarm.local_peer_id().to_bytes()).as_bytes()),
            settings,
            opener: swarm.behaviour().streams.opener(),
            swarm,
            readers,
            notices_in,
            notices,
            ends,
            pending: VecDeque::new(),
            addresses,
            penalties: Penalties::default(),
            peers: HashMap::new(),
            marks: HashMap::new(),
            next_mark: 1,
            bonds: HashMap::new(),
            asked: HashMap::new(),
            answers: FuturesUnordered::new(),
        }
    }

    /// Runs until told to stop, until all ports are gone, or until nobody receives events.
    pub async fn run(mut self) {
        self.serve().await;
        // An address within the process outlives its swarm unless it is given back.
        for listener in std::mem::take(&mut self.ends.listeners) {
            self.swarm.remove_listener(listener);
        }
    }

    async fn serve(&mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let events = self.ends.events.clone();
        let stop = self.ends.stop.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                room = events.reserve(), if !self.pending.is_empty() => match room {
                    Ok(room) => self.tell(room),
                    Err(_) => return,
                },
                order = self.ends.orders.recv() => match order {
                    Some(order) => self.on_order(order),
                    None => return,
                },
                Some(notice) = self.notices.recv() => self.on_notice(notice),
                Some(answer) = self.answers.next(), if !self.answers.is_empty() => self.on_answer(answer),
                Ok(()) = self.ends.validators.changed() => self.on_validators(),
                event = self.swarm.select_next_some(), if self.pending.len() < PENDING_MAX => self.on_swarm(event),
                _ = tick.tick() => self.on_tick(),
            }
        }
    }

    fn gauges(&self) -> &NetworkGauges {
        self.ends.inbound.gauges()
    }

    /// Tells the next pending event, and lets go the readers that waited behind it.
    fn tell(&mut self, room: mpsc::Permit<'_, NetworkEvent>) {
        let mut room = Some(room);
        loop {
            match self.pending.pop_front() {
                Some(Pending::Grant(grant, mark)) => {
                    // A reader that is gone needs no grant.
                    let _ = grant.send(mark);
                }
                Some(Pending::Event(event)) => match room.take() {
                    Some(room) => room.send(event),
                    None => return self.pending.push_front(Pending::Event(event)),
                },
                None => return,
            }
        }
    }

    fn on_order(&mut self, order: Order) {
        match order {
            Order::Send { to, kind, envelope } => self.send(&to, kind, &envelope),
            Order::Request { peer, request, answer } => self.ask(peer, request, answer),
            Order::Report { id, passed_on_by, acceptance } => self.report(&id, &passed_on_by, acceptance),
            Order::Blame { whom: Culprit::Identified(peer), rejection } => self.blame(peer, rejection),
            Order::Blame { whom: Culprit::Marked(peer), rejection } => {
                if let Some(peer) = self.marks.get(&peer) {
                    self.blame(*peer, rejection);
                }
            }
            Order::Dial { address } => {
                if let Some(peer) = said_to_live(&address) {
                    self.swarm.behaviour_mut().gate.know(peer);
                }
                self.addresses.add(address, self.swarm.local_peer_id(), Instant::now());
            }
        }
    }

    fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        let now = Instant::now();
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.addresses.established(connection_id, peer_id, now);
                self.on_connected(peer_id, connection_id, endpoint.get_remote_address().clone());
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, num_established, cause, .. } => {
                tracing::debug!(peer = %peer_id, ?cause, num_established, "connection closed");
                self.addresses.closed(connection_id, now, &mut self.rng);
                self.on_closed(peer_id, connection_id, num_established);
            }
            SwarmEvent::OutgoingConnectionError { error: DialError::LocalPeerId { address }, .. } => {
                self.addresses.own(&without_peer_id(address), now);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                tracing::debug!(%error, "dial failed");
                self.addresses.failed(connection_id, now, &mut self.rng);
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                self.pending.push_back(Pending::Event(NetworkEvent::Listening { address }));
            }
            SwarmEvent::ListenerClosed { addresses, reason: Err(error), .. } => {
                tracing::error!(?addresses, %error, "no longer listening");
            }
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            _ => {}
        }
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.on_identified(peer_id, info);
            }
            BehaviourEvent::Identify(identify::Event::Error { peer_id, error, .. }) => {
                tracing::debug!(peer = %peer_id, %error, "identification failed");
            }
            BehaviourEvent::Ping(ping) => self.on_ping(ping),
            BehaviourEvent::Gossip(event) => self.on_gossip(event),
            BehaviourEvent::Pull(event) => self.on_pull(event),
            BehaviourEvent::Streams(StreamEvent::Opened { peer, stream }) => self.on_stream(peer, stream),
            BehaviourEvent::Streams(StreamEvent::OverRate { peer }) => self.reject(peer, Rejection::OverRate),
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => self.on_found(found),
            BehaviourEvent::Kademlia(event) => self.on_kademlia(event),
            _ => {}
        }
    }

    fn on_tick(&mut self) {
        let now = Instant::now();
        let (peers, origins) = self.penalties.pardoned(now);
        let gate = &mut self.swarm.behaviour_mut().gate;
        peers.iter().for_each(|peer| gate.unblock(peer));
        origins.iter().for_each(|origin| gate.unban(origin));
        self.dial_due(now);
        self.look_after_peers(now);
        self.look_at_gossip();
        self.show_levels();
    }

    fn dial_due(&mut self, now: Instant) {
        for address in self.addresses.due(now, |peer| self.peers.contains_key(peer)) {
            if self.swarm.listeners().any(|own| *own == address) {
                self.addresses.own(&address, now);
                continue;
            }
            // A port of its own: dialing from the listening one collides with what lingers of earlier connections.
            let dial = DialOpts::unknown_peer_id().address(address.clone()).allocate_new_port().build();
            let connection = dial.connection_id();
            self.addresses.dialing(&address, connection);
            self.gauges().count_dial();
            if let Err(error) = self.swarm.dial(dial) {
                tracing::debug!(%address, %error, "cannot dial");
                self.addresses.failed(connection, now, &mut self.rng);
            }
        }
    }

    fn show_levels(&mut self) {
        let mesh: BTreeSet<PeerId> = self.swarm.behaviour().gossip.mesh_peers(&self.topic.hash()).copied().collect();
        let views: Vec<_> = self.peers.iter().filter_map(|(id, entry)| entry.view(*id, mesh.contains(id))).collect();
        let gauges = self.gauges();
        gauges.set_level(Level::Peers, views.len());
        gauges.set_level(Level::Validators, views.iter().filter(|view| view.validator.is_some()).count());
        gauges.set_level(Level::Substreams, views.iter().filter(|view| view.has_substream).count());
        gauges.set_level(Level::MeshPeers, mesh.len());
        gauges.set_level(Level::Dialing, self.addresses.dials());
        gauges.set_level(Level::Blocked, self.penalties.blocked());
        *self.ends.peers.lock().unwrap_or_else(PoisonError::into_inner) = views;
    }
}
