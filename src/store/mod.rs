//! The port of the block and state store: rows in tables, read anywhere, changed in one atomic step by one writer.
//!
//! Durability is the journal's; a store may be written behind it, as long as a batch of [`Changes`] is applied
//! entirely or not at all and in order. Implemented by redb in the node and by [`MemoryRows`] in simulation.

mod memory;
mod overlay;

use std::{collections::BTreeMap, ops::Bound};

use bytes::Bytes;
pub use memory::MemoryRows;
pub use overlay::Overlay;

/// The tables. Keys of heights are big-endian, so that rows are in height order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Table {
    /// Keys of the application's state, and the runtime's own under reserved prefixes → their values, or where in a
    /// payload these lie.
    State,
    /// Hashes that authenticate [`Table::State`].
    Authentication,
    /// Client and first sequence → the commands that were executed in a run from there on, and what they came to.
    Replies,
    /// First byte of commands' ids and group of heights → the ids and their heights.
    Ids,
    /// Height → header and certificate of a committed block.
    Blocks,
    /// Height and number → a part of a committed block's payload.
    Payloads,
    /// Height → receipts of its commands.
    Receipts,
    /// A few single rows: the last committed height, the chain, the format version.
    Meta,
}

impl Table {
    /// How many there are.
    const COUNT: usize = 8;

    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [
        Self::State,
        Self::Authentication,
        Self::Replies,
        Self::Ids,
        Self::Blocks,
        Self::Payloads,
        Self::Receipts,
        Self::Meta,
    ];

    /// Its place in [`Self::ALL`].
    const fn position(self) -> usize {
        match self {
            Self::State => 0,
            Self::Authentication => 1,
            Self::Replies => 2,
            Self::Ids => 3,
            Self::Blocks => 4,
            Self::Payloads => 5,
            Self::Receipts => 6,
            Self::Meta => 7,
        }
    }

    /// Its name on disk.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Authentication => "authentication",
            Self::Replies => "replies",
            Self::Ids => "ids",
            Self::Blocks => "blocks",
            Self::Payloads => "payloads",
            Self::Receipts => "receipts",
            Self::Meta => "meta",
        }
    }
}

/// The read side. A failing disk is a fault that ends the process, so reads do not return errors.
pub trait Rows {
    /// The row under a key.
    fn get(&self, table: Table, key: &[u8]) -> Option<Bytes>;

    /// Visits rows with `from <= key`, and `key <= until` if there is an end, in key order until `visit` returns `false`.
    /// Costs nothing for what lies beyond, not even for rows that were deleted there.
    fn range(&self, table: Table, from: &[u8], until: Option<&[u8]>, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool);

    /// As [`Self::range`], without an end.
    fn scan(&self, table: Table, from: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        self.range(table, from, None, visit);
    }
}

impl<R: Rows + ?Sized> Rows for &R {
    fn get(&self, table: Table, key: &[u8]) -> Option<Bytes> {
        (**self).get(table, key)
    }

    fn range(&self, table: Table, from: &[u8], until: Option<&[u8]>, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        (**self).range(table, from, until, visit);
    }
}

/// What a change makes of a row: its new bytes, or nothing.
pub type Change = Option<Bytes>;

/// Rows to be put (`Some`) and deleted (`None`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    tables: [BTreeMap<Bytes, Change>; Table::COUNT],
}

impl Changes {
    /// Puts a row. Returns what was to become of it before, `None` if it was not touched.
    pub fn put(&mut self, table: Table, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Option<Change> {
        self.tables[table.position()].insert(key.into(), Some(value.into()))
    }

    /// Deletes a row. Returns what was to become of it before, `None` if it was not touched.
    pub fn delete(&mut self, table: Table, key: impl Into<Bytes>) -> Option<Change> {
        self.tables[table.position()].insert(key.into(), None)
    }

    /// Undoes the latest [`Self::put`] or [`Self::delete`] of a row: `before` is what that returned.
    pub fn undo(&mut self, table: Table, key: Bytes, before: Option<Change>) {
        match before {
            Some(change) => self.tables[table.position()].insert(key, change),
            None => self.tables[table.position()].remove(&key),
        };
    }

    /// What becomes of a row: `None` if it is not touched.
    pub fn get(&self, table: Table, key: &[u8]) -> Option<&Change> {
        self.tables[table.position()].get(key)
    }

    /// All of them, ordered by table and key.
    pub fn iter(&self) -> impl Iterator<Item = (Table, &Bytes, &Change)> {
        let tables = Table::ALL.into_iter().zip(&self.tables);
        tables.flat_map(|(table, rows)| rows.iter().map(move |(key, value)| (table, key, value)))
    }

    /// The touched rows of a table at or after a key, in order.
    pub fn range(&self, table: Table, from: &[u8]) -> impl Iterator<Item = (&Bytes, &Change)> {
        self.tables[table.position()].range::<[u8], _>((Bound::Included(from), Bound::Unbounded))
    }

    /// Adds later changes on top.
    pub fn merge(&mut self, later: Self) {
        for (rows, later) in self.tables.iter_mut().zip(later.tables) {
            if rows.is_empty() {
                *rows = later;
            } else {
                rows.extend(later);
            }
        }
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(BTreeMap::is_empty)
    }

    /// How many rows change.
    pub fn len(&self) -> usize {
        self.tables.iter().map(BTreeMap::len).sum()
    }
}

impl IntoIterator for Changes {
    type Item = (Table, Bytes, Change);
    type IntoIter = Box<dyn Iterator<Item = Self::Item>>;

    /// All of them, ordered by table and key.
    fn into_iter(self) -> Self::IntoIter {
        let tables = Table::ALL.into_iter().zip(self.tables);
        Box::new(tables.flat_map(|(table, rows)| rows.into_iter().map(move |(key, value)| (table, key, value))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_follow_the_list_of_tables() {
        for (position, table) in Table::ALL.into_iter().enumerate() {
            assert_eq!(table.position(), position);
        }
    }

    #[test]
    fn undo_restores_the_change_before() {
        let mut changes = Changes::default();
        assert_eq!(changes.put(Table::State, "a", "1"), None);
        let untouched = changes.clone();
        let before = changes.delete(Table::State, "a");
        changes.undo(Table::State, "a".into(), before);
        let before = changes.put(Table::State, "b", "2");
        changes.undo(Table::State, "b".into(), before);
        assert_eq!(changes, untouched);
    }

    #[test]
    fn later_changes_win_when_merged() {
        let mut first = Changes::default();
        first.put(Table::Meta, "a", "1");
        first.put(Table::State, "a", "1");
        let mut later = Changes::default();
        later.delete(Table::State, "a");
        first.merge(later);
        let all: Vec<_> = first.clone().into_iter().collect();
        assert_eq!(all, [(Table::State, "a".into(), None), (Table::Meta, "a".into(), Some("1".into()))]);
        assert_eq!(first.len(), 2);
    }
}
