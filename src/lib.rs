//! Thalweg: a Byzantine fault tolerant consensus runtime.
//!
//! Machines that do not trust each other agree on one sequence of commands and execute it, and go on while less than a
//! third of the voting power lies or is down. Every decision has a certificate that anyone can check with nothing but
//! the genesis file; what is committed is on disk at a quorum of validators; equal heights have equal state roots.
//!
//! There are two ways to run it. The `thalweg` binary is a node with an HTTP API and a key-value store as its
//! application: its README has the tour. This crate is the library behind it, for a program that brings an application
//! of its own.
//!
//! # Embedding
//! A [`Replica`] is put together from parts, started, and stopped by dropping it. It is what the binary's `start` runs.
//! Here one validator is a quorum alone; `examples/bank.rs` has four in one process.
//!
#![cfg_attr(feature = "node", doc = "```")]
#![cfg_attr(not(feature = "node"), doc = "```text")]
//! use std::time::Duration;
//! use thalweg::{
//!     Replica,
//!     app::{Application, CheckError, Receipt, State, Status},
//!     config::{ApplicationName, Genesis, NetworkSection},
//!     crypto::SecretKey,
//!     node::create_store,
//!     types::{Height, Power, Validator},
//! };
//!
//! /// Counts the commands, whatever they say. The same on every replica: no clock, no randomness.
//! struct Counter;
//!
//! impl Application for Counter {
//!     fn name(&self) -> &'static str {
//!         "counter"
//!     }
//!     fn genesis(&self, state: &mut State<'_>) {
//!         state.put(b"count", "0");
//!     }
//!     fn check(&self, _body: &[u8]) -> Result<(), CheckError> {
//!         Ok(())
//!     }
//!     fn execute(&self, state: &mut State<'_>, _height: Height, _body: &[u8]) -> Receipt {
//!         let count = state.get(b"count").and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok());
//!         let count = count.map_or(0, |count: u64| count + 1).to_string();
//!         state.put(b"count", &count);
//!         Receipt { status: Status::Applied, result: count.into() }
//!     }
//!     fn query(&self, state: &State<'_>, _: &[u8]) -> Result<Option<bytes::Bytes>, CheckError> {
//!         Ok(state.get(b"count"))
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // What all replicas agree on. Real keys come from the operating system's randomness.
//! let key = SecretKey::from_seed(&[1; 32]);
//! let validators = vec![Validator { public_key: key.public_key(), power: Power::new(1) }];
//! let mut genesis = Genesis::new("counting", 0, validators);
//! genesis.application = ApplicationName::Embedded;
//!
//! // Once for each new replica: a directory with an empty vote journal.
//! let dir = tempfile::tempdir()?;
//! let data = dir.path().join("data");
//! create_store(&data, &genesis)?;
//!
//! let replica = Replica::builder()
//!     .app(Counter)
//!     .genesis(genesis)
//!     .validator_key(key)
//!     .peer_key(SecretKey::from_seed(&[2; 32]))
//!     .network(NetworkSection { listen: vec!["/memory/1".into()], ..NetworkSection::default() })
//!     .store(data)
//!     .build()?
//!     .start()?;
//! let committed = replica.submit("whatever")?.wait(Duration::from_secs(30))?;
//! assert_eq!(committed.receipt.result, "1");
//! assert_eq!(replica.query("")?.value, Some("1".into()));
//! drop(replica); // stops everything
//! # Ok(())
//! # }
#![doc = "```"]
//!
//! A disk that fails ends the process ([`journal`] says why: a replica that cannot remember must not vote). A program
//! that embeds a replica should be built with `panic = "abort"`, as the binary is, or end when `Replica::ended` tells.
//!
//! # Map
//! * The pure half decides: [`types`], [`crypto`], [`protocol`], [`store`], [`config`], [`app`], [`journal`],
//!   [`replica`], and [`sim`], which runs whole clusters of them in one thread. It needs no default feature, and knows no
//!   async runtime and no network.
//! * The node half (feature `node`, on by default) acts: `actors`, `metrics`, `api` and `node`, which puts it all
//!   together.
//! * [`cli`] is the command line of both.
//!
//! # Where to read on
//! An application is written against [`app::Application`]. How it all works is told in [`docs::architecture`], with the
//! words of [`docs::glossary`]; how a height is decided, in [`protocol::streamlette`].

pub mod app;
pub mod cli;
pub mod config;
pub mod crypto;
pub mod docs;
pub mod journal;
pub mod protocol;
pub mod replica;
pub mod sim;
pub mod store;
pub mod types;

#[cfg(feature = "node")]
pub mod actors;
#[cfg(feature = "node")]
pub mod api;
#[cfg(feature = "node")]
pub mod metrics;
#[cfg(feature = "node")]
pub mod node;

#[cfg(feature = "node")]
pub use node::Replica;

/// The version of this build, as `--version`, `/v1/status`, `thalweg_build_info` and other nodes show it. A build of
/// the same sources may call itself otherwise (`THALWEG_VERSION`): a distribution's name, or the next one in a rehearsal.
pub const VERSION: &str = match option_env!("THALWEG_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

/// What nodes tell each other that they run.
pub fn agent() -> String {
    format!("thalweg/{VERSION}")
}
