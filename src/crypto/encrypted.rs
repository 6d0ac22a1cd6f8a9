//! Encrypted key files: PKCS#8 (RFC 5958) under PBES2 with scrypt and AES-256-CBC (RFC 8018, RFC 7914), as OpenSSL reads
//! and writes them.
//!
//! Read are the key derivations and ciphers of PBES2 that are not broken: scrypt or PBKDF2, AES in CBC mode.

use ed25519_dalek::{
    SigningKey,
    pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes, spki::der::pem::LineEnding},
};
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, SecretDocument, pkcs5};
use zeroize::Zeroizing;

use super::key::{KeyError, SecretKey};

/// What an encrypted key file begins with.
const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";

impl SecretKey {
    /// Whether a PEM needs [`Self::from_encrypted_pem`].
    pub fn is_encrypted(pem: &str) -> bool {
        pem.lines().any(|line| line.trim_end() == BEGIN)
    }

    /// Reads encrypted PKCS#8 PEM. Takes a tenth of a second on purpose: so does each guess.
    ///
    /// # Errors
    /// [`KeyError::Passphrase`] for another passphrase, [`KeyError::File`] for anything that is no such file.
    pub fn from_encrypted_pem(pem: &str, passphrase: &str) -> Result<Self, KeyError> {
        let file = |error: &dyn std::fmt::Display| KeyError::File(error.to_string());
        let (_, document) = SecretDocument::from_pem(pem).map_err(|error| file(&error))?;
        let encrypted = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|error| file(&error))?;
        let plain = encrypted.decrypt(passphrase).map_err(|error| match error {
            // Neither its padding nor its outermost structure: bytes at random.
            pkcs8::Error::EncryptedPrivateKey(pkcs5::Error::DecryptFailed) | pkcs8::Error::Asn1(_) => {
                KeyError::Passphrase
            }
            error => file(&error),
        })?;
        PrivateKeyInfoRef::try_from(plain.as_bytes()).map_err(|_| KeyError::Passphrase)?;
        SigningKey::from_pkcs8_der(plain.as_bytes())
            .map(|key| Self::from_seed(key.as_bytes()))
            .map_err(|error| file(&error))
    }

    /// Writes encrypted PKCS#8 PEM: scrypt with N = 2^14, r = 8, p = 1, the most that OpenSSL reads unasked, under a
    /// random salt.
    ///
    /// # Errors
    /// [`KeyError::File`] when the operating system has no randomness.
    pub fn to_encrypted_pem(&self, passphrase: &str) -> Result<Zeroizing<String>, KeyError> {
        let bytes = KeypairBytes { secret_key: *self.seed(), public_key: None };
        let encrypted = bytes.to_pkcs8_encrypted_pem(passphrase, LineEnding::LF);
        encrypted.map_err(|error| KeyError::File(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSPHRASE: &str = "correct horse battery staple";

    #[test]
    fn opens_with_its_passphrase_and_no_other() {
        let key = SecretKey::from_seed(&[7; 32]);
        let pem = key.to_encrypted_pem(PASSPHRASE).unwrap();
        assert!(pem.starts_with(BEGIN) && SecretKey::is_encrypted(&pem) && !SecretKey::is_encrypted(&key.to_pem()));
        assert_eq!(SecretKey::from_encrypted_pem(&pem, PASSPHRASE).unwrap().public_key(), key.public_key());
        assert_ne!(*pem, *key.to_encrypted_pem(PASSPHRASE).unwrap(), "a salt of its own");
        for wrong in ["", "correct horse battery stapl", "correct horse battery staple "] {
            assert_eq!(SecretKey::from_encrypted_pem(&pem, wrong).unwrap_err(), KeyError::Passphrase, "{wrong}");
        }
        assert_eq!(SecretKey::from_pem(&pem).unwrap_err(), KeyError::Encrypted);
    }

    #[test]
    fn refuses_what_is_no_such_file() {
        let plain = SecretKey::from_seed(&[7; 32]).to_pem();
        for other in ["", "nonsense", &format!("{BEGIN}\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"), &plain] {
            assert!(matches!(SecretKey::from_encrypted_pem(other, PASSPHRASE), Err(KeyError::File(_))), "{other}");
        }
    }
}
