//! `node.toml`: what is each node's own.
//!
//! [`NodeConfig::load`] lays four layers over each other, the later one winning: defaults, the file, environment
//! variables `THALWEG__SECTION__KEY`, flags. One table ([`key::KEYS`]) lists every key with its meaning; reading,
//! the commented file, and the errors all come from it, so none can forget a key. Limits are checked in [`check`].

mod check;
mod key;
mod layer;
mod problem;
mod section;
mod setting;
mod template;

pub use problem::{Problem, Problems};
pub use section::{
    AdminSection, ConsensusSection, HttpSection, LogFormat, LogLevel, LogSection, MempoolSection, NetworkSection,
    NodeConfig, NodeSection, StorageSection, SyncSection,
};
pub use template::Defaults;

#[cfg(test)]
mod tests;
