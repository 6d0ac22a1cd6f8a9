//! Commands by their ids, for clients who know nothing else of them.
//!
//! Ids are random: with a row for each, every command would cost the store a page at a random place, a quarter of all
//! processor under load. So the ids of [`GROUP_HEIGHTS`] heights are sorted together when the last of these is executed,
//! into one row for each first byte, where an id has eight bytes. What such a row says is looked up in the receipts of its
//! height, which have the id in full; and of heights that are not sorted yet all receipts are looked through.

use super::{
    super::{
        Receipt, State,
        chain::{height_key, tip_height},
    },
    replies::{Entry, is_remembered},
};
use crate::{
    store::{Rows, Table},
    types::{Digest, Height, codec},
};

/// How many heights are sorted together.
pub(super) const GROUP_HEIGHTS: u64 = 64;
/// How much of an id is in its row: its first byte in the key, the others in the value, before the height's place in the
/// group. Two commands may agree in that.
const ID_BYTES: usize = 8;

/// The receipt of any command by its id, with its height, while that is remembered; the latest, for one that came in
/// conflict and came again. Looks through the receipts of some heights, and through one row for each group.
///
/// # Panics
/// If the rows are not ours.
pub fn reply_by_id(rows: &dyn Rows, id: &Digest) -> Option<(Height, Receipt)> {
    let tip = tip_height(rows)?.get();
    let unsorted = first_of(group_of(tip + 1))..=tip;
    let mut sorted = Vec::new();
    let (first, rest) = id.as_bytes()[..ID_BYTES].split_first()?;
    rows.scan(Table::Ids, &[*first], &mut |key, items| {
        let Some(group) = key.strip_prefix(&[*first]).and_then(|group| group.first_chunk()) else { return false };
        let (items, _) = items.as_chunks::<ID_BYTES>();
        let found = &items[items.partition_point(|item| item[..rest.len()] < *rest)..];
        let places = found.iter().map_while(|item| item.strip_prefix(rest)).flatten();
        sorted.extend(places.map(|place| first_of(u64::from_be_bytes(*group)) + u64::from(*place)));
        true
    });
    unsorted.rev().chain(sorted.into_iter().rev()).map(Height::new).find_map(|height| {
        let entry = entries(rows, height).into_iter().find(|entry| entry.id == *id)?;
        is_remembered(rows, height).then_some((height, entry.receipt))
    })
}

/// Sorts the ids of a group of heights if this one ends it.
pub(super) fn sort(state: &mut State<'_>, last: Height) {
    if !ends_group(last) {
        return;
    }
    let (rows, group) = (state.rows(), group_of(last.get()));
    let mut items = Vec::new();
    for place in 0..=u8::try_from(GROUP_HEIGHTS - 1).expect("a place is a byte") {
        for entry in entries(&*rows, Height::new(first_of(group) + u64::from(place))) {
            let mut item = [place; ID_BYTES + 1];
            item[..ID_BYTES].copy_from_slice(&entry.id.as_bytes()[..ID_BYTES]);
            items.push(item);
        }
    }
    items.sort_unstable();
    for alike in items.chunk_by(|a, b| a[0] == b[0]) {
        let row: Vec<u8> = alike.iter().flat_map(|item| &item[1..]).copied().collect();
        rows.put(Table::Ids, row_key(alike[0][0], group).to_vec(), row);
    }
}

/// Forgets a group of heights if this one ends it.
pub(super) fn forget(state: &mut State<'_>, last: Height) {
    if ends_group(last) {
        for first in 0..=u8::MAX {
            state.rows().delete(Table::Ids, row_key(first, group_of(last.get())).to_vec());
        }
    }
}

/// What was executed at a height, as far as its receipts are here.
fn entries(rows: &dyn Rows, height: Height) -> Vec<Entry> {
    let row = rows.get(Table::Receipts, &height_key(height));
    row.map_or_else(Vec::new, |row| codec::decode_front(&row).expect("reply rows are written by the executor alone"))
}

fn group_of(height: u64) -> u64 {
    height / GROUP_HEIGHTS
}

fn first_of(group: u64) -> u64 {
    group * GROUP_HEIGHTS
}

fn ends_group(height: Height) -> bool {
    height.get() % GROUP_HEIGHTS == GROUP_HEIGHTS - 1
}

fn row_key(first: u8, group: u64) -> [u8; 9] {
    let mut key = [first; 9];
    key[1..].copy_from_slice(&group.to_be_bytes());
    key
}
