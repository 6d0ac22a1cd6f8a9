//! A store that is put together beside the one in use, and takes its place when it is whole.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    DirectoryLock, OnFault, OpenError, Snapshot, StoreView,
    layer::{self, Hasher, Layer},
    lock,
    store::Store,
};
use crate::{
    journal,
    replica::snapshot::Shelf,
    store::{Changes, Rows},
    types::{Digest, Height},
};

/// From how many bytes of changes on they are written.
const WRITE_BYTES: usize = 24 << 20;

/// An empty store in a data directory whose node does not run. One that is dropped before [`Self::finish`] leaves
/// nothing behind but a file, which the next one replaces.
pub struct NewStore {
    data: PathBuf,
    store: Store,
    snapshot: Snapshot,
    /// No room is taken beyond that which leaves so many bytes on the disk.
    free_bytes_min: u64,
    _lock: DirectoryLock,
}

impl NewStore {
    /// Makes it.
    ///
    /// # Errors
    /// [`OpenError`]: the directory is in use or absent, or the disk fails.
    pub fn create(data: &Path, chain: &Digest, cache: usize, free_bytes_min: u64) -> Result<Self, OpenError> {
        let lock = lock(data)?;
        let file = Self::file(data);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(OpenError::Directory { path: file, source: error });
            }
            _ => {}
        }
        let store = Store::open(&file, chain, cache, OnFault::default())?;
        let (base, hasher) = (Arc::new(store.base()?), Hasher::default());
        let snapshot = Snapshot { base, layers: Vec::new(), hasher, height: None };
        Ok(Self { data: data.to_owned(), store, snapshot, free_bytes_min, _lock: lock })
    }

    /// Makes it the directory's store, at a height, in place of one that is there.
    ///
    /// # Errors
    /// [`OpenError`]: the disk fails.
    pub fn finish(mut self, height: Height) -> Result<(), OpenError> {
        self.write(height)?;
        let Self { data, store, snapshot, .. } = self;
        drop((snapshot, store));
        let in_directory = |source| OpenError::Directory { path: data.clone(), source };
        fs::rename(Self::file(&data), StoreView::file(&data)).map_err(in_directory)?;
        journal::sync_directory(&data).map_err(in_directory)
    }

    fn file(data: &Path) -> PathBuf {
        data.join("store.new.redb")
    }

    fn write(&mut self, height: Height) -> Result<(), OpenError> {
        self.store.apply(&self.snapshot.layers, height)?;
        self.snapshot.layers.clear();
        self.snapshot.base = Arc::new(self.store.base()?);
        Ok(())
    }
}

impl Shelf for NewStore {
    fn rows(&self) -> &dyn Rows {
        &self.snapshot
    }

    fn apply(&mut self, changes: Changes) -> Result<(), String> {
        layer::push(&mut self.snapshot.layers, Layer::new(changes, &self.snapshot.hasher));
        if self.snapshot.layers.iter().map(|layer| layer.bytes).sum::<usize>() < WRITE_BYTES {
            return Ok(());
        }
        let free = rustix::fs::statvfs(&self.data).map_err(|error| error.to_string())?;
        let free = free.f_bavail.saturating_mul(free.f_frsize);
        if free < self.free_bytes_min {
            return Err(format!("{free} bytes are free on the disk, fewer than storage.free_bytes_min"));
        }
        self.write(Height::ZERO).map_err(|error| error.to_string())
    }
}
