//! PBFT, told as stories.

mod change;
mod chaos;
mod crash;
mod forgetful;
mod golden;
mod normal;
#[cfg(feature = "planted")]
mod planted;
mod puppet;
pub mod world;
