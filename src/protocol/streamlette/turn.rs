//! Moving through the ticks: entering them, and what to do when nothing happens.

use bytes::Bytes;

use super::{
    Phase, Record, Streamlette, Tick, Unsigned, Want,
    leader::{segment, segment_start},
};
use crate::{
    protocol::{self, Effect, Event, Origin, Outbox, To, Token},
    types::{Digest, Time, ValidatorIndex, planted},
};

/// A message of our own, to be sent again until the tick is over.
#[derive(Clone, Debug)]
pub struct Own {
    /// What.
    pub message: Unsigned,
    /// The record that must be durable before.
    pub after: Option<Token>,
}

/// When the next things are due, while the instance is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Timer {
    tick_ends: Time,
    pull_at: Time,
}

/// Where we are.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    /// The current tick.
    pub tick: Tick,
    /// When the tick's first message came in: quorum delays are measured from here.
    pub seen_at: Option<Time>,
    /// Runs only while the instance is wanted (`SL-T5`).
    pub timer: Option<Timer>,
    /// Whether the application had nothing to propose when it was asked last.
    pub has_nothing: bool,
    /// The tick for which the application is building a payload.
    pub building: Option<Tick>,
    /// The value for this tick, once built.
    pub built: Option<(Tick, Bytes)>,
    has_timed_out: bool,
    /// Our last vote, or the message that carries it.
    pub own_vote: Option<Own>,
    own_want: Option<(Tick, Own)>,
    /// What we voted for last: it stays in the tree.
    pub last_target: Option<Digest>,
    next_peer: usize,
}

impl Streamlette {
    /// What follows from the state, after every input.
    pub(super) fn settle(&mut self, now: Time, out: &mut Outbox) {
        if !self.is_open() {
            self.turn.timer = None;
            return;
        }
        self.recover(out);
        self.advance(now, out);
        self.lead(out);
        self.vote(out);
        self.arm(now);
    }

    /// The only ways forward: a notarized message (`SL-T1`) and the wishes of a quorum (`SL-T4`); and joining those
    /// whom at least one honest replica joined (`SL-T3`).
    fn advance(&mut self, now: Time, out: &mut Outbox) {
        if let Some(notarized) = self.tree.notarized_tick().filter(|tick| *tick >= self.turn.tick) {
            if let Some(seen_at) = self.turn.seen_at.filter(|_| notarized == self.turn.tick) {
                let quorum_delay = self.pace.measure(now.since(seen_at));
                out.act(Effect::Measured { quorum_delay });
            }
            self.enter(now, notarized.next(), out);
        }
        if let Some(tick) = self.wants.quorum_above(self.turn.tick) {
            self.enter(now, tick, out);
        }
        let own = self.turn.own_want.as_ref().map_or(self.turn.tick, |(tick, _)| self.turn.tick.max(*tick));
        if let Some(tick) = self.wants.blocking_above(own) {
            self.wish(tick, out);
        }
    }

    fn enter(&mut self, now: Time, tick: Tick, out: &mut Outbox) {
        self.turn.tick = tick;
        self.turn.seen_at = self.tree.of_tick(tick).first().map(|_| now);
        self.turn.has_timed_out = false;
        self.turn.has_nothing = false;
        self.restart_tick_timer(now);
        if !self.is_recovering() {
            self.tree.prune(tick, self.turn.last_target);
        }
        self.desk.prune(tick);
        out.tell(Event::RoundEntered { round: tick.get(), leader: self.leaders.leader(tick) });
    }

    fn restart_tick_timer(&mut self, now: Time) {
        let ends = now.plus(self.pace.tick_timeout(self.idle_segments()));
        if let Some(timer) = &mut self.turn.timer {
            timer.tick_ends = ends;
        }
    }

    fn idle_segments(&self) -> u64 {
        segment(self.turn.tick) - self.tree.notarized_tick().map_or(0, segment).min(segment(self.turn.tick))
    }

    pub(super) fn on_wake(&mut self, now: Time, out: &mut Outbox) {
        let Some(timer) = self.turn.timer else { return };
        if now >= timer.pull_at {
            self.pull(now, out);
        }
        if now >= timer.tick_ends {
            self.on_tick_ended(now, out);
        }
    }

    /// Asks the next validator in turn, and the application again where it could not tell.
    fn pull(&mut self, now: Time, out: &mut Outbox) {
        let me = self.setup.me.map_or(0, ValidatorIndex::position);
        let others = self.setup.set.len() - 1;
        if others > 0 {
            // Everyone starts with its own neighbour, so that not all ask the same.
            let peer = (me + 1 + self.turn.next_peer % others) % (others + 1);
            self.ask(ValidatorIndex::at(peer), out);
            self.turn.next_peer += 1;
        }
        self.ask_undecided();
        if let Some(timer) = &mut self.turn.timer {
            timer.pull_at = now.plus(self.pace.pull_interval());
        }
    }

    /// The deadline of the tick: wish to go on, stay, go on voting, and say everything once more (`SL-T2`).
    fn on_tick_ended(&mut self, now: Time, out: &mut Outbox) {
        let tick = self.turn.tick;
        if !std::mem::replace(&mut self.turn.has_timed_out, true) {
            out.tell(Event::RoundTimedOut { round: tick.get() });
        }
        self.turn.has_nothing = false;
        self.turn.building = None;
        // Checks that have not come back by now are not waited for any longer.
        self.desk.land_all();
        let held = self.desk.release_all();
        self.reconsider_votes(held, true, out);
        self.reconsider(out);
        let end = segment_start(segment(tick).saturating_add(1));
        let is_silent = !self.tree.has_any_between(segment_start(segment(tick)), end);
        self.send_again(&To::Validators, out);
        self.wish(if is_silent { end } else { tick.next() }, out);
        self.restart_tick_timer(now);
    }

    /// Wishes durably to go on to a tick, unless it or more was wished for before.
    fn wish(&mut self, tick: Tick, out: &mut Outbox) {
        if self.takes_part().is_none() || self.turn.own_want.as_ref().is_some_and(|(known, _)| *known >= tick) {
            return;
        }
        let after = Some(self.persist(Record::Want { tick }, out));
        let after = after.filter(|_| !planted::is("wish-before-durable"));
        let own = Own { message: Unsigned::Want(Want { tick }), after };
        send(&own, To::Validators, out);
        self.turn.own_want = Some((tick, own));
    }

    /// Says again what was said before a restart.
    pub(super) fn wish_again(&mut self, tick: Tick, out: &mut Outbox) {
        if self.takes_part().is_some() {
            let own = Own { message: Unsigned::Want(Want { tick }), after: None };
            send(&own, To::Validators, out);
            self.turn.own_want = Some((tick, own));
        }
    }

    fn send_again(&self, to: &To, out: &mut Outbox) {
        let want = self.turn.own_want.as_ref().map(|(_, own)| own);
        for own in self.turn.own_vote.iter().chain(want).filter(|_| self.takes_part().is_some()) {
            send(own, to.clone(), out);
        }
    }

    pub(super) fn on_peer_up(&mut self, now: Time, validator: ValidatorIndex, out: &mut Outbox) {
        if self.is_open() && self.turn.timer.is_some() {
            self.send_again(&To::One(validator), out);
            self.ask_out_of_turn(now, Origin { validator: Some(validator), ..Origin::OWN }, out);
        }
    }

    fn is_wanted(&self, now: Time) -> bool {
        let demand = &self.demand;
        let has_waited = self.waits_until().is_some_and(|until| until <= now);
        self.is_lowest() && (demand.is_stirred || demand.is_waited_on || has_waited)
    }

    fn is_lowest(&self) -> bool {
        self.demand.executed.next() >= self.setup.height
    }

    fn waits_until(&self) -> Option<Time> {
        self.demand.commands_since.map(|since| since.plus(self.pace.forward_after()))
    }

    fn arm(&mut self, now: Time) {
        if !self.is_wanted(now) {
            self.turn.timer = None;
        } else if self.turn.timer.is_none() {
            let tick_ends = now.plus(self.pace.tick_timeout(self.idle_segments()));
            self.turn.timer = Some(Timer { tick_ends, pull_at: now.plus(self.pace.pull_interval()) });
        }
    }

    pub(super) fn next_wake(&self) -> Option<Time> {
        match (&self.phase, self.turn.timer) {
            (Phase::Open, Some(timer)) => Some(timer.tick_ends.min(timer.pull_at)),
            (Phase::Open, None) if self.is_lowest() => self.waits_until(),
            _ => None,
        }
    }
}

/// Sends something of our own, after its record.
pub fn send(own: &Own, to: To, out: &mut Outbox) {
    let message = protocol::Unsigned::Streamlette(own.message.clone());
    out.act(Effect::Send { to, message, after: own.after });
}
