//! Storage: the hands around the vote journal and the block and state store, and the only ones that touch the disk.
//!
//! Used by the deciders (records, before a vote leaves), the replica (decided blocks), the executor (what a block
//! changed) and all who read. It never decides what to remember. Two files have two writers, each on a thread of its
//! own, so that no vote waits for a large write of state:
//!
//! ```text
//! decider, replica ── append ──> queue ──> journaler ── one write and sync ──> data/journal/*
//!                                             │ done()            ↑ forget below
//! executor ── commit ──> layers in memory ──> writer ── transactions ──> data/store.redb
//!                            ↑ snapshot
//!                         readers
//! ```
//!
//! * **Durable before visible.** An append's `done` runs after the sync that covers it; the journal is the durability,
//!   and the store is written behind it.
//! * **Read your commits.** What is committed is visible when [`StoragePort::commit`] returns, to every thread.
//! * **Bounded.** Appends on their way and changes not yet written are limited in bytes; beyond, callers wait.
//! * **A fault ends the process** with [`EXIT_STORAGE`]: a replica that cannot remember must not vote.
//!
//! Why threads and not actors: both block in the operating system for most of their time, and an actor's mailbox has
//! neither a limit in bytes nor a way to take all that waits.

mod fault;
mod gauges;
mod journaler;
mod layer;
mod look;
mod pins;
mod port;
mod queue;
mod recovery;
mod shelf;
mod snapshot;
mod spares;
mod store;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

pub use fault::{EXIT_STORAGE, OnFault, OpenError, StorageFault};
pub use gauges::StorageGauges;
pub use look::StoreView;
pub use pins::Pins;
pub use port::{StoragePort, StoreReader};
pub use recovery::Recovered;
pub use shelf::NewStore;
pub use snapshot::Snapshot;
pub use writer::WriteBehind;

use self::{
    journaler::{Inbox, Journaler},
    store::Store,
    writer::{Shared, Writer},
};
use super::priority::yield_to_others;
use crate::{
    journal::{self, DirectoryLock, FileDisk, Journal, Salt},
    protocol::Lifetime,
    types::{Digest, Height},
};

/// How storage is opened.
pub struct Settings {
    /// The node's data directory.
    pub directory: PathBuf,
    /// The chain whose data it is.
    pub chain: Digest,
    /// Whether a journal that is lost may be replaced by one that lets nothing be voted for until the others have been
    /// asked (`OB-10`), and then the salt of that one.
    pub rejoin: Option<Salt>,
    /// Whether a long instance writes records that outlive their heights' blocks.
    pub lifetime: Lifetime,
    /// When state is written.
    pub write_behind: WriteBehind,
    /// The most bytes of appends on their way to the journal; callers wait beyond.
    pub append_bytes_max: usize,
    /// The most bytes of the store kept in memory.
    pub cache_bytes: usize,
    /// Told of each sync of the journal and how long it took, on the journal's thread.
    pub observe_sync: Box<dyn Fn(Duration) + Send>,
    /// What to do when the disk fails.
    pub on_fault: OnFault,
}

impl Settings {
    /// The defaults.
    pub fn new(directory: impl Into<PathBuf>, chain: Digest) -> Self {
        Self {
            directory: directory.into(),
            chain,
            rejoin: None,
            lifetime: Lifetime::Height,
            write_behind: WriteBehind::default(),
            append_bytes_max: 64 << 20,
            cache_bytes: 128 << 20,
            observe_sync: Box::new(|_| {}),
            on_fault: OnFault::default(),
        }
    }
}

/// Opened storage: its threads running. Dropping it stops them, as [`Storage::shutdown`] does.
pub struct Storage {
    port: StoragePort,
    writer: Option<JoinHandle<()>>,
    journaler: Option<JoinHandle<()>>,
    spares: Option<JoinHandle<()>>,
    _lock: DirectoryLock,
}

impl Storage {
    /// Opens what is in a data directory and starts the writers.
    ///
    /// # Errors
    /// [`OpenError`]: it is in use, has no journal, is another chain's or damaged beyond repair, or the disk fails.
    pub fn open(settings: Settings) -> Result<(Self, Recovered), OpenError> {
        let lock = lock(&settings.directory)?;
        let Files { journal, found, spares_wanted, store, height } = match (Files::open(&settings), settings.rejoin) {
            (Err(error), Some(salt)) if error.is_amnesia() => {
                tracing::warn!(%error, "a new journal is made; nothing is voted for until that is safe");
                journal::recreate_in(&settings.directory, settings.chain, salt)?;
                Files::open(&settings)?
            }
            (files, _) => files?,
        };
        recovery::report(&found);
        let Settings { directory, lifetime, write_behind, append_bytes_max, observe_sync, on_fault, .. } = settings;
        let journal_directory = journal::directory(&directory);
        let gauges = Arc::new(StorageGauges::new(directory));
        let shared = Arc::new(Shared::new(store.base()?, height, gauges.clone(), write_behind));
        let inbox = Arc::new(Inbox::new(append_bytes_max, lifetime));
        let port = StoragePort { inbox: inbox.clone(), shared: shared.clone(), gauges: gauges.clone() };
        let journaler = Journaler {
            journal,
            inbox: inbox.clone(),
            gauges: gauges.clone(),
            observe_sync,
            on_fault: on_fault.clone(),
        };
        let spare_gauges = gauges.clone();
        let writer = Writer { store, shared, inbox, gauges, on_fault };
        let storage = Self {
            port,
            writer: Some(spawn("writer", move || {
                // Whoever waits for the writer waits because it is far behind, and then the others wait for it and leave
                // it the processor. On two full cores this takes a third off the median of a commit.
                yield_to_others();
                writer.run();
            })?),
            journaler: Some(spawn("journaler", move || journaler.run())?),
            spares: Some(spawn("spares", move || {
                yield_to_others();
                spares::keep(&journal_directory, &spare_gauges, &spares_wanted);
            })?),
            _lock: lock,
        };
        Ok((storage, Recovered::new(height, found.entries)))
    }

    /// The way in, and to figures.
    pub fn port(&self) -> StoragePort {
        self.port.clone()
    }

    /// The read side.
    pub fn reader(&self) -> StoreReader {
        self.port.reader()
    }

    /// Writes everything that was appended and committed, runs what waits for it, and ends all threads. Whoever
    /// still holds a port finds it closed.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        // The writer first: what it writes, the journal forgets.
        self.port.shared.close();
        join(&mut self.writer);
        self.port.inbox.appends.close();
        join(&mut self.journaler);
        // Ends with the journal's disk.
        join(&mut self.spares);
    }
}

/// What is in a data directory.
struct Files {
    journal: Journal<FileDisk>,
    found: journal::Recovered,
    spares_wanted: Receiver<()>,
    store: Store,
    height: Option<Height>,
}

impl Files {
    fn open(Settings { directory, chain, cache_bytes, on_fault, .. }: &Settings) -> Result<Self, OpenError> {
        let in_directory = |source| OpenError::Directory { path: directory.clone(), source };
        let place = journal::directory(directory);
        if !place.try_exists().map_err(in_directory)? {
            return Err(journal::OpenError::Missing.into());
        }
        let (wanted, spares_wanted) = sync_channel(1);
        let disk = FileDisk::with_spares(place, wanted).map_err(in_directory)?;
        let (journal, found) = Journal::open(disk, *chain)?;
        let store = Store::open(&StoreView::file(directory), chain, *cache_bytes, on_fault.clone())?;
        // A store whose creation a power loss took back would look like one that was lost.
        journal::sync_directory(directory).map_err(in_directory)?;
        let height = store.height()?;
        recovery::check_store(height, journal.floor())?;
        Ok(Self { journal, found, spares_wanted, store, height })
    }
}

fn lock(directory: &Path) -> Result<DirectoryLock, OpenError> {
    if !directory.try_exists().map_err(|source| OpenError::Directory { path: directory.to_owned(), source })? {
        return Err(OpenError::Absent(directory.to_owned()));
    }
    match DirectoryLock::try_take(directory) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => Err(OpenError::Locked(directory.to_owned())),
        Err(source) => Err(OpenError::Directory { path: directory.to_owned(), source }),
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(OpenError::Thread)
}

fn join(thread: &mut Option<JoinHandle<()>>) {
    // One that panicked has ended the process already, in production, where panics abort.
    drop(thread.take().map(JoinHandle::join));
}
