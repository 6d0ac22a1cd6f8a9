//! PBFT: many decisions in one long instance, led by one primary for as long as it does its work.
//!
//! The rules, their ids, the safety argument, deviations and limits are in [`spec`]. This file holds the state and the
//! step; each part of the work has a file of its own: `screen` decides what of an arrived message is worth a check,
//! `absorb` takes in what is verified, `cast` proposes, votes and decides, `turn` changes views, `clock` runs the
//! timers, `serve` answers others, `recover` comes back after a crash, `oblivion` without a memory.
//!
//! Called by a [`crate::protocol::seat::Seat`], never directly by anything that does I/O.

pub mod spec;

mod absorb;
mod cast;
mod certificate;
mod change;
mod clock;
mod evidence;
mod graphviz;
mod journal;
mod marks;
mod message;
mod number;
mod oblivion;
mod pace;
mod picture;
mod recover;
mod screen;
mod serve;
mod slot;
mod summary;
mod turn;
mod vote;

use std::collections::{BTreeMap, BTreeSet};

pub use certificate::Certificate;
pub use change::{CLAIMS_MAX, Change, NewView, Opening, Plan, ViewChange};
pub use evidence::Evidence;
pub use journal::Record;
pub use message::{Account, Diff, Draft, ITEMS_MAX, Message, PrePrepare, Unsigned, VOTES_MAX};
pub use number::ViewNumber;
pub use summary::{Known, Summary};
pub use vote::{Phase, Proof, Proposal, Vote};

use self::{clock::Timers, marks::Marks, oblivion::Oblivion, pace::Pace, slot::Slot, turn::Turn};
use super::{Effect, Electorate, Input, Instance, Judgement, Outbox, Picture, Rejection, Setup, To, Token, View};
use crate::types::{Bitmap, Height, Time, ValidatorIndex, codec, planted};

/// What is wanted of this instance.
#[derive(Clone, Copy, Debug, Default)]
struct Demand {
    commands_since: Option<Time>,
    is_waited_on: bool,
}

/// Whether we have a say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    /// Yes, if we are a member.
    Member,
    /// Not before our own records have been verified.
    Recovering,
    /// Not any more: we were told to stop, or our own records do not hold.
    Retired,
}

/// An instance of PBFT.
#[derive(Clone, Debug)]
pub struct Pbft {
    setup: Setup,
    now: Time,
    electorate: Electorate,
    marks: Marks,
    slots: BTreeMap<Height, Slot>,
    turn: Turn,
    /// The view change to the highest view of each validator, verified.
    changes: Vec<Option<ViewChange>>,
    demand: Demand,
    timers: Timers,
    pace: Pace,
    standing: Standing,
    /// What an earlier life may have said.
    oblivion: Option<Oblivion>,
    /// The slot for which something to propose was asked, and whether there was nothing.
    building: Option<super::Slot>,
    has_nothing: bool,
    /// Validators whose double statements have been reported.
    exposed: Bitmap,
    last_token: Token,
    /// When each validator was last asked out of turn.
    last_asked: Vec<Option<Time>>,
    /// From whom something large is being checked: one of each.
    flying: BTreeSet<Option<ValidatorIndex>>,
    is_finished: bool,
}

impl Pbft {
    /// A new instance, before its first input.
    pub fn new(setup: Setup) -> Self {
        let count = setup.set.len();
        Self {
            now: Time::ZERO,
            electorate: Electorate { id: setup.id, set: setup.set.clone() },
            marks: Marks::new(setup.height),
            slots: BTreeMap::new(),
            turn: Turn::new(setup.height.minus(1)),
            changes: vec![None; count],
            demand: Demand::default(),
            timers: Timers::default(),
            pace: Pace::new(setup.timing),
            standing: Standing::Member,
            oblivion: Oblivion::of(setup.forgotten),
            building: None,
            has_nothing: false,
            exposed: Bitmap::default(),
            last_token: Token::default(),
            last_asked: vec![None; count],
            flying: BTreeSet::new(),
            is_finished: false,
            setup,
        }
    }

    /// Whether votes, proposals and view changes of our own may be made.
    fn takes_part(&self) -> Option<ValidatorIndex> {
        self.setup.me.filter(|_| self.standing == Standing::Member && !self.is_oblivious())
    }

    /// Whether anything of ours must be remembered. A journal that holds a record is that of one who remembers all.
    fn keeps_record(&self) -> bool {
        self.setup.me.is_some() && !self.is_oblivious()
    }

    fn primary(&self) -> ValidatorIndex {
        self.turn.view.primary(&self.setup.set)
    }

    /// Whether nothing is left to be done for a height.
    fn is_decided(&self, height: Height) -> bool {
        height <= self.marks.executed || self.slots.get(&height).is_some_and(|slot| slot.certificate.is_some())
    }

    /// The heights that are not executed, as far as something of them is here.
    fn open_slots(&self) -> impl Iterator<Item = (&Height, &Slot)> {
        self.slots.range(self.marks.executed.next()..)
    }

    fn persist(&mut self, record: Record, out: &mut Outbox) {
        self.last_token = Token(self.last_token.0 + 1);
        out.act(Effect::Persist { token: self.last_token, record: super::Record::Pbft(record) });
    }

    /// Says something, once everything that was written before is durable (`PB-D1`).
    fn send(&self, to: To, message: Unsigned, out: &mut Outbox) {
        let after = Some(self.last_token).filter(|_| !planted::is("pbft-send-before-durable"));
        out.act(Effect::Send { to, message: super::Unsigned::Pbft(message), after });
    }

    fn on_executed(&mut self, height: Height) {
        if height <= self.marks.executed {
            return;
        }
        for (_, slot) in self.slots.range_mut(..=height) {
            slot.close();
        }
        self.marks.executed = height;
        self.timers.progressed();
        self.ask_undecided();
    }

    /// The low mark rises (`PB-M2`): what stands for the forgotten is written first.
    fn on_stable(&mut self, height: Height, proof: &[u8], out: &mut Outbox) {
        let Ok(stable) = codec::decode::<super::StableCheckpoint>(proof) else { return };
        if height <= self.marks.low || stable.checkpoint.height != height {
            return;
        }
        self.marks.low = height;
        self.marks.stable = Some(stable);
        self.slots = self.slots.split_off(&height.next());
        if let Some(record) = self.turn.record(height.next()).filter(|_| self.keeps_record()) {
            self.persist(record, out);
        }
        out.act(Effect::Forget { below: height.next() });
    }

    /// Synchronisation went past a height: its certificate is as good as ours.
    fn on_closed(&mut self, height: Height, certificate: super::Certificate) {
        let super::Certificate::Pbft(certificate) = certificate else { return };
        if height <= self.marks.low || height > self.marks.ceiling() || certificate.proposal.height != height {
            return;
        }
        let slot = self.slots.entry(height).or_default();
        slot.prepare(certificate.proposal, certificate.proof());
        slot.certificate.get_or_insert(certificate);
        slot.is_told = true;
    }

    /// Does whatever the present state calls for.
    fn settle(&mut self, out: &mut Outbox) {
        if self.standing != Standing::Recovering {
            self.bound_oblivion();
            self.join(out);
            self.open_view(out);
            self.vote(out);
            self.decide(out);
            self.lead(out);
        }
        self.arm();
        if self.marks.is_finished() && !std::mem::replace(&mut self.is_finished, true) {
            out.act(Effect::Finished);
        }
    }
}

impl Instance for Pbft {
    fn step(&mut self, now: Time, input: Input, out: &mut Outbox) {
        self.now = now;
        match input {
            Input::Begin { records, .. } => self.on_begin(records, out),
            Input::Arrived { origin, message: super::Message::Pbft(message) } => {
                self.on_arrived(origin, message, out);
            }
            Input::Message { origin, message } => {
                if let Some(message) = message.filter_map(super::Message::pbft) {
                    self.on_verified(origin, message.into_inner().into_diff(), out);
                }
            }
            Input::Refused { origin, .. } => self.on_refused(origin, out),
            Input::Wake => self.on_wake(out),
            Input::Demand { commands_since, waited_on } => {
                self.demand = Demand { commands_since, is_waited_on: waited_on };
                self.has_nothing = false;
            }
            Input::Payload { slot, payload } => self.on_payload(slot, payload, out),
            Input::Verdict { id, verdict } => self.on_verdict(&id, verdict),
            Input::Executed { height } => self.on_executed(height),
            Input::Horizon { last_height, epoch_end } => self.marks.set_horizon(last_height, epoch_end),
            Input::Stable { height, proof } => self.on_stable(height, &proof, out),
            Input::Closed { height, certificate } => self.on_closed(height, certificate),
            Input::Pull { asker, summary: super::Summary::Pbft(summary), budget } => {
                self.on_pull(asker, &summary, budget, out);
            }
            Input::PeerUp { validator } => self.on_peer_up(validator, out),
            Input::Retire => self.standing = Standing::Retired,
            // Nobody honest sends what belongs to another protocol here.
            Input::Arrived { origin, .. } => out.judge(origin, Judgement::Reject(Rejection::ForeignInstance)),
            // `Durable` is the seat's business; missing values are pulled, not fetched.
            Input::Durable(_) | Input::Pull { .. } | Input::Body { .. } => {}
        }
        self.settle(out);
    }

    fn deadline(&self) -> Option<Time> {
        self.next_wake()
    }

    fn view(&self) -> View {
        let lowest = self.marks.executed.next();
        let voters = self.slots.get(&lowest).map(|slot| slot.voters(Phase::Prepare));
        View {
            round: self.turn.view.get(),
            leader: Some(self.primary()),
            is_wanted: self.timers.is_running(),
            voters: voters.iter().flat_map(Bitmap::iter).collect(),
            is_decided: self.is_finished,
            messages: self.slots.values().map(Slot::len).sum::<usize>() + self.changes.iter().flatten().count(),
            unverified: self.flying.len(),
            next_leader: Some(self.turn.view.next().primary(&self.setup.set)),
        }
    }

    fn graphviz(&self) -> String {
        graphviz::draw(self)
    }

    fn picture(&self, height: Height) -> Option<Picture> {
        let message = picture::draw(self, height)?;
        Some(Picture {
            round: self.turn.view.get(),
            leader: Some(self.primary()),
            is_decided: message.is_decided,
            messages: vec![message],
            messages_left_out: 0,
        })
    }
}
