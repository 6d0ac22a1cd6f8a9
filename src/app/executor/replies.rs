//! The memory of executed commands (`OB-4`).
//!
//! Two rows serve it. Under a command's *slot*, client and sequence: what was executed there and what it came to, which
//! is all that is read by whoever has the command. Under a height: its entries, by which the height is forgotten
//! `retention_heights` later, and of which [`super::by_id`] makes the way from an id to its height. What is forgotten
//! depends on heights alone, so all replicas agree. The digest of each remembered height is in the state root (`OB-8`).

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    super::{CommandView, Identified, Receipt, State, Status, chain::height_key},
    by_id,
};
use crate::{
    crypto::Transcript,
    store::{Changes, Rows, Table},
    types::{Digest, Height, codec},
};

/// Where the state has the digests of remembered heights.
const NAME: &[u8] = b"receipts/";

/// One command of a height in its row of [`Table::Receipts`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::app) struct Entry {
    pub id: Digest,
    client: Digest,
    sequence: u64,
    pub receipt: Receipt,
}

/// Which command was executed in a slot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Holder {
    pub id: Digest,
    pub height: Height,
    pub receipt: Receipt,
}

impl Entry {
    pub fn new(id: Digest, command: &CommandView<'_>, receipt: Receipt) -> Self {
        Self { id, client: command.client, sequence: command.sequence, receipt }
    }

    /// Whether it was executed and so holds its slot; what came too late or in conflict does not.
    fn is_executed(&self) -> bool {
        matches!(self.receipt.status, Status::Applied | Status::Refused)
    }
}

/// Where a command was executed and what it came to, while that is remembered. One look, whoever asks: of a command that
/// came in conflict or too late nothing is known here, and [`super::reply_by_id`] has its receipt.
///
/// # Panics
/// If the row is not ours.
pub fn reply(rows: &dyn Rows, command: &Identified) -> Option<(Height, Receipt)> {
    let held = holder(rows, &command.command().view()).filter(|held| held.id == command.id())?;
    Some((held.height, held.receipt))
}

/// Which command is remembered as executed under a command's client and sequence.
pub(super) fn holder(rows: &dyn Rows, command: &CommandView<'_>) -> Option<Holder> {
    Some(decode(&rows.get(Table::Replies, &slot(&command.client, command.sequence))?))
}

/// As [`holder`], if it became so by these changes.
pub(super) fn holder_in(changes: &Changes, command: &CommandView<'_>) -> Option<Holder> {
    let change = changes.get(Table::Replies, &slot(&command.client, command.sequence))?;
    change.as_deref().map(decode)
}

/// As [`holder`], of each of some commands. Those of one client with sequences in a row, as a request brings them, are one
/// look together.
pub(super) fn holders(rows: &dyn Rows, commands: &[CommandView<'_>]) -> Vec<Option<Holder>> {
    let place = |at: usize| (&commands[at].client, commands[at].sequence);
    let mut order: Vec<usize> = (0..commands.len()).collect();
    order.sort_unstable_by_key(|at| place(*at));
    let mut holders = vec![None; commands.len()];
    let is_in_a_row = |a: &usize, b: &usize| {
        let ((client, sequence), (next_client, next)) = (place(*a), place(*b));
        client == next_client && next - sequence <= 1
    };
    for row in order.chunk_by(is_in_a_row) {
        let (Some(first), Some(last)) = (row.first(), row.last()) else { continue };
        if first == last {
            holders[*first] = holder(rows, &commands[*first]);
            continue;
        }
        let slot = |at: usize| slot(place(at).0, place(at).1);
        let (mut rest, end) = (row.iter().copied().peekable(), slot(*last));
        rows.scan(Table::Replies, &slot(*first), &mut |key, held| {
            while rest.next_if(|at| slot(*at).as_slice() < key).is_some() {}
            while let Some(at) = rest.next_if(|at| slot(*at).as_slice() == key) {
                holders[at] = Some(decode(held));
            }
            key < end.as_slice()
        });
    }
    holders
}

/// Remembers a command at once, so that a later one of the same block finds it.
pub(super) fn remember(state: &mut State<'_>, height: Height, entry: &Entry) {
    if entry.is_executed() {
        let holder = Holder { id: entry.id, height, receipt: entry.receipt.clone() };
        state.rows().put(Table::Replies, slot(&entry.client, entry.sequence).to_vec(), codec::encode(&holder));
    }
}

/// Closes a height: its entries by height, and their digest in the state.
pub(super) fn close(state: &mut State<'_>, height: Height, entries: &[Entry]) {
    let row = codec::encode(entries);
    state.put_system(&name(height), digest(&row).as_bytes());
    put_receipts(state, height, row);
}

fn put_receipts(state: &mut State<'_>, height: Height, row: impl Into<Bytes>) {
    state.rows().put(Table::Receipts, height_key(height), row);
    by_id::sort(state, height);
}

/// Forgets a height. Its receipts stay with its block, for those who read history.
pub(super) fn forget(state: &mut State<'_>, height: Height) {
    by_id::forget(state, height);
    let Some(row) = state.rows().get(Table::Receipts, &height_key(height)) else { return };
    for entry in decode::<Vec<Entry>>(&row).iter().filter(|entry| entry.is_executed()) {
        state.rows().delete(Table::Replies, slot(&entry.client, entry.sequence).to_vec());
    }
    state.delete_system(&name(height));
}

/// Whether a height has not been forgotten.
pub(super) fn is_remembered(rows: &dyn Rows, height: Height) -> bool {
    State::new(rows).system(&name(height)).is_some()
}

/// Remembers a height that was closed elsewhere: its row of receipts, if it is the one whose digest the state has.
pub(in crate::app) fn restore(state: &mut State<'_>, height: Height, row: Bytes) -> Option<()> {
    if state.system(&name(height))?.as_ref() != digest(&row).as_bytes() {
        return None;
    }
    for entry in decode::<Vec<Entry>>(&row) {
        remember(state, height, &entry);
    }
    put_receipts(state, height, row);
    Some(())
}

/// The heights whose receipts the state remembers, in order.
pub(in crate::app) fn remembered(rows: &dyn Rows) -> Vec<Height> {
    let mut heights = Vec::new();
    State::new(rows).scan_system(NAME, &mut |name| {
        heights.extend(name.first_chunk().map(|height| Height::new(u64::from_be_bytes(*height))));
    });
    heights
}

fn slot(client: &Digest, sequence: u64) -> [u8; 40] {
    let mut slot = [0; 40];
    slot[..32].copy_from_slice(client.as_bytes());
    slot[32..].copy_from_slice(&sequence.to_be_bytes());
    slot
}

/// What the state has of a height's receipts.
fn digest(row: &[u8]) -> Digest {
    Transcript::new("thalweg receipts v1").bytes(row).finish()
}

fn name(height: Height) -> Vec<u8> {
    [NAME, &height.get().to_be_bytes()].concat()
}

fn decode<T: Serialize + serde::de::DeserializeOwned>(row: &[u8]) -> T {
    codec::decode(row).expect("reply rows are written by this module alone")
}
