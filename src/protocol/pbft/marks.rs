//! Which heights are of interest: above the low mark, up to the high mark, and one window more (`PB-M1`).

use super::CLAIMS_MAX;
use crate::{protocol::StableCheckpoint, types::Height};

/// The marks.
#[derive(Clone, Debug)]
pub struct Marks {
    /// The height below the epoch's first.
    pub start: Height,
    /// The low mark: a checkpoint of it is stable.
    pub low: Height,
    /// Its proof.
    pub stable: Option<StableCheckpoint>,
    /// What the application has executed.
    pub executed: Height,
    /// What may be decided at most.
    horizon: Height,
    epoch_end: Option<Height>,
    window: u64,
}

impl Marks {
    /// At the start of an epoch.
    pub fn new(first: Height) -> Self {
        let start = first.minus(1);
        Self { start, low: start, stable: None, executed: start, horizon: start, epoch_end: None, window: 1 }
    }

    /// Takes the high mark, clipped to the end of the epoch.
    pub fn set_horizon(&mut self, last: Height, epoch_end: Option<Height>) {
        self.epoch_end = epoch_end;
        self.horizon = last;
        self.window = self.window.max(last.above(self.executed));
    }

    /// The high mark: nothing above is voted for or decided.
    pub fn high(&self) -> Height {
        self.epoch_end.map_or(self.horizon, |end| end.min(self.horizon)).min(self.last_claimable())
    }

    /// Nothing above is even kept.
    pub fn ceiling(&self) -> Height {
        self.high().plus(self.window).min(self.last_claimable())
    }

    /// What is prepared above could not be told in a view change.
    fn last_claimable(&self) -> Height {
        self.low.plus(CLAIMS_MAX as u64)
    }

    /// Whether the epoch is over and nobody needs it any more.
    pub fn is_finished(&self) -> bool {
        self.epoch_end.is_some_and(|end| self.low >= end && self.executed >= end)
    }
}
