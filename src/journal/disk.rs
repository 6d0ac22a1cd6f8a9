//! The port to whatever keeps the journal's bytes.

use std::io;

/// A directory of numbered, growing files, as little of a disk as the journal needs.
///
/// Nothing written is safe before [`Disk::sync`] returns, and no file created before [`Disk::sync_directory`] does:
/// until then a crash may keep any part of it, in any order, or put noise in its place. Implemented by
/// `actors::storage::FileDisk` and, with crashes to order, by `sim::disk::SimDisk`.
pub trait Disk {
    /// The numbers of all segments, ascending.
    ///
    /// # Errors
    /// When the disk fails.
    fn segments(&self) -> io::Result<Vec<u64>>;

    /// Creates a segment: empty, or filled with zeros if the disk has one at hand, see [`Disk::reserve`].
    ///
    /// # Errors
    /// When it exists already or the disk fails.
    fn create(&mut self, segment: u64) -> io::Result<()>;

    /// Everything in a segment.
    ///
    /// # Errors
    /// When it does not exist or the disk fails.
    fn read(&mut self, segment: u64) -> io::Result<Vec<u8>>;

    /// Writes `parts`, one after the other, at `offset`; the segment grows as needed.
    ///
    /// # Errors
    /// When it does not exist or the disk fails.
    fn write(&mut self, segment: u64, offset: u64, parts: &[&[u8]]) -> io::Result<()>;

    /// Returns when everything written to a segment is on stable storage.
    ///
    /// # Errors
    /// When the disk fails. What was written since the last success may then be lost whatever is tried next.
    fn sync(&mut self, segment: u64) -> io::Result<()>;

    /// Fills a segment that is shorter than `length` with zeros up to there, so that later writes change its content
    /// and nothing else, which makes syncs cheap (`JN-8`). A disk without room leaves it as it is.
    ///
    /// # Errors
    /// When it does not exist or the disk fails.
    fn reserve(&mut self, segment: u64, length: u64) -> io::Result<()>;

    /// Removes a segment.
    ///
    /// # Errors
    /// When it does not exist or the disk fails.
    fn remove(&mut self, segment: u64) -> io::Result<()>;

    /// Returns when all creations and removals are on stable storage.
    ///
    /// # Errors
    /// When the disk fails.
    fn sync_directory(&mut self) -> io::Result<()>;
}

impl<D: Disk + ?Sized> Disk for &mut D {
    fn segments(&self) -> io::Result<Vec<u64>> {
        (**self).segments()
    }

    fn create(&mut self, segment: u64) -> io::Result<()> {
        (**self).create(segment)
    }

    fn read(&mut self, segment: u64) -> io::Result<Vec<u8>> {
        (**self).read(segment)
    }

    fn write(&mut self, segment: u64, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        (**self).write(segment, offset, parts)
    }

    fn sync(&mut self, segment: u64) -> io::Result<()> {
        (**self).sync(segment)
    }

    fn reserve(&mut self, segment: u64, length: u64) -> io::Result<()> {
        (**self).reserve(segment, length)
    }

    fn remove(&mut self, segment: u64) -> io::Result<()> {
        (**self).remove(segment)
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        (**self).sync_directory()
    }
}
