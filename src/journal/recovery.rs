//! What may be believed of the bytes on a disk.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    Disk, Fault, Item, OpenError, Salt, Scope, Sequence,
    fault::Doing as _,
    format::{Content, EMPTY_SEGMENT, Header, Index, SECTOR, ZEROS},
    log::Segment,
};
use crate::types::{Digest, Height};

/// What a journal holds, and what is to be done to its disk before it goes on.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Every intact item of the live segments, in order. Heights below the floor may be among them.
    pub items: Vec<(Sequence, Item)>,
    /// Bodies that are rotten; peers have them.
    pub lost: usize,
    /// How many bad copies are mended from good ones.
    pub mended: usize,
    /// How many bytes of torn writes are wiped off the end.
    pub torn_bytes: u64,
    pub(super) salt: Salt,
    pub(super) segments: BTreeMap<u64, Segment>,
    pub(super) oldest: u64,
    pub(super) floor: Height,
    pub(super) next_batch: u64,
    pub(super) next: Sequence,
    repairs: Vec<Repair>,
    useless: Vec<u64>,
}

impl Survey {
    /// The number of the segment that is written to.
    pub(super) fn newest(&self) -> u64 {
        self.segments.last_key_value().map_or(0, |(number, _)| *number)
    }
}

/// A bad copy and what belongs there.
#[derive(Clone, Debug)]
struct Repair {
    segment: u64,
    offset: u64,
    bytes: Vec<u8>,
}

/// Reads all live segments and judges them. Changes nothing.
pub(super) fn survey<D: Disk>(disk: &mut D, chain: &Digest) -> Result<Survey, OpenError> {
    let mut files = BTreeMap::new();
    for number in disk.segments().doing("list", 0)? {
        files.insert(number, disk.read(number).doing("read", number)?);
    }
    let salt = find_salt(&files, chain)?;
    let mut scans: BTreeMap<u64, Scan> = BTreeMap::new();
    for (number, bytes) in &files {
        scans.insert(*number, Scan::new(*number, bytes, &salt));
    }
    let mut useless = Vec::new();
    // A crash can leave a new segment without a header; then it never had a batch that was synced.
    if scans.len() > 1
        && let Some(last) = scans.last_entry()
        && last.get().header.is_none()
        && last.get().rotten_at.is_none()
    {
        useless.push(last.remove_entry().0);
    }
    let last_batch = scans.values().rev().find_map(|scan| scan.batches.last());
    let oldest = last_batch.map_or(1, |batch| batch.index.oldest);
    useless.extend(scans.range(..oldest).map(|(number, _)| *number));
    judge(oldest, &scans)?;
    Ok(conclude(salt, oldest, scans, useless))
}

/// Puts a surveyed disk in order: mends bad copies, wipes off a torn end, removes what is not needed. A crash in between
/// leaves a disk that is surveyed like the one before.
pub(super) fn mend<D: Disk>(disk: &mut D, survey: &Survey) -> Result<(), Fault> {
    for Repair { segment, offset, bytes } in &survey.repairs {
        disk.write(*segment, *offset, &[bytes]).doing("mend", *segment)?;
        disk.sync(*segment).doing("sync", *segment)?;
    }
    let newest = survey.newest();
    if survey.torn_bytes > 0 {
        let end = survey.segments[&newest].bytes;
        for offset in (end..end + survey.torn_bytes).step_by(SECTOR) {
            disk.write(newest, offset, &[&ZEROS]).doing("wipe the end of", newest)?;
        }
        disk.sync(newest).doing("sync", newest)?;
    }
    for number in &survey.useless {
        disk.remove(*number).doing("remove", *number)?;
    }
    Ok(())
}

/// The journal's salt, from any header that is intact.
fn find_salt(files: &BTreeMap<u64, Vec<u8>>, chain: &Digest) -> Result<Salt, OpenError> {
    let first = *files.keys().next().ok_or(OpenError::Missing)?;
    for bytes in files.values() {
        for copy in copies_of_header(bytes) {
            match Header::decode(copy) {
                Some(Ok(header)) if header.chain != *chain => return Err(OpenError::Chain { found: header.chain }),
                Some(Ok(header)) => return Ok(header.salt),
                Some(Err(found)) => return Err(OpenError::Version { found }),
                None => {}
            }
        }
    }
    Err(OpenError::Rotten { segment: first, offset: 0 })
}

/// The first sector from which on there are only zeros: never written, or wiped.
fn start_of_blank(bytes: &[u8]) -> u64 {
    let written = bytes.chunks(SECTOR).rposition(|sector| sector != &ZEROS[..sector.len()]);
    written.map_or(0, |last| (last + 1) * SECTOR) as u64
}

fn copies_of_header(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.chunks_exact(SECTOR).take(2)
}

/// One segment, read.
struct Scan {
    header: Option<Header>,
    /// Intact ones up to the first that is not.
    batches: Vec<Batch>,
    /// Where the next batch would begin.
    end: u64,
    /// Where the zeros begin that reach to its end.
    blank: u64,
    /// The first bad data that an intact batch follows.
    rotten_at: Option<u64>,
    repairs: Vec<Repair>,
}

/// One batch, read.
struct Batch {
    index: Index,
    items: Vec<(Sequence, Item)>,
    lost: usize,
    /// The number of the batch that should follow.
    next: u64,
}

/// What is found where a batch should begin.
enum Found<'a> {
    /// An intact copy of its index, and that copy's frame.
    Index(Index, &'a [u8]),
    /// Something intact that can only have been written later.
    Later,
    /// Nothing.
    End,
}

impl Scan {
    fn new(number: u64, bytes: &[u8], salt: &Salt) -> Self {
        let mut scan = Self {
            header: None,
            batches: Vec::new(),
            end: EMPTY_SEGMENT as u64,
            blank: start_of_blank(bytes),
            rotten_at: None,
            repairs: Vec::new(),
        };
        scan.read_header(number, bytes);
        match &scan.header {
            Some(header) => {
                let expected = header.first_batch;
                scan.read_batches(number, bytes, salt, expected);
            }
            None if !matches!(find(number, bytes, salt, 0, 0), Found::End) => scan.rotten_at = Some(0),
            None => {}
        }
        scan
    }

    fn read_header(&mut self, number: u64, bytes: &[u8]) {
        let mut intact = copies_of_header(bytes).filter_map(|copy| Some((copy, Header::decode(copy)?.ok()?)));
        let Some((good, header)) = intact.find(|(_, header)| header.segment == number) else { return };
        self.header = Some(header);
        for at in [0, SECTOR] {
            self.mend(number, at, bytes, good);
        }
    }

    fn read_batches(&mut self, number: u64, bytes: &[u8], salt: &Salt, mut expected: u64) {
        let mut start = EMPTY_SEGMENT;
        loop {
            let (index, copy) = match find(number, bytes, salt, start, expected) {
                Found::Index(index, copy) => (index, copy),
                Found::Later => {
                    self.rotten_at = Some(start as u64);
                    return;
                }
                Found::End => return,
            };
            let second = start + copy.len() + index.bodies_length();
            let end = second + copy.len();
            let batch = Batch::read(index, bytes.get(start + copy.len()..).unwrap_or_default());
            for at in [start, second] {
                self.mend(number, at, bytes, copy);
            }
            expected = batch.next;
            start = end;
            self.end = end as u64;
            self.batches.push(batch);
        }
    }

    fn mend(&mut self, segment: u64, at: usize, bytes: &[u8], good: &[u8]) {
        if bytes.get(at..at + good.len()) != Some(good) {
            self.repairs.push(Repair { segment, offset: at as u64, bytes: good.to_vec() });
        }
    }
}

/// Looks for the batch `number` of a segment from `start` on. The first copy of its index is there; the second one
/// (`JN-2`), and whatever was written later, begins at some later sector.
fn find<'a>(segment: u64, bytes: &'a [u8], salt: &Salt, start: usize, number: u64) -> Found<'a> {
    for at in (start..bytes.len()).step_by(SECTOR) {
        let Some((index, length)) = Index::decode(salt, &bytes[at..]) else { continue };
        let is_it = index.segment == segment && index.offset == start as u64 && index.number == number;
        return if is_it { Found::Index(index, &bytes[at..at + length]) } else { Found::Later };
    }
    Found::End
}

impl Batch {
    /// Collects the items, without the bodies that are bad (`JN-9`).
    fn read(index: Index, mut bodies: &[u8]) -> Self {
        let mut items = Vec::with_capacity(index.items.len());
        let mut lost = 0;
        for (position, described) in index.items.iter().enumerate() {
            let bytes = match &described.content {
                Content::Inline(bytes) => Some(bytes.clone()),
                Content::Body { bytes, crc } => {
                    let (body, rest) = bodies.split_at(bodies.len().min(*bytes as usize));
                    bodies = rest;
                    (crc32c::crc32c(body) == *crc).then(|| Bytes::copy_from_slice(body))
                }
            };
            let (scope, kind) = (described.scope, described.kind);
            match bytes {
                Some(bytes) => items.push((index.first.plus(position), Item { scope, kind, bytes })),
                None => lost += 1,
            }
        }
        Self { next: index.number + 1, index, items, lost }
    }

    /// The number after its last item's.
    fn next_sequence(&self) -> Sequence {
        self.index.first.plus(self.index.items.len())
    }
}

/// Whether everything that was ever synced and is still needed is there (`JN-3`, `JN-6`).
fn judge(oldest: u64, scans: &BTreeMap<u64, Scan>) -> Result<(), OpenError> {
    for (&segment, scan) in scans.range(oldest..) {
        if scan.header.is_none() {
            return Err(OpenError::Rotten { segment, offset: 0 });
        }
        if let Some(offset) = scan.rotten_at {
            return Err(OpenError::Rotten { segment, offset });
        }
        // A segment is begun only after the one before is synced to its end.
        let next = scans.get(&(segment + 1)).and_then(|next| next.header.as_ref());
        let follows = scan.batches.last().map(|batch| batch.next);
        if next.is_some_and(|next| follows != Some(next.first_batch)) {
            return Err(OpenError::Rotten { segment, offset: scan.end });
        }
    }
    let newest = scans.keys().next_back().copied().unwrap_or(oldest);
    match (oldest..=newest).find(|segment| !scans.contains_key(segment)) {
        Some(segment) => Err(OpenError::SegmentMissing { segment }),
        None => Ok(()),
    }
}

fn conclude(salt: Salt, oldest: u64, mut scans: BTreeMap<u64, Scan>, useless: Vec<u64>) -> Survey {
    let mut survey = Survey {
        items: Vec::new(),
        lost: 0,
        mended: 0,
        torn_bytes: 0,
        salt,
        segments: BTreeMap::new(),
        oldest,
        floor: Height::ZERO,
        next_batch: 1,
        next: Sequence(1),
        repairs: Vec::new(),
        useless,
    };
    for (number, scan) in scans.split_off(&oldest) {
        if let Some(header) = &scan.header {
            survey.next_batch = header.first_batch;
            survey.next = header.first_sequence;
        }
        let mut highest = Height::ZERO;
        for batch in scan.batches {
            survey.next_batch = batch.next;
            survey.next = batch.next_sequence();
            survey.floor = batch.index.floor;
            survey.lost += batch.lost;
            let heights = batch.index.items.iter().filter_map(|item| match item.scope {
                Scope::Height(height) => Some(height),
                Scope::Standing(_) => None,
            });
            highest = heights.fold(highest, Height::max);
            survey.items.extend(batch.items);
        }
        // Only the newest segment can have more than zeros behind its last batch: `judge` has seen to the others.
        survey.torn_bytes = scan.blank.saturating_sub(scan.end);
        survey.mended += scan.repairs.len();
        survey.repairs.extend(scan.repairs);
        survey.segments.insert(number, Segment { bytes: scan.end, highest });
    }
    survey
}
