//! Thalweg: a Byzantine fault tolerant consensus runtime.
//!
//! Machines that do not trust each other agree on one sequence of commands and execute it, and go on while less than a
//! third of the voting power lies or is down. This crate is the library behind the `thalweg` binary.
//!
//! * The pure half decides: [`types`], [`crypto`], [`protocol`], [`store`], [`config`], [`app`], [`journal`],
//!   [`replica`], and [`sim`], which runs whole clusters of them in one thread. It needs no default feature, and knows no
//!   async runtime and no network.
//! * The node half (feature `node`, on by default) acts: `actors`, `metrics`, `api` and `node`.
//! * [`cli`] is the command line of both.
//!
//! Begin with [`docs::architecture`]; the words are those of [`docs::glossary`].

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
