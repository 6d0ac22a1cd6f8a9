//! What we propose when it is our turn.
//!
//! Rule `OB-5`: nothing expired, nothing twice, nothing that is under way at another live height.
//! Limit: genesis' `payload_bytes_max`, counted on the encoded bytes.

use bytes::Bytes;

use super::{
    flight::Flights,
    mempool::{Entry, Key, Mempool},
};
use crate::{
    app::Payload,
    protocol::Slot,
    types::{ValidatorIndex, codec},
};

/// At least what the encoding of a payload adds to its commands: the time, the count, the proposer.
const ENVELOPE_BYTES: usize = 32;

/// An encoded payload and the keys of its commands.
pub(super) struct Proposal {
    /// The bytes.
    pub(super) payload: Bytes,
    /// What they hold.
    pub(super) keys: Vec<Key>,
}

/// Chooses commands for a slot and encodes them. No commands give an empty payload.
pub(super) fn propose(
    slot: Slot,
    proposer: ValidatorIndex,
    wall_ms: u64,
    bytes_max: usize,
    (mempool, flights): (&Mempool, &Flights),
) -> Proposal {
    let may = |entry: &Entry| {
        let is_late = entry.command.expires_at_height.is_some_and(|last| last < slot.height);
        !is_late && !flights.is_elsewhere(entry.key, slot.height)
    };
    let turn = slot.height.get().wrapping_add(slot.round);
    let picked = mempool.pick(bytes_max.saturating_sub(ENVELOPE_BYTES), turn, may);
    let keys = picked.iter().map(|entry| entry.key).collect();
    let commands = picked.into_iter().map(|entry| entry.command.clone()).collect();
    let payload = Payload { proposer, proposed_at_ms: wall_ms, commands };
    Proposal { payload: codec::encode(&payload).into(), keys }
}
