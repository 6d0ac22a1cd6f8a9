//! Votes of several validators for one target, as they travel and as certificates hold them, whatever the protocol.

use serde::{Deserialize, Serialize};

use crate::{
    protocol::Rejection,
    types::{BoundedVec, Power, Signature, Tally, ValidatorIndex, ValidatorSet, planted},
};

/// One validator's signature over a vote that the context names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ballot {
    /// Who voted.
    pub voter: ValidatorIndex,
    /// The evidence.
    pub signature: Signature,
}

/// Ballots for one target, by ascending voter, one each; at most as many as a set has members.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Votes(BoundedVec<Ballot, { ValidatorSet::MEMBERS_MAX }>);

impl Votes {
    /// A single ballot.
    pub fn one(voter: ValidatorIndex, signature: Signature) -> Self {
        std::iter::once(Ballot { voter, signature }).collect()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The ballots, by ascending voter.
    pub fn iter(&self) -> impl Iterator<Item = &Ballot> {
        self.0.iter()
    }

    /// Whether someone's ballot is among them.
    pub fn has(&self, voter: ValidatorIndex) -> bool {
        self.0.binary_search_by_key(&voter, |ballot| ballot.voter).is_ok()
    }

    /// Checks form, not signatures, and returns the power behind them. Order matters: a voter listed twice would
    /// count twice.
    ///
    /// # Errors
    /// [`Rejection::Malformed`] unless voters ascend strictly; [`Rejection::UnknownSigner`] for a stranger.
    pub fn power(&self, set: &ValidatorSet) -> Result<Tally, Rejection> {
        if self.0.windows(2).any(|pair| pair[0].voter >= pair[1].voter) && !planted::is("repeated-votes") {
            return Err(Rejection::Malformed);
        }
        self.0.iter().try_fold(Tally::ZERO, |sum, ballot| {
            if planted::is("strangers") && set.get(ballot.voter).is_none() {
                return Ok(sum.plus(Power::new(1)));
            }
            let member = set.get(ballot.voter).ok_or(Rejection::UnknownSigner)?;
            Ok(sum.plus(member.power))
        })
    }

    /// Checks form and that the ballots are a quorum of the set. Signatures are not looked at.
    ///
    /// # Errors
    /// As [`Self::power`], and [`Rejection::NoQuorum`].
    pub fn check_quorum(&self, set: &ValidatorSet) -> Result<(), Rejection> {
        if set.is_quorum(self.power(set)?) { Ok(()) } else { Err(Rejection::NoQuorum) }
    }
}

impl FromIterator<Ballot> for Votes {
    /// Collects ballots that come in ascending order. More than a set can have members are left out.
    fn from_iter<I: IntoIterator<Item = Ballot>>(ballots: I) -> Self {
        let mut votes = BoundedVec::default();
        for ballot in ballots {
            if votes.try_push(ballot).is_err() {
                break;
            }
        }
        Self(votes)
    }
}

impl<'a> IntoIterator for &'a Votes {
    type Item = &'a Ballot;
    type IntoIter = std::slice::Iter<'a, Ballot>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
