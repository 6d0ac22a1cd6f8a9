//! A stable checkpoint as a client takes it away: everything that it takes to check it besides genesis.
//!
//! What is proven is that a quorum of the validators has executed the chain to a height and found this header and this
//! state (`OB-8`). More than a third of the power would do, since one honest validator is among them; a quorum is what
//! validators wait for. The header's hash names its parent, so all headers below are proven with it.
//!
//! `history` is the hash of the genesis header, with which the id begins that the signatures are within: a wrong one
//! gives another id, within which nobody has signed anything.

use serde::{Deserialize, Serialize};

use super::CertificateError;
use crate::{
    app,
    config::Genesis,
    crypto::BatchRng,
    protocol::{Electorate, StableCheckpoint},
    store::Rows,
    types::{Digest, Height},
};

/// The proof of a checkpoint in JSON: what `GET /v1/checkpoint` serves and `thalweg verify` reads.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointDocument {
    /// The id of the chain.
    pub chain: Digest,
    /// The hash of the header that the epoch's id names.
    pub history: Digest,
    /// The checkpoint, and who signed it.
    pub stable: StableCheckpoint,
}

impl CheckpointDocument {
    /// The document for a stable checkpoint; `None` in a store without a genesis.
    pub fn new(rows: &dyn Rows, genesis: &Genesis, stable: StableCheckpoint) -> Option<Self> {
        let history = app::header(rows, Height::ZERO)?.hash();
        Some(Self { chain: genesis.chain_id(), history, stable })
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
        let id = genesis.epoch_id(self.stable.checkpoint.height, &set, &self.history);
        Ok(self.stable.verify(&Electorate { id, set }, rng)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::{SecretKey, Signable as _, seeded_rng},
        protocol::{Checkpoint, Rejection, Voucher},
        types::{Power, Validator},
    };

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed(&[seed; 32])
    }

    /// `OB-8`: a quorum's signatures within this chain's epoch, and nothing less.
    #[test]
    fn a_checkpoint_is_checked_with_nothing_but_genesis() {
        let member = |seed| Validator { public_key: key(seed).public_key(), power: Power::new(1) };
        let genesis = Genesis::new("test", 0, (1..=4).map(member).collect());
        let (set, history) = (genesis.validate().unwrap(), Digest::new([5; 32]));
        let height = Height::new(128);
        let checkpoint = Checkpoint { height, header: Digest::new([6; 32]), state_root: Digest::new([7; 32]) };
        let digest = checkpoint.digest(&genesis.epoch_id(height, &set, &history));
        let sign = |seed| Voucher {
            signer: set.index_of(&key(seed).public_key()).unwrap(),
            signature: key(seed).sign_digest(&digest),
        };
        let document = |signers: &[u8]| {
            let mut vouchers: Vec<_> = signers.iter().copied().map(sign).collect();
            vouchers.sort_by_key(|voucher| voucher.signer);
            let stable = StableCheckpoint { checkpoint, vouchers: vouchers.try_into().unwrap() };
            CheckpointDocument { chain: genesis.chain_id(), history, stable }
        };
        let check = |document: &CheckpointDocument| document.verify(&genesis, &mut seeded_rng(1));
        let good = document(&[1, 2, 3]);
        assert_eq!(check(&good), Ok(()));
        let json = serde_json::to_string(&good).unwrap();
        assert_eq!(serde_json::from_str::<CheckpointDocument>(&json).unwrap(), good);
        assert_eq!(check(&document(&[1, 2])), Err(CertificateError::Proof(Rejection::NoQuorum)));
        let mut forged = good.clone();
        forged.stable.checkpoint.state_root = Digest::new([8; 32]);
        assert_eq!(check(&forged), Err(CertificateError::Proof(Rejection::BadSignature)));
        let moved = CheckpointDocument { history: Digest::new([9; 32]), ..good.clone() };
        assert_eq!(check(&moved), Err(CertificateError::Proof(Rejection::BadSignature)));
        let foreign = CheckpointDocument { chain: Digest::new([9; 32]), ..good };
        assert_eq!(check(&foreign), Err(CertificateError::ForeignChain(Digest::new([9; 32]))));
    }
}
