//! What the environment can do to the journal.

use std::io;

use crate::types::Digest;

/// The disk failed. The process must end: a replica that cannot remember must not vote.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// An operation failed.
    #[error("{doing} segment {segment} of the journal: {source}")]
    Disk {
        /// What was being done.
        doing: &'static str,
        /// To which segment.
        segment: u64,
        /// What the disk said.
        source: io::Error,
    },
    /// The journal was used again after a fault. What the disk holds is not known any more, and a second sync may
    /// report success for data that the first one lost.
    #[error("the journal has failed before")]
    Failed,
}

impl Fault {
    /// Whether all that is wrong is that the disk is full.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Disk { source, .. } if is_disk_full(source))
    }
}

/// Whether a write failed for want of room, on the disk or in a quota.
pub fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// What an operator is told whose validator's memory is gone (`OB-10`).
pub const REJOIN: &str = "A validator that ever ran may have cast votes that it does not remember: \
                          `thalweg start --config FILE --rejoin` lets it vote again as soon as that is safe";

/// Why a journal cannot be opened or created.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is none. A replica whose journal is lost may have voted and must not start with an empty one (`OB-10`).
    #[error("there is no journal. {REJOIN}")]
    Missing,
    /// There is one where a new one was to be created.
    #[error("there is a journal already: it is never replaced")]
    Exists,
    /// It belongs to another chain.
    #[error("the journal belongs to chain {found}: node.genesis or node.data in node.toml names the wrong one")]
    Chain {
        /// Whose it is.
        found: Digest,
    },
    /// It was written by another version of the format.
    #[error(
        "the journal has format version {found}, this is version {}: start the program that wrote it",
        super::format::VERSION
    )]
    Version {
        /// The version found.
        found: u32,
    },
    /// Data that was synced is bad beyond repair: votes may be forgotten (`JN-3`).
    #[error("segment {segment} of the journal is damaged at byte {offset}. {REJOIN}")]
    Rotten {
        /// The segment.
        segment: u64,
        /// The first bad batch.
        offset: u64,
    },
    /// A segment that is still needed is gone.
    #[error("segment {segment} of the journal is missing. {REJOIN}")]
    SegmentMissing {
        /// Which.
        segment: u64,
    },
    /// An intact entry is not understood: it was written by another version of the program.
    #[error("entry {sequence} of the journal is unknown here: start the version of the program that wrote it")]
    Unknown {
        /// Its sequence number.
        sequence: u64,
    },
    /// The disk failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Adds what was being done to what the disk said.
pub(super) trait Doing<T> {
    fn doing(self, doing: &'static str, segment: u64) -> Result<T, Fault>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str, segment: u64) -> Result<T, Fault> {
        self.map_err(|source| Fault::Disk { doing, segment, source })
    }
}
