//! Signing keys and their files.

use ed25519_dalek::{
    Signer as _, SigningKey, VerifyingKey,
    pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes, spki::der::pem::LineEnding},
};

use super::{Signable, Signed};
use crate::types::{Digest, PublicKey, Signature, ValidatorIndex};

/// Why a key was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyError {
    /// Not the canonical encoding of a curve point.
    #[error("not the canonical encoding of an Ed25519 point")]
    NotCanonical,
    /// Under ZIP 215 anybody could sign for it.
    #[error("the key has small order: anybody could sign for it")]
    Weak,
    /// It has a part of small order, so that distinct keys could be one point to a verifier.
    #[error("the key is not torsion-free")]
    Torsion,
    /// The file is not a PKCS#8 Ed25519 key in PEM.
    #[error("not an Ed25519 private key in PKCS#8 PEM: {0}")]
    File(String),
    /// The file is encrypted.
    #[error("the key is encrypted, and there is no passphrase")]
    Encrypted,
    /// The passphrase is another, or the bytes are: nobody can tell which.
    #[error("the passphrase does not open it, or it is damaged")]
    Passphrase,
}

/// Checks that a key may be a validator's (`CR-K1`).
///
/// # Errors
/// [`KeyError`] for encodings that are not canonical, keys of small order, and keys with a torsion component.
pub fn check_key(key: &PublicKey) -> Result<(), KeyError> {
    let point = VerifyingKey::from_bytes(key.as_bytes()).map_err(|_| KeyError::NotCanonical)?;
    if point.to_edwards().compress().as_bytes() != key.as_bytes() {
        return Err(KeyError::NotCanonical);
    }
    if point.is_weak() {
        return Err(KeyError::Weak);
    }
    if !point.to_edwards().is_torsion_free() {
        return Err(KeyError::Torsion);
    }
    Ok(())
}

/// A validator's signing key. Zeroed when dropped; never printed.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey for {:?}", self.public_key())
    }
}

impl SecretKey {
    /// The key of a 32-byte seed (RFC 8032 section 5.1.5).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Reads PKCS#8 PEM (RFC 8410).
    ///
    /// # Errors
    /// [`KeyError::Encrypted`] for what [`Self::from_encrypted_pem`] reads, [`KeyError::File`] for anything else.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        if Self::is_encrypted(pem) {
            return Err(KeyError::Encrypted);
        }
        SigningKey::from_pkcs8_pem(pem).map(Self).map_err(|error| KeyError::File(error.to_string()))
    }

    /// Writes PKCS#8 PEM without the public key: OpenSSL 3.0 refuses the form that carries it.
    ///
    /// # Panics
    /// Never: 32 bytes always encode.
    pub fn to_pem(&self) -> zeroize::Zeroizing<String> {
        let bytes = KeypairBytes { secret_key: self.0.to_bytes(), public_key: None };
        bytes.to_pkcs8_pem(LineEnding::LF).expect("32 bytes always encode")
    }

    /// The 32-byte seed, for libraries that keep a key of their own.
    pub fn seed(&self) -> zeroize::Zeroizing<[u8; 32]> {
        zeroize::Zeroizing::new(self.0.to_bytes())
    }

    /// The verification key.
    pub fn public_key(&self) -> PublicKey {
        PublicKey::new(self.0.verifying_key().to_bytes())
    }

    /// Signs a digest. Deterministic: the same digest gives the same signature.
    pub fn sign_digest(&self, digest: &Digest) -> Signature {
        Signature::new(self.0.sign(digest.as_bytes()).to_bytes())
    }

    /// Signs a message within a scope, as the validator at `signer`.
    pub fn sign<T: Signable>(&self, message: T, signer: ValidatorIndex, scope: &Digest) -> Signed<T> {
        let signature = self.sign_digest(&message.digest(scope));
        Signed { message, signer, signature }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_has_the_short_form_and_comes_back() {
        let key = SecretKey::from_seed(&[7; 32]);
        let pem = key.to_pem();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEI"), "RFC 8410's short form");
        assert_eq!(SecretKey::from_pem(&pem).unwrap().public_key(), key.public_key());
        assert!(matches!(SecretKey::from_pem("nonsense"), Err(KeyError::File(_))));
    }

    #[test]
    fn refuses_keys_that_anybody_or_two_could_use() {
        assert_eq!(check_key(&SecretKey::from_seed(&[1; 32]).public_key()), Ok(()));
        // The identity, and the point of order two.
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(check_key(&PublicKey::new(identity)), Err(KeyError::Weak));
        let mut order_two = [0xff; 32];
        order_two[0] = 0xec;
        order_two[31] = 0x7f;
        assert_eq!(check_key(&PublicKey::new(order_two)), Err(KeyError::Weak));
        // The identity's y plus the field's prime: the same point in another encoding.
        let mut over = order_two;
        over[0] = 0xee;
        assert_eq!(check_key(&PublicKey::new(over)), Err(KeyError::NotCanonical));
        // A good key plus the point of order two.
        let good = SigningKey::from_bytes(&[1; 32]).verifying_key().to_edwards();
        let mixed = good + VerifyingKey::from_bytes(&order_two).unwrap().to_edwards();
        assert_eq!(check_key(&PublicKey::new(mixed.compress().to_bytes())), Err(KeyError::Torsion));
    }
}
