//! Configuration: what all replicas agree on (`genesis.json`), and what is each node's own (`node.toml`).

mod genesis;

pub use genesis::{ApplicationName, Genesis, GenesisError};
