//! `thalweg verify`: checks a certificate with nothing but genesis, on a machine that talks to nobody.

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use rand_core::SeedableRng as _;
use serde_json::json;

use super::{Failure, output};
use crate::{config::Genesis, crypto::BatchRng, replica::CertificateDocument};

/// The most bytes of a certificate: that of the largest validator set, in JSON.
const CERTIFICATE_BYTES_MAX: u64 = 8 << 20;

/// Check offline that a certificate proves what it says.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  thalweg certificate 7 > seven.json && thalweg verify --genesis genesis.json seven.json
  thalweg certificate latest | thalweg verify --genesis genesis.json -")]
pub(super) struct Arguments {
    /// The chain's genesis file: its validators are who is believed.
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// The certificate as a node gave it; `-` reads it from standard input.
    certificate: PathBuf,
}

/// Prints what is proven, or fails with the first thing that does not hold.
pub(super) fn run(arguments: &Arguments, json: bool) -> Result<ExitCode, Failure> {
    let genesis = Genesis::load(&arguments.genesis).map_err(|error| Failure::Failed(error.to_string()))?;
    let name = arguments.certificate.display().to_string();
    let text = read(&arguments.certificate).map_err(|error| Failure::failed(&name, error))?;
    let document: CertificateDocument = serde_json::from_slice(&text)
        .map_err(|error| Failure::failed(format_args!("{name}: not a certificate"), error))?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| Failure::failed("randomness", error))?;
    let proven = document.verify(&genesis, &mut BatchRng::from_seed(seed));
    proven.map_err(|error| Failure::Failed(format!("{name}: {error}")))?;
    let CertificateDocument { height, history, payload_root, .. } = &document;
    if json {
        let proven = json!({ "ok": true, "height": height, "payload_root": payload_root, "history": history });
        output::line(&proven)?;
    } else {
        let chain = &genesis.chain;
        let words = format!(
            "a quorum of the validators of {chain} decided payload {payload_root} at height {height}, on history {history}\n"
        );
        output::bytes(words.as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let from: Box<dyn io::Read> =
        if path == Path::new("-") { Box::new(io::stdin().lock()) } else { Box::new(std::fs::File::open(path)?) };
    from.take(CERTIFICATE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > CERTIFICATE_BYTES_MAX {
        return Err(io::Error::other("larger than any certificate"));
    }
    Ok(bytes)
}
