//! Rows in memory.

use std::{collections::BTreeMap, ops::Bound};

use bytes::Bytes;

use super::{Changes, Rows, Table};

/// A store that lives in memory: for simulation and tests.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MemoryRows {
    tables: [BTreeMap<Bytes, Bytes>; Table::COUNT],
}

impl MemoryRows {
    /// Applies changes at once.
    pub fn apply(&mut self, changes: Changes) {
        for (table, key, value) in changes {
            let rows = &mut self.tables[table.position()];
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
    }
}

impl Rows for MemoryRows {
    fn get(&self, table: Table, key: &[u8]) -> Option<Bytes> {
        self.tables[table.position()].get(key).cloned()
    }

    fn range(&self, table: Table, from: &[u8], until: Option<&[u8]>, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        for (key, value) in self.tables[table.position()].range::<[u8], _>((Bound::Included(from), Bound::Unbounded)) {
            if until.is_some_and(|until| key.as_ref() > until) || !visit(key, value) {
                return;
            }
        }
    }
}
