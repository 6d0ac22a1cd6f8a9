//! The application: what decided commands mean.
//!
//! [`Application`] is what an embedder implements; [`kv`] is the default one and [`noop`] the one for measurements.
//! The [`Executor`] brain around it makes execution exactly-once, keeps replies, authenticates the state and builds
//! the block headers. Called by the executor actor and the simulator; does no I/O beyond the [`crate::store`] port.

mod application;
mod chain;
mod command;
mod encoding;
mod executor;
pub mod kv;
pub mod noop;
mod payload_rows;
pub(crate) mod run;
mod signature;
mod snapshot;
mod state;

pub use application::{Application, CheckError, Receipt, Status};
pub use chain::{
    StoreError, base_checkpoint, base_height, check_store, header, headers, receipts, stored_block, tip_height,
};
pub use command::{Block, Command, CommandView, Header, Identified, Payload, PayloadView, StoredBlock};
pub use executor::{Executed, Executor, Turn, replies, reply_by_id};
pub use signature::{SignatureError, Signing};
pub use snapshot::{BadSnapshot, Piece, Pieces, Restore};
pub use state::{BadProof, Leaf, Level, Proof, State, hash_value, prove};

use crate::config::ApplicationName;

/// Opens an application that this program has; `None` for one that the embedding program brings along.
pub fn open(name: ApplicationName) -> Option<Box<dyn Application>> {
    match name {
        ApplicationName::Kv => Some(Box::new(kv::KeyValue)),
        ApplicationName::Noop => Some(Box::new(noop::Noop)),
        ApplicationName::Embedded => None,
    }
}
