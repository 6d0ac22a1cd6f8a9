//! The log: items of bytes, appended in batches, that come back after a crash. It does not know what they mean.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    Disk, Fault, OpenError, Salt,
    fault::Doing as _,
    format::{Content, EMPTY_SEGMENT, Header, Index, IndexItem, batch_bytes_max, padding},
    recovery::{self, Survey},
};
use crate::types::{Digest, Height};

/// How long a segment is, in bytes. A batch that does not fit into the rest of one begins the next.
pub const SEGMENT_BYTES: u64 = 16 << 20;

/// An item's place in the log. The first item of a journal has 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The sequence number `count` further on.
    pub(super) fn plus(self, count: usize) -> Self {
        Self(self.0 + count as u64)
    }
}

/// For how long an item matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Scope {
    /// Until [`Log::forget_below`] a greater height.
    Height(Height),
    /// Until the next item about the same fact: the last one is repeated in each new segment.
    Standing(Fact),
}

/// What is true until something else is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Fact {
    /// The highest counter of our proofs to peers.
    PeerCounter,
    /// Where we do not vote.
    Abstention,
}

/// What becomes of an item that rots.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Kind {
    /// It is kept twice, and its loss is a fault (`JN-2`, `JN-3`).
    Record,
    /// It is kept once and may be lost (`JN-9`), since peers have it. The digest is its name: at one height all of that
    /// name are the same.
    Body(Digest),
}

/// Something to remember. `Debug` shows how long it is and how it begins.
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    /// For how long.
    pub scope: Scope,
    /// How it is kept.
    pub kind: Kind,
    /// What.
    pub bytes: Bytes,
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scope, kind, bytes } = self;
        let start = &bytes[..bytes.len().min(8)];
        write!(f, "Item({scope:?}, {kind:?}, {} bytes: {start:02x?})", bytes.len())
    }
}

impl Item {
    /// Where it is kept by name, if it is a body.
    pub(super) fn body(&self) -> Option<(Height, Digest)> {
        match (self.scope, self.kind) {
            (Scope::Height(height), Kind::Body(digest)) => Some((height, digest)),
            _ => None,
        }
    }
}

/// A journal of bytes. See [the module](super) for its rules.
#[derive(Debug)]
pub struct Log<D> {
    disk: D,
    chain: Digest,
    salt: Salt,
    segment_bytes: u64,
    /// Live segments; the last one is written to.
    segments: BTreeMap<u64, Segment>,
    /// Segments with lower numbers are not needed.
    oldest: u64,
    floor: Height,
    next_batch: u64,
    /// The next item's number.
    next: Sequence,
    /// Appended, not yet flushed.
    pending: Vec<Item>,
    standing: BTreeMap<Fact, Item>,
    /// The bodies that are kept, by height and name.
    bodies: BTreeSet<(Height, Digest)>,
    /// Whether nothing would be learnt from another batch: the last one was empty and nothing was forgotten since.
    is_sealed: bool,
    has_failed: bool,
}

/// What is known of a live segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// Where its last batch ends and the next one begins.
    pub bytes: u64,
    /// The greatest height in it.
    pub highest: Height,
}

impl<D: Disk> Log<D> {
    /// Creates an empty journal on an empty disk. `salt` must be unpredictable to peers, otherwise they can forge
    /// structure that a recovery from damage believes (`JN-5`). Segments have `segment_bytes`, see [`SEGMENT_BYTES`].
    ///
    /// # Errors
    /// [`OpenError::Exists`] unless the disk is empty, and [`OpenError::Fault`].
    pub fn create(disk: D, chain: Digest, salt: Salt, segment_bytes: u64) -> Result<Self, OpenError> {
        if !disk.segments().doing("list", 0)?.is_empty() {
            return Err(OpenError::Exists);
        }
        let mut log = Self {
            disk,
            chain,
            salt,
            segment_bytes,
            segments: BTreeMap::new(),
            oldest: 1,
            floor: Height::ZERO,
            next_batch: 1,
            next: Sequence(1),
            pending: Vec::new(),
            standing: BTreeMap::new(),
            bodies: BTreeSet::new(),
            is_sealed: false,
            has_failed: false,
        };
        log.seal()?;
        Ok(log)
    }

    /// Opens a journal and returns what it holds, mending and cutting off what [the rules](super) allow.
    ///
    /// # Errors
    /// [`OpenError`]; whatever it says, nothing on the disk that could still be evidence has been changed.
    pub fn open(mut disk: D, chain: Digest, segment_bytes: u64) -> Result<(Self, Survey), OpenError> {
        let survey = recovery::survey(&mut disk, &chain)?;
        recovery::mend(&mut disk, &survey)?;
        let newest = survey.newest();
        let facts = survey.items.iter().filter_map(|(_, item)| match item.scope {
            Scope::Standing(fact) => Some((fact, item.clone())),
            Scope::Height(_) => None,
        });
        let mut log = Self {
            disk,
            chain,
            salt: survey.salt,
            segment_bytes,
            segments: survey.segments.clone(),
            oldest: survey.oldest,
            floor: survey.floor,
            next_batch: survey.next_batch,
            next: survey.next,
            pending: Vec::new(),
            standing: facts.collect(),
            bodies: survey.items.iter().filter_map(|(_, item)| item.body()).collect(),
            is_sealed: false,
            has_failed: false,
        };
        log.disk.reserve(newest, segment_bytes).doing("fill up", newest)?;
        // What a killed process had written may not be synced; the seal says that it is, so it must be first.
        log.disk.sync(newest).doing("sync", newest)?;
        log.disk.sync_directory().doing("sync the directory of", newest)?;
        log.seal()?;
        Ok((log, survey))
    }

    /// Takes an item, and returns the number with which it is durable; [`Log::flush`] makes it so. Bounded by the
    /// caller, who flushes. A body that is kept already is not kept again.
    pub fn append(&mut self, item: Item) -> Sequence {
        if let Scope::Standing(fact) = item.scope {
            self.standing.insert(fact, item.clone());
        }
        if item.body().is_none_or(|body| self.bodies.insert(body)) {
            self.pending.push(item);
        }
        Sequence(self.next.plus(self.pending.len()).0 - 1)
    }

    /// Makes everything appended durable, by one write and one sync, and returns the last number that is (`JN-1`).
    ///
    /// # Errors
    /// A [`Fault`], after which the process must end; so do all later calls.
    pub fn flush(&mut self) -> Result<Sequence, Fault> {
        if self.has_failed {
            return Err(Fault::Failed);
        }
        if !self.pending.is_empty() {
            self.has_failed = true;
            self.write_batch()?;
            self.has_failed = false;
        }
        Ok(Sequence(self.next.0 - 1))
    }

    /// Flushes, and then writes down that all of it is synced, so that damage to it will be told from a torn write
    /// (`JN-3`); the next batch would do so too. Costs a sync unless there is nothing to say: for idle moments.
    ///
    /// # Errors
    /// As [`Log::flush`].
    pub fn seal(&mut self) -> Result<(), Fault> {
        self.flush()?;
        if !self.is_sealed {
            self.has_failed = true;
            self.write_batch()?;
            self.has_failed = false;
        }
        Ok(())
    }

    /// Gives up the items of all heights below. Segments with nothing else are removed by the next flush or seal,
    /// which first writes down that they may be missing.
    pub fn forget_below(&mut self, height: Height) {
        if height <= self.floor {
            return;
        }
        self.floor = height;
        self.bodies = self.bodies.split_off(&(height, Digest::new([0; 32])));
        let current = self.current();
        let live = self.segments.iter().find(|(number, segment)| **number == current || segment.highest >= height);
        let oldest = live.map_or(current, |(number, _)| *number);
        self.oldest = self.oldest.max(oldest);
        self.is_sealed = false;
    }

    /// The lowest height whose items are still kept.
    pub fn floor(&self) -> Height {
        self.floor
    }

    /// What is in the live segments, in bytes.
    pub fn bytes(&self) -> u64 {
        self.segments.values().map(|segment| segment.bytes).sum()
    }

    /// Whether [`Log::seal`] has nothing to do.
    pub fn is_sealed(&self) -> bool {
        self.is_sealed && self.pending.is_empty()
    }

    /// The disk, for a simulation to meddle with.
    pub fn disk_mut(&mut self) -> &mut D {
        &mut self.disk
    }

    /// The disk, dropping whatever is not flushed.
    pub fn into_disk(self) -> D {
        self.disk
    }

    fn current(&self) -> u64 {
        self.segments.last_key_value().map_or(0, |(number, _)| *number)
    }

    fn write_batch(&mut self) -> Result<(), Fault> {
        self.begin_segment_unless_fits(batch_bytes_max(&self.pending))?;
        let mut items = std::mem::take(&mut self.pending);
        let number = self.current();
        let mut segment = self.segments[&number];
        if segment.bytes == EMPTY_SEGMENT as u64 {
            // The segments before may go once this one is begun (`JN-7`).
            items.extend(self.standing.values().cloned());
        }
        for item in &items {
            if let Scope::Height(height) = item.scope {
                segment.highest = segment.highest.max(height);
            }
        }
        let index = Index {
            segment: number,
            offset: segment.bytes,
            number: self.next_batch,
            oldest: self.oldest,
            floor: self.floor,
            first: self.next,
            items: items.iter().map(IndexItem::describe).collect(),
        };
        segment.bytes += self.write_parts(&index, &items)?;
        self.segments.insert(number, segment);
        self.next_batch += 1;
        self.next = self.next.plus(items.len());
        self.is_sealed = items.is_empty();
        self.remove_forgotten()
    }

    /// Writes and syncs one batch, the bodies from where they are, and returns its length.
    fn write_parts(&mut self, index: &Index, items: &[Item]) -> Result<u64, Fault> {
        let frame = index.encode(&self.salt);
        let mut parts: Vec<&[u8]> = vec![&frame];
        let mut bodies = 0;
        for (item, described) in items.iter().zip(&index.items) {
            if matches!(described.content, Content::Body { .. }) {
                parts.push(&item.bytes);
                bodies += item.bytes.len();
            }
        }
        parts.extend([padding(bodies), &frame]);
        let written: usize = parts.iter().map(|part| part.len()).sum();
        self.disk.write(index.segment, index.offset, &parts).doing("write to", index.segment)?;
        self.disk.sync(index.segment).doing("sync", index.segment)?;
        Ok(written as u64)
    }

    /// Begins a segment if the next batch would make the current one grow (`JN-8`); a batch that is larger than a
    /// segment does so in one of its own. The header is synced before anything else is in it: a header that is bad
    /// where a batch is not was good once.
    fn begin_segment_unless_fits(&mut self, batch_bytes: u64) -> Result<(), Fault> {
        let current = self.current();
        let fits = |segment: &Segment| {
            segment.bytes == EMPTY_SEGMENT as u64 || segment.bytes + batch_bytes <= self.segment_bytes
        };
        if self.segments.get(&current).is_some_and(fits) {
            return Ok(());
        }
        let segment = current + 1;
        let header = Header {
            chain: self.chain,
            salt: self.salt,
            segment,
            first_batch: self.next_batch,
            first_sequence: self.next,
        };
        let header = header.encode();
        self.disk.create(segment).doing("create", segment)?;
        self.disk.write(segment, 0, &[&header, &header]).doing("write to", segment)?;
        self.disk.sync(segment).doing("sync", segment)?;
        self.disk.sync_directory().doing("sync the directory of", segment)?;
        self.segments.insert(segment, Segment { bytes: EMPTY_SEGMENT as u64, highest: Height::ZERO });
        Ok(())
    }

    /// Only after a batch is durable that names the oldest segment: else their absence would be a fault. Their
    /// removal itself may be lost in a crash; recovery repeats it.
    fn remove_forgotten(&mut self) -> Result<(), Fault> {
        let live = self.segments.split_off(&self.oldest);
        for number in std::mem::replace(&mut self.segments, live).into_keys() {
            self.disk.remove(number).doing("remove", number)?;
        }
        Ok(())
    }
}
