//! The ordering brain: which instances live, what is proposed, in which order blocks are executed, who is answered,
//! and how a replica that fell behind catches up.
//!
//! Called by the replica actor and the simulator. Like every brain it owns no clock, disk, socket or randomness.

mod contract;
pub mod wire;

pub use contract::*;
