//! `thalweg keygen`: a client's key, or a validator's.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::json;

use super::{Failure, cluster, output, passphrase};

/// Make a client's key, for chains that take signed commands only.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  thalweg keygen client.pem && thalweg put --key client.pem greeting hello
  thalweg keygen client.pem --passphrase-file passphrase      # encrypted; --encrypt asks for it
  openssl genpkey -algorithm ed25519 -out client.pem   # makes one as well")]
pub(super) struct Arguments {
    /// The file to write, for its owner alone; one that exists is left as it is.
    file: PathBuf,
    /// Encrypt it with a passphrase: the line in this file, which is its owner's alone.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Encrypt it with a passphrase: THALWEG_PASSPHRASE, or what is answered at the terminal.
    #[arg(long, conflicts_with = "passphrase_file")]
    encrypt: bool,
}

/// Makes it, and says who the client is.
pub(super) fn run(arguments: &Arguments, json: bool) -> Result<ExitCode, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::failed(arguments.file.display(), error);
    let key = cluster::random_key().map_err(|error| failed(&error))?;
    let pem = match (&arguments.passphrase_file, arguments.encrypt) {
        (None, false) => key.to_pem(),
        (given, _) => {
            let passphrase = passphrase::choose(given.as_deref(), &arguments.file)?;
            key.to_encrypted_pem(&passphrase).map_err(|error| failed(&error))?
        }
    };
    cluster::write_pem(&arguments.file, &pem).map_err(|error| failed(&error))?;
    let (client, file) = (key.public_key(), arguments.file.display());
    if json {
        output::line(&json!({ "client": client, "file": arguments.file }))?;
    } else {
        output::bytes(format!("{file}: client {client}\n").as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::crypto::SecretKey;

    #[test]
    fn a_key_is_its_owners_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let arguments = Arguments { file: dir.path().join("client.pem"), passphrase_file: None, encrypt: false };
        run(&arguments, true).unwrap();
        let pem = std::fs::read_to_string(&arguments.file).unwrap();
        SecretKey::from_pem(&pem).unwrap();
        assert_eq!(std::fs::metadata(&arguments.file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(run(&arguments, false).unwrap_err().to_string().contains("File exists"));
        assert_eq!(std::fs::read_to_string(&arguments.file).unwrap(), pem);
    }

    #[test]
    fn a_key_is_encrypted_with_the_line_of_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let passphrase = dir.path().join("passphrase");
        let (file, passphrase_file) = (dir.path().join("client.pem"), Some(passphrase.clone()));
        let arguments = Arguments { file, passphrase_file, encrypt: false };
        let write = |text: &str, mode| {
            std::fs::write(&passphrase, text).unwrap();
            std::fs::set_permissions(&passphrase, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        write("correct horse", 0o644);
        assert!(run(&arguments, true).unwrap_err().to_string().contains("mode 644"));
        write("too short", 0o600);
        assert!(run(&arguments, true).unwrap_err().to_string().contains("12 characters"));
        assert!(!arguments.file.exists());
        write("correct horse\n", 0o600);
        run(&arguments, true).unwrap();
        let pem = std::fs::read_to_string(&arguments.file).unwrap();
        SecretKey::from_encrypted_pem(&pem, "correct horse").unwrap();
        assert_eq!(std::fs::metadata(&arguments.file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
