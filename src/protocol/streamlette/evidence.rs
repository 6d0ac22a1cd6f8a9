//! Proof that a validator voted twice in a tick. A leader's signature is its vote, so twins are covered (`SL-W3`).

use serde::{Deserialize, Serialize};

use super::message::Vote;
use crate::{
    crypto::{Check, Signable, Signed},
    protocol::{Electorate, Rejection},
    types::ValidatorIndex,
};

/// Two votes of one validator for different targets of one tick.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// One.
    pub first: Signed<Vote>,
    /// The other.
    pub second: Signed<Vote>,
}

impl Evidence {
    /// Checks the proof with nothing but the electorate, and returns the liar.
    ///
    /// # Errors
    /// [`Rejection::WrongTarget`] unless the votes exclude each other, [`Rejection::UnknownSigner`],
    /// [`Rejection::BadSignature`].
    pub fn verify(&self, electorate: &Electorate) -> Result<ValidatorIndex, Rejection> {
        let (first, second) = (&self.first, &self.second);
        let excludes = first.message.tick == second.message.tick && first.message.target != second.message.target;
        if !excludes || first.signer != second.signer {
            return Err(Rejection::WrongTarget);
        }
        let public_key = electorate.set.get(first.signer).ok_or(Rejection::UnknownSigner)?.public_key;
        let is_signed = |signed: &Signed<Vote>| {
            let digest = signed.message.digest(&electorate.id);
            Check { key: public_key, digest, signature: signed.signature }.is_valid()
        };
        if is_signed(first) && is_signed(second) { Ok(first.signer) } else { Err(Rejection::BadSignature) }
    }
}
