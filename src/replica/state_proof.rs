//! What the state says of a key, with everything that is needed to believe it besides genesis.
//!
//! Made by the API, checked by the command line and by clients that trust no node. A chain of three links: the value
//! hangs in the tree of the state ([`Proof`]), the state's root is in a block's header, and a quorum has signed
//! something that names the header's hash ([`Attestation`]).
//!
//! What is proven is what the state said after the header's height. A node cannot make up a value, but it can hide
//! newer heights: the header tells its height and time, and whoever wants something fresh compares them with what it
//! knows.

use serde::{Deserialize, Serialize};

use super::{CertificateDocument, CertificateError};
use crate::{
    app::{BadProof, Header, Proof, hash_value},
    config::Genesis,
    crypto::BatchRng,
    types::Octets,
};

/// A value, or that there is none, with its proof in JSON: what `GET /v1/kv/{key}?proof=true` serves and
/// `thalweg verify` reads.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateProofDocument {
    /// The key.
    pub key: Octets,
    /// Its value; `None` for an absent key.
    pub value: Option<Octets>,
    /// The header of the height whose state was read.
    pub header: Header,
    /// From the value to the header's state root.
    pub proof: Proof,
    /// From the header to the validators of genesis.
    pub attestation: Attestation,
}

/// Why a header must be believed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attestation {
    /// The certificate of the height `window + 1` above: the id of the instance that its votes name is a hash of,
    /// among others, the header's hash (`OB-7`).
    History(CertificateDocument),
}

/// Why a document proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StateProofError {
    /// It is about another key.
    #[error("the proof is about another key")]
    WrongKey,
    /// The certificate itself does not hold.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The certificate holds, but says nothing of this header.
    #[error("the certificate does not name this header")]
    WrongHeader,
    /// The proof does not lead to the header's state root.
    #[error(transparent)]
    BadProof(#[from] BadProof),
    /// The state holds something else under the key.
    #[error("the state holds another value under this key, or none")]
    WrongValue,
}

impl StateProofDocument {
    /// Checks the whole document with nothing but the genesis, whose validators must be those of the certificate's
    /// height, and returns what the state after [`Self::header`] held under `key`.
    ///
    /// # Errors
    /// [`StateProofError`] names the first thing that does not hold.
    pub fn verify(&self, genesis: &Genesis, key: &[u8], rng: &mut BatchRng) -> Result<Option<&[u8]>, StateProofError> {
        if self.key.0 != key {
            return Err(StateProofError::WrongKey);
        }
        self.attestation.verify(&self.header, genesis, rng)?;
        let value = self.value.as_ref().map(|value| &value.0[..]);
        let held = self.proof.verify(&self.header.state_root, key)?;
        if held == value.map(hash_value) { Ok(value) } else { Err(StateProofError::WrongValue) }
    }
}

impl Attestation {
    /// Checks that the validators stand for a header.
    ///
    /// # Errors
    /// [`StateProofError`].
    pub fn verify(&self, header: &Header, genesis: &Genesis, rng: &mut BatchRng) -> Result<(), StateProofError> {
        let Self::History(certificate) = self;
        certificate.verify(genesis, rng)?;
        if self.names(header, genesis) { Ok(()) } else { Err(StateProofError::WrongHeader) }
    }

    /// Whether it is about a header. Looks at no signature; the id is computed once more, so that nothing depends on
    /// what instances of the chain's protocol are called.
    pub fn names(&self, header: &Header, genesis: &Genesis) -> bool {
        let Self::History(certificate) = self;
        genesis
            .validate()
            .is_ok_and(|set| certificate.instance == genesis.instance_id(certificate.height, &set, &header.hash()))
    }
}
