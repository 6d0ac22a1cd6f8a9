//! The time of blocks (`OB-6`).
//!
//! Each validator's last committed proposal is one sample of the time, weighted by its power; a validator that has
//! not proposed yet counts with the time of genesis. The block's time is the least sample above which no majority of
//! the power lies (the lower weighted median), and never falls. With liars below a third, the samples of honest
//! validators lie on both sides of it: liars cannot move it past an honest sample in either direction, neither at the
//! start nor by silence.

use std::sync::Arc;

use super::super::State;
use crate::{
    store::Rows,
    types::{CrashModel, Power, PublicKey, Tally, ValidatorIndex, ValidatorSet, planted},
};

/// The samples of the validators, by index.
pub(super) struct BlockClock {
    set: Arc<ValidatorSet>,
    samples: Vec<u64>,
}

impl BlockClock {
    /// Reads the samples that are in the state.
    pub fn open(rows: &dyn Rows, set: Arc<ValidatorSet>, created_at_ms: u64) -> Self {
        let state = State::new(rows);
        if planted::is("forgotten-samples") {
            return Self { samples: vec![created_at_ms; set.len()], set };
        }
        let read = |key| state.system(&name(key)).map_or(created_at_ms, |row| decode(&row));
        let samples = set.members().iter().map(|member| read(&member.public_key)).collect();
        Self { set, samples }
    }

    /// Takes a sample. One by a stranger is ignored.
    pub fn take(&mut self, state: &mut State<'_>, proposer: ValidatorIndex, proposed_at_ms: u64) {
        if let (Some(member), Some(sample)) = (self.set.get(proposer), self.samples.get_mut(proposer.position())) {
            *sample = proposed_at_ms;
            state.put_system(&name(&member.public_key), proposed_at_ms.to_be_bytes());
        }
    }

    /// The lower weighted median of the samples.
    pub fn median(&self) -> u64 {
        let powers = self.set.members().iter().map(|member| member.power);
        let mut samples: Vec<(u64, Power)> = self.samples.iter().copied().zip(powers).collect();
        samples.sort_unstable();
        let mut above = self.set.total();
        for (sample, power) in &samples {
            above = above.minus(*power);
            if !is_majority(above, self.set.total()) {
                return *sample;
            }
        }
        unreachable!("no power lies above the greatest sample, and a set is never empty")
    }
}

/// More than half of the power, whatever the crash model.
fn is_majority(power: Tally, total: Tally) -> bool {
    power.is_quorum(total, CrashModel::Crash)
}

fn name(key: &PublicKey) -> Vec<u8> {
    [b"time/".as_slice(), key.as_bytes()].concat()
}

fn decode(row: &[u8]) -> u64 {
    u64::from_be_bytes(row.try_into().expect("samples are written by this module alone"))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{store::MemoryRows, types::Validator};

    fn clock(powers: &[u64]) -> BlockClock {
        let member = |(at, power): (usize, &u64)| Validator {
            public_key: PublicKey::new([u8::try_from(at).unwrap(); 32]),
            power: Power::new(*power),
        };
        let members = powers.iter().enumerate().map(member).collect();
        let set = Arc::new(ValidatorSet::new(members, CrashModel::Byzantine).unwrap());
        BlockClock::open(&MemoryRows::default(), set, 1000)
    }

    #[test]
    fn median_of_four_is_the_second() {
        let mut clock = clock(&[1, 1, 1, 1]);
        assert_eq!(clock.median(), 1000);
        clock.samples = vec![40, 10, 30, 20];
        assert_eq!(clock.median(), 20);
    }

    #[test]
    fn first_proposer_alone_moves_nothing() {
        let rows = MemoryRows::default();
        let mut clock = clock(&[1, 1, 1, 1]);
        clock.take(&mut State::new(&rows), ValidatorIndex::new(2), u64::MAX);
        clock.take(&mut State::new(&rows), ValidatorIndex::new(9), u64::MAX);
        assert_eq!(clock.median(), 1000);
    }

    proptest! {
        #[test]
        fn liars_below_a_third_cannot_pass_an_honest_sample(
            honest in vec((1u64..1000, any::<u64>()), 1..10),
            liars in vec((1u64..1000, any::<u64>()), 0..10),
        ) {
            let honest_power: u64 = honest.iter().map(|(power, _)| power).sum();
            let mut liars_power = 0;
            let few = liars.into_iter().take_while(|(power, _)| {
                liars_power += power;
                2 * liars_power < honest_power
            });
            let all: Vec<(u64, u64)> = honest.iter().copied().chain(few).collect();
            let mut clock = clock(&all.iter().map(|(power, _)| *power).collect::<Vec<_>>());
            clock.samples = all.iter().map(|(_, sample)| *sample).collect();
            let median = clock.median();
            prop_assert!(honest.iter().any(|(_, sample)| *sample <= median));
            prop_assert!(honest.iter().any(|(_, sample)| *sample >= median));
        }
    }
}
