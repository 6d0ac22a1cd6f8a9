//! Key files as they lie on disk, encrypted ones included.
//!
//! The passphrase of encrypted ones is the line in a file that the configuration names; without one, what the variable
//! [`PASSPHRASE_VARIABLE`] holds; without that, whatever a person answers. One passphrase opens all of them. It is zeroed
//! when dropped, and stands in no error.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::secret_file::{SecretFileError, read_secret, read_secret_line};
use crate::crypto::{KeyError, SecretKey};

/// The environment variable with a passphrase. A file is better: other programs of the same user can read a process's
/// environment.
pub const PASSPHRASE_VARIABLE: &str = "THALWEG_PASSPHRASE";

/// The most bytes of a key file.
const BYTES_MAX: usize = 16 << 10;

/// Asks a person for the passphrase of a file; `None` where there is nobody to ask.
pub type AskPassphrase<'a> = &'a mut dyn FnMut(&Path) -> Option<Zeroizing<String>>;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read, or others may.
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    File(PathBuf, SecretFileError),
    /// It holds no key, or its passphrase is another one.
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    Key(PathBuf, KeyError),
    /// The file with the passphrase is of no use.
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    Passphrase(PathBuf, SecretFileError),
}

impl KeyFileError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Key(_, KeyError::Encrypted) => format!(
                "name a file with its passphrase in node.passphrase_file (for a client, --passphrase-file), set \
                 {PASSPHRASE_VARIABLE}, or run it at a terminal, which asks"
            ),
            Self::Key(path, KeyError::Passphrase) => format!(
                "give the passphrase that it was encrypted with; `openssl pkey -noout -in {}` tries one",
                path.display()
            ),
            Self::File(path, SecretFileError::Open(_)) | Self::Passphrase(path, SecretFileError::Open(_)) => {
                format!("chmod 600 {}", path.display())
            }
            Self::Passphrase(..) => "give a file with the passphrase in its one line".to_owned(),
            Self::File(..) | Self::Key(..) => {
                "give an Ed25519 private key in PKCS#8 PEM, as `thalweg genesis` writes it".to_owned()
            }
        }
    }
}

/// Reads key files, and finds their passphrase when the first encrypted one comes up.
pub struct KeyFiles<'a> {
    passphrase_file: Option<&'a Path>,
    ask: AskPassphrase<'a>,
    passphrase: Option<Zeroizing<String>>,
}

impl<'a> KeyFiles<'a> {
    /// With the passphrase in this file, if it is given.
    pub fn new(passphrase_file: Option<&'a Path>, ask: AskPassphrase<'a>) -> Self {
        Self { passphrase_file, ask, passphrase: None }
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn read(&mut self, path: &Path) -> Result<SecretKey, KeyFileError> {
        let pem = read_secret(path, BYTES_MAX).map_err(|error| KeyFileError::File(path.to_owned(), error))?;
        let key = match SecretKey::is_encrypted(&pem) {
            true => SecretKey::from_encrypted_pem(&pem, self.passphrase(path)?),
            false => SecretKey::from_pem(&pem),
        };
        key.map_err(|error| KeyFileError::Key(path.to_owned(), error))
    }

    fn passphrase(&mut self, path: &Path) -> Result<&str, KeyFileError> {
        let passphrase = match (self.passphrase.take(), self.passphrase_file) {
            (Some(known), _) => Some(known),
            (None, Some(file)) => {
                let line = read_secret_line(file);
                Some(line.map_err(|error| KeyFileError::Passphrase(file.to_owned(), error))?)
            }
            (None, None) => passphrase_of_environment().or_else(|| (self.ask)(path)),
        };
        let missing = || KeyFileError::Key(path.to_owned(), KeyError::Encrypted);
        Ok(self.passphrase.insert(passphrase.ok_or_else(missing)?))
    }
}

/// What [`PASSPHRASE_VARIABLE`] holds, unless that is nothing.
pub fn passphrase_of_environment() -> Option<Zeroizing<String>> {
    let value = std::env::var(PASSPHRASE_VARIABLE).ok().map(Zeroizing::new);
    value.filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    const PASSPHRASE: &str = "correct horse battery staple";

    fn secret_file(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn one_passphrase_opens_all_files_and_is_asked_for_once() {
        let dir = tempfile::tempdir().unwrap();
        let (plain, first, second) = (dir.path().join("0.pem"), dir.path().join("1.pem"), dir.path().join("2.pem"));
        let key = |seed| SecretKey::from_seed(&[seed; 32]);
        secret_file(&plain, &key(0).to_pem());
        secret_file(&first, &key(1).to_encrypted_pem(PASSPHRASE).unwrap());
        secret_file(&second, &key(2).to_encrypted_pem(PASSPHRASE).unwrap());
        let mut asked = Vec::new();
        let mut ask = |path: &Path| {
            asked.push(path.to_owned());
            Some(Zeroizing::new(PASSPHRASE.to_owned()))
        };
        let mut files = KeyFiles::new(None, &mut ask);
        for (seed, path) in [(0, &plain), (1, &first), (2, &second)] {
            assert_eq!(files.read(path).unwrap().public_key(), key(seed).public_key());
        }
        assert_eq!(asked, [first], "for the first that is encrypted");
    }

    #[test]
    fn whatever_keeps_a_file_shut_is_named_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let (file, passphrase) = (dir.path().join("validator.pem"), dir.path().join("passphrase"));
        secret_file(&file, &SecretKey::from_seed(&[1; 32]).to_encrypted_pem(PASSPHRASE).unwrap());
        let mut nobody = |_: &Path| None;
        let error = KeyFiles::new(None, &mut nobody).read(&file).unwrap_err();
        assert!(error.to_string().contains("validator.pem: the key is encrypted"), "{error}");
        assert!(error.remedy().contains("node.passphrase_file") && error.remedy().contains(PASSPHRASE_VARIABLE));
        let mut read = |text: &str, mode| {
            secret_file(&passphrase, text);
            fs::set_permissions(&passphrase, fs::Permissions::from_mode(mode)).unwrap();
            KeyFiles::new(Some(&passphrase), &mut nobody).read(&file)
        };
        let error = read("another passphrase", 0o600).unwrap_err();
        assert!(error.to_string().contains("validator.pem: the passphrase does not open it"), "{error}");
        assert!(error.remedy().contains("openssl pkey") && !error.remedy().contains("another passphrase"));
        let error = read(PASSPHRASE, 0o644).unwrap_err();
        assert!(error.to_string().contains("passphrase: has mode 644") && error.remedy().contains("chmod 600"));
        assert!(read(&format!("{PASSPHRASE}\n"), 0o400).is_ok());
    }
    #[test]
    fn key_that_others_may_read_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("validator.pem");
        secret_file(&file, &SecretKey::from_seed(&[1; 32]).to_pem());
        let mut nobody = |_: &Path| None;
        assert!(KeyFiles::new(None, &mut nobody).read(&file).is_ok());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let error = KeyFiles::new(None, &mut nobody).read(&file).unwrap_err();
        assert!(error.to_string().contains("validator.pem: has mode 644"), "{error}");
        assert!(error.remedy().contains("chmod 600"), "{}", error.remedy());
    }
}
