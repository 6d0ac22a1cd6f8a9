//! A client that trusts no node: it believes the genesis file, and nothing that is not proven by it.
//!
//! ```text
//! thalweg localnet --dir net &
//! thalweg put greeting hello
//! cargo run --example trust_no_node -- net/genesis.json http://127.0.0.1:8700,http://127.0.0.1:8701 greeting
//! ```
//!
//! What a node cannot do is to make up a value, or to deny one. What it can do is to stay silent and to answer with
//! an old state: so the client goes to the next node, and says below which height it believes nobody.

use std::process::ExitCode;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rand_core::SeedableRng as _;
use thalweg::{config::Genesis, crypto::BatchRng, replica::StateProofDocument, types::Height};

/// What is certain: a quorum of the validators has executed a state that says so.
#[derive(Debug, PartialEq, Eq)]
pub struct Fact {
    /// The height of that state.
    pub height: Height,
    /// The value; `None` for an absent key.
    pub value: Option<Vec<u8>>,
}

/// Asks one node after the other, until one proves its answer.
///
/// # Errors
/// What was wrong with each node's answer.
pub fn read(genesis: &Genesis, nodes: &[&str], key: &[u8], not_before: Height) -> Result<Fact, String> {
    let mut failures = Vec::new();
    for node in nodes {
        match read_from(genesis, node, key, not_before) {
            Ok(fact) => return Ok(fact),
            Err(failure) => failures.push(format!("{node}: {failure}")),
        }
    }
    Err(failures.join("\n"))
}

fn read_from(genesis: &Genesis, node: &str, key: &[u8], not_before: Height) -> Result<Fact, String> {
    let url = format!("{node}/v1/kv/{}?proof=true&at_least={not_before}", percent_encode(key, NON_ALPHANUMERIC));
    let mut reply = ureq::get(&url).call().map_err(|error| error.to_string())?;
    let document: StateProofDocument = reply.body_mut().read_json().map_err(|error| error.to_string())?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| error.to_string())?;
    let value = document.verify(genesis, key, &mut BatchRng::from_seed(seed)).map_err(|error| error.to_string())?;
    let height = document.header.height;
    if height < not_before {
        return Err(format!("it proves the state of height {height}, which is too old"));
    }
    Ok(Fact { height, value: value.map(<[u8]>::to_vec) })
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [genesis, nodes, key] = &arguments[..] else {
        eprintln!("usage: trust_no_node GENESIS URL[,URL…] KEY");
        return ExitCode::from(2);
    };
    let nodes: Vec<&str> = nodes.split(',').collect();
    let fact = Genesis::load(genesis.as_ref())
        .map_err(|error| error.to_string())
        .and_then(|genesis| read(&genesis, &nodes, key.as_bytes(), Height::ZERO));
    match fact {
        Ok(Fact { height, value: Some(value) }) => eprintln!("at height {height}: {}", String::from_utf8_lossy(&value)),
        Ok(Fact { height, value: None }) => eprintln!("at height {height} there is no such key"),
        Err(failures) => {
            eprintln!("{failures}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
