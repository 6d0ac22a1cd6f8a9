//! Which commands are under way: offered for a live height, or decided at one that has not been executed.
//!
//! Rule `OB-5`: proposers leave out what they saw in live heights. Nothing is removed from the mempool for being under
//! way: commands of losing proposals are simply there again when their height is over.
//! Limit: one payload for each height that is live or decided and not executed.

use std::collections::BTreeMap;

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

/// The payload of a height.
struct Flight {
    stage: Stage,
    /// Of its commands, in order.
    keys: Vec<Key>,
}

impl Flight {
    fn carries(&self, key: Key) -> bool {
        self.keys.binary_search(&key).is_ok()
    }
}

/// The payloads under way.
///
/// Questions about a command look into each height: there are few while there is anything to propose.
#[derive(Default)]
pub(super) struct Flights(BTreeMap<Height, Flight>);

impl Flights {
    /// Puts the commands of a height under way in place of those that were; returns all whose stage may be another.
    pub(super) fn depart(&mut self, height: Height, stage: Stage, mut keys: Vec<Key>) -> Vec<Key> {
        keys.sort_unstable();
        let mut changed = match self.0.get_mut(&height) {
            // What was offered is decided, mostly.
            Some(flight) if flight.keys == keys => {
                flight.stage = stage;
                return keys;
            }
            _ => self.arrive(height),
        };
        changed.extend_from_slice(&keys);
        self.0.insert(height, Flight { stage, keys });
        changed
    }

    /// Forgets a height; returns the commands that were under way there.
    pub(super) fn arrive(&mut self, height: Height) -> Vec<Key> {
        self.0.remove(&height).map_or_else(Vec::new, |flight| flight.keys)
    }

    /// Forgets what was offered and is not decided: whoever leads now offers anew. Returns the commands of it.
    pub(super) fn ground(&mut self) -> Vec<Key> {
        let offered = self.0.extract_if(.., |_, flight| flight.stage == Stage::Offered);
        offered.flat_map(|(_, flight)| flight.keys).collect()
    }

    /// How far a command is.
    pub(super) fn stage(&self, key: Key) -> Stage {
        let flights = self.0.values().filter(|flight| flight.carries(key));
        flights.map(|flight| flight.stage).max().unwrap_or(Stage::Idle)
    }

    /// Whether a command is under way anywhere but at `height`.
    pub(super) fn is_elsewhere(&self, key: Key, height: Height) -> bool {
        self.0.iter().any(|(other, flight)| *other != height && flight.carries(key))
    }

    /// Whether something of ours was offered for `height`.
    pub(super) fn is_offered(&self, height: Height) -> bool {
        self.0.get(&height).is_some_and(|flight| flight.stage == Stage::Offered && !flight.keys.is_empty())
    }

    /// The highest height at which anything is under way.
    pub(super) fn highest(&self) -> Option<Height> {
        self.0.keys().next_back().copied()
    }

    /// How many heights are under way.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
