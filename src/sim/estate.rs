//! What a validator of a world leaves behind when it crashes, and what its next life finds.

use std::collections::BTreeMap;

use super::{Dice, disk::SimDisk};
use crate::{
    app::Block,
    config::Genesis,
    journal::{Disk as _, Entry, Journal, Salt},
    protocol::{Abstention, Record},
    store::MemoryRows,
    types::{Digest, Height},
};

/// How much of a new segment is filled with zeros; beyond that it grows, so that both forms are played.
const PREPARED_BYTES: usize = 128 << 10;
const HAS_ROOM: &str = "an empty simulated disk has room";

/// What survives a crash.
#[derive(Clone, Debug)]
pub struct Estate {
    pub(super) disk: SimDisk,
    pub(super) rows: MemoryRows,
}

impl Estate {
    /// What `genesis` makes for a validator that has never run.
    ///
    /// # Panics
    /// Never: an empty disk has room.
    pub fn new(genesis: &Genesis) -> Self {
        let disk = SimDisk::prepared(PREPARED_BYTES);
        let journal = Journal::create(disk, genesis.chain_id(), Salt::new([7; 16])).expect(HAS_ROOM);
        Self { disk: journal.into_disk(), rows: MemoryRows::default() }
    }

    /// Flips a bit of what was written to the journal last.
    pub fn rot(&mut self, dice: &mut Dice) {
        let Some(segment) = self.disk.segments().ok().and_then(|segments| segments.last().copied()) else { return };
        let written = self.disk.bytes(segment).and_then(|bytes| bytes.iter().rposition(|byte| *byte != 0));
        let length = written.map_or(0, |last| last as u64 + 1);
        if let Ok(offset) = usize::try_from(dice.below(length))
            && length > 0
        {
            self.disk.rot(segment, offset, 1 << dice.below(8));
        }
    }

    /// What `start --rejoin` makes when everything is lost: an empty journal that says so (`OB-10`).
    ///
    /// # Panics
    /// Never: an empty disk has room.
    pub fn rejoining(genesis: &Genesis) -> Self {
        let Self { disk, rows } = Self::new(genesis);
        let (mut journal, _) = Journal::open(disk, genesis.chain_id()).expect("it was just made");
        journal.append(&Entry::Abstention(Abstention::Everywhere));
        journal.seal().expect(HAS_ROOM);
        Self { disk: journal.into_disk(), rows }
    }
}

/// What the journal holds, by instance and by height, and where nothing may be voted for.
pub(super) fn sort_entries(
    entries: Vec<Entry>,
    tip: Height,
) -> (BTreeMap<Digest, Vec<Record>>, BTreeMap<Height, Block>, Abstention) {
    let (mut records, mut decided, mut abstention) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::new(), Abstention::NONE);
    for entry in entries {
        match entry {
            Entry::Instance { height, instance, record } if height > tip => {
                records.entry(instance).or_default().push(record);
            }
            Entry::Decided { block } if block.height > tip => {
                decided.insert(block.height, block);
            }
            Entry::Abstention(latest) => abstention = latest,
            _ => {}
        }
    }
    (records, decided, abstention)
}
