//! The journal's disk: files in a directory.

use std::{
    fs::{self, File, TryLockError},
    io::{self, IoSlice, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use super::{Disk, Journal, OpenError, Salt, fault::Doing as _};
use crate::types::Digest;

/// A directory of segments, each a file named by its number. The writer keeps the one it uses open.
#[derive(Debug)]
pub struct FileDisk {
    directory: PathBuf,
    open: Option<(u64, File)>,
}

impl FileDisk {
    /// Uses a directory, which need not exist: then there are no segments.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), open: None }
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
        let file = File::options().read(true).write(true).create_new(true).open(self.path(segment))?;
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

    fn truncate(&mut self, segment: u64, length: u64) -> io::Result<()> {
        self.file(segment)?.set_len(length)
    }

    fn remove(&mut self, segment: u64) -> io::Result<()> {
        self.open.take_if(|(number, _)| *number == segment);
        fs::remove_file(self.path(segment))
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        sync_directory(&self.directory)
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
