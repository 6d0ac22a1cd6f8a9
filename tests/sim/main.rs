//! Whole clusters under virtual time: some hundred seeds of every invariant, with and without liars.
//!
//! `THALWEG_SEEDS=A..B` plays other seeds, half open; a failing one is named with the line that plays it alone.

mod beyond;
mod honest;
mod liars;
#[cfg(feature = "planted")]
mod planted;
mod play;
