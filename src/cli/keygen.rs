//! `thalweg keygen`: a client's key.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::json;

use super::{Failure, cluster, output};

/// Make a client's key, for chains that take signed commands only.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  thalweg keygen client.pem && thalweg put --key client.pem greeting hello
  openssl genpkey -algorithm ed25519 -out client.pem   # makes one as well")]
pub(super) struct Arguments {
    /// The file to write, for its owner alone; one that exists is left as it is.
    file: PathBuf,
}

/// Makes it, and says who the client is.
pub(super) fn run(arguments: &Arguments, json: bool) -> Result<ExitCode, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::failed(arguments.file.display(), error);
    let key = cluster::random_key().map_err(|error| failed(&error))?;
    cluster::write_key(&arguments.file, &key).map_err(|error| failed(&error))?;
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
        let arguments = Arguments { file: dir.path().join("client.pem") };
        run(&arguments, true).unwrap();
        let pem = std::fs::read_to_string(&arguments.file).unwrap();
        SecretKey::from_pem(&pem).unwrap();
        assert_eq!(std::fs::metadata(&arguments.file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(run(&arguments, false).unwrap_err().to_string().contains("File exists"));
        assert_eq!(std::fs::read_to_string(&arguments.file).unwrap(), pem);
    }
}
