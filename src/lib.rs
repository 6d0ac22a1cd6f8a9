//! Thalweg: a Byzantine fault tolerant consensus runtime.

pub mod app;
pub mod cli;
pub mod config;
pub mod crypto;
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
