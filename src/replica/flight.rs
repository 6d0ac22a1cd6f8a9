//! Which commands are under way: offered for a live height, or decided at one that has not been executed.
//!
//! Rule `OB-5`: proposers leave out what they saw in live heights. Nothing is removed from the mempool for being under
//! way: commands of losing proposals are simply there again when their height is over.
//! Limit: one payload for each height that is live or decided and not executed.

use std::collections::{BTreeMap, BTreeSet};

use super::mempool::Key;
use crate::types::Height;

/// How far a command is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Stage {
    /// It waits to be proposed.
    Idle,
    /// We offered it for a live height.
    Offered,
    /// It is in a decided block and only waits for execution.
    Decided,
}

/// The payloads under way.
#[derive(Default)]
pub(super) struct Flights {
    heights: BTreeMap<Height, (Stage, Vec<Key>)>,
    places: BTreeSet<(Key, Height)>,
}

impl Flights {
    /// Puts the commands of a height under way in place of those that were; returns all whose stage may be another.
    pub(super) fn depart(&mut self, height: Height, stage: Stage, keys: Vec<Key>) -> Vec<Key> {
        let mut changed = self.arrive(height);
        changed.extend(keys.iter().copied());
        self.places.extend(keys.iter().map(|key| (*key, height)));
        self.heights.insert(height, (stage, keys));
        changed
    }

    /// Forgets a height; returns the commands that were under way there.
    pub(super) fn arrive(&mut self, height: Height) -> Vec<Key> {
        let Some((_, keys)) = self.heights.remove(&height) else { return Vec::new() };
        for key in &keys {
            self.places.remove(&(*key, height));
        }
        keys
    }

    /// Forgets what was offered and is not decided: whoever leads now offers anew. Returns the commands of it.
    pub(super) fn ground(&mut self) -> Vec<Key> {
        let offered = self.heights.iter().filter(|(_, (stage, _))| *stage == Stage::Offered);
        let heights: Vec<Height> = offered.map(|(height, _)| *height).collect();
        heights.into_iter().flat_map(|height| self.arrive(height)).collect()
    }

    /// How far a command is.
    pub(super) fn stage(&self, key: Key) -> Stage {
        self.heights_of(key)
            .filter_map(|height| self.heights.get(&height))
            .map(|(stage, _)| *stage)
            .max()
            .unwrap_or(Stage::Idle)
    }

    /// Whether a command is under way anywhere but at `height`.
    pub(super) fn is_elsewhere(&self, key: Key, height: Height) -> bool {
        self.heights_of(key).any(|other| other != height)
    }

    /// Whether something of ours was offered for `height`.
    pub(super) fn is_offered(&self, height: Height) -> bool {
        self.heights.get(&height).is_some_and(|(stage, keys)| *stage == Stage::Offered && !keys.is_empty())
    }

    /// The highest height at which anything is under way.
    pub(super) fn highest(&self) -> Option<Height> {
        self.heights.keys().next_back().copied()
    }

    /// How many heights are under way.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.heights.len()
    }

    fn heights_of(&self, key: Key) -> impl Iterator<Item = Height> + '_ {
        self.places.range((key, Height::ZERO)..=(key, Height::new(u64::MAX))).map(|(_, height)| *height)
    }
}
