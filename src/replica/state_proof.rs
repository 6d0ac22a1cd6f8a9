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

use super::{CertificateDocument, CertificateError, CheckpointDocument};
use crate::{
    app::{self, BadProof, Header, Proof, hash_value},
    config::Genesis,
    crypto::BatchRng,
    protocol::StableCheckpoint,
    store::Rows,
    types::{BoundedVec, Digest, Octets},
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
    /// A stable checkpoint at the height or above (`OB-8`): each header names its parent, so that what was signed stands
    /// for those below.
    Checkpoint {
        /// What a quorum has signed.
        checkpoint: CheckpointDocument,
        /// The headers from the one above to the checkpoint's own.
        headers: BoundedVec<Header, 8192>,
    },
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
    /// The attestation holds, but says nothing of this header.
    #[error("what the validators signed does not name this header")]
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
        match self {
            Self::History(certificate) => certificate.verify(genesis, rng)?,
            Self::Checkpoint { checkpoint, .. } => checkpoint.verify(genesis, rng)?,
        }
        if self.names(header, genesis) { Ok(()) } else { Err(StateProofError::WrongHeader) }
    }

    /// Whether it is about a header. Looks at no signature; the id is computed once more, so that nothing depends on
    /// what instances of the chain's protocol are called.
    pub fn names(&self, header: &Header, genesis: &Genesis) -> bool {
        match self {
            Self::History(certificate) => genesis
                .validate()
                .is_ok_and(|set| certificate.instance == genesis.instance_id(certificate.height, &set, &header.hash())),
            Self::Checkpoint { checkpoint, headers } => {
                let follow = |below: Digest, above: &Header| (above.parent == below).then(|| above.hash());
                headers.iter().try_fold(header.hash(), follow) == Some(checkpoint.stable.checkpoint.header)
            }
        }
    }

    /// By a stable checkpoint at the header's height or above, with the headers between them; `None` when one of these
    /// is not here, or they are too many.
    pub fn by_checkpoint(
        rows: &dyn Rows,
        genesis: &Genesis,
        header: &Header,
        stable: StableCheckpoint,
    ) -> Option<Self> {
        let above = stable.checkpoint.height.above(header.height);
        let headers: Option<Vec<_>> = (1..=above).map(|at| app::header(rows, header.height.plus(at))).collect();
        let headers = headers?.try_into().ok()?;
        let checkpoint = CheckpointDocument::new(rows, genesis, stable)?;
        let attestation = Self::Checkpoint { checkpoint, headers };
        attestation.names(header, genesis).then_some(attestation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{protocol::Checkpoint, types::Height};

    fn header(height: u64, parent: Digest) -> Header {
        let digest = Digest::new([3; 32]);
        Header { height: Height::new(height), parent, payload_root: digest, time_ms: height, state_root: digest }
    }

    /// `OB-8`: a checkpoint stands for the headers below it, and for no others.
    #[test]
    fn a_checkpoint_names_each_header_that_its_own_descends_from() {
        let genesis = Genesis::new("test", 0, Vec::new());
        let first = header(5, Digest::new([0; 32]));
        let second = header(6, first.hash());
        let third = header(7, second.hash());
        let named = |from: &Header, headers: &[&Header]| {
            let checkpoint = Checkpoint { height: third.height, header: third.hash(), state_root: third.state_root };
            let stable = StableCheckpoint { checkpoint, vouchers: Default::default() };
            let digest = Digest::new([0; 32]);
            let checkpoint = CheckpointDocument { chain: digest, history: digest, stable };
            let headers: Vec<Header> = headers.iter().copied().cloned().collect();
            Attestation::Checkpoint { checkpoint, headers: headers.try_into().unwrap() }.names(from, &genesis)
        };
        assert!(named(&third, &[]));
        assert!(named(&first, &[&second, &third]));
        assert!(!named(&first, &[&third]), "a gap");
        assert!(!named(&first, &[&second]), "not as far as the checkpoint");
        assert!(!named(&header(5, Digest::new([1; 32])), &[&second, &third]), "another history");
    }
}
