//! The thread that fills the journal's next segment with zeros, while the journal writes to the one before (`JN-8`).
//!
//! Nobody waits for it: without a spare the journal creates an empty segment, which grows, and pays for that with each
//! sync.

use std::{path::Path, sync::mpsc::Receiver};

use crate::journal::{self, SEGMENT_BYTES};

/// Makes a spare now and whenever one is wanted, until the journal's disk is dropped.
pub(super) fn keep(directory: &Path, wanted: &Receiver<()>) {
    loop {
        if let Err(error) = journal::make_spare(directory, SEGMENT_BYTES) {
            tracing::warn!(%error, "the journal's next segment cannot be prepared: syncs will be slower");
        }
        if wanted.recv().is_err() {
            return;
        }
    }
}
