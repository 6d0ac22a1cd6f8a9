//! Watches how much room is left where the data directory lies, so that a full disk never comes as a surprise.
//!
//! A full disk ends the process ([`super::exit::STORAGE`]): what cannot be remembered must not be voted on. Long before,
//! the log says so once for each time the room falls below `storage.free_bytes_min`, and `/healthz` for as long as it
//! is. The probe still answers 200: the node does everything it should, and a restart would not make room.

use std::{sync::Arc, time::Duration};

use crate::actors::storage::StorageGauges;

/// How often the file system is asked.
const INTERVAL: Duration = Duration::from_secs(1);

/// Room on the data directory's file system.
#[derive(Clone, Debug)]
pub(super) struct DiskWatch {
    gauges: Arc<StorageGauges>,
    free_bytes_min: u64,
}

/// What a look at the disk told, against what the one before did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Crossing {
    Down,
    Up,
}

impl DiskWatch {
    /// Warns below `free_bytes_min`; 0 never does.
    pub(super) fn new(gauges: Arc<StorageGauges>, free_bytes_min: u64) -> Self {
        Self { gauges, free_bytes_min }
    }

    /// What an operator should know; `None` when there is enough room, or the file system does not say.
    pub(super) fn warning(&self) -> Option<String> {
        let (free, min) = (self.gauges.disk_free_bytes()?, self.free_bytes_min);
        (free < min)
            .then(|| format!("the disk is almost full: {free} bytes free, less than {min}; at 0 the node stops"))
    }

    /// Tells the log of each crossing. Never returns; ends with the runtime that it is spawned on.
    pub(super) async fn run(self) {
        let mut is_low = false;
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let Some(free_bytes) = self.gauges.disk_free_bytes() else { continue };
            let free_bytes_min = self.free_bytes_min;
            match crossing(is_low, free_bytes, free_bytes_min) {
                Some(Crossing::Down) => {
                    tracing::warn!(free_bytes, free_bytes_min, "the disk is almost full; when it is, the node stops");
                }
                Some(Crossing::Up) => tracing::info!(free_bytes, "there is room on the disk again"),
                None => continue,
            }
            is_low = !is_low;
        }
    }
}

/// Up takes an eighth more than down, so that a level that wavers is not told again and again.
fn crossing(is_low: bool, free: u64, min: u64) -> Option<Crossing> {
    match is_low {
        false if free < min => Some(Crossing::Down),
        true if free >= min.saturating_add(min / 8) => Some(Crossing::Up),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_crossing_is_told_once() {
        let mut is_low = false;
        let levels = [2000, 1000, 999, 500, 999, 1000, 1124, 1125, 5000, 999];
        let told = levels.map(|free| {
            let crossing = crossing(is_low, free, 1000);
            is_low ^= crossing.is_some();
            crossing
        });
        let (down, up) = (Some(Crossing::Down), Some(Crossing::Up));
        assert_eq!(told, [None, None, down, None, None, None, None, up, None, down]);
        assert_eq!(crossing(false, 0, 0), None, "switched off");
    }
}
