//! Who votes, and with how much power.

use serde::{Deserialize, Serialize};

use super::{CrashModel, Power, PublicKey, Tally, ValidatorIndex, planted};

/// One member of a set.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validator {
    /// Its consensus key.
    pub public_key: PublicKey,
    /// Its voting power, above zero.
    pub power: Power,
}

/// The validators of one height, ordered by public key. Never empty, no key twice, no power of zero.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ValidatorSet {
    members: Vec<Validator>,
    total: Tally,
    model: CrashModel,
}

/// Why a list of validators is no set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ValidatorSetError {
    /// Nobody could ever decide.
    #[error("the validator set is empty")]
    Empty,
    /// More than [`ValidatorSet::MEMBERS_MAX`].
    #[error("the validator set has more than {} members", ValidatorSet::MEMBERS_MAX)]
    TooMany,
    /// A member without power.
    #[error("validator {0} has no voting power")]
    NoPower(PublicKey),
    /// A key that occurs twice.
    #[error("validator {0} occurs twice")]
    Twice(PublicKey),
}

impl ValidatorSet {
    /// The most members a set may have.
    pub const MEMBERS_MAX: usize = 1024;

    /// Orders and checks the members. Whether the keys are valid points is for [`crate::crypto::check_key`].
    ///
    /// # Errors
    /// [`ValidatorSetError`] names the first thing wrong.
    pub fn new(mut members: Vec<Validator>, model: CrashModel) -> Result<Self, ValidatorSetError> {
        if members.is_empty() {
            return Err(ValidatorSetError::Empty);
        }
        if members.len() > Self::MEMBERS_MAX {
            return Err(ValidatorSetError::TooMany);
        }
        members.sort_by_key(|member| member.public_key);
        if let Some(member) = members.iter().find(|member| member.power == Power::ZERO) {
            return Err(ValidatorSetError::NoPower(member.public_key));
        }
        if let Some(pair) = members.windows(2).find(|pair| pair[0].public_key == pair[1].public_key) {
            return Err(ValidatorSetError::Twice(pair[0].public_key));
        }
        let total = members.iter().fold(Tally::ZERO, |sum, member| sum.plus(member.power));
        Ok(Self { members, total, model })
    }

    /// The member at an index; `None` for a stranger.
    pub fn get(&self, index: ValidatorIndex) -> Option<&Validator> {
        self.members.get(index.position())
    }

    /// The power at an index; zero for a stranger.
    pub fn power(&self, index: ValidatorIndex) -> Power {
        self.get(index).map_or(Power::ZERO, |member| member.power)
    }

    /// The index of a key.
    pub fn index_of(&self, key: &PublicKey) -> Option<ValidatorIndex> {
        let position = self.members.binary_search_by_key(key, |member| member.public_key).ok()?;
        ValidatorIndex::at(position)
    }

    /// All members, ordered by key.
    pub fn members(&self) -> &[Validator] {
        &self.members
    }

    /// All indices, ascending.
    pub fn indices(&self) -> impl Iterator<Item = ValidatorIndex> + use<> {
        (0..self.members.len()).filter_map(ValidatorIndex::at)
    }

    /// How many members there are, at least one.
    #[expect(clippy::len_without_is_empty, reason = "a set is never empty")]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// The power of all members together.
    pub fn total(&self) -> Tally {
        self.total
    }

    /// What its faulty members may do.
    pub fn model(&self) -> CrashModel {
        self.model
    }

    /// Whether `power` is a quorum of this set.
    pub fn is_quorum(&self, power: Tally) -> bool {
        power.is_quorum(self.total, self.model) || (planted::is("quorum-half") && power.get() * 2 >= self.total.get())
    }

    /// The least power that is a quorum of this set.
    pub fn least_quorum(&self) -> Tally {
        Tally::least_quorum(self.total, self.model)
    }

    /// Whether `power` must hold an honest member of this set.
    pub fn is_blocking(&self, power: Tally) -> bool {
        power.is_blocking(self.total, self.model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validator(first: u8, power: u64) -> Validator {
        Validator { public_key: PublicKey::new([first; 32]), power: Power::new(power) }
    }

    #[test]
    fn orders_members_by_key_and_finds_them() {
        let set = ValidatorSet::new(vec![validator(9, 1), validator(3, 5)], CrashModel::Byzantine).unwrap();
        assert_eq!(set.index_of(&PublicKey::new([3; 32])), Some(ValidatorIndex::new(0)));
        assert_eq!(set.index_of(&PublicKey::new([4; 32])), None);
        assert_eq!(set.power(ValidatorIndex::new(0)), Power::new(5));
        assert_eq!(set.power(ValidatorIndex::new(2)), Power::ZERO);
        assert_eq!(set.total().get(), 6);
    }

    #[test]
    fn refuses_sets_that_cannot_work() {
        let refused = |members| ValidatorSet::new(members, CrashModel::Byzantine).unwrap_err();
        assert_eq!(refused(vec![]), ValidatorSetError::Empty);
        assert_eq!(refused(vec![validator(1, 0)]), ValidatorSetError::NoPower(PublicKey::new([1; 32])));
        assert_eq!(refused(vec![validator(1, 1), validator(1, 2)]), ValidatorSetError::Twice(PublicKey::new([1; 32])));
        let crowd = vec![validator(1, 1); ValidatorSet::MEMBERS_MAX + 1];
        assert_eq!(refused(crowd), ValidatorSetError::TooMany);
    }
}
