//! Stories about the ordering brain, told by stepping it with fake hands.

mod bounds;
mod catching_up;
mod checkpoints;
mod clients;
mod cluster;
mod forwarding;
mod hands;
mod ordering;
mod proposing;
mod rejoining;
mod scheduling;
