//! Key files are read by the tools that operators have, and theirs by us.

use std::{fs, io::ErrorKind, path::Path, process::Command};

use super::secret;
use crate::crypto::SecretKey;

const PASSPHRASE: &str = "correct horse battery staple";

/// What openssl prints; `None` where it is not installed.
fn openssl(arguments: &[&str], file: &Path) -> Option<String> {
    let output = match Command::new("openssl").args(arguments).arg("-in").arg(file).output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("not checked: openssl is not installed");
            return None;
        }
        Err(error) => panic!("openssl did not start: {error}"),
    };
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The public key in what openssl prints of a key.
fn printed(text: &str) -> String {
    let text = text.to_lowercase();
    text.split("pub:").nth(1).expect("a public part").chars().filter(char::is_ascii_hexdigit).collect()
}

#[test]
fn openssl_reads_our_key_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("validator.pem");
    let key = secret(7);
    fs::write(&path, key.to_pem().as_bytes()).unwrap();
    let Some(text) = openssl(&["pkey", "-noout", "-text"], &path) else { return };
    assert_eq!(printed(&text), key.public_key().to_string());
}

#[test]
fn openssl_reads_our_encrypted_key_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("validator.pem");
    let key = secret(7);
    fs::write(&path, key.to_encrypted_pem(PASSPHRASE).unwrap().as_bytes()).unwrap();
    let given = format!("pass:{PASSPHRASE}");
    let Some(text) = openssl(&["pkey", "-noout", "-text", "-passin", &given], &path) else { return };
    assert_eq!(printed(&text), key.public_key().to_string());
}

#[test]
fn key_files_that_openssl_encrypts_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plain.pem");
    let key = secret(7);
    fs::write(&path, key.to_pem().as_bytes()).unwrap();
    let given = format!("pass:{PASSPHRASE}");
    for way in [&["-scrypt"][..], &["-v2", "aes-256-cbc"], &["-v2", "aes-128-cbc", "-iter", "100000"]] {
        let arguments = [&["pkcs8", "-topk8", "-passout", &given], way].concat();
        let Some(pem) = openssl(&arguments, &path) else { return };
        let read = SecretKey::from_encrypted_pem(&pem, PASSPHRASE).unwrap();
        assert_eq!(read.public_key(), key.public_key(), "{way:?}");
    }
}
