//! The journal's disk: files in a directory.

use std::{
    fs::{self, File, TryLockError},
    io::{self, IoSlice, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::mpsc::SyncSender,
};

use super::{Disk, Entry, Journal, OpenError, Salt, fault::Doing as _, is_disk_full};
use crate::{protocol::Abstention, types::Digest};

/// A segment that is filled with zeros and waits to be used.
const SPARE: &str = "spare";
/// One that is being filled.
const UNFINISHED_SPARE: &str = "spare.unfinished";
/// A segment that was removed: what the next spare is made of.
const USED: &str = "spare.used";
/// So many zeros are written at once: a vote's sync waits for no more than that.
const ZEROS_AT_ONCE: usize = 1 << 20;

/// A directory of segments, each a file named by its number. The writer keeps the one it uses open.
#[derive(Debug)]
pub struct FileDisk {
    directory: PathBuf,
    open: Option<(u64, File)>,
    /// Told when there is no spare segment any more.
    spare_wanted: Option<SyncSender<()>>,
}

impl FileDisk {
    /// Uses a directory, which need not exist: then there are no segments.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), open: None, spare_wanted: None }
    }

    /// As [`FileDisk::new`], and takes new segments from what [`make_spare`] leaves. Whoever calls that is told by
    /// `wanted` that the spare is taken. One of an earlier life is removed: a power loss may have brought it back after
    /// it was used.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn with_spares(directory: impl Into<PathBuf>, wanted: SyncSender<()>) -> io::Result<Self> {
        let directory = directory.into();
        for name in [SPARE, UNFINISHED_SPARE, USED] {
            remove_if_there(&directory.join(name))?;
        }
        Ok(Self { directory, open: None, spare_wanted: Some(wanted) })
    }

    /// Makes the spare, if there is one, a segment.
    fn take_spare(&self, path: &Path) -> io::Result<Option<File>> {
        let Some(wanted) = &self.spare_wanted else { return Ok(None) };
        let renamed = fs::rename(self.directory.join(SPARE), path);
        // A second word before the first is heard says nothing new.
        let _ = wanted.try_send(());
        match renamed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            renamed => renamed?,
        }
        File::options().read(true).write(true).open(path).map(Some)
    }

    fn path(&self, segment: u64) -> PathBuf {
        self.directory.join(format!("{segment:010}.journal"))
    }

    fn file(&mut self, segment: u64) -> io::Result<&mut File> {
        let file = match self.open.take() {
            Some((number, file)) if number == segment => file,
            _ => File::options().read(true).write(true).open(self.path(segment))?,
        };
        Ok(&mut self.open.insert((segment, file)).1)
    }
}

impl Disk for FileDisk {
    fn segments(&self) -> io::Result<Vec<u64>> {
        let listing = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listing => listing?,
        };
        let mut segments = Vec::new();
        for found in listing {
            let name = found?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".journal"));
            segments.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        segments.sort_unstable();
        Ok(segments)
    }

    fn create(&mut self, segment: u64) -> io::Result<()> {
        let path = self.path(segment);
        if path.try_exists()? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = match self.take_spare(&path)? {
            Some(file) => file,
            None => File::options().read(true).write(true).create_new(true).open(path)?,
        };
        self.open = Some((segment, file));
        Ok(())
    }

    fn read(&mut self, segment: u64) -> io::Result<Vec<u8>> {
        let file = self.file(segment)?;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn write(&mut self, segment: u64, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        let file = self.file(segment)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut rest = &mut slices[..];
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match file.write_vectored(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn sync(&mut self, segment: u64) -> io::Result<()> {
        self.file(segment)?.sync_data()
    }

    fn reserve(&mut self, segment: u64, length: u64) -> io::Result<()> {
        let file = self.file(segment)?;
        let from = file.metadata()?.len();
        match fill(file, from, length) {
            Err(error) if is_disk_full(&error) => file.set_len(from),
            filled => filled,
        }
    }

    fn remove(&mut self, segment: u64) -> io::Result<()> {
        self.open.take_if(|(number, _)| *number == segment);
        match self.spare_wanted {
            Some(_) => fs::rename(self.path(segment), self.directory.join(USED)),
            None => fs::remove_file(self.path(segment)),
        }
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        sync_directory(&self.directory)
    }
}

/// Makes a spare segment of `length` zeros on stable storage, where [`FileDisk::with_spares`] finds it; of one that was
/// removed, if there is one, which has its place on the disk and in memory already. Takes its time: to be called on a
/// thread that nobody waits for.
///
/// # Errors
/// When the disk is full or fails. Then there is none, and segments grow as they are written.
pub fn make_spare(directory: &Path, length: u64) -> io::Result<()> {
    let unfinished = directory.join(UNFINISHED_SPARE);
    match fs::rename(directory.join(USED), &unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let filled = File::options().write(true).create(true).truncate(false).open(&unfinished).and_then(|mut file| {
        fill(&mut file, 0, length)?;
        file.set_len(length)?;
        file.sync_all()
    });
    if filled.is_err() {
        remove_if_there(&unfinished)?;
    }
    filled.and_then(|()| fs::rename(&unfinished, directory.join(SPARE)))
}

/// Writes zeros, and syncs every so often so that no sync of another file waits for all of them.
fn fill(file: &mut File, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; ZEROS_AT_ONCE];
    let mut left = to.saturating_sub(from);
    file.seek(SeekFrom::Start(from))?;
    while left > 0 {
        let now = usize::try_from(left).unwrap_or(ZEROS_AT_ONCE).min(ZEROS_AT_ONCE);
        file.write_all(&zeros[..now])?;
        file.sync_data()?;
        left -= now as u64;
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Makes creations and removals in a directory durable.
///
/// # Errors
/// When the directory cannot be synced.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Where a data directory keeps its journal.
pub fn directory(data: &Path) -> PathBuf {
    data.join("journal")
}

/// Creates an empty journal in a data directory, as `genesis` does for a new validator and nothing else ever should
/// (`OB-10`). `salt` comes from the operating system's randomness ([`Salt`]).
///
/// # Errors
/// [`OpenError`], among others if there is a journal already.
pub fn create_in(data: &Path, chain: Digest, salt: Salt) -> Result<(), OpenError> {
    const FIRST: u64 = 0;
    let directory = directory(data);
    fs::create_dir_all(&directory).doing("making the directory of", FIRST)?;
    Journal::create(FileDisk::new(&directory), chain, salt)?;
    Ok(sync_directory(data).doing("syncing the directory of", FIRST)?)
}

/// Puts a new journal in the place of one that is lost or damaged beyond repair (`OB-10`): it says that nothing may be
/// voted for, and there is no moment at which it does not. What is left of the old one becomes `journal.lost`.
///
/// # Errors
/// [`OpenError::Fault`].
pub fn recreate_in(data: &Path, chain: Digest, salt: Salt) -> Result<(), OpenError> {
    const FIRST: u64 = 0;
    let [unfinished, lost] = ["journal.unfinished", "journal.lost"].map(|name| data.join(name));
    let remove = |path: &Path| match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.doing("clearing the way for", FIRST),
    };
    remove(&unfinished)?;
    fs::create_dir(&unfinished).doing("making the directory of", FIRST)?;
    let mut journal = Journal::create(FileDisk::new(&unfinished), chain, salt)?;
    journal.append(&Entry::Abstention(Abstention::Everywhere));
    journal.seal()?;
    let directory = directory(data);
    if directory.try_exists().doing("looking for", FIRST)? {
        remove(&lost)?;
        fs::rename(&directory, &lost).doing("setting aside what is left of", FIRST)?;
    }
    fs::rename(&unfinished, &directory).doing("naming", FIRST)?;
    Ok(sync_directory(data).doing("syncing the directory of", FIRST)?)
}

/// The operating system's lock on a data directory. It is gone with the process that holds it, however that ends.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock; `None` if another process has it.
    ///
    /// # Errors
    /// When the lock file cannot be made.
    pub fn try_take(directory: &Path) -> io::Result<Option<Self>> {
        let file = File::options().write(true).create(true).truncate(false).open(directory.join("LOCK"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::MetadataExt as _, sync::mpsc::sync_channel};

    use super::*;

    /// Its room on the disk serves again, and nothing of what it held is left (`JN-8`).
    #[test]
    fn spare_is_made_of_the_segment_that_was_removed() {
        let directory = tempfile::tempdir().unwrap();
        let (wanted, _wants) = sync_channel(1);
        let mut disk = FileDisk::with_spares(directory.path(), wanted).unwrap();
        make_spare(directory.path(), 10_000).unwrap();
        let inode = |name: &str| fs::metadata(directory.path().join(name)).unwrap().ino();
        let first = inode(SPARE);
        disk.create(1).unwrap();
        // One batch can be longer than a segment.
        disk.write(1, 0, &[&[0xff; 20_000]]).unwrap();
        disk.create(2).unwrap();
        assert_ne!(inode("0000000002.journal"), first);
        disk.remove(1).unwrap();
        assert_eq!(disk.segments().unwrap(), [2]);
        make_spare(directory.path(), 10_000).unwrap();
        disk.create(3).unwrap();
        assert_eq!(inode("0000000003.journal"), first);
        assert_eq!(disk.read(3).unwrap(), vec![0; 10_000]);
        disk.remove(2).unwrap();
        drop(disk);
        let (wanted, _wants) = sync_channel(1);
        let disk = FileDisk::with_spares(directory.path(), wanted).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "only the segment that is in use");
        drop(disk);
    }
}
