//! What is found on disk at start.

use std::collections::BTreeMap;

use super::OpenError;
use crate::{
    app::Block,
    journal::{self, Entry},
    protocol::{Abstention, Record},
    types::{Digest, Height},
};

/// Where a replica left off.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovered {
    /// The last height in the store; `None` if not even genesis is.
    pub height: Option<Height>,
    /// The records of each instance above it, in the order in which they were journaled.
    pub records: BTreeMap<Digest, Vec<Record>>,
    /// Decided blocks above it. There may be gaps, which peers fill.
    pub decided: BTreeMap<Height, Block>,
    /// The highest counter with which we signed our PeerId.
    pub peer_counter: u64,
    /// Where nothing may be voted for (`OB-10`).
    pub abstention: Abstention,
}

impl Recovered {
    /// Sorts what the journal holds, leaving out what the store has already.
    pub(super) fn new(height: Option<Height>, entries: Vec<Entry>) -> Self {
        let mut recovered = Self { height, ..Self::default() };
        for entry in entries {
            match entry {
                Entry::PeerCounter { counter } => recovered.peer_counter = recovered.peer_counter.max(counter),
                Entry::Abstention(abstention) => recovered.abstention = abstention,
                Entry::Instance { height: at, instance, record } if Some(at) > height => {
                    recovered.records.entry(instance).or_default().push(record);
                }
                Entry::Decided { block } if Some(block.height) > height => {
                    recovered.decided.insert(block.height, block);
                }
                Entry::Instance { .. } | Entry::Decided { .. } => {}
            }
        }
        recovered
    }
}

/// `JN-6`: a store that is missing or was restored from a copy ends below what the journal has forgotten, and the votes
/// in between with it.
pub(super) fn check_store(stored: Option<Height>, floor: Height) -> Result<(), OpenError> {
    let covered = stored.map_or(Height::ZERO, Height::next);
    if covered < floor { Err(OpenError::StoreBehind { stored, floor }) } else { Ok(()) }
}

/// Tells the operator what recovery has put right.
pub(super) fn report(found: &journal::Recovered) {
    if found.torn_bytes > 0 {
        tracing::info!(bytes = found.torn_bytes, "torn end of the journal cut off");
    }
    if found.mended > 0 || found.lost > 0 {
        tracing::warn!(mended = found.mended, bodies_lost = found.lost, "the journal's disk loses data; replace it");
    }
}
