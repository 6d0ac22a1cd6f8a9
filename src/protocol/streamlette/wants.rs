//! Who wants which tick (`SL-T0`), and what that allows (`SL-T3`, `SL-T4`).

use std::sync::Arc;

use super::{message::Wish, tick::Tick};
use crate::types::{Tally, ValidatorIndex, ValidatorSet};

/// The highest wish of each validator, with its proof, so that it can be passed on.
#[derive(Clone, Debug)]
pub struct Wants {
    set: Arc<ValidatorSet>,
    highest: Vec<Option<Wish>>,
    top: Option<Tick>,
}

impl Wants {
    /// Nobody wants anything yet.
    pub fn new(set: Arc<ValidatorSet>) -> Self {
        let highest = vec![None; set.len()];
        Self { set, highest, top: None }
    }

    /// Takes a verified wish if it is higher than what its signer wanted before. Returns whether it was.
    pub fn raise(&mut self, wish: Wish) -> bool {
        let Some(slot) = self.highest.get_mut(wish.signer.position()) else { return false };
        if slot.is_some_and(|known| known.tick >= wish.tick) {
            return false;
        }
        *slot = Some(wish);
        self.top = self.top.max(Some(wish.tick));
        true
    }

    /// The highest tick that a validator is known to want.
    pub fn of(&self, validator: ValidatorIndex) -> Option<Tick> {
        self.highest.get(validator.position())?.map(|wish| wish.tick)
    }

    /// The known wishes by validator, for summaries.
    pub fn ticks(&self) -> Vec<Option<Tick>> {
        self.highest.iter().map(|wish| wish.map(|wish| wish.tick)).collect()
    }

    /// The known wishes, by ascending validator.
    pub fn iter(&self) -> impl Iterator<Item = &Wish> {
        self.highest.iter().flatten()
    }

    /// The highest tick above `floor` that a quorum wants to reach (`SL-T4`).
    pub fn quorum_above(&self, floor: Tick) -> Option<Tick> {
        self.backed_above(floor, |power| self.set.is_quorum(power))
    }

    /// The highest tick above `floor` that at least one honest validator wants to reach (`SL-T3`).
    pub fn blocking_above(&self, floor: Tick) -> Option<Tick> {
        self.backed_above(floor, |power| self.set.is_blocking(power))
    }

    fn backed_above(&self, floor: Tick, is_enough: impl Fn(Tally) -> bool) -> Option<Tick> {
        // On the fast path nobody is ahead of us, and nothing is sorted.
        if self.top <= Some(floor) {
            return None;
        }
        let mut ahead: Vec<&Wish> = self.iter().filter(|wish| wish.tick > floor).collect();
        ahead.sort_by_key(|wish| std::cmp::Reverse(wish.tick));
        let mut power = Tally::ZERO;
        ahead.into_iter().find_map(|wish| {
            power = power.plus(self.set.power(wish.signer));
            is_enough(power).then_some(wish.tick)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{CrashModel, Power, PublicKey, Signature, Validator};

    fn wants(ticks: &[u64]) -> Wants {
        let member =
            |at: usize| Validator { public_key: PublicKey::new([u8::try_from(at).unwrap(); 32]), power: Power::new(1) };
        let set = ValidatorSet::new((0..ticks.len()).map(member).collect(), CrashModel::Byzantine).unwrap();
        let mut wants = Wants::new(Arc::new(set));
        for (at, tick) in ticks.iter().enumerate() {
            wants.raise(wish(at, *tick));
        }
        wants
    }

    fn wish(at: usize, tick: u64) -> Wish {
        let signer = ValidatorIndex::at(at).unwrap();
        Wish { tick: Tick::new(tick), target: None, signer, signature: Signature::new([0; 64]) }
    }

    #[test]
    fn one_liar_far_ahead_moves_nobody() {
        let wants = wants(&[u64::MAX, 0, 0, 0]);
        assert_eq!(wants.blocking_above(Tick::ZERO), None);
        assert_eq!(wants.quorum_above(Tick::ZERO), None);
    }

    /// `SL-T3`, `SL-T4`
    #[test]
    fn two_of_four_pull_the_others_and_three_move() {
        let wants = wants(&[9, 7, 5, 0]);
        assert_eq!(wants.blocking_above(Tick::ZERO), Some(Tick::new(7)));
        assert_eq!(wants.quorum_above(Tick::ZERO), Some(Tick::new(5)));
        assert_eq!(wants.quorum_above(Tick::new(5)), None);
    }

    /// `SL-T0`
    #[test]
    fn the_highest_wish_wins() {
        let mut wants = wants(&[4]);
        assert!(!wants.raise(wish(0, 3)));
        assert!(wants.raise(wish(0, 5)));
        assert!(!wants.raise(wish(1, 5)), "strangers have no slot");
        assert_eq!(wants.ticks(), [Some(Tick::new(5))]);
    }
}
