//! Rows in memory.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Changes, Rows, Table};

/// A store that lives in memory: for simulation and tests.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MemoryRows {
    rows: BTreeMap<(Table, Bytes), Bytes>,
}

impl MemoryRows {
    /// Applies changes at once.
    pub fn apply(&mut self, changes: Changes) {
        for ((table, key), value) in changes.rows {
            match value {
                Some(value) => self.rows.insert((table, key), value),
                None => self.rows.remove(&(table, key)),
            };
        }
    }
}

impl Rows for MemoryRows {
    fn get(&self, table: Table, key: &[u8]) -> Option<Bytes> {
        self.rows.get(&(table, Bytes::copy_from_slice(key))).cloned()
    }

    fn scan(&self, table: Table, from: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        for ((in_table, key), value) in self.rows.range((table, Bytes::copy_from_slice(from))..) {
            if *in_table != table || !visit(key, value) {
                return;
            }
        }
    }
}
