//! Payloads of stored blocks, in parts, so that a value in one can be read without the rest of it.
//!
//! Written by the executor with each block and never changed or removed: the state holds places in them instead of
//! values ([`super::State::put`]). Whoever wants to drop old blocks must first put the values that are still there
//! elsewhere.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::{
    store::{Rows, Table},
    types::Height,
};

/// How long a part is, but for the last one: with its key it fills 16 KiB of the store.
const PART_BYTES: usize = 16_000;

/// The rows of a payload; its bytes are shared, not copied.
pub(super) fn rows(height: Height, payload: &Bytes) -> impl Iterator<Item = (Bytes, Bytes)> {
    let starts = (0..payload.len()).step_by(PART_BYTES);
    starts.map(move |from| {
        let part = payload.slice(from..payload.len().min(from + PART_BYTES));
        (key(height, from / PART_BYTES), part)
    })
}

/// Some bytes of a payload; `None` if they are not there.
pub(super) fn read(rows: &dyn Rows, height: Height, range: Range<usize>) -> Option<Bytes> {
    let part = |number: usize| rows.get(Table::Payloads, &key(height, number));
    let (first, last) = (range.start / PART_BYTES, range.end.saturating_sub(1) / PART_BYTES);
    let skipped = range.start - first * PART_BYTES;
    if first >= last {
        let part = if range.is_empty() { Bytes::new() } else { part(first)? };
        let found = part.get(skipped..skipped + range.len())?;
        // A copy, so that whoever keeps a value keeps no more.
        return Some(if found.len() == part.len() { part } else { Bytes::copy_from_slice(found) });
    }
    let mut bytes = BytesMut::with_capacity(range.len());
    for number in first..=last {
        let part = part(number)?;
        let from = if number == first { skipped } else { 0 };
        let until = part.len().min(from + range.len() - bytes.len());
        bytes.extend_from_slice(part.get(from..until)?);
    }
    (bytes.len() == range.len()).then(|| bytes.freeze())
}

fn key(height: Height, part: usize) -> Bytes {
    let part = u32::try_from(part).expect("a payload has at most four gigabytes");
    [height.get().to_be_bytes().as_slice(), &part.to_be_bytes()].concat().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::{Changes, MemoryRows};

    fn stored(payload: &Bytes) -> MemoryRows {
        let (mut changes, mut stored) = (Changes::default(), MemoryRows::default());
        for (key, part) in rows(Height::FIRST, payload) {
            changes.put(Table::Payloads, key, part);
        }
        stored.apply(changes);
        stored
    }

    proptest! {
        #[test]
        fn any_part_is_read_and_nothing_beyond(
            length in prop_oneof![Just(0), Just(PART_BYTES), 1..4 * PART_BYTES],
            (from, length_read) in (0..4 * PART_BYTES, prop_oneof![0..600usize, 0..4 * PART_BYTES]),
        ) {
            let payload: Bytes = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let rows = stored(&payload);
            prop_assert_eq!(read(&rows, Height::FIRST, 0..length), Some(payload.clone()));
            let range = from..from + length_read;
            let expected = payload.get(range.clone()).filter(|_| !range.is_empty());
            let found = read(&rows, Height::FIRST, range.clone()).filter(|_| !range.is_empty());
            prop_assert_eq!(found.as_deref(), expected);
            prop_assert!(range.is_empty() || read(&rows, Height::FIRST.next(), range).is_none());
        }
    }
}
