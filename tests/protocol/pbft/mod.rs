//! PBFT, told as stories.

mod change;
mod chaos;
mod crash;
mod normal;
pub mod world;
