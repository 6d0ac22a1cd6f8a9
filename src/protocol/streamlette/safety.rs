//! The two numbers that carry safety (`SL-V1`).

use super::tick::{Depth, Tick};
use crate::types::planted;

/// What restricts the next vote. Must be durable before a vote leaves (`SL-V2`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Safety {
    last_vote_tick: Option<Tick>,
    lock_depth: Option<Depth>,
}

impl Safety {
    /// Whether a message of `tick` below a parent of `parent_depth` (`None`: the virtual genesis) may be voted for:
    /// ticks of votes strictly ascend, and votes never fall below the deepest parent voted for (`SL-V1`).
    pub fn may_vote(&self, tick: Tick, parent_depth: Option<Depth>) -> bool {
        (Some(tick) > self.last_vote_tick || planted::is("late-voting")) && parent_depth >= self.lock_depth
    }

    /// Takes note of a vote.
    ///
    /// # Panics
    /// If the vote was not allowed: counting on a broken rule would be worse than stopping.
    pub fn note(&mut self, tick: Tick, parent_depth: Option<Depth>) {
        assert!(self.may_vote(tick, parent_depth), "SL-V1 forbids this vote");
        self.restore(tick, parent_depth);
    }

    /// Takes the numbers of a durable record. Records only ever raise them.
    pub fn restore(&mut self, last_vote_tick: Tick, lock_depth: Option<Depth>) {
        self.last_vote_tick = self.last_vote_tick.max(Some(last_vote_tick));
        self.lock_depth = self.lock_depth.max(lock_depth);
    }

    /// The tick of the last vote.
    pub fn last_vote_tick(&self) -> Option<Tick> {
        self.last_vote_tick
    }

    /// The depth of the deepest parent voted for.
    pub fn lock_depth(&self) -> Option<Depth> {
        self.lock_depth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_second_vote_in_tick_and_older_ticks() {
        let mut safety = Safety::default();
        assert!(safety.may_vote(Tick::ZERO, None));
        safety.note(Tick::new(3), None);
        assert!(!safety.may_vote(Tick::new(3), None));
        assert!(!safety.may_vote(Tick::new(2), Some(Depth::new(9))));
        assert!(safety.may_vote(Tick::new(4), None));
    }

    #[test]
    fn refuses_parents_above_the_lock() {
        let mut safety = Safety::default();
        safety.note(Tick::new(1), Some(Depth::new(2)));
        assert!(!safety.may_vote(Tick::new(2), Some(Depth::new(1))));
        assert!(!safety.may_vote(Tick::new(2), None));
        assert!(safety.may_vote(Tick::new(2), Some(Depth::new(2))));
    }

    #[test]
    #[should_panic(expected = "SL-V1")]
    fn panics_rather_than_note_a_forbidden_vote() {
        let mut safety = Safety::default();
        safety.note(Tick::ZERO, None);
        safety.note(Tick::ZERO, None);
    }
}
