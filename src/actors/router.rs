//! The router: brings what the network received to whom it concerns, and asks peers on behalf of deciders.
//!
//! Knows the live instances ([`Route`]) and the connected validators. A frame for an instance that is not open yet
//! waits in a small room (a neighbour that is a few hundred microseconds ahead must not cost us a pull); one
//! for a height out of reach is a stray, and the replica decides what it means.
//!
//! Policy of the edges: a decider whose mailbox is full loses the newest frame (counted; pulling repairs); the replica
//! is told strays, statuses and forwarded commands by `try_send` (counted; all of them come again); peers coming and
//! going are waited for. One question a peer and instance is outstanding.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
};

use actix::prelude::*;

use super::{
    Clock, Clocks, Ports,
    decider::{self, Life},
    librarian::Librarian,
    network::{InboundHold, NetworkEvent},
    port::{Port, Receive},
    replica,
};
use crate::{
    app::{self, Block, Command, Identified},
    protocol::{Judgement, Origin, Summary},
    replica::{
        Input, Notice, Peer,
        waiting::{Early, Room},
        wire::{Frame, PeerStatus, Request, Response},
    },
    types::{Digest, Height, Time, ValidatorIndex},
};

/// How far above the highest live height a frame may be and still wait.
const REACH: u64 = 2;

/// Opens a way to a decider.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Route {
    /// The instance.
    pub instance: Digest,
    /// Its height.
    pub height: Height,
    /// Which opening of it.
    pub life: Life,
    /// Its decider.
    pub decider: Port<decider::Decider>,
}

/// Closes the way of a height, unless it has been opened again since.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Unroute {
    /// The height.
    pub height: Height,
    /// The opening that ends.
    pub life: Life,
}

/// A decider asks a validator for what it lacks.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Ask {
    /// Whom.
    pub validator: ValidatorIndex,
    /// About which height.
    pub height: Height,
    /// About which instance.
    pub instance: Digest,
    /// What is here.
    pub summary: Summary,
}

/// The replica asks a peer for blocks.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Fetch {
    /// Whom.
    pub peer: Peer,
    /// From which height on.
    pub from: Height,
}

/// Asks when each connected peer was last heard, and how far it said it is.
#[derive(Message)]
#[rtype(result = "Hearsay")]
pub struct Heed;

/// The answer to [`Heed`].
#[derive(MessageResponse)]
pub struct Hearsay {
    /// Of the connected peers.
    pub peers: BTreeMap<Peer, Heard>,
    /// When validators that are not connected were last heard.
    pub gone: BTreeMap<ValidatorIndex, Time>,
}

/// The last that was heard of a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// Its last frame.
    pub at: Time,
    /// How far it said it is.
    pub executed: Option<Height>,
    /// How far a validator's clock is ahead of ours, milliseconds.
    pub clock_ahead_ms: Option<i64>,
}

struct Connected {
    validator: Option<ValidatorIndex>,
    heard: Heard,
}

struct Way {
    instance: Digest,
    life: Life,
    decider: Port<decider::Decider>,
}

/// The actor.
pub struct Router {
    ports: Ports,
    ways: BTreeMap<Height, Way>,
    early: Room,
    validators: BTreeMap<ValidatorIndex, Peer>,
    peers: HashMap<Peer, Connected>,
    gone: BTreeMap<ValidatorIndex, Time>,
    asking: BTreeSet<(ValidatorIndex, Height)>,
    clocks: Clocks,
    librarian: Librarian,
    events: Option<tokio::sync::mpsc::Receiver<NetworkEvent>>,
}

impl Router {
    /// Will read the network's events.
    ///
    /// # Errors
    /// The operating system's, if it gives no thread.
    pub fn new(ports: Ports, events: tokio::sync::mpsc::Receiver<NetworkEvent>) -> io::Result<Self> {
        Ok(Self {
            librarian: Librarian::start(ports.reader.clone(), ports.diff_bytes_max)?,
            ports,
            ways: BTreeMap::new(),
            early: Room::default(),
            validators: BTreeMap::new(),
            peers: HashMap::new(),
            gone: BTreeMap::new(),
            asking: BTreeSet::new(),
            clocks: Clocks::default(),
            events: Some(events),
        })
    }

    fn frame(&mut self, peer: Peer, ticket: Option<Digest>, frame: Frame, hold: InboundHold) {
        if let Some(connected) = self.peers.get_mut(&peer) {
            connected.heard.at = self.ports.clock.now();
            if let Some(validator) = connected.validator {
                self.ports.metrics.validator_heard(validator, connected.heard.at);
            }
        }
        match frame {
            Frame::Instance { height, instance, message } => {
                let early = Early { peer, ticket, height, instance, message };
                match self.ways.get(&height) {
                    Some(way) if way.instance == instance => self.deliver(early),
                    _ if self.is_early(height) => {
                        if let Some(dropped) = self.early.keep(early) {
                            self.ports.judge(dropped.ticket, Judgement::Ignore);
                        }
                    }
                    _ => {
                        self.ports.judge(ticket, Judgement::Ignore);
                        self.tell(Input::Stray { peer, height });
                    }
                }
            }
            Frame::Commands(commands) => {
                self.ports.judge(ticket, Judgement::Ignore);
                self.forwarded(peer, commands.into_vec(), hold);
            }
            Frame::Checkpoint(vote) => {
                self.ports.judge(ticket, Judgement::Ignore);
                self.tell(Input::Vote { peer, vote });
            }
            Frame::Status { status, wall_ms } => {
                self.ports.judge(ticket, Judgement::Ignore);
                if let Some(connected) = self.peers.get_mut(&peer) {
                    connected.heard.executed = Some(status.executed);
                    if let Some(validator) = connected.validator {
                        self.clocks.told(validator, wall_ms, Clock::wall_ms());
                        self.ports.metrics.clock_offset(self.clocks.offset_seconds());
                    }
                }
                self.tell(Input::Status { peer, status });
            }
        }
    }

    /// What the application refuses, the client has not signed (`OB-11`) or was executed goes no further. The brain remembers the outcomes of its own life
    /// only, and nobody votes for a payload with a command that was executed long ago: one of them in the mempool would
    /// spoil all of our proposals.
    ///
    /// Signatures are checked on a thread for blocking work: a frame full of them must not delay votes. `hold` bounds how
    /// many frames are there.
    fn forwarded(&self, from: Peer, commands: Vec<Command>, hold: InboundHold) {
        if !self.ports.signatures.are_required() {
            return admit(&self.ports, from, commands);
        }
        let ports = self.ports.clone();
        drop(actix_rt::task::spawn_blocking(move || {
            admit(&ports, from, commands);
            drop(hold);
        }));
    }

    fn is_early(&self, height: Height) -> bool {
        let highest = self.ways.last_key_value().map_or(Height::ZERO, |(height, _)| *height);
        height > highest && height <= highest.plus(REACH)
    }

    fn deliver(&self, Early { peer, ticket, height, message, .. }: Early) {
        let Some(way) = self.ways.get(&height) else { return };
        let validator = self.peers.get(&peer).and_then(|connected| connected.validator);
        let arrived = decider::Arrived { origin: Origin { validator, ticket }, message };
        if way.decider.offer(arrived).is_err() {
            self.ports.judge(ticket, Judgement::Ignore);
        }
    }

    fn tell(&self, input: Input) {
        self.ports.replica.insist(replica::Tell(input));
    }

    fn request(&mut self, peer: Peer, request: Request, reply: super::network::Reply, ctx: &mut Context<Self>) {
        match request {
            Request::Diff { height, instance, summary } => match self.ways.get(&height) {
                Some(way) if way.instance == instance => {
                    let budget = self.ports.diff_bytes_max;
                    let pulled = way.decider.ask(decider::Pull { summary, budget }).into_actor(self);
                    ctx.spawn(pulled.map(|diff, router, _| match diff {
                        Ok(Some(diff)) => reply.answer(Response::Diff(diff)),
                        Ok(None) | Err(_) => reply.answer(Response::Nothing(router.status())),
                    }));
                }
                _ if height <= self.status().executed => self.librarian.serve(height, self.status(), reply),
                _ => {
                    reply.answer(Response::Nothing(self.status()));
                    self.tell(Input::Stray { peer, height });
                }
            },
            Request::Blocks { from } => self.librarian.serve(from, self.status(), reply),
        }
    }

    fn status(&self) -> PeerStatus {
        *self.ports.status.borrow()
    }

    fn answered(&self, peer: Peer, height: Height, response: Response) {
        match response {
            Response::Diff(message) => {
                let Some(way) = self.ways.get(&height) else { return };
                let instance = way.instance;
                self.deliver(Early { peer, ticket: None, height, instance, message });
            }
            Response::Blocks { blocks, status } => {
                self.tell(Input::Status { peer, status });
                self.tell_blocks(peer, blocks);
            }
            Response::Nothing(status) => self.tell(Input::Status { peer, status }),
            Response::Busy => {}
        }
    }

    fn tell_blocks(&self, peer: Peer, blocks: Vec<Block>) {
        self.tell(Input::Blocks { peer, blocks });
    }

    fn peer_up(&mut self, peer: Peer, key: Option<crate::types::PublicKey>, ctx: &mut Context<Self>) {
        let validator = key.and_then(|key| self.ports.set.index_of(&key));
        let heard = Heard { at: self.ports.clock.now(), executed: None, clock_ahead_ms: None };
        self.peers.insert(peer, Connected { validator, heard });
        self.ports.notice(Notice::PeerUp { validator });
        if let Some(validator) = validator {
            self.ports.metrics.validator_heard(validator, heard.at);
            self.gone.remove(&validator);
            self.validators.insert(validator, peer);
            for way in self.ways.values() {
                let up = decider::Tell(crate::protocol::Input::PeerUp { validator });
                let _ = way.decider.offer(up);
            }
        }
        self.tell_surely(Input::PeerUp { peer, validator }, ctx);
    }

    fn peer_down(&mut self, peer: Peer, ctx: &mut Context<Self>) {
        let removed = self.peers.remove(&peer);
        let validator = removed.as_ref().and_then(|connected| connected.validator);
        if let Some(validator) = validator
            && self.validators.get(&validator) == Some(&peer)
        {
            self.validators.remove(&validator);
            self.clocks.forget(validator);
            self.gone.extend(removed.map(|connected| (validator, connected.heard.at)));
        }
        self.ports.notice(Notice::PeerDown { validator });
        self.tell_surely(Input::PeerDown { peer }, ctx);
    }

    /// For what does not come again. In order: the router handles nothing else until the replica has room.
    fn tell_surely(&self, input: Input, ctx: &mut Context<Self>) {
        let told = self.ports.replica.ask(replica::Tell(input)).into_actor(self);
        ctx.wait(told.map(|_, _, _| ()));
    }
}

fn admit(ports: &Ports, from: Peer, commands: Vec<Command>) {
    let rows = ports.reader.snapshot();
    let verdicts = ports.signatures.verdicts(commands.iter());
    let signed = commands.into_iter().zip(verdicts).filter(|(_, verdict)| verdict.is_ok());
    let sound = signed.map(|(command, _)| command).filter(|command| ports.app.check(&command.body).is_ok());
    let commands: Vec<Identified> = sound.map(Identified::from).collect();
    let replies = app::replies(&*rows, &commands);
    let news = commands.into_iter().zip(replies).filter(|(_, reply)| reply.is_none());
    let commands = news.map(|(command, _)| command).collect();
    ports.replica.insist(replica::Tell(Input::Forwarded { from, commands }));
}

impl Actor for Router {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(super::MAILBOX);
        if let Some(mut events) = self.events.take() {
            ctx.add_stream(futures::stream::poll_fn(move |cx| events.poll_recv(cx)));
        }
    }
}

impl StreamHandler<NetworkEvent> for Router {
    fn handle(&mut self, event: NetworkEvent, ctx: &mut Self::Context) {
        match event {
            NetworkEvent::PeerUp { peer, validator, .. } => self.peer_up(peer, validator, ctx),
            NetworkEvent::PeerDown { peer } => self.peer_down(peer, ctx),
            NetworkEvent::Frame { peer, ticket, frame, hold } => self.frame(peer, ticket.0, frame, hold),
            NetworkEvent::Request { peer, request, reply } => self.request(peer, request, reply, ctx),
            NetworkEvent::Listening { address } => tracing::info!(%address, "listening"),
        }
    }
}

impl Receive<Route> for Router {
    type Result = ();

    fn receive(&mut self, Route { instance, height, life, decider }: Route, _: &mut Self::Context) {
        self.ways.insert(height, Way { instance, life, decider });
        for early in self.early.take(height) {
            if early.instance == instance {
                self.deliver(early);
            } else {
                self.ports.judge(early.ticket, Judgement::Ignore);
            }
        }
    }
}

impl Receive<Unroute> for Router {
    type Result = ();

    fn receive(&mut self, Unroute { height, life }: Unroute, _: &mut Self::Context) {
        if self.ways.get(&height).is_none_or(|way| way.life != life) {
            return;
        }
        self.ways.remove(&height);
        for late in self.early.take(height) {
            self.ports.judge(late.ticket, Judgement::Ignore);
        }
    }
}

impl Receive<Ask> for Router {
    type Result = ();

    fn receive(&mut self, Ask { validator, height, instance, summary }: Ask, ctx: &mut Self::Context) {
        let Some(&peer) = self.validators.get(&validator) else { return };
        if !self.asking.insert((validator, height)) {
            return;
        }
        let asked = self.ports.network.request(peer, Request::Diff { height, instance, summary });
        ctx.spawn(asked.into_actor(self).map(move |response, router, _| {
            router.asking.remove(&(validator, height));
            if let Ok(response) = response {
                router.answered(peer, height, response);
            }
        }));
    }
}

impl Receive<Fetch> for Router {
    type Result = ();

    fn receive(&mut self, Fetch { peer, from }: Fetch, ctx: &mut Self::Context) {
        let fetched = self.ports.network.request(peer, Request::Blocks { from });
        ctx.spawn(fetched.into_actor(self).map(move |response, router, _| match response {
            Ok(response @ Response::Blocks { .. }) => router.answered(peer, from, response),
            // Anything else is no answer to this question: the replica asks somebody else.
            Ok(_) | Err(_) => router.tell_blocks(peer, Vec::new()),
        }));
    }
}

impl Receive<Heed> for Router {
    type Result = Hearsay;

    fn receive(&mut self, _: Heed, _: &mut Self::Context) -> Self::Result {
        let heard = |connected: &Connected| {
            let clock_ahead_ms = connected.validator.and_then(|validator| self.clocks.ahead_ms(validator));
            Heard { clock_ahead_ms, ..connected.heard }
        };
        let peers = self.peers.iter().map(|(peer, connected)| (*peer, heard(connected))).collect();
        Hearsay { peers, gone: self.gone.clone() }
    }
}
