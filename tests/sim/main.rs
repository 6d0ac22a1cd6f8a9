//! Whole clusters under virtual time: more than a thousand seeds of every invariant, with and without liars.
//!
//! This is the conformance suite of protocols: every scenario is played for each one of `ProtocolName::ALL`. A protocol
//! that is added there is played here at once.
//!
//! `THALWEG_SEEDS=A..B` plays other seeds, half open; a failing one is named with the line that plays it alone.

mod beyond;
mod honest;
mod liars;
mod liars_act;
mod long;
mod many;
#[cfg(feature = "planted")]
mod planted;
mod play;
