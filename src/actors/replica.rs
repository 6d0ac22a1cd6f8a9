//! The replica: the hands of the ordering brain.
//!
//! Opens and closes deciders, brings blocks to the journal and to the executor, answers clients.
//!
//! Policy of the edges: submissions find a full mailbox refused (the API answers 429); what the router tells comes
//! again; deciders' results, storage's and the executor's answers are waited for, and are at most a window's worth.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use actix::prelude::*;
use tokio::sync::oneshot;

use super::{Clock, Ports, Snapshot, decider, executor, network::To, offset::Offsets, pacemaker, router, verifier};
use crate::{
    app::{Block, Command, Payload},
    crypto::SecretKey,
    journal::Entry,
    metrics,
    protocol::{self, Evidence, Record, Setup, Slot, seat::Seat},
    replica::{
        Effect, Fate, Input, Outbox, Replica as Brain, Ticket,
        wire::{Frame, PeerStatus},
    },
    types::{BoundedVec, Digest, Height, Time, ValidatorIndex, codec},
};

/// An input for the brain.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Tell(
    /// What happened.
    pub Input,
);

/// A decider wants something to propose.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Build {
    /// For which slot.
    pub slot: Slot,
}

/// A decider has decided.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Decided {
    /// The block.
    pub block: Block,
}

/// A decider knows that its height is decided, but not what.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Behind {
    /// The height.
    pub height: Height,
}

/// A decider has proof of a lie.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Proven {
    /// The proof.
    pub evidence: Evidence,
}

/// A client submits commands, in order. The answers arrive on `fates`, one [`Fate`] or two for each command: the
/// first at once, [`Fate::Committed`] later.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Submit {
    /// What, and where its fate goes.
    pub commands: Vec<(Command, FateSender)>,
}

/// Where the fate of one command goes.
#[derive(Debug)]
pub struct FateSender {
    /// Told whether it is admitted.
    pub admitted: oneshot::Sender<Fate>,
    /// Told when it is committed; `None`: nobody waits.
    pub committed: Option<oneshot::Sender<Fate>>,
}

/// Asks whether a command waits here to be decided.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct Waits {
    /// Its id.
    pub command: Digest,
}

/// Commands in one forwarded frame.
const FORWARD_MAX: usize = 4096;
/// Evidence that is kept for operators.
const EVIDENCE_MAX: usize = 64;

/// The actor.
pub struct Replica {
    brain: Brain,
    key: Option<SecretKey>,
    ports: Ports,
    /// The journal's records of instances that were live at the last stop.
    records: BTreeMap<Digest, Vec<Record>>,
    live: BTreeMap<Height, Addr<decider::Decider>>,
    waiting: HashMap<Ticket, FateSender>,
    next_ticket: u64,
    armed: Option<Time>,
    evidence: Vec<Evidence>,
    offsets: Offsets,
    outbox: Outbox,
}

impl Replica {
    /// The brain with its hands. `records` are the journal's, by instance.
    pub fn new(brain: Brain, key: Option<SecretKey>, records: BTreeMap<Digest, Vec<Record>>, ports: Ports) -> Self {
        Self {
            brain,
            key,
            ports,
            records,
            live: BTreeMap::new(),
            waiting: HashMap::new(),
            next_ticket: 0,
            armed: None,
            evidence: Vec::new(),
            offsets: Offsets::default(),
            outbox: Outbox::default(),
        }
    }

    fn step(&mut self, input: Input, ctx: &mut Context<Self>) {
        if let Some((what, height)) = milestone(&input) {
            tracing::debug!(what, ?height, "replica");
        }
        let mut outbox = std::mem::take(&mut self.outbox);
        self.brain.step(self.ports.clock.now(), input, &mut outbox);
        for effect in outbox.effects.drain(..) {
            self.act(effect, ctx);
        }
        for event in outbox.events.drain(..) {
            self.ports.metrics.replica(&event);
        }
        self.outbox = outbox;
        self.show();
        self.arm(ctx);
    }

    fn act(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Open { setup } => self.open(setup, ctx),
            Effect::Close { height } => self.close(height),
            Effect::Demand { height, commands_since, waited_on } => {
                self.to_decider(height, protocol::Input::Demand { commands_since, waited_on });
            }
            Effect::Offer { slot, payload } => {
                self.to_decider(slot.height, protocol::Input::Payload { slot, payload });
            }
            Effect::Record { block } => self.record(block, ctx),
            Effect::Execute { block, instance } => self.execute(block, instance, ctx),
            Effect::Forward { to, commands } => {
                self.forward(&to, commands);
            }
            Effect::Fetch { peer, from } => {
                self.ports.count_refused(
                    metrics::Actor::Router,
                    self.ports.router.try_send(router::Fetch { peer, from }).is_err(),
                );
            }
            Effect::Check { peer, block, electorate } => {
                let checked = self.ports.verifier.send(verifier::CheckBlock { block, electorate }).into_actor(self);
                ctx.spawn(checked.map(move |block, replica, ctx| {
                    if let Ok(block) = block {
                        replica.step(Input::Checked { peer, block }, ctx);
                    }
                }));
            }
            Effect::Announce { to, status } => {
                self.ports.status.send_replace(status);
                self.announce(to.map_or(To::Everyone, To::Peer), status);
            }
            Effect::Enlighten { peer, .. } => {
                let status = *self.ports.status.borrow();
                self.announce(To::Peer(peer), status);
            }
            Effect::Blame { peer, reason } => self.ports.network.blame(peer, reason),
            Effect::Reply { ticket, fate } => self.reply(ticket, fate),
        }
    }

    fn forward(&self, to: &[ValidatorIndex], commands: Vec<Command>) {
        let members = to.iter().filter_map(|index| self.ports.set.get(*index));
        let keys: Vec<_> = members.map(|member| member.public_key).collect();
        let mut commands = commands;
        while !commands.is_empty() {
            let rest = commands.split_off(commands.len().min(FORWARD_MAX));
            if let Ok(some) = BoundedVec::try_from(std::mem::replace(&mut commands, rest)) {
                let frame = Frame::Commands(some);
                self.ports.network.send(To::Validators(keys.clone()), &frame, self.ports.next_resend());
            }
        }
    }

    fn announce(&self, to: To, status: PeerStatus) {
        self.ports.network.send(to, &Frame::Status(status), self.ports.next_resend());
    }

    fn open(&mut self, setup: Setup, ctx: &mut Context<Self>) {
        let (instance, height) = (setup.id, setup.height);
        let electorate = Arc::new(protocol::Electorate { id: setup.id, set: Arc::clone(&setup.set) });
        let seat = Seat::open(self.ports.protocol, setup, self.key.clone());
        let records = self.records.remove(&instance).unwrap_or_default();
        let ports = self.ports.clone();
        let decider = decider::Decider::create(move |ctx| {
            // Before the first message, not in `started`: the router may have a room full of frames for it.
            ctx.set_mailbox_capacity(super::MAILBOX);
            decider::Decider::new(seat, height, electorate, records, ports)
        });
        self.live.insert(height, decider.clone());
        // What was executed before it was opened, after a restart most of all, it hears of only here.
        self.to_decider(height, protocol::Input::Executed { height: self.brain.view().executed });
        let routed = self.ports.router.send(router::Route { instance, height, decider }).into_actor(self);
        ctx.spawn(routed.map(|_, _, _| ()));
    }

    fn close(&mut self, height: Height) {
        let Some(decider) = self.live.remove(&height) else { return };
        let router = self.ports.router.clone();
        actix::spawn(async move {
            // The way first, so that nothing is sent to an actor that is gone.
            let _ = router.send(router::Unroute { height }).await;
            let _ = decider.send(decider::Close).await;
        });
    }

    fn to_decider(&self, height: Height, input: protocol::Input) {
        let Some(decider) = self.live.get(&height) else { return };
        if let Err(SendError::Full(tell)) = decider.try_send(decider::Tell(input)) {
            self.ports.count_refused(metrics::Actor::Decider, true);
            let decider = decider.clone();
            actix::spawn(async move {
                let _ = decider.send(tell).await;
            });
        }
    }

    fn record(&mut self, block: Block, ctx: &mut Context<Self>) {
        let height = block.height;
        let (done, durable) = oneshot::channel();
        self.ports.storage.append(vec![Entry::Decided { block }], move || {
            let _ = done.send(());
        });
        ctx.spawn(durable.into_actor(self).map(move |durable, replica, ctx| {
            if durable.is_ok() {
                replica.step(Input::Recorded { height }, ctx);
            }
        }));
    }

    fn execute(&mut self, block: Block, instance: Digest, ctx: &mut Context<Self>) {
        let executed = self.ports.executor.send(executor::Execute { block, instance }).into_actor(self);
        ctx.spawn(executed.map(|executed, replica, ctx| {
            let Ok(executor::Executed { header, receipts }) = executed else { return };
            let height = header.height;
            replica.step(Input::Executed { header, receipts }, ctx);
            for live in replica.live.keys() {
                replica.to_decider(*live, protocol::Input::Executed { height });
            }
        }));
    }

    fn compare_clocks(&mut self, block: &Block) {
        // Without a quorum of honest votes against it (`SL-V5`) a payload need not make sense.
        let Ok(Payload { proposer, proposed_at_ms, .. }) = codec::decode(&block.payload) else { return };
        if self.ports.set.get(proposer).is_some() {
            self.ports.metrics.clock_offset(self.offsets.take(proposer, proposed_at_ms, Clock::wall_ms()));
        }
    }

    fn reply(&mut self, ticket: Ticket, fate: Fate) {
        let Some(mut sender) = self.waiting.remove(&ticket) else { return };
        if fate != Fate::Accepted {
            // The first word is waited for in one place, the last word after it in another.
            let is_admitted = sender.admitted.is_closed();
            let receiver = sender.committed.take().filter(|_| is_admitted).unwrap_or(sender.admitted);
            // A client that has gone away does not hear it; its command is committed all the same.
            let _ = receiver.send(fate);
            return;
        }
        let (spent, _) = oneshot::channel();
        let admitted = std::mem::replace(&mut sender.admitted, spent);
        let _ = admitted.send(fate);
        if sender.committed.is_some() {
            self.waiting.insert(ticket, sender);
        }
    }

    /// Publishes what an operator may see, if it has changed.
    fn show(&self) {
        let view = self.brain.view();
        self.ports.heights.send_if_modified(|height| {
            let is_higher = view.executed > *height;
            *height = view.executed;
            is_higher
        });
        self.ports.snapshot.send_if_modified(|snapshot| {
            let is_new = snapshot.view != view;
            *snapshot = Snapshot { view, proven: self.evidence.len() };
            is_new
        });
    }

    fn arm(&mut self, ctx: &mut Context<Self>) {
        let deadline = self.brain.deadline();
        if deadline != self.armed {
            self.armed = deadline;
            let alarm = deadline.map(|time| (time, ctx.address().recipient()));
            decider::arm(&self.ports.pacemaker, pacemaker::Sleeper::Replica, alarm);
        }
    }
}

/// The stations of a command's way through this replica, for the log: with those of its instance they show where the
/// time goes.
fn milestone(input: &Input) -> Option<(&'static str, Option<Height>)> {
    match input {
        Input::Submit { .. } => Some(("submitted", None)),
        Input::Forwarded { .. } => Some(("forwarded here", None)),
        Input::Build { slot, .. } => Some(("asked to propose", Some(slot.height))),
        Input::Decided { block } => Some(("decided", Some(block.height))),
        Input::Recorded { height } => Some(("recorded", Some(*height))),
        Input::Executed { header, .. } => Some(("executed", Some(header.height))),
        _ => None,
    }
}

impl Actor for Replica {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(super::MAILBOX);
        self.step(Input::Begin, ctx);
    }
}

impl Handler<Tell> for Replica {
    type Result = ();

    fn handle(&mut self, Tell(input): Tell, ctx: &mut Self::Context) {
        self.step(input, ctx);
    }
}

impl Handler<pacemaker::Wake> for Replica {
    type Result = ();

    fn handle(&mut self, _: pacemaker::Wake, ctx: &mut Self::Context) {
        self.armed = None;
        self.step(Input::Wake, ctx);
    }
}

impl Handler<Build> for Replica {
    type Result = ();

    fn handle(&mut self, Build { slot }: Build, ctx: &mut Self::Context) {
        self.step(Input::Build { slot, wall_ms: Clock::wall_ms() }, ctx);
    }
}

impl Handler<Decided> for Replica {
    type Result = ();

    fn handle(&mut self, Decided { block }: Decided, ctx: &mut Self::Context) {
        self.compare_clocks(&block);
        self.step(Input::Decided { block }, ctx);
    }
}

impl Handler<Behind> for Replica {
    type Result = ();

    fn handle(&mut self, Behind { height }: Behind, _: &mut Self::Context) {
        // Peers announce how far they are, and the block is fetched from one of them with its certificate.
        tracing::debug!(%height, "decided elsewhere");
    }
}

impl Handler<Proven> for Replica {
    type Result = ();

    fn handle(&mut self, Proven { evidence }: Proven, _: &mut Self::Context) {
        if self.evidence.len() < EVIDENCE_MAX {
            self.evidence.push(evidence);
        }
    }
}

impl Handler<Submit> for Replica {
    type Result = ();

    fn handle(&mut self, Submit { commands }: Submit, ctx: &mut Self::Context) {
        for (command, sender) in commands {
            let ticket = Ticket(self.next_ticket);
            self.next_ticket += 1;
            self.waiting.insert(ticket, sender);
            self.step(Input::Submit { ticket: Some(ticket), command }, ctx);
        }
        // Clients that have stopped waiting leave nothing behind.
        if self.next_ticket.is_multiple_of(1024) {
            self.sweep(ctx);
        }
    }
}

impl Replica {
    fn sweep(&mut self, ctx: &mut Context<Self>) {
        let gone = |sender: &FateSender| sender.committed.as_ref().is_none_or(oneshot::Sender::is_closed);
        let abandoned: Vec<_> = self.waiting.iter().filter(|(_, sender)| gone(sender)).map(|(&t, _)| t).collect();
        for ticket in abandoned {
            self.waiting.remove(&ticket);
            self.step(Input::Abandon { ticket }, ctx);
        }
    }
}

impl Handler<Waits> for Replica {
    type Result = bool;

    fn handle(&mut self, Waits { command }: Waits, _: &mut Self::Context) -> bool {
        self.brain.waits(&command)
    }
}
