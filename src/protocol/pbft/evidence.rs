//! Proof that a validator signed two things that exclude each other (`PB-E1`).

use serde::{Deserialize, Serialize};

use super::{Change, Opening, Vote};
use crate::{
    crypto::{Check, Signable, Signed},
    protocol::{Electorate, Rejection},
    types::ValidatorIndex,
};

/// Two signed statements of one validator, of which an honest one makes at most one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum Evidence {
    /// Two prepares, or two commits, of one height in one view. A primary's prepare is its pre-prepare.
    Votes {
        /// One.
        first: Signed<Vote>,
        /// The other.
        second: Signed<Vote>,
    },
    /// Two accounts of what is prepared, for one view.
    Changes {
        /// One.
        first: Signed<Change>,
        /// The other.
        second: Signed<Change>,
    },
    /// Two openings of one view.
    Openings {
        /// One.
        first: Signed<Opening>,
        /// The other.
        second: Signed<Opening>,
    },
}

impl Evidence {
    /// Who is accused.
    pub fn accused(&self) -> ValidatorIndex {
        match self {
            Self::Votes { first, .. } => first.signer,
            Self::Changes { first, .. } => first.signer,
            Self::Openings { first, .. } => first.signer,
        }
    }

    /// Checks the proof with nothing but the electorate, and returns the liar.
    ///
    /// # Errors
    /// [`Rejection::WrongTarget`] unless the statements exclude each other, [`Rejection::UnknownSigner`],
    /// [`Rejection::BadSignature`].
    pub fn verify(&self, electorate: &Electorate) -> Result<ValidatorIndex, Rejection> {
        match self {
            Self::Votes { first, second } => {
                let slot = |vote: &Vote| (vote.phase, vote.proposal.view, vote.proposal.height);
                verify(first, second, slot(&first.message) == slot(&second.message), electorate)
            }
            Self::Changes { first, second } => {
                verify(first, second, first.message.view == second.message.view, electorate)
            }
            Self::Openings { first, second } => {
                verify(first, second, first.message.view == second.message.view, electorate)
            }
        }
    }
}

fn verify<T: Signable + PartialEq>(
    first: &Signed<T>,
    second: &Signed<T>,
    share_a_slot: bool,
    electorate: &Electorate,
) -> Result<ValidatorIndex, Rejection> {
    if !share_a_slot || first.message == second.message || first.signer != second.signer {
        return Err(Rejection::WrongTarget);
    }
    let key = electorate.set.get(first.signer).ok_or(Rejection::UnknownSigner)?.public_key;
    let is_signed = |signed: &Signed<T>| {
        Check { key, digest: signed.message.digest(&electorate.id), signature: signed.signature }.is_valid()
    };
    if is_signed(first) && is_signed(second) { Ok(first.signer) } else { Err(Rejection::BadSignature) }
}
