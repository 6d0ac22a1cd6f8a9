//! A decider: the hands of one live instance. One actor for each; stopping it frees everything of its instance.
//!
//! Holds a [`Seat`] (the brain and its key), translates errands into messages to the other actors, and nothing else.
//!
//! Policy of the edges:
//! * Messages from peers come from the router with `try_send`: a full mailbox drops the newest (counted), and so does
//!   a decider with [`CHECKS_MAX`] messages at the verifier; pulling repairs what was dropped.
//! * The verifier, the executor and storage are waited for; what can be outstanding there is bounded by
//!   [`CHECKS_MAX`], by the rounds of an instance, and by storage's own queue.
//! * Wake-ups coalesce in the pacemaker.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actix::prelude::*;

use super::{
    Ports, Round, executor::Validate, gallery::Sketch, network::To, pacemaker, port::Receive, replica, router, verifier,
};
use crate::{
    crypto::Verified,
    journal::Entry,
    metrics,
    protocol::{
        self, Drawing, Effect, Electorate, Event, Input, Judgement, Lifetime, Message as Wire, Origin, Record,
        Rejection, Summary, Token, View,
        seat::{Errand, Seat},
    },
    replica::{self as ordering, Notice, wire::Frame},
    types::{Height, Time},
};

/// Messages that may be at the verifier at once.
pub const CHECKS_MAX: usize = 1024;

/// Heights of which votes are noted with their times; the lowest goes first.
const SKETCHES_MAX: usize = 16;

/// Which opening of an instance this is: a long one is opened again when its validator may vote again (`OB-10`), while
/// what is left of the earlier one still ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Life(u64);

impl Life {
    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The actor.
pub struct Decider {
    seat: Seat,
    life: Life,
    height: Height,
    electorate: Arc<Electorate>,
    ports: Ports,
    records: Vec<Record>,
    checks: usize,
    /// When something happened in it first: it may have been dormant for long.
    began: Option<Time>,
    /// What the console may want to know of undecided heights, at most [`SKETCHES_MAX`].
    sketches: BTreeMap<Height, Sketch>,
    /// Heights that this step of a long instance has decided: their pictures are handed over at once. One that decides
    /// a single height hands its own over when it ends, with the votes that came after the decision.
    decided: Vec<Height>,
    armed: Option<Time>,
    errands: Vec<Errand>,
    events: Vec<Event>,
    /// Answers to pulls, taken by the handler that asked within the same step.
    answers: Vec<Wire>,
    persist: Vec<Entry>,
    persist_through: Option<Token>,
}

/// A message from a peer, addressed to this instance.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct Arrived {
    /// From where.
    pub origin: Origin,
    /// What.
    pub message: Wire,
}

/// A peer asks for what it lacks; answered at once.
#[derive(actix::Message)]
#[rtype(result = "Option<Wire>")]
pub struct Pull {
    /// What it has.
    pub summary: Summary,
    /// The most bytes of the answer.
    pub budget: usize,
}

/// Something for the brain from the replica: demand, an offer, progress, a peer.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct Tell(
    /// What.
    pub Input,
);

impl Decider {
    /// Takes a seat. `records` are what the journal holds of this instance; there are some only after a restart.
    pub fn new(
        seat: Seat,
        life: Life,
        height: Height,
        electorate: Arc<Electorate>,
        records: Vec<Record>,
        ports: Ports,
    ) -> Self {
        Self {
            seat,
            life,
            height,
            electorate,
            began: None,
            ports,
            records,
            checks: 0,
            sketches: BTreeMap::new(),
            decided: Vec::new(),
            armed: None,
            errands: Vec::new(),
            events: Vec::new(),
            answers: Vec::new(),
            persist: Vec::new(),
            persist_through: None,
        }
    }

    fn step(&mut self, input: Input, ctx: &mut Context<Self>) {
        let now = self.ports.clock.now();
        if self.began.is_none() && matches!(input, Input::Arrived { .. } | Input::Payload { payload: Some(_), .. }) {
            self.began = Some(now);
        }
        let mut errands = std::mem::take(&mut self.errands);
        let mut events = std::mem::take(&mut self.events);
        self.seat.step(now, input, &mut errands, &mut events);
        for errand in errands.drain(..) {
            match errand {
                Errand::Act(effect) => self.act(effect, ctx),
                Errand::Post { to, message } => self.post(to, message),
            }
        }
        for event in events.drain(..) {
            self.watch(now, event);
        }
        self.errands = errands;
        self.events = events;
        // After the events, which tell the last votes.
        for height in std::mem::take(&mut self.decided) {
            self.hang(height);
            self.sketches.remove(&height);
        }
        self.append(ctx);
        self.arm(ctx);
    }

    fn act(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Verify { origin, message } => self.verify(origin, message, ctx),
            Effect::Judge { origin, judgement } => self.judge(origin, judgement),
            Effect::Persist { token, record } => {
                let (height, instance) = (record.height().unwrap_or(self.height), self.electorate.id);
                self.persist.push(Entry::Instance { height, instance, record });
                self.persist_through = Some(token);
            }
            Effect::Answer { message, .. } => self.answers.push(message),
            Effect::Ask { peer, summary } => {
                let ask = router::Ask { validator: peer, height: self.height, instance: self.electorate.id, summary };
                let _ = self.ports.router.offer(ask);
            }
            Effect::Build { slot, .. } => self.ports.replica.insist(replica::Build { slot }),
            Effect::Validate { id, height, proposer, payload } => {
                if self.ports.protocol.lifetime() == Lifetime::Epoch {
                    self.ports
                        .replica
                        .insist(replica::Tell(ordering::Input::Proposed { height, payload: payload.clone() }));
                }
                let word = self.ports.executor.ask(Validate { height, proposer, payload }).into_actor(self);
                ctx.spawn(word.map(move |word, decider, ctx| {
                    if let Ok(word) = word {
                        decider.step(Input::Verdict { id, verdict: word.0 }, ctx);
                    }
                }));
            }
            Effect::Decided { height, payload, certificate } => {
                let block = crate::app::Block { height, payload, certificate };
                self.ports.replica.insist(replica::Decided { block });
                let now = self.ports.clock.now();
                self.sketch(height).decide(now);
                if self.ports.protocol.lifetime() == Lifetime::Epoch {
                    self.decided.push(height);
                }
            }
            Effect::Measured { quorum_delay } => {
                self.ports.replica.insist(replica::Tell(ordering::Input::Measured { quorum_delay }));
            }
            Effect::Behind { height, .. } => self.ports.replica.insist(replica::Behind { height }),
            Effect::Evidence(evidence) => self.ports.replica.insist(replica::Proven { evidence }),
            Effect::Leading { round, leader, .. } => {
                self.ports.replica.insist(replica::Tell(ordering::Input::Leading { round, leader }));
            }
            Effect::Forget { below } => self.ports.storage.forget_instances_below(below),
            // No protocol here delivers or fetches. A finished instance is closed by the replica, once its block is
            // executed.
            Effect::Delivered { .. } | Effect::Fetch { .. } | Effect::Finished => {}
            Effect::Send { .. } => unreachable!("the seat keeps sends until they may leave"),
        }
    }

    fn verify(&mut self, origin: Origin, message: Wire, ctx: &mut Context<Self>) {
        self.checks += 1;
        let check = verifier::Check { message, electorate: Arc::clone(&self.electorate) };
        let checked = self.ports.verifier.ask(check).into_actor(self);
        ctx.spawn(checked.map(move |checked, decider, ctx| {
            decider.checks -= 1;
            match checked {
                Ok(Some(Ok(message))) => {
                    decider.judge(origin, Judgement::Accept);
                    decider.step(Input::Message { origin, message }, ctx);
                }
                Ok(Some(Err(message))) => {
                    decider.judge(origin, Judgement::Reject(Rejection::BadSignature));
                    decider.step(Input::Refused { origin, message }, ctx);
                }
                // The verifier is gone: the process is stopping.
                Ok(None) | Err(_) => {}
            }
        }));
    }

    fn judge(&self, origin: Origin, judgement: Judgement) {
        self.ports.judge(origin.ticket, judgement);
    }

    fn post(&self, to: protocol::To, message: Verified<Wire>) {
        let frame =
            Frame::Instance { height: self.height, instance: self.electorate.id, message: message.into_inner() };
        let keys = |validators: &[crate::types::ValidatorIndex]| {
            let members = validators.iter().filter_map(|index| self.electorate.set.get(*index));
            To::Validators(members.map(|member| member.public_key).collect())
        };
        let to = match to {
            protocol::To::One(one) => keys(&[one]),
            protocol::To::Some(some) => keys(&some),
            protocol::To::Validators => To::AllValidators,
            protocol::To::Everyone => To::Everyone,
        };
        self.ports.network.send(to, &frame, self.ports.next_resend());
    }

    /// One append for everything a step persisted; one `Durable` for all of it.
    fn append(&mut self, ctx: &mut Context<Self>) {
        let Some(token) = self.persist_through.take() else { return };
        let (done, durable) = tokio::sync::oneshot::channel();
        // The instance may be closed by then; its records are on disk all the same.
        self.ports.storage.append(std::mem::take(&mut self.persist), move || {
            let _ = done.send(());
        });
        ctx.spawn(durable.into_actor(self).map(move |durable, decider, ctx| {
            if durable.is_ok() {
                decider.step(Input::Durable(token), ctx);
            }
        }));
    }

    fn arm(&mut self, ctx: &mut Context<Self>) {
        let deadline = self.seat.deadline();
        if deadline == self.armed {
            return;
        }
        self.armed = deadline;
        let alarm = deadline.map(|time| (time, ctx.address().recipient()));
        self.ports.pacemaker.insist(pacemaker::Arm { sleeper: pacemaker::Sleeper::Decider(self.life), alarm });
    }

    fn sketch(&mut self, height: Height) -> &mut Sketch {
        if self.sketches.len() > SKETCHES_MAX {
            self.sketches.pop_first();
        }
        let now = self.ports.clock.now();
        self.sketches.entry(height).or_insert_with(|| Sketch::new(now))
    }

    /// `None` while nothing has happened at a height.
    fn draw(&self, height: Height) -> Option<Drawing> {
        let sketch = self.sketches.get(&height)?;
        Some(sketch.draw(height, self.electorate.id, self.seat.picture(height)?))
    }

    fn hang(&self, height: Height) {
        if let Some(drawing) = self.draw(height) {
            self.ports.gallery.hang(drawing);
        }
    }

    fn watch(&mut self, now: Time, event: Event) {
        let (height, instance) = (self.height.get(), self.electorate.id);
        tracing::debug!(height, ?instance, ?event, "instance");
        match &event {
            Event::RoundEntered { round, leader } => {
                self.ports.round.send_replace(Some(Round { number: *round, leader: *leader }));
            }
            Event::VoteCounted { height, round, validator } => self.sketch(*height).count(now, *round, *validator),
            Event::VoteCast { height, round, .. } => {
                if let Some(me) = self.ports.me {
                    self.sketch(*height).count(now, *round, me);
                }
            }
            Event::RoundTimedOut { round } => {
                self.ports.notice(Notice::RoundTimedOut { height: self.height, round: *round });
            }
            Event::Fatal { what } => {
                tracing::error!(height, ?instance, what, "more than a third of the voting power is faulty");
            }
            Event::Equivocated { validator, round } => {
                tracing::warn!(height, ?instance, %validator, round, "a validator equivocated");
                let (height, round, validator) = (self.height, *round, *validator);
                self.ports.notice(Notice::Equivocated { height, round, validator });
            }
            _ => {}
        }
        self.ports.metrics.protocol(
            self.ports.protocol,
            self.began.map_or(Duration::ZERO, |began| now.since(began)),
            &event,
        );
        if matches!(event, Event::Concluded { .. }) {
            // The next height of a long instance begins anew.
            self.began = None;
        }
    }
}

impl Actor for Decider {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(super::MAILBOX);
        let records = std::mem::take(&mut self.records);
        let restarted = !records.is_empty();
        self.step(Input::Begin { records, restarted }, ctx);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        if self.ports.protocol.lifetime() == Lifetime::Height {
            self.hang(self.height);
        }
        self.ports.pacemaker.insist(pacemaker::Arm { sleeper: pacemaker::Sleeper::Decider(self.life), alarm: None });
    }
}

impl Receive<Arrived> for Decider {
    type Result = ();

    fn receive(&mut self, Arrived { origin, message }: Arrived, ctx: &mut Self::Context) {
        if self.checks >= CHECKS_MAX {
            self.ports.metrics.mailbox_refused(metrics::Actor::Verifier);
            self.judge(origin, Judgement::Ignore);
            return;
        }
        self.step(Input::Arrived { origin, message }, ctx);
    }
}

impl Receive<Pull> for Decider {
    type Result = Option<Wire>;

    fn receive(&mut self, Pull { summary, budget }: Pull, ctx: &mut Self::Context) -> Option<Wire> {
        self.answers.clear();
        self.step(Input::Pull { asker: 0, summary, budget }, ctx);
        self.answers.pop()
    }
}

impl Receive<Tell> for Decider {
    type Result = ();

    fn receive(&mut self, Tell(input): Tell, ctx: &mut Self::Context) {
        self.step(input, ctx);
    }
}

impl Handler<pacemaker::Wake> for Decider {
    type Result = ();

    fn handle(&mut self, _: pacemaker::Wake, ctx: &mut Self::Context) {
        self.armed = None;
        self.step(Input::Wake, ctx);
    }
}

/// Asks what an operator may see of the instance.
#[derive(actix::Message)]
#[rtype(result = "Looked")]
pub struct Look;

/// The answer.
#[derive(MessageResponse)]
pub struct Looked(
    /// What an operator may see.
    pub View,
);

/// Asks for the picture of a height.
#[derive(actix::Message)]
#[rtype(result = "Option<Drawing>")]
pub struct Draw {
    /// Which.
    pub height: Height,
}

/// Ends the instance.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct Close;

impl Receive<Look> for Decider {
    type Result = Looked;

    fn receive(&mut self, _: Look, _: &mut Self::Context) -> Looked {
        Looked(self.seat.view())
    }
}

impl Receive<Draw> for Decider {
    type Result = Option<Drawing>;

    fn receive(&mut self, Draw { height }: Draw, _: &mut Self::Context) -> Option<Drawing> {
        self.draw(height)
    }
}

impl Receive<Close> for Decider {
    type Result = ();

    fn receive(&mut self, _: Close, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
