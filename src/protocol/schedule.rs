//! Who owns which height.

use crate::types::{Height, ValidatorIndex, ValidatorSet};

/// The owner of a height, who leads its first rounds: the validators in turn, so that each has a lane of its own.
///
/// # Panics
/// Never: a set has between one and 1,024 members.
pub fn owner(height: Height, set: &ValidatorSet) -> ValidatorIndex {
    let members = u64::try_from(set.len()).expect("at most 1,024 members");
    let turn = usize::try_from(height.get() % members).expect("below 1,024");
    ValidatorIndex::at(turn).expect("below 1,024")
}
