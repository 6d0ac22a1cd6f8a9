//! What a validator of a world leaves behind when it crashes, and what its next life finds.

use std::collections::BTreeMap;

use super::{Dice, disk::SimDisk};
use crate::{
    app::Block,
    config::Genesis,
    journal::{Disk as _, Entry, Journal, Salt},
    protocol::{Abstention, Checkpoint, Record, StableCheckpoint},
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

    /// Flips bits of one byte of the journal.
    pub fn rot(&mut self, dice: &mut Dice) {
        let Some(segment) = self.disk.segments().ok().and_then(|segments| segments.last().copied()) else { return };
        let length = self.disk.bytes(segment).map_or(0, <[u8]>::len) as u64;
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

/// What the journal holds, by what it is for.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    pub(super) records: BTreeMap<Digest, Vec<Record>>,
    pub(super) decided: BTreeMap<Height, Block>,
    pub(super) abstention: Abstention,
    pub(super) signed: Vec<Checkpoint>,
    pub(super) stable: Option<StableCheckpoint>,
}

/// Sorts entries, leaving out what the store has already.
pub(super) fn sort_entries(entries: Vec<Entry>, tip: Height) -> Remembered {
    let mut remembered = Remembered::default();
    for entry in entries {
        match entry {
            Entry::Instance { height, instance, record } if height > tip || record.height().is_some() => {
                remembered.records.entry(instance).or_default().push(record);
            }
            Entry::Decided { block } if block.height > tip => {
                remembered.decided.insert(block.height, block);
            }
            Entry::Abstention(latest) => remembered.abstention = latest,
            Entry::Checkpoint(checkpoint) => remembered.signed.push(checkpoint),
            Entry::Stable(latest) => remembered.stable = Some(latest),
            Entry::Instance { .. } | Entry::Decided { .. } | Entry::PeerCounter { .. } => {}
        }
    }
    remembered
}
