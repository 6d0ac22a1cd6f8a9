//! Coming back: the records of an earlier life are verified, and our own messages signed again, step by step.

use super::{
    Diff, Streamlette, Tick, Unsigned,
    journal::{self, Recovery, Step},
    turn::{Own, send},
};
use crate::{
    protocol::{self, Event, Origin, Outbox, To},
    types::{Digest, planted},
};

impl Streamlette {
    /// Takes the records of an earlier life: the numbers at once, the rest step by step.
    pub(super) fn on_begin(&mut self, records: Vec<protocol::Record>, out: &mut Outbox) {
        let own = |record| if let protocol::Record::Streamlette(record) = record { Some(record) } else { None };
        let records = records.into_iter().filter_map(own).collect();
        self.recovery = Recovery::read(records, self.setup.me);
        for (vote, lock_depth) in std::mem::take(&mut self.recovery.votes) {
            if Some(vote.tick) > self.safety.last_vote_tick() {
                self.turn.last_target = Some(vote.target);
            }
            if !planted::is("forgotten-vote") {
                self.safety.restore(vote.tick, lock_depth.filter(|_| !planted::is("forgotten-lock")));
            }
        }
        if planted::is("forgotten-lock") {
            self.recovery.steps.clear();
        }
        // After a restart we are where we last voted, or one before what we wished for.
        let wished = self.recovery.want_tick.and_then(Tick::previous);
        self.turn.tick = self.safety.last_vote_tick().max(wished).unwrap_or_default();
        let tick = self.turn.tick;
        out.tell(Event::RoundEntered { round: tick.get(), leader: self.leaders.leader(tick) });
        if let Some(tick) = self.recovery.want_tick {
            self.wish_again(tick, out);
        }
    }

    /// Takes the next step of recovery when the one before has come back.
    pub(super) fn recover(&mut self, out: &mut Outbox) {
        while self.awaited.is_none() {
            let Some(step) = self.recovery.steps.pop_front() else { return };
            match step {
                Step::Items(items) => self.awaited = self.verify_recovered(items, out),
                Step::Lead { header, payload, is_last } => {
                    if let Some(message) = journal::lead_again(&self.tree, &self.setup.set, header, payload) {
                        self.say_again(header.id(&self.setup.id), message, is_last, out);
                    }
                }
                Step::Vote { vote, is_last } => self.say_again(vote.target, Unsigned::Vote(vote), is_last, out),
            }
        }
    }

    /// Whether records of an earlier life remain to be taken in. As long as they do, the tree lacks what later ones
    /// stand on: nothing is led, and nothing is dropped for being old.
    pub(super) fn is_recovering(&self) -> bool {
        self.awaited.is_some() || !self.recovery.steps.is_empty()
    }

    fn say_again(&mut self, target: Digest, message: Unsigned, is_last: bool, out: &mut Outbox) {
        let own = Own { message, after: None };
        // What is not the last serves only to complete the tree: it is signed and handed back, but goes to nobody.
        let to = if is_last { To::Validators } else { To::Some(Vec::new()) };
        if self.takes_part().is_some() {
            send(&own, to, out);
            self.awaited = Some(target);
        }
        if is_last {
            self.turn.own_vote = Some(own);
        }
    }

    /// Ends the wait for a step of recovery when just that step has come back. Other messages of our own return at any
    /// time; a step taken too early would find nothing to stand on, and what justifies our lock would be lost (`SL-V3`).
    pub(super) fn note_return(&mut self, origin: Origin, diff: &Diff) {
        let targets = diff.items.iter().map(|item| item.vote(&self.setup.id).target);
        if origin == Origin::OWN && targets.map(Some).any(|target| target == self.awaited) {
            self.awaited = None;
        }
    }
}
