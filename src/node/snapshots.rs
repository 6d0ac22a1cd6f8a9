//! Snapshots on their way to those who restore them.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Semaphore, mpsc};

use crate::{
    actors::storage::Pins,
    api::port::{Refusal, SnapshotStream},
    config::Genesis,
    protocol::StableCheckpoint,
    replica::snapshot,
};

/// How many are read at a time, so that this slows nothing else.
const READERS_MAX: usize = 1;
/// How long a reader may take for one frame. A state that is being read cannot be let go.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who sends them.
#[derive(Clone)]
pub(super) struct Snapshots {
    pins: Pins,
    places: Arc<Semaphore>,
}

impl Snapshots {
    /// Of these states.
    pub(super) fn new(pins: Pins) -> Self {
        Self { pins, places: Arc::new(Semaphore::new(READERS_MAX)) }
    }

    /// Begins to send the state at a stable checkpoint; `None` if it was not executed in this life of the node. Ends
    /// when the reader is gone or too slow.
    ///
    /// # Errors
    /// [`Refusal::Busy`] when another is being sent.
    pub(super) fn send(
        &self,
        genesis: &Arc<Genesis>,
        stable: StableCheckpoint,
    ) -> Result<Option<SnapshotStream>, Refusal> {
        let height = stable.checkpoint.height;
        let Some(pinned) = self.pins.at(height) else { return Ok(None) };
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Refusal::Busy)?;
        let genesis = Arc::clone(genesis);
        let (sender, frames) = mpsc::channel(1);
        actix_rt::task::spawn_blocking(move || {
            let _place = place;
            let runtime = tokio::runtime::Handle::current();
            for frame in snapshot::frames(&*pinned, &genesis, stable).into_iter().flatten() {
                if runtime.block_on(sender.send_timeout(frame, PATIENCE)).is_err() {
                    return;
                }
            }
        });
        Ok(Some(SnapshotStream { height, frames }))
    }
}
