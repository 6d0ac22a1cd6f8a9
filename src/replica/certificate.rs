//! A certificate as a client takes it away: everything `verify` needs besides genesis.
//!
//! Made by the API, checked by the command line and by clients that trust no node. What is proven is that a quorum of
//! the validators decided `payload_root` at `height`, in a history that has `history` for the hash of the header that
//! the instance's id names: the one at `height - window - 1`, or below the epoch of a long instance (`OB-7`). The header of the height itself is told along but is attested only by certificates of later
//! heights: its `state_root` is not proven by this document.

use serde::{Deserialize, Serialize};

use crate::{
    app::{Header, StoredBlock},
    config::Genesis,
    crypto::BatchRng,
    protocol::{Certificate, Electorate, Rejection},
    types::{Digest, Height},
};

/// The proof of one height's decision, in JSON: what `GET /v1/blocks/{height}/certificate` serves and
/// `thalweg verify` reads.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateDocument {
    /// The id of the chain.
    pub chain: Digest,
    /// The decided height.
    pub height: Height,
    /// The id of the instance that decided it.
    pub instance: Digest,
    /// The hash of the header that the instance's id names ([`Genesis::history_height`]).
    pub history: Digest,
    /// The digest of the decided payload.
    pub payload_root: Digest,
    /// The block's header, as the serving node computed it.
    pub header: Header,
    /// The proof.
    pub certificate: Certificate,
}

/// Why a document proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CertificateError {
    /// It is of another chain than the genesis file.
    #[error("the certificate is of chain {0}, not of this genesis file")]
    ForeignChain(Digest),
    /// The genesis file itself is refused.
    #[error("the genesis file is not valid")]
    Genesis,
    /// Its fields do not give its instance id.
    #[error("chain, height, validators and history do not give the instance id")]
    WrongInstance,
    /// Its header is of another height or payload.
    #[error("the header is of another height or payload")]
    WrongHeader,
    /// The votes prove nothing.
    #[error("the proof does not hold: {0}")]
    Proof(#[from] Rejection),
    /// The votes prove another payload.
    #[error("the proof is for payload {0}")]
    WrongPayload(Digest),
}

impl CertificateDocument {
    /// The document for a stored block. `history` is the hash of the header at [`Genesis::history_height`].
    pub fn new(genesis: &Genesis, stored: &StoredBlock, history: Digest) -> Self {
        Self {
            chain: genesis.chain_id(),
            height: stored.header.height,
            instance: stored.instance,
            history,
            payload_root: stored.header.payload_root,
            header: stored.header.clone(),
            certificate: stored.block.certificate.clone(),
        }
    }

    /// Checks the whole document with nothing but the genesis, whose validators must be those of the height.
    ///
    /// # Errors
    /// [`CertificateError`] names the first thing that does not hold.
    pub fn verify(&self, genesis: &Genesis, rng: &mut BatchRng) -> Result<(), CertificateError> {
        if self.chain != genesis.chain_id() {
            return Err(CertificateError::ForeignChain(self.chain));
        }
        let set = genesis.validate().map_err(|_| CertificateError::Genesis)?;
        if self.instance != genesis.instance_id(self.height, &set, &self.history) {
            return Err(CertificateError::WrongInstance);
        }
        if (self.header.height, self.header.payload_root) != (self.height, self.payload_root) {
            return Err(CertificateError::WrongHeader);
        }
        let proven = self.certificate.verify(self.height, &Electorate { id: self.instance, set }, rng)?;
        if proven == self.payload_root { Ok(()) } else { Err(CertificateError::WrongPayload(proven)) }
    }
}
