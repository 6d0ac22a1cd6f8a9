//! Files that hold a secret: keys; and, in one line, the token of the admin side, and passphrases.
//!
//! Read at the start, once. Nothing of what they hold occurs in an error, and what was read is zeroed when dropped.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use zeroize::Zeroizing;

/// The most bytes of such a file.
const BYTES_MAX: usize = 4096;
/// The permissions of anybody but the owner.
const OTHERS: u32 = 0o077;
/// What a group may do with a file of root's: read. So a supervisor hands a secret to a process that is not root:
/// Kubernetes mounts for `fsGroup` as root's with 0440, PostgreSQL takes a key in the same way. A user's own file needs
/// no group, there it is a slip.
const GROUP_READS: u32 = 0o040;

/// Why a secret is not taken from a file. Never says what is in it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// Others than its owner may do something with it.
    #[error("has mode {0:03o}: others may use it")]
    Open(u32),
    /// It is too long, or no text.
    #[error("must hold text, at most {0} bytes")]
    NoText(usize),
    /// It is empty, or has several lines.
    #[error("must hold one line of text")]
    NoLine,
}

/// Reads the line that a file holds, without its end.
///
/// # Errors
/// [`SecretFileError`].
pub fn read_secret_line(path: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    let text = read_secret(path, BYTES_MAX)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() || line.contains(['\n', '\r', '\0']) {
        return Err(SecretFileError::NoLine);
    }
    Ok(Zeroizing::new(line.to_owned()))
}

/// Reads a file of text that only those may read for whom it is meant. The mode is that of the file that was opened,
/// whatever is put in its place meanwhile.
///
/// # Errors
/// [`SecretFileError`].
pub(super) fn read_secret(path: &Path, bytes_max: usize) -> Result<Zeroizing<String>, SecretFileError> {
    let unreadable = |error: io::Error| SecretFileError::Unreadable(error.to_string());
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let mode = metadata.mode() & 0o777;
    if is_open(mode, metadata.uid()) {
        return Err(SecretFileError::Open(mode));
    }
    // Room for all of it beforehand: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max + 1));
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) if bytes.len() <= bytes_max => Ok(Zeroizing::new(text.to_owned())),
        _ => Err(SecretFileError::NoText(bytes_max)),
    }
}

/// Whether others than those it is meant for may use a file of this mode and owner.
fn is_open(mode: u32, owner: u32) -> bool {
    let allowed = if owner == 0 { GROUP_READS } else { 0 };
    mode & OTHERS & !allowed != 0
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    fn read(content: &[u8], mode: u32) -> Result<String, SecretFileError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        read_secret_line(&path).map(|line| line.to_string())
    }

    #[test]
    fn the_line_is_read_without_its_end() {
        for content in ["a b ", "a b \n", "a b \r\n"] {
            assert_eq!(read(content.as_bytes(), 0o600).unwrap(), "a b ");
        }
        assert_eq!(read(b"x", 0o400).unwrap(), "x");
        assert_eq!(read(&[b'x'; BYTES_MAX], 0o600).unwrap().len(), BYTES_MAX);
    }

    #[test]
    fn what_others_may_use_is_refused() {
        for mode in [0o604, 0o620, 0o660, 0o610, 0o601, 0o644] {
            assert_eq!(read(b"secret", mode), Err(SecretFileError::Open(mode)));
        }
        assert_eq!(SecretFileError::Open(0o640).to_string(), "has mode 640: others may use it");
    }

    #[test]
    fn a_group_may_read_a_file_of_root_and_nothing_else() {
        for mode in [0o440, 0o640, 0o040] {
            assert!(!is_open(mode, 0) && is_open(mode, 10001), "{mode:o}");
        }
        for owner in [0, 10001] {
            assert!(!is_open(0o400, owner) && !is_open(0o600, owner));
            for mode in [0o444, 0o404, 0o460, 0o450, 0o441, 0o442] {
                assert!(is_open(mode, owner), "{mode:o} of {owner}");
            }
        }
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for content in [&b""[..], b"\n", b"a\nb\n", b"a\n\n"] {
            assert_eq!(read(content, 0o600), Err(SecretFileError::NoLine));
        }
        for content in [&[0xff, 0xfe][..], &[b'x'; BYTES_MAX + 1]] {
            assert_eq!(read(content, 0o600), Err(SecretFileError::NoText(BYTES_MAX)));
        }
        assert!(matches!(read_secret_line(Path::new("/nowhere/secret")), Err(SecretFileError::Unreadable(_))));
    }
}
