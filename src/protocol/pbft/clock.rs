//! The timers: one on progress, one on being heard, one for pulling. A dormant instance has none (`PB-T1`).

use super::{Pbft, Standing};
use crate::{
    protocol::{Event, Origin, Outbox, To},
    types::{Height, Time, ValidatorIndex},
};

/// When what is due.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timers {
    /// The view is given up.
    view_ends: Option<Time>,
    /// Our view change is sent again.
    say_at: Option<Time>,
    /// Somebody is asked for what we lack.
    pull_at: Option<Time>,
    /// The oldest command has been passed over for too long.
    passed_over_at: Option<Time>,
    /// When we came into the current view.
    turned_at: Time,
    next_peer: usize,
}

impl Timers {
    /// Something was decided or executed: the view gets its time anew.
    pub fn progressed(&mut self) {
        self.view_ends = None;
    }

    /// We came into another view.
    pub fn turned(&mut self, now: Time) {
        *self = Self { turned_at: now, pull_at: self.pull_at, next_peer: self.next_peer, ..Self::default() };
    }

    /// Whether any runs.
    pub fn is_running(&self) -> bool {
        self.earliest().is_some()
    }

    fn earliest(&self) -> Option<Time> {
        [self.view_ends, self.say_at, self.pull_at, self.passed_over_at].into_iter().flatten().min()
    }
}

impl Pbft {
    /// Whether something is owed to us that the view's primary must bring about (`PB-T1`).
    fn is_wanted(&self) -> bool {
        let (lowest, high) = (self.lowest_undecided(), self.marks.high());
        let is_awaited = |(height, slot): (&Height, &super::slot::Slot)| {
            *height >= lowest
                && *height <= high
                && (slot.offer.is_some() || slot.certificate.is_some() || self.is_backed(slot))
        };
        self.demand.commands_since.is_some() || self.demand.is_waited_on || self.open_slots().any(is_awaited)
    }

    /// Whether others seem to have something that we lack. One liar is enough for that: it costs a pull, no view.
    fn is_stirred(&self) -> bool {
        let is_open = |slot: &super::slot::Slot| slot.certificate.is_none() && slot.len() > 0;
        !self.turn.is_active() || self.open_slots().any(|(_, slot)| is_open(slot) || slot.lacks().is_some())
    }

    fn lowest_undecided(&self) -> Height {
        let mut height = self.marks.executed.next();
        while self.is_decided(height) {
            height = height.next();
        }
        height
    }

    /// Starts and stops timers as the state demands.
    pub(super) fn arm(&mut self) {
        let (now, fruitless) = (self.now, self.patience());
        let is_wanted = self.is_wanted();
        let is_active = self.turn.is_active();
        // A view is waited for once a quorum has left for it or gone beyond (`PB-T2`); until then we are only heard.
        let has_begun = is_active || self.backed(|power| self.setup.set.is_quorum(power)) >= Some(self.turn.view);
        let may_leave = self.setup.me.is_some() && self.standing == Standing::Member && self.first_leave().is_some();
        let runs = may_leave && has_begun && (is_wanted || !is_active);
        let ends = now.plus(self.pace.timeout(fruitless));
        self.timers.view_ends = runs.then(|| self.timers.view_ends.unwrap_or(ends));
        let says = self.takes_part().is_some() && !is_active;
        self.timers.say_at = says.then(|| self.timers.say_at.unwrap_or(now.plus(self.pace.timeout(0))));
        let pulls = is_wanted || self.is_stirred();
        self.timers.pull_at = pulls.then(|| self.timers.pull_at.unwrap_or(now.plus(self.pace.pull_interval())));
        let since = self.demand.commands_since.filter(|_| runs && is_active).map(|it| it.max(self.timers.turned_at));
        self.timers.passed_over_at = since.map(|since| since.plus(self.pace.patience(fruitless)));
    }

    pub(super) fn next_wake(&self) -> Option<Time> {
        self.timers.earliest()
    }

    pub(super) fn on_wake(&mut self, out: &mut Outbox) {
        let now = self.now;
        let is_due = |time: Option<Time>| time.is_some_and(|time| time <= now);
        if is_due(self.timers.pull_at) {
            self.timers.pull_at = None;
            self.miss_values(out);
            self.pull(out);
        }
        if is_due(self.timers.say_at) {
            self.timers.say_at = None;
            self.say_again(&To::Validators, out);
        }
        if is_due(self.timers.view_ends) || is_due(self.timers.passed_over_at) {
            self.timers.view_ends = None;
            out.tell(Event::RoundTimedOut { round: self.turn.view.get() });
            self.leave_for(self.turn.view.next(), out);
        }
    }

    /// Asks the next validator in turn; everyone starts with its own neighbour, so that not all ask the same.
    fn pull(&mut self, out: &mut Outbox) {
        let others = self.setup.set.len() - 1;
        if others > 0 {
            let me = self.setup.me.map_or(0, ValidatorIndex::position);
            let peer = (me + 1 + self.timers.next_peer % others) % (others + 1);
            self.timers.next_peer += 1;
            self.ask(ValidatorIndex::at(peer), out);
        }
    }

    pub(super) fn on_peer_up(&mut self, validator: ValidatorIndex, out: &mut Outbox) {
        self.say_again(&To::One(validator), out);
        if self.timers.is_running() {
            self.ask_out_of_turn(Origin { validator: Some(validator), ..Origin::OWN }, out);
        }
    }
}
