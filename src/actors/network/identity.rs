//! Who a peer is: its libp2p identity, and the proof that a validator stands behind it.
//!
//! A consensus key never serves libp2p. It signs once for each start of the node: this chain, this peer id, this
//! counter. The highest counter seen for a validator wins, so a stolen or outdated node key cannot take its place for
//! long (SPEC.md section 5, `NW-P1`).

use libp2p::{PeerId, identity};
use serde::{Deserialize, Serialize};

use crate::{
    crypto::{Check, Kind, SecretKey, Signable, Transcript},
    types::{Digest, PublicKey, Signature},
};

/// The key by which a node is known to libp2p. Never printed.
#[derive(Clone)]
pub struct NodeKey(identity::Keypair);

impl std::fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NodeKey of {}", self.peer_id())
    }
}

impl NodeKey {
    /// The key of a 32-byte seed (RFC 8032 section 5.1.5).
    ///
    /// # Panics
    /// Never: any 32 bytes are an Ed25519 seed.
    pub fn from_seed(mut seed: [u8; 32]) -> Self {
        // Zeroes the seed.
        Self(identity::Keypair::ed25519_from_bytes(&mut seed).expect("any 32 bytes are an Ed25519 seed"))
    }

    /// The id that others see.
    pub fn peer_id(&self) -> PeerId {
        self.0.public().to_peer_id()
    }

    pub(super) fn keypair(&self) -> identity::Keypair {
        self.0.clone()
    }
}

impl From<&SecretKey> for NodeKey {
    fn from(key: &SecretKey) -> Self {
        Self::from_seed(*key.seed())
    }
}

/// A validator's word that a peer id is its own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PeerProof {
    /// The consensus key.
    pub validator: PublicKey,
    /// Rises with each start of the validator's node.
    pub counter: u64,
    /// Over chain, peer id and counter.
    pub signature: Signature,
}

struct Binding {
    peer: PeerId,
    counter: u64,
}

impl Signable for Binding {
    const KIND: Kind = Kind { protocol: "network", name: "peer", version: 1 };

    fn fields(&self, transcript: Transcript) -> Transcript {
        transcript.bytes(&self.peer.to_bytes()).number(self.counter)
    }
}

impl PeerProof {
    /// Signs that `peer` is the holder's node. `counter` must be larger than in all earlier proofs of this key and
    /// durable before the proof is used, otherwise peers go on believing an earlier node.
    pub fn sign(key: &SecretKey, chain: &Digest, peer: PeerId, counter: u64) -> Self {
        let signature = key.sign_digest(&Binding { peer, counter }.digest(chain));
        Self { validator: key.public_key(), counter, signature }
    }

    /// Whether the signature holds for this peer. Costs one Ed25519 verification.
    pub fn is_valid(&self, chain: &Digest, peer: PeerId) -> bool {
        let digest = Binding { peer, counter: self.counter }.digest(chain);
        Check { key: self.validator, digest, signature: self.signature }.is_valid()
    }
}

/// The first frame on every substream.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    /// Of which chain.
    pub chain: Digest,
    /// Of the frames that follow.
    pub version: u16,
    /// Which validator speaks; without it the peer is a listener and has nothing to say here.
    pub proof: Option<PeerProof>,
}

/// The version of frames on substreams.
pub(super) const FRAME_VERSION: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    /// `NW-P1`
    #[test]
    fn proof_holds_for_its_own_chain_peer_and_counter_only() {
        let (key, chain) = (SecretKey::from_seed(&[1; 32]), Digest::new([7; 32]));
        let (peer, other) = (NodeKey::from_seed([2; 32]).peer_id(), NodeKey::from_seed([3; 32]).peer_id());
        let proof = PeerProof::sign(&key, &chain, peer, 5);
        assert!(proof.is_valid(&chain, peer));
        assert!(!proof.is_valid(&chain, other));
        assert!(!proof.is_valid(&Digest::new([8; 32]), peer));
        assert!(!PeerProof { counter: 6, ..proof.clone() }.is_valid(&chain, peer));
        let thief = SecretKey::from_seed(&[9; 32]).public_key();
        assert!(!PeerProof { validator: thief, ..proof }.is_valid(&chain, peer));
    }
}
