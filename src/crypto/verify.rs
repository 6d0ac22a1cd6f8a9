//! The doorway: signatures are checked here, and nothing else makes a [`Verified`] value out of foreign bytes.

use ed25519_zebra::{VerificationKeyBytes, batch};
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng as _;

use super::{SecretKey, Signable, Signed};
use crate::types::{Digest, PublicKey, Signature, ValidatorIndex, planted};

/// The randomness of batch coefficients. It lives with the verifier and is seeded from the operating system in
/// production (else a liar who knows the coefficients could make bad signatures cancel out); never in a brain.
pub type BatchRng = ChaCha12Rng;

/// One signature to check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// Who is said to have signed.
    pub key: PublicKey,
    /// What.
    pub digest: Digest,
    /// The evidence.
    pub signature: Signature,
}

impl Check {
    fn item(&self) -> batch::Item {
        let key = VerificationKeyBytes::from(*self.key.as_bytes());
        let signature = ed25519_zebra::Signature::from(*self.signature.as_bytes());
        batch::Item::from((key, signature, self.digest.as_bytes()))
    }

    /// Checks this one alone, by the same predicate as a batch (`CR-V1`).
    pub fn is_valid(&self) -> bool {
        self.item().verify_single().is_ok()
    }
}

/// A claim names a signer who is no member of the set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("signed by a stranger")]
pub struct UnknownSigner;

/// Something that is true if some signatures are.
pub trait Claim {
    /// What is needed to look up keys and digests: usually an instance id with its validator set.
    type Context: ?Sized;

    /// Adds every signature that this claim rests on.
    ///
    /// # Errors
    /// [`UnknownSigner`] if there is no key to check one against.
    fn checks(&self, context: &Self::Context, checks: &mut Vec<Check>) -> Result<(), UnknownSigner>;
}

/// A value whose signatures have all been checked, or made by ourselves. Rules take nothing else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// The value.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// The value, for good.
    pub fn into_inner(self) -> T {
        self.0
    }

    /// The value inside a larger one, verified for the same reason.
    pub fn map<U>(self, wrap: impl FnOnce(T) -> U) -> Verified<U> {
        Verified(wrap(self.0))
    }

    /// A part of the value, verified with the whole, if there is one.
    pub fn filter_map<U>(self, part: impl FnOnce(T) -> Option<U>) -> Option<Verified<U>> {
        part(self.0).map(Verified)
    }
}

impl SecretKey {
    /// Signs a message of our own: verified because we know the key.
    pub fn sign_own<T: Signable>(&self, message: T, signer: ValidatorIndex, scope: &Digest) -> Verified<Signed<T>> {
        Verified(self.sign(message, signer, scope))
    }
}

/// Checks a batch of claims at once and gives each its verdict, in order: the claim as [`Verified`], or the claim
/// back if one of its signatures is bad or its signer a stranger.
pub fn admit<C: Claim>(claims: Vec<(C, &C::Context)>, rng: &mut BatchRng) -> Vec<Result<Verified<C>, C>> {
    admit_by(claims, |checks| bad_signatures(checks, rng))
}

/// As [`admit`], by whoever tells the positions of invalid signatures, ascending.
pub(super) fn admit_by<C: Claim>(
    claims: Vec<(C, &C::Context)>,
    bad_signatures: impl FnOnce(&[Check]) -> Vec<usize>,
) -> Vec<Result<Verified<C>, C>> {
    let mut checks = Vec::with_capacity(claims.len());
    let mut ends = Vec::with_capacity(claims.len());
    for (claim, context) in &claims {
        let start = checks.len();
        let known = claim.checks(context, &mut checks).is_ok();
        if !known {
            checks.truncate(start);
        }
        ends.push((known, checks.len()));
    }
    let bad = bad_signatures(&checks);
    let mut start = 0;
    claims
        .into_iter()
        .zip(ends)
        .map(|((claim, _), (known, end))| {
            let own = start..end;
            start = end;
            let good = planted::is("any-signature") || known && !bad.iter().any(|at| own.contains(at));
            if good { Ok(Verified(claim)) } else { Err(claim) }
        })
        .collect()
}

/// A failed batch of at most this many is checked one by one; a larger one is split in halves.
///
/// Measured on one core of a shared machine, distinct signers, shortest of many runs: a signature costs 45 µs alone,
/// 36 µs in a good batch of 2, 28 µs of 4, 25 µs of 8, 24 µs of 16 and of 32, 33 µs of 64, 23 µs of 128. So a batch pays
/// from 2 on. After one has failed, halving it costs more than singles at every size up to 64 (1 bad of 4: 357 against
/// 285 µs, of 16: 1.30 against 1.07 ms, of 64: 4.97 against 4.44 ms; more bad ones widen it). Larger batches are halved,
/// so that a few bad ones do not cost a single check of everything.
const SINGLES_MAX: usize = 64;

/// The positions of invalid signatures, ascending. One batch check when all are good; a bad batch is searched for
/// exactly the bad ones (`CR-V2`).
pub fn bad_signatures(checks: &[Check], rng: &mut BatchRng) -> Vec<usize> {
    let mut bad = Vec::new();
    search(checks, 0, rng, &mut bad);
    bad
}

fn search(checks: &[Check], offset: usize, rng: &mut BatchRng, bad: &mut Vec<usize>) {
    if checks.len() > 1 && is_good_batch(checks, rng) {
        return;
    }
    if checks.len() <= SINGLES_MAX {
        bad.extend((offset..).zip(checks).filter(|(_, check)| !check.is_valid()).map(|(at, _)| at));
        return;
    }
    let (left, right) = checks.split_at(checks.len() / 2);
    search(left, offset, rng, bad);
    search(right, offset + left.len(), rng, bad);
}

fn is_good_batch(checks: &[Check], rng: &mut BatchRng) -> bool {
    let mut verifier = batch::Verifier::new();
    for check in checks {
        verifier.queue(check.item());
    }
    verifier.verify(rng).is_ok()
}

/// A generator with a fixed seed, for tests and simulation.
#[doc(hidden)]
pub fn seeded_rng(seed: u64) -> BatchRng {
    BatchRng::seed_from_u64(seed)
}
