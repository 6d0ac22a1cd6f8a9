//! States at checkpoints, kept for those who ask for a snapshot of one.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use super::Snapshot;
use crate::types::Height;

/// How many are kept: the last stable one, and one that is not stable yet.
const PINS_MAX: usize = 2;

/// The states at the last checkpoints that were executed in this life. A pinned state costs the changes that were not
/// written when it was pinned, 32 MiB at most, and the pages of the store that have changed since.
#[derive(Clone, Default)]
pub struct Pins(Arc<Mutex<VecDeque<Arc<Snapshot>>>>);

impl Pins {
    /// Keeps one, and lets the lowest go.
    pub fn pin(&self, snapshot: Arc<Snapshot>) {
        let mut pins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pins.len() == PINS_MAX {
            pins.pop_front();
        }
        pins.push_back(snapshot);
    }

    /// The state at a height.
    pub fn at(&self, height: Height) -> Option<Arc<Snapshot>> {
        let pins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pins.iter().find(|pin| pin.height() == Some(height)).cloned()
    }
}
