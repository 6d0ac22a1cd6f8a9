//! Values as the rows of the state have them: the bytes themselves, or where in a stored block they lie.
//!
//! A value that a command brought along is in the block already. A row that holds it once more is a few hundred bytes at
//! a random place of the store, which is dear; one that says where it lies is short, and some hundred fit into a page.

use bytes::Bytes;

use super::super::payload_rows;
use crate::{store::Rows, types::Height};

/// From this length on, a value that is in a block is not stored again: below, the row would be no shorter by much, and
/// reading takes two looks.
const PLACED_BYTES_MIN: usize = 128;

const TAG_INLINE: u8 = 0;
const TAG_PLACED: u8 = 1;

/// The block that is being executed.
pub(super) struct Executing {
    pub height: Height,
    pub payload: Bytes,
}

/// The row of a value: where it lies, if it is long and part of the block that is being executed.
pub(super) fn row(value: &[u8], executing: Option<&Executing>) -> Bytes {
    let place = executing.filter(|_| value.len() >= PLACED_BYTES_MIN).and_then(|block| place(value, block));
    if let Some(place) = place {
        return place;
    }
    let mut row = Vec::with_capacity(1 + value.len());
    row.push(TAG_INLINE);
    row.extend(value);
    row.into()
}

/// The row that says where in the block a value lies; `None` if it is not a part of these very bytes.
fn place(value: &[u8], block: &Executing) -> Option<Bytes> {
    let from = value.as_ptr().addr().checked_sub(block.payload.as_ptr().addr())?;
    let is_within = from.checked_add(value.len())? <= block.payload.len();
    let (from, length) = (u32::try_from(from).ok()?, u32::try_from(value.len()).ok()?);
    is_within.then(|| {
        let height = block.height.get().to_le_bytes();
        [&[TAG_PLACED][..], &height, &from.to_le_bytes(), &length.to_le_bytes()].concat().into()
    })
}

/// The value of a row.
///
/// # Panics
/// If the row was not made by [`row`], or the block is not among `rows`.
pub(super) fn read(row: &Bytes, rows: &dyn Rows) -> Bytes {
    match row.split_first().expect(FOREIGN) {
        (&TAG_INLINE, _) => row.slice(1..),
        (&TAG_PLACED, rest) => {
            let (height, rest) = rest.split_first_chunk().expect(FOREIGN);
            let (from, rest) = rest.split_first_chunk().expect(FOREIGN);
            let from = u32::from_le_bytes(*from) as usize;
            let length = u32::from_le_bytes(rest.try_into().expect(FOREIGN)) as usize;
            let height = Height::new(u64::from_le_bytes(*height));
            payload_rows::read(rows, height, from..from + length)
                .expect("blocks whose values are in the state are kept")
        }
        _ => panic!("{FOREIGN}"),
    }
}

const FOREIGN: &str = "rows of the state are written by this module alone";
