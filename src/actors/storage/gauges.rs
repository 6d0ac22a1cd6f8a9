//! What can be measured of storage at any time.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Figures for metrics and `doctor`, current whenever they are read.
#[derive(Debug)]
pub struct StorageGauges {
    directory: PathBuf,
    pub(super) waiting_appends: AtomicU64,
    pub(super) journal_bytes: AtomicU64,
    pub(super) unwritten_rows: AtomicU64,
    pub(super) unwritten_bytes: AtomicU64,
    pub(super) written_height: AtomicU64,
    pub(super) store_writes: AtomicU64,
    pub(super) store_write_micros: AtomicU64,
}

impl StorageGauges {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            waiting_appends: AtomicU64::new(0),
            journal_bytes: AtomicU64::new(0),
            unwritten_rows: AtomicU64::new(0),
            unwritten_bytes: AtomicU64::new(0),
            written_height: AtomicU64::new(0),
            store_writes: AtomicU64::new(0),
            store_write_micros: AtomicU64::new(0),
        }
    }

    /// Appends that are not durable yet: the depth of the journal's queue.
    pub fn waiting_appends(&self) -> u64 {
        self.waiting_appends.load(Relaxed)
    }

    /// What the journal takes on disk.
    pub fn journal_bytes(&self) -> u64 {
        self.journal_bytes.load(Relaxed)
    }

    /// Committed rows that are not in the store yet.
    pub fn unwritten_rows(&self) -> u64 {
        self.unwritten_rows.load(Relaxed)
    }

    /// Their bytes.
    pub fn unwritten_bytes(&self) -> u64 {
        self.unwritten_bytes.load(Relaxed)
    }

    /// The last height in the store; 0 also when there is none.
    pub fn written_height(&self) -> u64 {
        self.written_height.load(Relaxed)
    }

    /// Transactions of the store so far.
    pub fn store_writes(&self) -> u64 {
        self.store_writes.load(Relaxed)
    }

    /// What they took together, in microseconds.
    pub fn store_write_micros(&self) -> u64 {
        self.store_write_micros.load(Relaxed)
    }

    /// How large the file system is; `None` if it does not say.
    pub fn disk_size_bytes(&self) -> Option<u64> {
        let status = rustix::fs::statvfs(&self.directory).ok()?;
        Some(status.f_blocks.saturating_mul(status.f_frsize))
    }

    /// What is free on the file system for us; `None` if it does not say.
    pub fn disk_free_bytes(&self) -> Option<u64> {
        let status = rustix::fs::statvfs(&self.directory).ok()?;
        Some(status.f_bavail.saturating_mul(status.f_frsize))
    }
}
