//! The application: what decided commands mean.
//!
//! [`Application`] is what an embedder implements; [`kv`] is the default one and [`noop`] the one for measurements.
//! The [`Executor`] brain around it makes execution exactly-once, keeps replies, authenticates the state and builds
//! the block headers. Called by the executor actor and the simulator; does no I/O beyond the [`crate::store`] port.

mod application;
mod command;
mod executor;
pub mod kv;
pub mod noop;
mod state;

pub use application::{Application, CheckError, Receipt, Status};
pub use command::{Block, Command, Header, Payload, StoredBlock};
pub use executor::{Executed, Executor};
pub use state::State;
