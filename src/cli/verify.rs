//! `thalweg verify`: checks a certificate, a checkpoint or a proven read, with nothing but genesis, on a machine that talks to nobody.

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use rand_core::SeedableRng as _;
use serde_json::{Value, json};

use super::{Failure, output};
use crate::{
    app::Header,
    config::Genesis,
    crypto::BatchRng,
    protocol::Checkpoint,
    replica::{CertificateDocument, CheckpointDocument, StateProofDocument},
    types::Octets,
};

/// The most bytes of a document: the certificate of the largest validator set and the largest value, in JSON.
const DOCUMENT_BYTES_MAX: u64 = 32 << 20;

/// Check offline that a certificate, a checkpoint or a proven read proves what it says.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  thalweg certificate 7 > seven.json && thalweg verify --genesis genesis.json seven.json
  thalweg certificate latest | thalweg verify --genesis genesis.json -
  thalweg checkpoint | thalweg verify --genesis genesis.json -
  curl 'http://127.0.0.1:8700/v1/kv/greeting?proof=true' | thalweg verify --genesis genesis.json -")]
pub(super) struct Arguments {
    /// The chain's genesis file: its validators are who is believed.
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// The certificate, checkpoint or proven read as a node gave it; `-` reads it from standard input.
    #[arg(value_name = "PROOF")]
    document: PathBuf,
}

/// What a node gives to be checked, told apart by what only one of them has.
enum Document {
    Certificate(Box<CertificateDocument>),
    Checkpoint(Box<CheckpointDocument>),
    State(Box<StateProofDocument>),
}

/// Prints what is proven, or fails with the first thing that does not hold.
pub(super) fn run(arguments: &Arguments, json: bool) -> Result<ExitCode, Failure> {
    let genesis = Genesis::load(&arguments.genesis).map_err(|error| Failure::Failed(error.to_string()))?;
    let name = match arguments.document.as_path() {
        file if file == Path::new("-") => "standard input".to_owned(),
        file => file.display().to_string(),
    };
    let text = read(&arguments.document).map_err(|error| Failure::failed(&name, error))?;
    let document = parse(&text).map_err(|error| {
        Failure::failed(format_args!("{name}: not a certificate, checkpoint or proven read in JSON"), error)
    })?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| Failure::failed("randomness", error))?;
    let mut rng = BatchRng::from_seed(seed);
    let refused = |error: &dyn std::error::Error| Failure::Failed(format!("{name}: {error}"));
    let (said, words) = match &document {
        Document::Certificate(document) => {
            document.verify(&genesis, &mut rng).map_err(|error| refused(&error))?;
            decision(&genesis, document)
        }
        Document::Checkpoint(document) => {
            document.verify(&genesis, &mut rng).map_err(|error| refused(&error))?;
            agreement(&genesis, document)
        }
        Document::State(document) => {
            document.verify(&genesis, &document.key.0, &mut rng).map_err(|error| refused(&error))?;
            reading(&genesis, document)
        }
    };
    if json {
        output::line(&said)?;
    } else {
        output::bytes(words.as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn parse(text: &[u8]) -> serde_json::Result<Document> {
    let value: Value = serde_json::from_slice(text)?;
    let has = |member| value.get(member).is_some();
    match (has("attestation"), has("stable")) {
        (true, _) => serde_json::from_value(value).map(Document::State),
        (false, true) => serde_json::from_value(value).map(Document::Checkpoint),
        (false, false) => serde_json::from_value(value).map(Document::Certificate),
    }
}

fn decision(genesis: &Genesis, document: &CertificateDocument) -> (Value, String) {
    let CertificateDocument { height, history, payload_root, .. } = document;
    let said = json!({ "ok": true, "height": height, "payload_root": payload_root, "history": history });
    let chain = &genesis.chain;
    let words = format!(
        "a quorum of the validators of {chain} decided payload {payload_root} at height {height}, on history {history}\n"
    );
    (said, words)
}

fn agreement(genesis: &Genesis, document: &CheckpointDocument) -> (Value, String) {
    let Checkpoint { height, header, state_root } = document.stable.checkpoint;
    let said = json!({ "ok": true, "height": height, "header": header, "state_root": state_root });
    let chain = &genesis.chain;
    let words = format!(
        "a quorum of the validators of {chain} has executed height {height} with state {state_root} and header {header}\n"
    );
    (said, words)
}

fn reading(genesis: &Genesis, document: &StateProofDocument) -> (Value, String) {
    let StateProofDocument { key, value, header, .. } = document;
    let Header { height, state_root, time_ms, .. } = header;
    let said = json!({
        "ok": true, "height": height, "state_root": state_root, "time_ms": time_ms, "key": key, "value": value,
    });
    let chain = &genesis.chain;
    let quoted = |octets: &Octets| format!("{:?}", String::from_utf8_lossy(&octets.0));
    let value = value.as_ref().map_or_else(|| "nothing".to_owned(), quoted);
    let key = quoted(key);
    let words = format!(
        "the state of {chain} at height {height}, which a quorum of its validators attests, holds {value} under {key}\n"
    );
    (said, words)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let from: Box<dyn io::Read> =
        if path == Path::new("-") { Box::new(io::stdin().lock()) } else { Box::new(std::fs::File::open(path)?) };
    from.take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
        return Err(io::Error::other("larger than any proof"));
    }
    Ok(bytes)
}
