//! The memory of executed commands (`OB-4`).
//!
//! Three rows serve it. Under a command's *slot*, client and sequence: what was executed there and what it came to,
//! which is all that is read by whoever has the command. Under a height: its entries, by which the height is forgotten
//! `retention_heights` later. What is forgotten depends on heights alone, so all replicas agree. The digest of each
//! remembered height is in the state root (`OB-8`). Under a command's id: the height, for clients who know nothing else.
//!
//! Ids are random, and a row at a random place of a large table costs a page of its own. So rows by id are small, and
//! lie in groups of [`GROUP_HEIGHTS`], where the latest are neighbours; a question by id looks into each group.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::super::{
    CommandView, Identified, Receipt, State, Status,
    chain::{height_key, tip_height},
};
use crate::{
    crypto::Transcript,
    store::{Rows, Table},
    types::{Digest, Height, codec},
};

/// How many heights share a group of [`Table::Fates`].
const GROUP_HEIGHTS: u64 = 512;
/// How much of an id is in its row: two commands that agree in it take 2^64 hashes to find, and then the earlier one is
/// not found by its id.
const ID_BYTES: usize = 16;
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
/// came in conflict or too late nothing is known here, and [`reply_by_id`] has its receipt.
///
/// # Panics
/// If the row is not ours.
pub fn reply(rows: &dyn Rows, command: &Identified) -> Option<(Height, Receipt)> {
    let held = holder(rows, &command.command().view()).filter(|held| held.id == command.id())?;
    Some((held.height, held.receipt))
}

/// The receipt of any command by its id, with its height, while that is remembered. Looks into each group of heights, the
/// latest first: a couple of hundred rows for a command that is not there.
///
/// # Panics
/// If the rows are not ours.
pub fn reply_by_id(rows: &dyn Rows, id: &Digest) -> Option<(Height, Receipt)> {
    let mut oldest = None;
    rows.scan(Table::Fates, &[], &mut |key, _| {
        oldest = key.first_chunk().map(|group| u64::from_be_bytes(*group));
        false
    });
    let groups = oldest?..=tip_height(rows)?.get() / GROUP_HEIGHTS;
    groups.rev().find_map(|group| {
        let height = fate_height(group, &rows.get(Table::Fates, &fate(group, id))?);
        let entries: Vec<Entry> = decode(&rows.get(Table::Receipts, &height_key(height))?);
        entries.into_iter().find(|entry| entry.id == *id).map(|entry| (height, entry.receipt))
    })
}

/// Which command is remembered as executed under a command's client and sequence.
pub(super) fn holder(rows: &dyn Rows, command: &CommandView<'_>) -> Option<Holder> {
    Some(decode(&rows.get(Table::Replies, &slot(&command.client, command.sequence))?))
}

/// Remembers a command at once, so that a later one of the same block finds it.
pub(super) fn remember(state: &mut State<'_>, height: Height, entry: &Entry) {
    let rows = state.rows();
    if entry.is_executed() {
        let holder = Holder { id: entry.id, height, receipt: entry.receipt.clone() };
        rows.put(Table::Replies, slot(&entry.client, entry.sequence).to_vec(), codec::encode(&holder));
    }
    rows.put(Table::Fates, fate_at(height, &entry.id).to_vec(), place_in_group(height).to_vec());
}

/// Closes a height: its entries by height, and their digest in the state.
pub(super) fn close(state: &mut State<'_>, height: Height, entries: &[Entry]) {
    let row = codec::encode(entries);
    state.put_system(&name(height), digest(&row).as_bytes().to_vec());
    state.rows().put(Table::Receipts, height_key(height), row);
}

/// Forgets a height. Its receipts stay with its block, for those who read history.
pub(super) fn forget(state: &mut State<'_>, height: Height) {
    let Some(row) = state.rows().get(Table::Receipts, &height_key(height)) else { return };
    for entry in decode::<Vec<Entry>>(&row) {
        let rows = state.rows();
        if entry.is_executed() {
            rows.delete(Table::Replies, slot(&entry.client, entry.sequence).to_vec());
        }
        let key = fate_at(height, &entry.id);
        // One that was not executed may have come again since; then it is remembered from there.
        let is_of_height = |row: Bytes| row.as_ref() == place_in_group(height);
        if entry.is_executed() || rows.get(Table::Fates, &key).is_some_and(is_of_height) {
            rows.delete(Table::Fates, key.to_vec());
        }
    }
    state.delete_system(&name(height));
}

/// Remembers a height that was closed elsewhere: its row of receipts, if it is the one whose digest the state has.
pub(in crate::app) fn restore(state: &mut State<'_>, height: Height, row: Bytes) -> Option<()> {
    if state.system(&name(height))?.as_ref() != digest(&row).as_bytes() {
        return None;
    }
    for entry in decode::<Vec<Entry>>(&row) {
        remember(state, height, &entry);
    }
    state.rows().put(Table::Receipts, height_key(height), row);
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

/// The key of [`Table::Fates`] for a command of a height.
fn fate_at(height: Height, id: &Digest) -> [u8; 8 + ID_BYTES] {
    fate(height.get() / GROUP_HEIGHTS, id)
}

fn fate(group: u64, id: &Digest) -> [u8; 8 + ID_BYTES] {
    let mut key = [0; 8 + ID_BYTES];
    key[..8].copy_from_slice(&group.to_be_bytes());
    key[8..].copy_from_slice(&id.as_bytes()[..ID_BYTES]);
    key
}

/// What is under [`fate_at`].
fn place_in_group(height: Height) -> [u8; 2] {
    u16::try_from(height.get() % GROUP_HEIGHTS).expect("a group has fewer heights").to_be_bytes()
}

/// The height under a key of a group.
fn fate_height(group: u64, row: &[u8]) -> Height {
    let place = row.first_chunk().expect("reply rows are written by this module alone");
    Height::new(group * GROUP_HEIGHTS + u64::from(u16::from_be_bytes(*place)))
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
