//! Configuration: what all replicas agree on (`genesis.json`), and what is each node's own (`node.toml`).
//!
//! Called by the command line, which reads and writes the files, and by the node, which is built from them. Knows
//! nothing of either. Everything that is wrong is reported at once, each item by the name of its key.

mod genesis;
mod genesis_file;
mod identity;
mod key_file;
mod multiaddr;
mod node;
mod peer_id;
mod secret_file;
mod token;

pub use genesis::{ApplicationName, ClientSignatures, Genesis, GenesisError};
pub use genesis_file::{GenesisFileError, GenesisFileFault};
pub use identity::{Identity, IdentityError};
pub use key_file::{AskPassphrase, KeyFileError, KeyFiles, PASSPHRASE_VARIABLE, passphrase_of_environment};
pub use multiaddr::{AddressError, check_address, check_peer_address};
pub use node::{
    AdminSection, ConsensusSection, Defaults, HttpSection, LogFormat, LogLevel, LogSection, MempoolSection,
    NetworkSection, NodeConfig, NodeSection, Problem, Problems, StorageSection, SyncSection,
};
pub use peer_id::peer_id;
pub use secret_file::{SecretFileError, read_secret_line};
pub use token::Token;
