//! What a validator of a world leaves behind when it crashes, and what its next life finds.

use std::collections::BTreeMap;

use super::{Dice, disk::SimDisk};
use crate::{
    app::Block,
    config::Genesis,
    journal::{Disk as _, Entry, Journal, SECTOR, Salt},
    protocol::{Abstention, Checkpoint, Record, StableCheckpoint},
    store::MemoryRows,
    types::{Digest, Height},
};

/// How much of a new segment is filled with zeros; beyond that it grows, so that both forms are played.
const PREPARED_BYTES: usize = 128 << 10;
/// What all journals of worlds are salted with.
const MARK: [u8; 16] = [7; 16];
/// So many bodies are the last ones.
const RECENT: usize = 4;
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
        let journal = Journal::create(disk, genesis.chain_id(), Salt::new(MARK)).expect(HAS_ROOM);
        Self { disk: journal.into_disk(), rows: MemoryRows::default() }
    }

    /// Flips a bit of the journal: of anything in its last segment, or of one of the last bodies, which no other copy
    /// mends.
    pub fn rot(&mut self, dice: &mut Dice) {
        let Some(segment) = self.disk.segments().ok().and_then(|segments| segments.last().copied()) else { return };
        let bytes = self.disk.bytes(segment).unwrap_or_default();
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        // What does not begin with the mark of the journal's own structure is the inside of something.
        let is_body = |start: &usize| !bytes[*start..].starts_with(&MARK) && bytes[*start] != 0;
        let bodies: Vec<usize> = (2 * SECTOR..end).step_by(SECTOR).rev().filter(is_body).take(RECENT).collect();
        let (start, most) = match usize::try_from(dice.below(2 * RECENT as u64)).ok().and_then(|at| bodies.get(at)) {
            Some(body) => (*body, SECTOR.min(end - body)),
            None => (0, end),
        };
        if most > 0 {
            let offset = start + usize::try_from(dice.below(most as u64)).unwrap_or(0);
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
