//! A disk that crashes on demand: it forgets, tears and spoils what was not synced, and rots where it is told to.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use rand_core::Rng;

use crate::journal::Disk;

/// The unit in which a crash keeps or loses what was written, in bytes.
const PIECE: usize = 512;

/// The unit that a torn write can turn into noise, in bytes, whatever else is in it.
const PHYSICAL_SECTOR: usize = 4096;

/// A [`Disk`] in memory with the bad manners of a real one.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    files: BTreeMap<u64, File>,
    /// Created since the directory was synced.
    created: BTreeSet<u64>,
    /// Removed since the directory was synced.
    removed: BTreeMap<u64, File>,
    /// Operations until one fails.
    fails_in: Option<u64>,
    /// How long segments are when they are created, zeros all of them.
    prepared: usize,
    /// The most bytes of all files together.
    capacity: Option<usize>,
}

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    /// The length at the last sync.
    synced_length: usize,
    /// What was done since, in order.
    unsynced: Vec<Change>,
}

/// A part of a file that was overwritten.
#[derive(Clone, Debug)]
struct Change {
    from: usize,
    /// Where the new bytes end.
    to: usize,
    old: Vec<u8>,
}

impl SimDisk {
    /// A disk on which new segments are filled with zeros already, up to this length; on [`SimDisk::default`] they
    /// grow.
    pub fn prepared(length: usize) -> Self {
        Self { prepared: length, ..Self::default() }
    }

    /// The same disk, with room from now on to fill segments up to this length.
    #[must_use]
    pub fn with_room(self, length: usize) -> Self {
        Self { prepared: length, ..self }
    }

    /// Limits the bytes of all files together; `None`: there is always room.
    pub fn set_capacity(&mut self, bytes: Option<usize>) {
        self.capacity = bytes;
    }

    /// Lets all operations from the `count`th on fail; the one that fails first may be done in part.
    pub fn fail_after(&mut self, count: u64) {
        self.fails_in = Some(count);
    }

    /// Ends [`SimDisk::fail_after`]. To let a process die with nothing lost, this is all there is to do.
    pub fn repair(&mut self) {
        self.fails_in = None;
    }

    /// The power fails: of all that was not synced, each piece is kept, lost or spoiled, as `rng` likes.
    pub fn crash(&mut self, rng: &mut impl Rng) {
        // Creations and removals that the directory was not synced after happen or not.
        for number in std::mem::take(&mut self.created) {
            if coin(rng) {
                self.files.remove(&number);
            }
        }
        for (number, file) in std::mem::take(&mut self.removed) {
            if coin(rng) {
                self.files.entry(number).or_insert(file);
            }
        }
        for file in self.files.values_mut() {
            file.crash(rng);
        }
    }

    /// Flips bits of one byte that is on stable storage: `mask` says which.
    ///
    /// # Panics
    /// If there is no such byte.
    pub fn rot(&mut self, segment: u64, offset: usize, mask: u8) {
        let file = self.files.get_mut(&segment).expect("a test names a segment that exists");
        file.bytes[offset] ^= mask;
    }

    /// A segment's bytes, as programs see them.
    pub fn bytes(&self, segment: u64) -> Option<&[u8]> {
        self.files.get(&segment).map(|file| &file.bytes[..])
    }

    /// Loses a segment, as a careless operator would.
    pub fn lose(&mut self, segment: u64) {
        self.files.remove(&segment);
    }

    fn operate(&mut self) -> io::Result<()> {
        match &mut self.fails_in {
            None => Ok(()),
            Some(0) => Err(io::Error::other("the simulated disk fails")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    /// How much of `wanted` more bytes there is room for.
    fn room(&self, wanted: usize) -> usize {
        let taken: usize = self.files.values().map(|file| file.bytes.len()).sum();
        self.capacity.map_or(wanted, |capacity| wanted.min(capacity.saturating_sub(taken)))
    }

    fn file(&mut self, segment: u64) -> io::Result<&mut File> {
        self.files.get_mut(&segment).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl File {
    fn change(&mut self, from: usize, new: &[u8]) {
        let to = from + new.len();
        let old = self.bytes.get(from..to.min(self.bytes.len())).unwrap_or_default().to_vec();
        self.unsynced.push(Change { from, to, old });
        put(&mut self.bytes, from, new);
    }

    fn sync(&mut self) {
        self.unsynced.clear();
        self.synced_length = self.bytes.len();
    }

    fn crash(&mut self, rng: &mut impl Rng) {
        let latest = self.bytes.clone();
        let changes = std::mem::take(&mut self.unsynced);
        for Change { from, old, .. } in changes.iter().rev() {
            put(&mut self.bytes, *from, old);
        }
        self.bytes.resize(self.synced_length, 0);
        for Change { from, to, .. } in changes {
            for start in (from..to).step_by(PIECE) {
                match rng.next_u32() % 16 {
                    0..8 => put(&mut self.bytes, start, &latest[start..to.min(start + PIECE)]),
                    8 => spoil(&mut self.bytes, start, rng),
                    _ => {}
                }
            }
        }
        // The length is metadata with a life of its own.
        if coin(rng) {
            self.bytes.resize(latest.len(), 0);
        }
        self.sync();
    }
}

fn coin(rng: &mut impl Rng) -> bool {
    rng.next_u32().is_multiple_of(2)
}

/// Turns the physical sector around a byte into noise.
fn spoil(bytes: &mut Vec<u8>, at: usize, rng: &mut impl Rng) {
    let mut noise = [0; PHYSICAL_SECTOR];
    rng.fill_bytes(&mut noise);
    put(bytes, at - at % PHYSICAL_SECTOR, &noise);
}

fn put(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    bytes.resize(bytes.len().max(at + new.len()), 0);
    bytes[at..at + new.len()].copy_from_slice(new);
}

impl Disk for SimDisk {
    fn segments(&self) -> io::Result<Vec<u64>> {
        Ok(self.files.keys().copied().collect())
    }

    fn create(&mut self, segment: u64) -> io::Result<()> {
        self.operate()?;
        if self.files.contains_key(&segment) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let length = if self.room(self.prepared) == self.prepared { self.prepared } else { 0 };
        self.files.insert(segment, File { bytes: vec![0; length], synced_length: length, unsynced: Vec::new() });
        self.created.insert(segment);
        Ok(())
    }

    fn read(&mut self, segment: u64) -> io::Result<Vec<u8>> {
        self.operate()?;
        self.file(segment).map(|file| file.bytes.clone())
    }

    fn write(&mut self, segment: u64, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        let mut outcome = self.operate();
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let mut new = parts.concat();
        let growth = (from + new.len()).saturating_sub(self.file(segment)?.bytes.len());
        let room = self.room(growth);
        if room < growth {
            new.truncate((new.len() + room).saturating_sub(growth));
            outcome = outcome.and(Err(io::ErrorKind::StorageFull.into()));
        }
        self.file(segment)?.change(from, &new);
        outcome
    }

    fn sync(&mut self, segment: u64) -> io::Result<()> {
        self.operate()?;
        self.file(segment)?.sync();
        Ok(())
    }

    fn reserve(&mut self, segment: u64, length: u64) -> io::Result<()> {
        self.operate()?;
        let length = usize::try_from(length).map_err(io::Error::other)?.min(self.prepared);
        let from = self.file(segment)?.bytes.len();
        let growth = length.saturating_sub(from);
        if growth > 0 && self.room(growth) == growth {
            self.file(segment)?.change(from, &vec![0; growth]);
        }
        Ok(())
    }

    fn remove(&mut self, segment: u64) -> io::Result<()> {
        self.operate()?;
        let file = self.files.remove(&segment).ok_or(io::ErrorKind::NotFound)?;
        if !self.created.remove(&segment) {
            self.removed.insert(segment, file);
        }
        Ok(())
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        self.operate()?;
        self.created.clear();
        self.removed.clear();
        Ok(())
    }
}
