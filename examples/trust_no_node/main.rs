//! A client that trusts no node: it believes the genesis file, and nothing that is not proven by it.
//!
//! ```text
//! thalweg localnet --dir net &
//! thalweg put greeting hello
//! cargo run --example trust_no_node -- \
//!     net/genesis.json http://127.0.0.1:8700,http://127.0.0.1:8701 greeting
//! ```
//!
//! What a node cannot do is to make up a value, or to deny one. What it can do is to stay silent and to answer with
//! an old state: so the client goes to the next node, and says below which height it believes nobody.

mod client;

use std::process::ExitCode;

use client::{Fact, read};
use thalweg::{config::Genesis, types::Height};

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
