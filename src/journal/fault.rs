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

/// Why a journal cannot be opened or created.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is none. A replica whose journal is lost may have voted and must not start with an empty one (`OB-10`).
    #[error("there is no journal; a validator that ever ran must rejoin")]
    Missing,
    /// There is one where a new one was to be created.
    #[error("there is a journal already")]
    Exists,
    /// It belongs to another chain.
    #[error("the journal belongs to chain {found}")]
    Chain {
        /// Whose it is.
        found: Digest,
    },
    /// It was written by another version of the format.
    #[error("the journal has format version {found}, this is version {}", super::format::VERSION)]
    Version {
        /// The version found.
        found: u32,
    },
    /// Data that was synced is bad beyond repair: votes may be forgotten (`JN-3`).
    #[error("segment {segment} of the journal is damaged at byte {offset}; the validator must rejoin")]
    Rotten {
        /// The segment.
        segment: u64,
        /// The first bad batch.
        offset: u64,
    },
    /// A segment that is still needed is gone.
    #[error("segment {segment} of the journal is missing; the validator must rejoin")]
    SegmentMissing {
        /// Which.
        segment: u64,
    },
    /// An intact entry is not understood: it was written by another version of the program.
    #[error("entry {sequence} of the journal was written by another version")]
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
