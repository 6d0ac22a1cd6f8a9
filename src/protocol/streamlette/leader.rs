//! Who leads which tick (`SL-L1`).
//!
//! The owner of the height leads ticks 0 and 1, enough for a decision. From then on every leader has a segment of
//! five ticks, in the order of a weighted permutation drawn from the instance id, repeated for ever. Five in a row
//! let one honest leader decide alone: it may lose two ticks to what its predecessor left behind.

use std::{cell::OnceCell, sync::Arc};

use super::tick::Tick;
use crate::{
    crypto::Transcript,
    types::{Digest, Tally, ValidatorIndex, ValidatorSet},
};

/// Ticks led by the owner.
const OWNER_TICKS: u64 = 2;
/// Ticks of each later segment.
const SEGMENT_TICKS: u64 = 5;

/// The number of the run of ticks under one leader; the owner's is 0.
pub fn segment(tick: Tick) -> u64 {
    match tick.get().checked_sub(OWNER_TICKS) {
        None => 0,
        Some(later) => 1 + later / SEGMENT_TICKS,
    }
}

/// The first tick of a segment; saturates.
pub fn segment_start(segment: u64) -> Tick {
    match segment.checked_sub(1) {
        None => Tick::ZERO,
        Some(later) => Tick::new(later.saturating_mul(SEGMENT_TICKS).saturating_add(OWNER_TICKS)),
    }
}

/// The leaders of an instance: public, equal for everyone who knows the id and the set.
#[derive(Clone, Debug)]
pub struct Leaders {
    id: Digest,
    set: Arc<ValidatorSet>,
    owner: ValidatorIndex,
    order: OnceCell<Vec<ValidatorIndex>>,
}

impl Leaders {
    /// The leaders of the instance `id`.
    pub fn new(id: Digest, set: Arc<ValidatorSet>, owner: ValidatorIndex) -> Self {
        Self { id, set, owner, order: OnceCell::new() }
    }

    /// Who leads a tick. The permutation is drawn when a tick beyond the owner's is asked for the first time.
    ///
    /// # Panics
    /// Never: a set has between one and 1,024 members.
    pub fn leader(&self, tick: Tick) -> ValidatorIndex {
        let Some(turn) = segment(tick).checked_sub(1) else { return self.owner };
        let order = self.order.get_or_init(|| permutation(&self.id, &self.set));
        let members = u64::try_from(order.len()).expect("at most 1,024 members");
        order[usize::try_from(turn % members).expect("below 1,024")]
    }
}

/// Draws members without replacement, each with a chance proportional to its power.
fn permutation(id: &Digest, set: &ValidatorSet) -> Vec<ValidatorIndex> {
    let mut words = Transcript::new("thalweg streamlette leaders v1").digest(id).stream();
    let mut rest: Vec<ValidatorIndex> = set.indices().collect();
    let mut total = set.total();
    let mut order = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        let point = below(total.get(), &mut words);
        let mut sum = Tally::ZERO;
        let drawn = rest.iter().position(|index| {
            sum = sum.plus(set.power(*index));
            sum.get() > point
        });
        let index = rest.remove(drawn.expect("the point lies below the sum of what is left"));
        total = total.minus(set.power(index));
        order.push(index);
    }
    order
}

/// A number below `bound`, exactly uniform: draws that fall beyond are drawn again.
fn below(bound: u128, words: &mut impl Iterator<Item = u64>) -> u128 {
    let mask = u128::MAX >> (bound - 1).leading_zeros().min(127);
    loop {
        let mut word = || u128::from(words.next().expect("the stream is endless"));
        let point = (word() << 64 | word()) & mask;
        if point < bound {
            return point;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{CrashModel, Power, PublicKey, Validator};

    fn set(powers: &[u64]) -> Arc<ValidatorSet> {
        let member = |(at, power): (usize, &u64)| Validator {
            public_key: PublicKey::new([u8::try_from(at).unwrap(); 32]),
            power: Power::new(*power),
        };
        Arc::new(ValidatorSet::new(powers.iter().enumerate().map(member).collect(), CrashModel::Byzantine).unwrap())
    }

    fn leaders(seed: u8, powers: &[u64]) -> Leaders {
        Leaders::new(Digest::new([seed; 32]), set(powers), ValidatorIndex::new(0))
    }

    #[test]
    fn segments_partition_the_ticks() {
        assert_eq!([0, 1, 2, 6, 7, 11, 12].map(|tick| segment(Tick::new(tick))), [0, 0, 1, 1, 2, 2, 3]);
        for number in 0..50 {
            let start = segment_start(number);
            assert_eq!(segment(start), number);
            assert!(start.previous().is_none_or(|before| segment(before) + 1 == number));
        }
        assert_eq!(segment_start(u64::MAX), Tick::new(u64::MAX));
    }

    /// `SL-L1`
    #[test]
    fn owner_leads_first_and_then_everyone_in_turn() {
        let leaders = leaders(3, &[1, 5, 2, 9]);
        assert_eq!(leaders.leader(Tick::ZERO), ValidatorIndex::new(0));
        assert_eq!(leaders.leader(Tick::new(1)), ValidatorIndex::new(0));
        let turn = |from: u64| (from..from + 4).map(|n| leaders.leader(segment_start(n))).collect::<Vec<_>>();
        let mut first = turn(1);
        assert_eq!(first, turn(5), "the permutation repeats");
        first.sort();
        assert_eq!(first, set(&[1; 4]).indices().collect::<Vec<_>>(), "everyone leads once in a turn");
        for tick in 2..7 {
            assert_eq!(leaders.leader(Tick::new(tick)), leaders.leader(Tick::new(2)), "five ticks in a row");
        }
    }

    #[test]
    fn the_first_place_follows_power() {
        let mut first = [0u32; 3];
        for seed in 0..=255 {
            first[leaders(seed, &[1, 2, 5]).leader(Tick::new(2)).position()] += 1;
        }
        // Expected 32, 64 and 160 of 256; five standard deviations on each side.
        assert!((6..58).contains(&first[0]), "{first:?}");
        assert!((30..98).contains(&first[1]), "{first:?}");
        assert!((121..199).contains(&first[2]), "{first:?}");
    }

    #[test]
    fn extreme_powers_neither_overflow_nor_hang() {
        assert_eq!(permutation(&Digest::new([1; 32]), &set(&[u64::MAX; 5])).len(), 5);
        assert_eq!(permutation(&Digest::new([1; 32]), &set(&[1])), [ValidatorIndex::new(0)]);
    }
}
