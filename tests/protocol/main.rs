//! Stories about protocols: a few replicas in memory, every delivery explicit.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod bugs;
mod certificate;
mod chaos;
mod golden;
mod happy;
mod liveness;
mod pbft;
mod pull;
mod recovery;
mod safety;
mod seat;
mod world;
