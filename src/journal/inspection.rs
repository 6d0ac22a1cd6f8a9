//! A look at a journal that changes nothing: for people who want to know what is in it.
//!
//! Called by the command line, over the disk of a replica that does not run. [`Journal::open`](super::Journal::open)
//! judges the same way, and then mends.

use super::{Disk, Entry, OpenError, entry::read_entries, recovery};
use crate::types::{Digest, Height};

/// What a journal holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inspection {
    /// The live segments, oldest first.
    pub segments: Vec<SegmentView>,
    /// The lowest height whose entries are still kept.
    pub floor: Height,
    /// The entries, oldest first. Heights below the floor may be among them.
    pub entries: Vec<Entry>,
    /// Rotten data that peers have.
    pub lost: usize,
    /// Bad copies whose twin is good: the next start mends them, and the disk should be looked at.
    pub bad_copies: usize,
    /// Bytes of torn writes at the end, which the next start cuts off, as after any power loss.
    pub torn_bytes: u64,
}

/// One file of a journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentView {
    /// Its number.
    pub number: u64,
    /// Up to where it is written; behind that are zeros.
    pub written_bytes: u64,
    /// The greatest height in it; zero for none.
    pub highest: Height,
}

impl Inspection {
    /// Reads all live segments of the journal of a chain.
    ///
    /// # Errors
    /// [`OpenError`], for the reasons for which a replica would not start.
    pub fn of<D: Disk>(mut disk: D, chain: &Digest) -> Result<Self, OpenError> {
        let survey = recovery::survey(&mut disk, chain)?;
        let view = |(&number, segment): (&u64, &super::log::Segment)| SegmentView {
            number,
            written_bytes: segment.bytes,
            highest: segment.highest,
        };
        Ok(Self {
            segments: survey.segments.iter().map(view).collect(),
            floor: survey.floor,
            entries: read_entries(&survey)?,
            lost: survey.lost,
            bad_copies: survey.mended,
            torn_bytes: survey.torn_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{FileDisk, Journal, Salt, create_in, directory};

    #[test]
    fn looking_changes_no_byte_not_even_of_a_torn_end() {
        let (data, chain) = (tempfile::tempdir().unwrap(), Digest::new([1; 32]));
        create_in(data.path(), chain, Salt::new([2; 16])).unwrap();
        let place = directory(data.path());
        let (mut journal, _) = Journal::open(FileDisk::new(&place), chain).unwrap();
        journal.append(&Entry::PeerCounter { counter: 7 });
        journal.flush().unwrap();
        let end = journal.bytes();
        drop(journal);
        let file = place.join("0000000001.journal");
        let mut bytes = std::fs::read(&file).unwrap();
        let end = usize::try_from(end).unwrap();
        bytes[end + 10] = 1;
        std::fs::write(&file, &bytes).unwrap();

        let found = Inspection::of(FileDisk::new(&place), &chain).unwrap();
        assert_eq!(found.entries, [Entry::PeerCounter { counter: 7 }]);
        assert_eq!(found.segments.len(), 1);
        assert_eq!(found.segments[0].written_bytes, end as u64);
        assert!(found.torn_bytes > 0);
        assert_eq!(std::fs::read(&file).unwrap(), bytes);
        assert!(matches!(
            Inspection::of(FileDisk::new(&place), &Digest::new([3; 32])),
            Err(OpenError::Chain { found }) if found == chain
        ));
    }
}
