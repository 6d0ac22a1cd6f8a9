//! Key files are read by the tools that operators have.

use std::{fs, io::ErrorKind, process::Command};

use super::secret;

#[test]
fn openssl_reads_our_key_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("validator.pem");
    let key = secret(7);
    fs::write(&path, key.to_pem().as_bytes()).unwrap();
    let output = match Command::new("openssl").args(["pkey", "-noout", "-text", "-in"]).arg(&path).output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("not checked: openssl is not installed");
            return;
        }
        Err(error) => panic!("openssl did not start: {error}"),
    };
    let text = String::from_utf8_lossy(&output.stdout).to_lowercase();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed: String =
        text.split("pub:").nth(1).expect("a public part").chars().filter(char::is_ascii_hexdigit).collect();
    assert_eq!(printed, key.public_key().to_string());
}
