//! The replica: the hands of the ordering brain.
//!
//! Opens and closes deciders, brings blocks to the journal and to the executor, answers clients.
//!
//! Policy of the edges: submissions find a full mailbox refused (the API answers 429); what the router tells comes
//! again; deciders' results, storage's and the executor's answers are waited for, and are at most a window's worth.

mod sight;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use actix::prelude::*;
pub use sight::{Foremost, Kept, Seek, Waits};
use tokio::sync::oneshot;

use super::{
    Clock, Ports,
    decider::{self, Life},
    executor,
    network::To,
    pacemaker,
    port::{Port, Receive},
    router, verifier,
};
use crate::{
    app::{Block, Command, Identified},
    crypto::SecretKey,
    journal::Entry,
    metrics,
    protocol::{self, Abstention, Checkpoint, Evidence, Record, Setup, Slot, seat::Seat},
    replica::{
        Effect, Event, Fate, Input, Outbox, Replica as Brain, Ticket,
        wire::{Frame, PeerStatus},
    },
    types::{BoundedVec, Digest, Height, Time, ValidatorIndex},
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
    pub commands: Vec<(Identified, FateSender)>,
}

/// Where the fate of one command goes.
#[derive(Debug)]
pub struct FateSender {
    /// Told whether it is admitted.
    pub admitted: oneshot::Sender<Fate>,
    /// Told when it is committed; `None`: nobody waits.
    pub committed: Option<oneshot::Sender<Fate>>,
}

/// Commands in one forwarded frame.
const FORWARD_MAX: usize = 4096;
/// After so many tickets those of clients that have gone are thrown away.
const SWEEP_INTERVAL: u64 = 1024;
/// Evidence that is kept for operators, since the start; what comes later is counted only.
pub const EVIDENCE_MAX: usize = 64;

/// An instance that is open.
struct Live {
    life: Life,
    decider: Port<decider::Decider>,
}

/// The actor.
pub struct Replica {
    brain: Brain,
    key: Option<SecretKey>,
    ports: Ports,
    /// The journal's records of instances that were live at the last stop.
    records: BTreeMap<Digest, Vec<Record>>,
    live: BTreeMap<Height, Live>,
    /// The last opening of an instance.
    life: Life,
    /// What the executor answered before an earlier answer was taken in: of several that are ready at once, the runtime
    /// takes any first.
    executed: BTreeMap<Height, executor::Executed>,
    waiting: HashMap<Ticket, FateSender>,
    next_ticket: u64,
    armed: Option<Time>,
    evidence: Vec<Evidence>,
    /// When the progress of catching up was last logged.
    sync_logged: Option<Time>,
    /// When the last height was executed.
    executed_at: Option<Time>,
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
            life: Life::default(),
            executed: BTreeMap::new(),
            waiting: HashMap::new(),
            next_ticket: 0,
            armed: None,
            evidence: Vec::new(),
            sync_logged: None,
            executed_at: None,
            outbox: Outbox::default(),
        }
    }

    fn step(&mut self, input: Input, ctx: &mut Context<Self>) {
        sight::log(&input);
        let mut outbox = std::mem::take(&mut self.outbox);
        self.brain.step(self.ports.clock.now(), input, &mut outbox);
        for effect in outbox.effects.drain(..) {
            self.act(effect, ctx);
        }
        for event in outbox.events.drain(..) {
            self.ports.metrics.replica(&event);
            if let Event::StateMismatch { height } = event {
                tracing::error!(height = height.get(), "more than a third of the voting power signed another state");
            }
            if let Event::Diverged { height, validator } = event {
                tracing::warn!(height = height.get(), %validator, "a validator has another header than ours");
            }
            if let Some(notice) = sight::notice(&event) {
                self.ports.notice(notice);
            }
            if let Event::Syncing { is_syncing: false, executed, .. } = event
                && self.sync_logged.take().is_some()
            {
                tracing::info!(height = executed.get(), "caught up");
            }
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
            Effect::Tell { instance, input } => self.to_decider(instance, input),
            Effect::Offer { slot, payload } => {
                self.to_decider(
                    self.ports.protocol.first_height(slot.height),
                    protocol::Input::Payload { slot, payload },
                );
            }
            Effect::Record { block } => self.record(block, ctx),
            Effect::Execute { block, instance } => self.execute(block, instance, ctx),
            Effect::Forward { to, commands } => {
                self.forward(&to, commands);
            }
            Effect::Fetch { peer, from } => {
                let _ = self.ports.router.offer(router::Fetch { peer, from });
            }
            Effect::Check { peer, block, electorate } => {
                let checked = self.ports.verifier.ask(verifier::CheckBlock { block, electorate }).into_actor(self);
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
            Effect::Attest { checkpoint, scope } => self.attest(checkpoint, scope, ctx),
            Effect::CheckVote { peer, vote, electorate } => {
                let checked = self.ports.verifier.ask(verifier::CheckVote { vote, electorate }).into_actor(self);
                ctx.spawn(checked.map(move |vote, replica, ctx| {
                    if let Ok(vote) = vote {
                        replica.step(Input::VoteChecked { peer, vote }, ctx);
                    }
                }));
            }
            Effect::Vouch { to, vote } => {
                let to = to.map_or(To::Everyone, To::Peer);
                self.ports.network.send(to, &Frame::Checkpoint(vote), self.ports.next_resend());
            }
            Effect::Keep { stable } => {
                tracing::debug!(height = %stable.checkpoint.height, "a checkpoint is stable");
                self.ports.stable.send_replace(Some(stable.clone()));
                self.ports.storage.append(vec![Entry::Stable(stable)], || {});
            }
            Effect::Accuse { evidence, .. } => self.prove(evidence),
            Effect::Halt { ours, theirs } => {
                tracing::error!(height = %ours.height, ours = ?ours, signed = ?theirs,
                    "this replica has another state than was signed; the process ends");
                std::process::exit(super::EXIT_DIVERGED.into());
            }
            Effect::Blame { peer, reason } => self.ports.network.blame(peer, reason),
            Effect::Abstain { through } => self.abstain(through, ctx),
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
        self.ports.network.send(to, &Frame::Status { status, wall_ms: Clock::wall_ms() }, self.ports.next_resend());
    }

    fn open(&mut self, setup: Setup, ctx: &mut Context<Self>) {
        let (instance, height) = (setup.id, setup.height);
        let electorate = Arc::new(protocol::Electorate { id: setup.id, set: Arc::clone(&setup.set) });
        let seat = Seat::open(self.ports.protocol, setup, self.key.clone());
        let records = self.records.remove(&instance).unwrap_or_default();
        let ports = self.ports.clone();
        self.life = self.life.next();
        let life = self.life;
        let decider = decider::Decider::create(move |ctx| {
            // Before the first message, not in `started`: the router may have a room full of frames for it.
            ctx.set_mailbox_capacity(super::MAILBOX);
            decider::Decider::new(seat, life, height, electorate, records, ports)
        });
        let decider = Port::new(decider, metrics::Actor::Decider, self.ports.metrics.clone());
        self.live.insert(height, Live { life, decider: decider.clone() });
        // What was executed before it was opened, after a restart most of all, it hears of only here.
        self.to_decider(height, protocol::Input::Executed { height: self.brain.view().executed });
        let routed = self.ports.router.ask(router::Route { instance, height, life, decider }).into_actor(self);
        ctx.spawn(routed.map(|_, _, _| ()));
    }

    fn close(&mut self, height: Height) {
        let Some(Live { life, decider }) = self.live.remove(&height) else { return };
        let router = self.ports.router.clone();
        actix::spawn(async move {
            // The way first, so that nothing is sent to an actor that is gone.
            let _ = router.ask(router::Unroute { height, life }).await;
            let _ = decider.ask(decider::Close).await;
        });
    }

    fn to_decider(&self, height: Height, input: protocol::Input) {
        if let Some(Live { decider, .. }) = self.live.get(&height) {
            decider.insist(decider::Tell(input));
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

    /// `OB-8`: durable first, then signed.
    fn attest(&mut self, checkpoint: Checkpoint, scope: Digest, ctx: &mut Context<Self>) {
        let Some(key) = self.key.clone() else { return };
        let Some(me) = self.ports.set.index_of(&key.public_key()) else { return };
        let (done, durable) = oneshot::channel();
        self.ports.storage.append(vec![Entry::Checkpoint(checkpoint)], move || {
            let _ = done.send(());
        });
        ctx.spawn(durable.into_actor(self).map(move |durable, replica, ctx| {
            if durable.is_ok() {
                replica.step(Input::Attested { vote: key.sign_own(checkpoint, me, &scope) }, ctx);
            }
        }));
    }

    fn prove(&mut self, evidence: Evidence) {
        if self.evidence.len() < EVIDENCE_MAX {
            self.evidence.push(evidence);
        }
    }

    fn abstain(&mut self, through: Height, ctx: &mut Context<Self>) {
        let (done, durable) = oneshot::channel();
        self.ports.storage.append(vec![Entry::Abstention(Abstention::Through(through))], move || {
            let _ = done.send(());
        });
        ctx.spawn(durable.into_actor(self).map(move |durable, replica, ctx| {
            if durable.is_ok() {
                tracing::info!(height = through.get(), "rejoining: this validator votes again above that height");
                replica.step(Input::Abstained { through }, ctx);
            }
        }));
    }

    fn execute(&mut self, block: Block, instance: Digest, ctx: &mut Context<Self>) {
        let executed = self.ports.executor.ask(executor::Execute { block, instance }).into_actor(self);
        ctx.spawn(executed.map(|executed, replica, ctx| {
            let Ok(executed) = executed else { return };
            replica.executed.insert(executed.header.height, executed);
            while let Some(next) = replica.executed.remove(&replica.brain.executed().next()) {
                replica.take_executed(next, ctx);
            }
        }));
    }

    fn take_executed(&mut self, executed: executor::Executed, ctx: &mut Context<Self>) {
        let executor::Executed { header, receipts, turn } = executed;
        let height = header.height;
        self.step(Input::Executed { header, receipts, turn }, ctx);
        for live in self.live.keys() {
            self.to_decider(*live, protocol::Input::Executed { height });
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

    fn arm(&mut self, ctx: &mut Context<Self>) {
        let deadline = self.brain.deadline();
        if deadline != self.armed {
            self.armed = deadline;
            let alarm = deadline.map(|time| (time, ctx.address().recipient()));
            self.ports.pacemaker.insist(pacemaker::Arm { sleeper: pacemaker::Sleeper::Replica, alarm });
        }
    }
}

impl Actor for Replica {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(super::MAILBOX);
        self.step(Input::Begin, ctx);
    }
}

impl Receive<Tell> for Replica {
    type Result = ();

    fn receive(&mut self, Tell(input): Tell, ctx: &mut Self::Context) {
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

impl Receive<Build> for Replica {
    type Result = ();

    fn receive(&mut self, Build { slot }: Build, ctx: &mut Self::Context) {
        self.step(Input::Build { slot, wall_ms: Clock::wall_ms() }, ctx);
    }
}

impl Receive<Decided> for Replica {
    type Result = ();

    fn receive(&mut self, Decided { block }: Decided, ctx: &mut Self::Context) {
        self.step(Input::Decided { block }, ctx);
    }
}

impl Receive<Behind> for Replica {
    type Result = ();

    fn receive(&mut self, Behind { height }: Behind, _: &mut Self::Context) {
        // Peers announce how far they are, and the block is fetched from one of them with its certificate.
        tracing::debug!(height = height.get(), "decided elsewhere");
    }
}

impl Receive<Proven> for Replica {
    type Result = ();

    fn receive(&mut self, Proven { evidence }: Proven, _: &mut Self::Context) {
        self.prove(evidence);
    }
}

impl Receive<Submit> for Replica {
    type Result = ();

    fn receive(&mut self, Submit { commands }: Submit, ctx: &mut Self::Context) {
        let before = self.next_ticket;
        let ticketed = commands.into_iter().map(|(command, sender)| {
            let ticket = Ticket(self.next_ticket);
            self.next_ticket += 1;
            self.waiting.insert(ticket, sender);
            (Some(ticket), command)
        });
        let commands = ticketed.collect();
        self.step(Input::Submit { commands }, ctx);
        // Clients that have stopped waiting leave nothing behind.
        if before / SWEEP_INTERVAL != self.next_ticket / SWEEP_INTERVAL {
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
