//! What was found good lately.

use std::collections::BTreeSet;

use super::{BatchRng, Check, Claim, Transcript, Verified, bad_signatures, verify::admit_by};
use crate::types::Digest;

/// Signatures that were found good, the latest of them (`CR-V3`).
///
/// Only good ones are remembered, by a hash of key, digest and signature: a copy with another signature is another one,
/// and nobody can make a bad one pass by showing a good one first. What is forgotten is checked again. Bounded: when the
/// younger half is full, the older one is forgotten.
#[derive(Debug)]
pub struct Memory {
    half_max: usize,
    young: BTreeSet<Digest>,
    old: BTreeSet<Digest>,
}

impl Memory {
    /// One that holds so many at most.
    pub fn new(signatures_max: usize) -> Self {
        Self { half_max: signatures_max.div_ceil(2).max(1), young: BTreeSet::new(), old: BTreeSet::new() }
    }

    /// The positions of those that are not known to be good.
    pub fn unknown(&self, checks: &[Check]) -> Vec<usize> {
        checks.iter().enumerate().filter(|(_, check)| !self.knows(&name(check))).map(|(at, _)| at).collect()
    }

    fn knows(&self, name: &Digest) -> bool {
        self.young.contains(name) || self.old.contains(name)
    }

    /// Remembers one that was found good.
    pub fn learn(&mut self, check: &Check) {
        if self.young.len() >= self.half_max {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(name(check));
    }

    /// The positions of invalid signatures, ascending. Checks in one batch what it does not know, and remembers it.
    pub fn bad_signatures(&mut self, checks: &[Check], rng: &mut BatchRng) -> Vec<usize> {
        let unknown = self.unknown(checks);
        let news: Vec<_> = unknown.iter().map(|at| checks[*at].clone()).collect();
        let bad: Vec<_> = bad_signatures(&news, rng).into_iter().map(|at| unknown[at]).collect();
        for at in unknown {
            if bad.binary_search(&at).is_err() {
                self.learn(&checks[at]);
            }
        }
        bad
    }

    /// Checks one alone, unless it is known to be good, and remembers it.
    pub fn is_valid(&mut self, check: &Check) -> bool {
        if self.knows(&name(check)) {
            return true;
        }
        let is_valid = check.is_valid();
        if is_valid {
            self.learn(check);
        }
        is_valid
    }

    /// As [`super::admit`], checking what it does not know, and remembers it.
    pub fn admit<C: Claim>(
        &mut self,
        claims: Vec<(C, &C::Context)>,
        rng: &mut BatchRng,
    ) -> Vec<Result<Verified<C>, C>> {
        admit_by(claims, |checks| self.bad_signatures(checks, rng))
    }
}

fn name(check: &Check) -> Digest {
    let Check { key, digest, signature } = check;
    let start = Transcript::new("thalweg checked signature v1").bytes(key.as_bytes()).digest(digest);
    start.bytes(signature.as_bytes()).finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::{SecretKey, seeded_rng},
        types::Signature,
    };

    fn check(number: u8) -> Check {
        let (key, digest) = (SecretKey::from_seed(&[1; 32]), Digest::new([number; 32]));
        Check { key: key.public_key(), signature: key.sign_digest(&digest), digest }
    }

    /// `CR-V3`
    #[test]
    fn good_ones_are_checked_once_and_bad_ones_again() {
        let (mut memory, mut rng) = (Memory::new(100), seeded_rng(1));
        let bad = Check { signature: Signature::new([7; 64]), ..check(2) };
        let checks = [check(1), bad, check(3)];
        assert_eq!(memory.bad_signatures(&checks, &mut rng), [1]);
        assert_eq!(memory.unknown(&checks), [1], "a bad one is not known to be good");
        assert_eq!(memory.unknown(&[check(2)]), [0], "nor is the good one for it");
        assert_eq!(memory.bad_signatures(&checks, &mut rng), [1]);
    }

    /// `CR-V3`
    #[test]
    fn the_latest_are_remembered_and_no_more_than_fit() {
        let mut memory = Memory::new(8);
        for number in 0..100 {
            memory.learn(&check(number));
            assert!(memory.young.len() + memory.old.len() <= 8);
        }
        assert!(memory.unknown(&[check(99), check(96)]).is_empty());
        assert_eq!(memory.unknown(&[check(0)]), [0]);
    }
}
