//! What the disk and the data directory can do to a node, and what is done about it.

use std::{fmt, io, path::PathBuf, sync::Arc};

use super::store;
use crate::{
    journal::{self, REJOIN},
    types::Height,
};

/// The exit status after a fault of the disk (`EX_IOERR` of sysexits.h).
pub const EXIT_STORAGE: i32 = 74;

/// The disk failed while the node ran.
#[derive(Debug, thiserror::Error)]
pub enum StorageFault {
    /// The journal did.
    #[error(transparent)]
    Journal(journal::Fault),
    /// The store did.
    #[error("the store: {0}")]
    Store(Box<redb::Error>),
}

impl StorageFault {
    /// Whether all that is wrong is that the disk is full.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Journal(fault) => fault.is_disk_full(),
            Self::Store(error) => matches!(&**error, redb::Error::Io(error) if journal::is_disk_full(error)),
        }
    }

    /// Writes the last line of the log, with what there is to do.
    pub fn log(&self) {
        if self.is_disk_full() {
            tracing::error!(fault = %self, "the disk is full: the node stops; make room, then start it again");
        } else {
            tracing::error!(fault = %self, "the disk failed: the node stops; check the disk, then start it again");
        }
    }
}

/// Why storage cannot be opened or created.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process uses the directory.
    #[error("{}: a running node has locked it; stop that one first", .0.display())]
    Locked(PathBuf),
    /// There is no directory.
    #[error("{}: there is no such directory; `thalweg genesis` makes one, and node.data in node.toml names it", .0.display())]
    Absent(PathBuf),
    /// The directory cannot be used.
    #[error("{}: {source}; the node needs to read and write there", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// The journal says no.
    #[error(transparent)]
    Journal(#[from] journal::OpenError),
    /// The store says no.
    #[error("the store: {0}")]
    Store(#[from] Box<redb::Error>),
    /// The store belongs to another chain.
    #[error("the store belongs to chain {found}: node.genesis or node.data in node.toml names the wrong one")]
    StoreChain {
        /// Whose it is.
        found: String,
    },
    /// The store was written by another version of the format.
    #[error(
        "the store has format version {found}, this is version {}: start the program that wrote it",
        store::VERSION
    )]
    StoreVersion {
        /// The version found.
        found: u64,
    },
    /// The store ends below what the journal has been told it holds: it was lost, or restored from a copy (`JN-6`).
    #[error("the store is older than the journal, which begins at height {floor}: it was lost, or is a copy. {REJOIN}")]
    StoreBehind {
        /// The last height in the store.
        stored: Option<Height>,
        /// The lowest height that the journal still covers.
        floor: Height,
    },
}

impl OpenError {
    /// Whether the replica's memory of its votes is gone, so that it must rejoin (`OB-10`).
    pub fn is_amnesia(&self) -> bool {
        use journal::OpenError::{Missing, Rotten, SegmentMissing};
        let lost = matches!(self, Self::Journal(Missing | Rotten { .. } | SegmentMissing { .. }));
        lost || matches!(self, Self::StoreBehind { .. })
    }

    /// The failure of the disk behind it, if it is one.
    ///
    /// # Errors
    /// Itself, if it is not.
    pub fn fault(self) -> Result<StorageFault, Self> {
        match self {
            Self::Journal(journal::OpenError::Fault(fault)) => Ok(StorageFault::Journal(fault)),
            Self::Store(error) if matches!(*error, redb::Error::Io(_)) => Ok(StorageFault::Store(error)),
            other => Err(other),
        }
    }
}

/// What to do when the disk fails. It should not return.
#[derive(Clone)]
pub struct OnFault(Arc<dyn Fn(&StorageFault) + Send + Sync>);

impl OnFault {
    /// Wraps a function.
    pub fn new(act: impl Fn(&StorageFault) + Send + Sync + 'static) -> Self {
        Self(Arc::new(act))
    }

    pub(super) fn call(&self, fault: &StorageFault) {
        (self.0)(fault);
    }
}

impl Default for OnFault {
    /// Logs the fault with [`StorageFault::log`] and ends the process with [`EXIT_STORAGE`].
    fn default() -> Self {
        Self::new(|fault| {
            fault.log();
            std::process::exit(EXIT_STORAGE)
        })
    }
}

impl fmt::Debug for OnFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnFault")
    }
}
