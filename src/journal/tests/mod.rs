//! Stories and properties of the journal, on a simulated disk.

mod crashes;
mod entries;
mod stories;

use super::{Fact, INLINE_BYTES_MAX, Item, Kind, Log, OpenError, Salt, Scope, Survey};
use crate::{
    sim::disk::SimDisk,
    types::{Digest, Height},
};

const CHAIN: Digest = Digest::new([7; 32]);
const SALT: Salt = Salt::new([9; 16]);
/// Small, so that stories reach a second segment.
const SEGMENT_BYTES: u64 = 128 << 10;

/// On a disk that fills new segments with zeros.
fn create() -> Log<SimDisk> {
    create_on(SimDisk::prepared(usize::try_from(SEGMENT_BYTES).unwrap()))
}

fn create_on(disk: SimDisk) -> Log<SimDisk> {
    Log::create(disk, CHAIN, SALT, SEGMENT_BYTES).unwrap()
}

fn open(disk: &SimDisk) -> Result<(Log<SimDisk>, Survey), OpenError> {
    Log::open(disk.clone(), CHAIN, SEGMENT_BYTES)
}

/// What comes back, as bytes.
fn contents(survey: &Survey) -> Vec<&[u8]> {
    survey.items.iter().map(|(_, item)| &item.bytes[..]).collect()
}

/// Something small that restricts a vote at a height.
fn vote(height: u64, what: &[u8]) -> Item {
    Item { scope: Scope::Height(Height::new(height)), kind: Kind::Record, bytes: what.to_vec().into() }
}

const BODY_BYTES: usize = 17_000;

/// A payload that peers have, too large to be inline.
fn body(height: u64, fill: u8) -> Item {
    Item { kind: Kind::Body(Digest::new([fill; 32])), ..vote(height, &[fill; BODY_BYTES]) }
}

fn standing(what: &[u8]) -> Item {
    Item { scope: Scope::Standing(Fact::PeerCounter), kind: Kind::Record, bytes: what.to_vec().into() }
}

/// Appends and flushes one batch; returns where in its segment it lies.
fn batch(log: &mut Log<SimDisk>, items: impl IntoIterator<Item = Item>) -> std::ops::Range<usize> {
    let from = log.bytes();
    for item in items {
        log.append(item);
    }
    log.flush().unwrap();
    usize::try_from(from).unwrap()..usize::try_from(log.bytes()).unwrap()
}
