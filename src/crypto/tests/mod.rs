//! What must hold of signatures beyond single functions: one predicate for single and batch checks, exact bisection,
//! separation of domains, stable bytes, and key files that other programs read.

mod bisection;
mod domains;
mod golden;
mod key_file;
mod predicate;

use crate::{
    crypto::{Check, Claim, Kind, SecretKey, Signable, Signed, Transcript, UnknownSigner},
    types::{Digest, PublicKey, ValidatorIndex},
};

/// A message as simple as one can be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ballot {
    round: u64,
    choice: Vec<u8>,
}

impl Signable for Ballot {
    const KIND: Kind = Kind { protocol: "test", name: "ballot", version: 1 };

    fn fields(&self, transcript: Transcript) -> Transcript {
        transcript.number(self.round).bytes(&self.choice)
    }
}

/// The voters' keys, and the scope of their signatures.
pub struct Booth {
    keys: Vec<PublicKey>,
    scope: Digest,
}

/// A claim that rests on any number of signatures, as a diff or a certificate does.
pub struct Bundle<T>(Vec<Signed<T>>);

impl<T: Signable> Claim for Bundle<T> {
    type Context = Booth;

    fn checks(&self, booth: &Booth, checks: &mut Vec<Check>) -> Result<(), UnknownSigner> {
        for signed in &self.0 {
            let key = *booth.keys.get(signed.signer.position()).ok_or(UnknownSigner)?;
            checks.push(Check { key, digest: signed.message.digest(&booth.scope), signature: signed.signature });
        }
        Ok(())
    }
}

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn voter(index: u16) -> ValidatorIndex {
    ValidatorIndex::new(index)
}

fn scope(byte: u8) -> Digest {
    Digest::new([byte; 32])
}

/// A good signature of the key with this seed over a digest of its own.
fn good(seed: u8, content: u64) -> Check {
    let key = secret(seed);
    let digest = Transcript::new("test v1").number(content).finish();
    Check { key: key.public_key(), digest, signature: key.sign_digest(&digest) }
}
