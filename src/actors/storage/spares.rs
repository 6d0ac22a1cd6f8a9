//! The thread that fills the journal's next segment with zeros, while the journal writes to the one before (`JN-8`).
//!
//! Nobody waits for it: without a spare the journal creates an empty segment, which grows, and pays for that with each
//! sync. It never takes the last room on a disk, on which the store and the journal itself live.

use std::{io, path::Path, sync::mpsc::Receiver};

use super::gauges::StorageGauges;
use crate::journal::{self, SEGMENT_BYTES};

/// With less room than this no spare is made.
const FREE_BYTES_MIN: u64 = 4 * SEGMENT_BYTES;

/// Makes a spare now and whenever one is wanted, until the journal's disk is dropped.
pub(super) fn keep(directory: &Path, gauges: &StorageGauges, wanted: &Receiver<()>) {
    loop {
        if let Err(error) = make(directory, gauges) {
            tracing::warn!(%error, "the journal's next segment cannot be prepared: syncs will be slower");
        }
        if wanted.recv().is_err() {
            return;
        }
    }
}

fn make(directory: &Path, gauges: &StorageGauges) -> io::Result<()> {
    if gauges.disk_free_bytes().is_some_and(|free| free < FREE_BYTES_MIN) {
        return Err(io::ErrorKind::StorageFull.into());
    }
    journal::make_spare(directory, SEGMENT_BYTES)
}
