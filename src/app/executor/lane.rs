//! Who owns which height: the validators in turn, each with a lane of its own, without those that keep failing.
//!
//! Rule `OB-3`. An owner fails its turn when what was decided was not proposed in the first round; that is agreed on,
//! for a decided root is. After k failures in a row a validator is skipped for 2^k turns, at most [`TURNS_MAX`]; one
//! success clears. What is executed at a height takes effect `window + 1` heights later (`OB-1`): until then owners
//! are fixed, so whoever asks at any executed height from there on gets the same answer. Skipped turns go round among
//! the others.
//!
//! Why a liar gains nothing: it can fail only its own turns, or delay votes for those of others until these are
//! skipped; but never does the power that is skipped at once pass a third, so honest validators keep lanes, and a
//! skipped one still votes, and leads later rounds.
//! Limits: a validator's lane has one gap for each failure within a window.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::State;
use crate::{
    store::Rows,
    types::{CrashModel, Height, PublicKey, Tally, ValidatorIndex, ValidatorSet, codec},
};

/// The most turns for which a validator is skipped before it is tried again.
const TURNS_MAX: u64 = 256;

/// Heights, both included, in which a validator has no turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Gap {
    from: Height,
    until: Height,
}

impl Gap {
    fn meets(&self, other: &Self) -> bool {
        self.from <= other.until && other.from <= self.until
    }
}

/// One validator's lane; the row in the state.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Lane {
    /// Turns failed in a row.
    failures: u32,
    /// Ascending, those that are not over yet.
    gaps: Vec<Gap>,
}

/// The lanes of all validators, by index.
pub(super) struct Lanes {
    set: Arc<ValidatorSet>,
    window: u64,
    lanes: Vec<Lane>,
}

impl Lanes {
    /// Reads what is in the state.
    pub fn open(rows: &dyn Rows, set: Arc<ValidatorSet>, window: u64) -> Self {
        let state = State::new(rows);
        let read = |key| state.system(&name(key)).map_or_else(Lane::default, |row| decode(&row));
        let lanes = set.members().iter().map(|member| read(&member.public_key)).collect();
        Self { set, window, lanes }
    }

    /// Who leads the first rounds of a height, at most `window + 1` above what has been executed.
    ///
    /// # Panics
    /// Never: a set has between one and 1,024 members, and never are all of them skipped.
    pub fn owner(&self, height: Height) -> ValidatorIndex {
        let turn = |turn: u64, members: &[ValidatorIndex]| {
            let count = u64::try_from(members.len()).expect("at most 1,024 members");
            members[usize::try_from(turn % count).expect("below 1,024")]
        };
        let all: Vec<ValidatorIndex> = self.set.indices().collect();
        let owner = turn(height.get(), &all);
        if !self.is_skipped(owner, height) {
            return owner;
        }
        let others: Vec<ValidatorIndex> = all.into_iter().filter(|other| !self.is_skipped(*other, height)).collect();
        turn(height.get() / self.round(), &others)
    }

    /// Notes how a height's owner did. Returns the owner if it failed.
    pub fn on_executed(&mut self, state: &mut State<'_>, height: Height, is_in_turn: bool) -> Option<ValidatorIndex> {
        let owner = self.owner(height);
        let before = self.lanes[owner.position()].clone();
        if is_in_turn {
            self.clear(owner, height);
        } else {
            self.fail(owner, height);
        }
        let lane = &mut self.lanes[owner.position()];
        if *lane != before {
            lane.gaps.retain(|gap| gap.until > height);
            let key = name(&self.set.members()[owner.position()].public_key);
            if *lane == Lane::default() {
                state.delete_system(&key);
            } else {
                state.put_system(&key, codec::encode(lane));
            }
        }
        (!is_in_turn).then_some(owner)
    }

    fn fail(&mut self, owner: ValidatorIndex, height: Height) {
        let failures = &mut self.lanes[owner.position()].failures;
        *failures = failures.saturating_add(1);
        let turns = 1u64.checked_shl(*failures).map_or(TURNS_MAX, |turns| turns.min(TURNS_MAX));
        let last_fixed = height.plus(self.window);
        let gap = Gap { from: last_fixed.next(), until: last_fixed.plus(self.round().saturating_mul(turns)) };
        if self.may_skip(owner, gap) {
            self.lanes[owner.position()].gaps.push(gap);
        }
    }

    /// Ends gaps where owners are not fixed yet.
    fn clear(&mut self, owner: ValidatorIndex, height: Height) {
        let last_fixed = height.plus(self.window);
        let lane = &mut self.lanes[owner.position()];
        lane.failures = 0;
        lane.gaps.retain(|gap| gap.from <= last_fixed);
        lane.gaps.iter_mut().for_each(|gap| gap.until = gap.until.min(last_fixed));
    }

    /// Whether no more than a third of the power would be skipped at once.
    fn may_skip(&self, owner: ValidatorIndex, gap: Gap) -> bool {
        let meets = |other: &ValidatorIndex| self.lanes[other.position()].gaps.iter().any(|it| it.meets(&gap));
        let skipped = self.set.indices().filter(|other| *other == owner || meets(other));
        let power = skipped.fold(Tally::ZERO, |sum, index| sum.plus(self.set.power(index)));
        // A third whatever the crash model: a lane costs little, and all of them must never be gone.
        !power.is_blocking(self.set.total(), CrashModel::Byzantine)
    }

    fn is_skipped(&self, validator: ValidatorIndex, height: Height) -> bool {
        self.lanes[validator.position()].gaps.iter().any(|gap| gap.from <= height && height <= gap.until)
    }

    /// How many heights it takes for everyone to have had a turn.
    fn round(&self) -> u64 {
        u64::try_from(self.set.len()).expect("at most 1,024 members")
    }
}

fn name(key: &PublicKey) -> Vec<u8> {
    [b"lane/".as_slice(), key.as_bytes()].concat()
}

fn decode(row: &[u8]) -> Lane {
    codec::decode(row).expect("lanes are written by this module alone")
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{
        store::MemoryRows,
        types::{Power, Validator},
    };

    fn set(powers: &[u64]) -> Arc<ValidatorSet> {
        let member = |(at, power): (usize, &u64)| Validator {
            public_key: PublicKey::new([u8::try_from(at).unwrap(); 32]),
            power: Power::new(*power),
        };
        Arc::new(ValidatorSet::new(powers.iter().enumerate().map(member).collect(), CrashModel::Byzantine).unwrap())
    }

    /// Lanes with the store they live in.
    struct Road {
        rows: MemoryRows,
        lanes: Lanes,
        executed: u64,
    }

    impl Road {
        fn new(powers: &[u64], window: u64) -> Self {
            let rows = MemoryRows::default();
            let lanes = Lanes::open(&rows, set(powers), window);
            Self { rows, lanes, executed: 0 }
        }

        fn owner(&self, height: u64) -> u16 {
            self.lanes.owner(Height::new(height)).get()
        }

        /// Executes the next height, whose owner succeeds unless it is down.
        fn run_to(&mut self, height: u64, down: &[u16]) {
            while self.executed < height {
                self.run(down);
            }
        }

        fn run(&mut self, down: &[u16]) -> Option<u16> {
            self.executed += 1;
            let height = Height::new(self.executed);
            let is_in_turn = !down.contains(&self.owner(self.executed));
            let mut state = State::new(&self.rows);
            let missed = self.lanes.on_executed(&mut state, height, is_in_turn);
            let (_, changes) = state.finish();
            self.rows.apply(changes);
            missed.map(ValidatorIndex::get)
        }

        fn reopened(&self) -> Lanes {
            Lanes::open(&self.rows, self.lanes.set.clone(), self.lanes.window)
        }
    }

    #[test]
    fn everyone_has_a_turn() {
        let mut road = Road::new(&[1; 4], 2);
        let owners: Vec<u16> = (0..8).map(|height| road.owner(height)).collect();
        assert_eq!(owners, [0, 1, 2, 3, 0, 1, 2, 3]);
        assert!((0..100).all(|_| road.run(&[]).is_none()));
        assert_eq!(road.rows, MemoryRows::default(), "an even road leaves no rows");
    }

    /// `OB-3`
    #[test]
    fn skips_a_dead_owner_for_twice_as_long_each_time_it_is_tried() {
        let mut road = Road::new(&[1; 4], 1);
        let missed: Vec<u64> = (1..=800).filter(|_| road.run(&[1]).is_some()).collect();
        let pauses: Vec<u64> = missed.windows(2).map(|pair| (pair[1] - pair[0]) / 4).collect();
        assert_eq!(pauses[..6], [3, 5, 9, 17, 33, 65]);
        assert_eq!(missed[0], 1);
    }

    #[test]
    fn skipped_turns_go_round_among_the_others() {
        let mut road = Road::new(&[1; 4], 1);
        road.run_to(120, &[1]);
        let mut turns = [0; 4];
        (101..=112).for_each(|height| turns[usize::from(road.owner(height))] += 1);
        assert_eq!(turns, [4, 0, 4, 4]);
    }

    #[test]
    fn one_success_gives_a_lane_back() {
        let mut road = Road::new(&[1; 4], 1);
        // Failed at 1 and, when it was tried again, at 13; then from 33 on it is well.
        road.run_to(20, &[1]);
        (21..=40).for_each(|_| assert_eq!(road.run(&[]), None));
        assert_eq!(road.owner(41), 1);
        assert_eq!(road.run(&[1]), Some(1));
        let again = (43..).find(|height| road.owner(*height) == 1);
        assert_eq!(again, Some(53), "skipped for two turns only, not for eight");
    }

    #[test]
    fn never_skips_more_than_a_third_of_the_power() {
        let mut road = Road::new(&[1, 1, 1, 1, 1, 1, 1], 3);
        for _ in 0..2_000 {
            road.run(&[1, 2, 3]);
            let ahead = Height::new(road.executed + 4);
            let skipped = road.lanes.set.indices().filter(|index| road.lanes.is_skipped(*index, ahead)).count();
            assert!(skipped <= 2, "{skipped} of 7 at {ahead}");
        }
    }

    proptest! {
        #[test]
        fn owners_are_fixed_a_window_ahead_and_survive_a_restart(
            window in 1u64..12,
            outages in vec(vec(0u16..5, 0..3), 1..80),
        ) {
            let mut road = Road::new(&[3, 1, 2, 1, 4], window);
            let mut fixed: Vec<u16> = (0..=window + 1).map(|height| road.owner(height)).collect();
            for down in outages.iter().cycle().take(300) {
                road.run(down);
                let reopened = road.reopened();
                for height in road.executed + 1..=road.executed + window {
                    let owner = fixed[usize::try_from(height).unwrap()];
                    prop_assert_eq!(road.owner(height), owner, "{} after {}", height, road.executed);
                    prop_assert_eq!(reopened.owner(Height::new(height)).get(), owner);
                }
                let next = road.executed + window + 1;
                fixed.push(road.owner(next));
                prop_assert_eq!(reopened.owner(Height::new(next)).get(), road.owner(next));
                prop_assert!(road.lanes.lanes.iter().all(|lane| lane.gaps.len() as u64 <= window + 1));
            }
        }
    }
}
