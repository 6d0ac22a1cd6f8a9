//! Asks nodes, and believes only what is proven.

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
    // A node may first have to move an idle chain to what attests the state: under PBFT, to the next checkpoint.
    let key_path = percent_encode(key, NON_ALPHANUMERIC);
    let url = format!("{node}/v1/kv/{key_path}?proof=true&at_least={not_before}&timeout_ms=60000");
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
