//! From decided blocks, in any order, to committed heights in the one order.
//!
//! Rules: `OB-1` (the live window), `RP-O1` (blocks are executed in height order, whatever order they were decided in;
//! the executor is handed what is decided up to where instances are known, so that it need not wait for us between two),
//! `RP-O2` (recording and execution run beside each other; a height is committed, and its clients are answered, when it
//! and everything below is both recorded and executed).
//! Limits: at most [`UNRECORDED_MAX`] heights are handed to the executor ahead of the journal, and decided blocks lie at
//! most `window + 1` above the tip, apart from those that recovery found.

use std::collections::BTreeMap;

use crate::{
    app::{Block, CommandView, PayloadView},
    types::{Height, planted},
};

use super::mempool::Key;

/// How many heights that the executor was handed may wait for the journal before execution waits too.
pub(super) const UNRECORDED_MAX: usize = 64;

/// What came of a height.
struct Progress {
    /// Gone once the executor has it.
    block: Option<Block>,
    keys: Vec<Key>,
    is_recorded: bool,
    is_executed: bool,
}

/// The heights from the lowest that is not committed on.
pub(super) struct Order {
    /// Up to here everything is decided.
    through: Height,
    heights: BTreeMap<Height, Progress>,
    /// Up to here the executor was handed everything.
    handed: Height,
}

impl Order {
    /// Nothing is decided above `executed`.
    pub(super) fn new(executed: Height) -> Self {
        Self { through: executed, heights: BTreeMap::new(), handed: executed }
    }

    /// Takes a decided block; returns its commands' keys. `None` when the height was decided before.
    pub(super) fn decide(&mut self, block: Block, is_recorded: bool) -> Option<Vec<Key>> {
        let height = block.height;
        if self.is_decided(height) {
            return None;
        }
        // An undecodable payload is an empty block to the executor; so it is here.
        let commands = PayloadView::read(&block.payload).map(|payload| payload.commands).unwrap_or_default();
        let key = |command: &CommandView<'_>| Key { client: command.client, sequence: command.sequence };
        let keys: Vec<Key> = commands.iter().map(key).collect();
        let progress = Progress { block: Some(block), keys: keys.clone(), is_recorded, is_executed: false };
        self.heights.insert(height, progress);
        while self.is_decided(self.through.next()) {
            self.through = self.through.next();
        }
        Some(keys)
    }

    /// The next block for the executor, if it is decided and not above `last` (`RP-O1`).
    pub(super) fn next_to_execute(&mut self, last: Height) -> Option<Block> {
        let is_handed = |progress: &&Progress| progress.block.is_none();
        let unrecorded = self.heights.values().take(UNRECORDED_MAX).take_while(is_handed).count();
        let next = self.handed.next();
        if next > last || unrecorded >= UNRECORDED_MAX {
            return None;
        }
        let block = self.heights.get_mut(&next)?.block.take()?;
        self.handed = next;
        Some(block)
    }

    /// Notes an execution; returns the block's keys in order.
    ///
    /// # Panics
    /// If the executor was not handed that height.
    pub(super) fn executed(&mut self, height: Height) -> Vec<Key> {
        assert!(height <= self.handed, "executed a height that was not asked for");
        self.heights.get_mut(&height).map_or_else(Vec::new, |progress| {
            progress.is_executed = true;
            std::mem::take(&mut progress.keys)
        })
    }

    /// Notes that a height's decision is on disk.
    pub(super) fn recorded(&mut self, height: Height) {
        if let Some(progress) = self.heights.get_mut(&height) {
            progress.is_recorded = true;
        }
    }

    /// Takes the lowest height out if it is committed (`RP-O2`).
    pub(super) fn next_committed(&mut self) -> Option<Height> {
        let lowest = self.heights.first_entry()?;
        if !((lowest.get().is_recorded || planted::is("answer-before-durable")) && lowest.get().is_executed) {
            return None;
        }
        Some(lowest.remove_entry().0)
    }

    /// Whether a height above the last committed one is decided.
    pub(super) fn is_decided(&self, height: Height) -> bool {
        self.heights.contains_key(&height)
    }

    /// Whether a height's block is decided and on disk, so that it can be served.
    pub(super) fn is_recorded(&self, height: Height) -> bool {
        self.heights.get(&height).is_some_and(|progress| progress.is_recorded)
    }

    /// The highest height up to which everything is decided.
    pub(super) fn decided_through(&self) -> Height {
        self.through
    }

    /// How many heights are held.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.heights.len()
    }
}
