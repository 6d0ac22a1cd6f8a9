//! What validators sign of a state that all of them have reached: checkpoints and their proofs (`OB-8`).
//!
//! The ordering brain makes and counts them, whatever the protocol; long instances take the proof of a stable one as
//! their low mark. They are signed within the id of the epoch: that of its long instance, so that such an instance
//! checks a proof against its own [`Electorate`].
//! Limit: one vote for each member of the set.

use serde::{Deserialize, Serialize};

use super::{Electorate, Rejection};
use crate::{
    crypto::{BatchRng, Check, Claim, Kind, Signable, Signed, Transcript, UnknownSigner, bad_signatures},
    types::{BoundedVec, Digest, Height, Signature, Tally, ValidatorIndex, planted},
};

/// The state after a height, as a validator has executed it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The height.
    pub height: Height,
    /// The hash of its header, which attests all headers below.
    pub header: Digest,
    /// The state root in that header.
    pub state_root: Digest,
}

impl Signable for Checkpoint {
    const KIND: Kind = Kind { protocol: "checkpoint", name: "checkpoint", version: 1 };

    fn fields(&self, transcript: Transcript) -> Transcript {
        transcript.number(self.height.get()).digest(&self.header).digest(&self.state_root)
    }
}

impl Claim for Signed<Checkpoint> {
    type Context = Electorate;

    fn checks(&self, electorate: &Electorate, checks: &mut Vec<Check>) -> Result<(), UnknownSigner> {
        let member = electorate.set.get(self.signer).ok_or(UnknownSigner)?;
        let digest = self.message.digest(&electorate.id);
        checks.push(Check { key: member.public_key, digest, signature: self.signature });
        Ok(())
    }
}

/// Who signed a checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Voucher {
    /// Who.
    pub signer: ValidatorIndex,
    /// The signature.
    pub signature: Signature,
}

/// A checkpoint with the signatures of a quorum: proof that verifies alone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StableCheckpoint {
    /// What is agreed on.
    pub checkpoint: Checkpoint,
    /// Who signed it, ascending.
    pub vouchers: BoundedVec<Voucher, 1024>,
}

impl StableCheckpoint {
    /// Adds every signature that the proof rests on, if they are a quorum's.
    ///
    /// # Errors
    /// A [`Rejection`]: a signer is a stranger or counted twice, or the power is no quorum.
    pub fn checks(&self, electorate: &Electorate, checks: &mut Vec<Check>) -> Result<(), Rejection> {
        let (mut power, mut last) = (Tally::ZERO, None);
        for Voucher { signer, signature } in self.vouchers.iter().copied() {
            if last.is_some_and(|last| signer <= last) {
                return Err(Rejection::NoQuorum);
            }
            last = Some(signer);
            let member = electorate.set.get(signer).ok_or(Rejection::UnknownSigner)?;
            power = power.plus(member.power);
            let digest = self.checkpoint.digest(&electorate.id);
            checks.push(Check { key: member.public_key, digest, signature });
        }
        if electorate.set.is_quorum(power) { Ok(()) } else { Err(Rejection::NoQuorum) }
    }

    /// Checks the whole proof with nothing but the electorate of its epoch.
    ///
    /// # Errors
    /// As [`Self::checks`], and [`Rejection::BadSignature`].
    pub fn verify(&self, electorate: &Electorate, rng: &mut BatchRng) -> Result<(), Rejection> {
        let mut checks = Vec::new();
        self.checks(electorate, &mut checks)?;
        let is_sound = planted::is("any-signature") || bad_signatures(&checks, rng).is_empty();
        if is_sound { Ok(()) } else { Err(Rejection::BadSignature) }
    }
}

/// Two checkpoints of one height by one validator.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointEvidence {
    /// One.
    pub first: Signed<Checkpoint>,
    /// The other.
    pub second: Signed<Checkpoint>,
}

impl CheckpointEvidence {
    /// Checks the proof with nothing but the electorate of the epoch, and returns the liar: one that has executed
    /// something else than it says, or whose application is not deterministic.
    ///
    /// # Errors
    /// [`Rejection::WrongTarget`] unless the votes exclude each other, [`Rejection::UnknownSigner`],
    /// [`Rejection::BadSignature`].
    pub fn verify(&self, electorate: &Electorate) -> Result<ValidatorIndex, Rejection> {
        let (first, second) = (&self.first, &self.second);
        let excludes = first.message.height == second.message.height && first.message != second.message;
        if !excludes || first.signer != second.signer {
            return Err(Rejection::WrongTarget);
        }
        let mut checks = Vec::new();
        for vote in [first, second] {
            vote.checks(electorate, &mut checks).map_err(|_| Rejection::UnknownSigner)?;
        }
        if checks.iter().all(Check::is_valid) { Ok(first.signer) } else { Err(Rejection::BadSignature) }
    }
}
