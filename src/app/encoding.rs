//! How commands are encoded.
//!
//! The byte that says whether a command expires also says whether it is signed, so that an unsigned one costs nothing
//! for the signature that it does not have: 0 and 1 are those of an optional height, 2 and 3 the same with a signature
//! before it.

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Command, CommandView};
use crate::types::{Digest, Height, Signature};

/// A command's last height and signature.
#[derive(Serialize, Deserialize)]
enum Terms {
    Lasting,
    Until(Height),
    SignedLasting(Signature),
    SignedUntil(Signature, Height),
}

impl Terms {
    fn new(expires_at_height: Option<Height>, signature: Option<Signature>) -> Self {
        match (signature, expires_at_height) {
            (None, None) => Self::Lasting,
            (None, Some(last)) => Self::Until(last),
            (Some(signature), None) => Self::SignedLasting(signature),
            (Some(signature), Some(last)) => Self::SignedUntil(signature, last),
        }
    }

    fn split(self) -> (Option<Height>, Option<Signature>) {
        match self {
            Self::Lasting => (None, None),
            Self::Until(last) => (Some(last), None),
            Self::SignedLasting(signature) => (None, Some(signature)),
            Self::SignedUntil(signature, last) => (Some(last), Some(signature)),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Fields<'a> {
    client: Digest,
    sequence: u64,
    terms: Terms,
    #[serde(borrow, with = "serde_bytes")]
    body: &'a [u8],
}

/// As [`Fields`], with a body that is kept.
#[derive(Deserialize)]
struct OwnedFields {
    client: Digest,
    sequence: u64,
    terms: Terms,
    body: Bytes,
}

impl Serialize for CommandView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { client, sequence, expires_at_height, body, signature } = *self;
        Fields { client, sequence, terms: Terms::new(expires_at_height, signature), body }.serialize(serializer)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for CommandView<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Fields { client, sequence, terms, body } = Fields::deserialize(deserializer)?;
        let (expires_at_height, signature) = terms.split();
        Ok(Self { client, sequence, expires_at_height, body, signature })
    }
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.view().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let OwnedFields { client, sequence, terms, body } = OwnedFields::deserialize(deserializer)?;
        let (expires_at_height, signature) = terms.split();
        Ok(Self { client, sequence, expires_at_height, body, signature })
    }
}
