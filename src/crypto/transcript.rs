//! What is hashed and signed.

use serde::{Deserialize, Serialize};

use crate::types::{Digest, Signature, ValidatorIndex};

/// What is gathered before it is hashed: BLAKE3's chunk.
const SHORT_BYTES: usize = 1024;

/// A domain-separated digest under construction. Fields are framed by their length, so no two different lists of
/// fields hash the same bytes.
#[derive(Clone)]
pub struct Transcript(Added);

/// Most transcripts are short: they are hashed in one go at their end. A hasher is two kilobytes, and goes from field to
/// field.
#[derive(Clone)]
enum Added {
    Short(Vec<u8>),
    Long(Box<blake3::Hasher>),
}

impl Transcript {
    /// Starts a digest in a domain, by convention `"thalweg <what> v<n>"`.
    pub fn new(domain: &str) -> Self {
        Self(Added::Short(Vec::with_capacity(SHORT_BYTES))).bytes(domain.as_bytes())
    }

    /// Adds a byte string: its length as a little-endian u64, then the bytes.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        self.number(bytes.len() as u64).add(bytes)
    }

    /// Adds a number as a little-endian u64.
    #[must_use]
    pub fn number(self, number: u64) -> Self {
        self.add(&number.to_le_bytes())
    }

    /// Adds a digest.
    #[must_use]
    pub fn digest(self, digest: &Digest) -> Self {
        self.add(digest.as_bytes())
    }

    /// The digest of everything added.
    pub fn finish(&self) -> Digest {
        let hash = match &self.0 {
            Added::Short(bytes) => blake3::hash(bytes),
            Added::Long(hasher) => hasher.finalize(),
        };
        Digest::new(*hash.as_bytes())
    }

    /// An endless stream of bytes derived from everything added, eight at a time.
    pub fn stream(&self) -> impl Iterator<Item = u64> + use<> {
        let mut reader = match &self.0 {
            Added::Short(bytes) => blake3::Hasher::new().update(bytes).finalize_xof(),
            Added::Long(hasher) => hasher.finalize_xof(),
        };
        std::iter::repeat_with(move || {
            let mut word = [0; 8];
            reader.fill(&mut word);
            u64::from_le_bytes(word)
        })
    }

    fn add(mut self, bytes: &[u8]) -> Self {
        match &mut self.0 {
            Added::Short(short) if short.len() + bytes.len() <= SHORT_BYTES => short.extend_from_slice(bytes),
            Added::Short(short) => {
                let mut hasher = Box::new(blake3::Hasher::new());
                hasher.update(short).update(bytes);
                self.0 = Added::Long(hasher);
            }
            Added::Long(hasher) => {
                hasher.update(bytes);
            }
        }
        self
    }
}

/// What a signature is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kind {
    /// The protocol, as in configuration; `client` for what clients sign.
    pub protocol: &'static str,
    /// The message.
    pub name: &'static str,
    /// The version of its fields.
    pub version: u64,
}

/// Something that a validator or a client signs.
pub trait Signable {
    /// What it is. No two types share one.
    const KIND: Kind;

    /// Adds every field to the transcript, in a fixed order.
    fn fields(&self, transcript: Transcript) -> Transcript;

    /// The digest of this message within `scope` (an instance id, or a chain id for what outlives instances). It is
    /// the message's identity and what is signed (`CR-D1`); signatures are no part of it.
    fn digest(&self, scope: &Digest) -> Digest {
        let Kind { protocol, name, version } = Self::KIND;
        let start = Transcript::new("thalweg message v1").bytes(protocol.as_bytes()).bytes(name.as_bytes());
        self.fields(start.number(version).digest(scope)).finish()
    }
}

/// A message with the claim that a validator signed it. Nothing has been checked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Signed<T> {
    /// What is claimed to be signed.
    pub message: T,
    /// By whom.
    pub signer: ValidatorIndex,
    /// The evidence.
    pub signature: Signature,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_of_the_framed_bytes_whatever_their_length() {
        for length in (0..40).chain(900..1100).chain([5000]) {
            let bytes = vec![7; length];
            let transcript = Transcript::new("domain").number(9).bytes(&bytes).digest(&Digest::new([3; 32])).number(1);
            let mut framed = [&6_u64.to_le_bytes()[..], b"domain", &9_u64.to_le_bytes()].concat();
            framed.extend((length as u64).to_le_bytes());
            framed.extend(&bytes);
            framed.extend([3; 32]);
            framed.extend(1_u64.to_le_bytes());
            assert_eq!(transcript.finish().as_bytes(), blake3::hash(&framed).as_bytes(), "{length}");
            let mut first = [0; 8];
            blake3::Hasher::new().update(&framed).finalize_xof().fill(&mut first);
            assert_eq!(transcript.clone().stream().next(), Some(u64::from_le_bytes(first)), "{length}");
        }
    }
}
