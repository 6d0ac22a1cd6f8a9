//! The port of the block and state store: rows in tables, read anywhere, changed in one atomic step by one writer.
//!
//! Durability is the journal's; a store may be written behind it, as long as a batch of [`Changes`] is applied
//! entirely or not at all and in order. Implemented by redb in the node and by [`MemoryRows`] in simulation.

mod memory;
mod overlay;

use std::collections::BTreeMap;

use bytes::Bytes;
pub use memory::MemoryRows;
pub use overlay::Overlay;

/// The tables. Keys of heights are big-endian, so that rows are in height order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Table {
    /// The application's state, and the runtime's own rows of it under reserved prefixes.
    State,
    /// Hashes that authenticate [`Table::State`].
    Authentication,
    /// Command id → where it was executed.
    Replies,
    /// Height → header, certificate and payload of a committed block.
    Blocks,
    /// Height → receipts of its commands.
    Receipts,
    /// A few single rows: the last committed height, the chain, the format version.
    Meta,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::State, Self::Authentication, Self::Replies, Self::Blocks, Self::Receipts, Self::Meta];

    /// Its name on disk.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Authentication => "authentication",
            Self::Replies => "replies",
            Self::Blocks => "blocks",
            Self::Receipts => "receipts",
            Self::Meta => "meta",
        }
    }
}

/// The read side. A failing disk is a fault that ends the process, so reads do not return errors.
pub trait Rows {
    /// The row under a key.
    fn get(&self, table: Table, key: &[u8]) -> Option<Bytes>;

    /// Visits rows with `from <= key` in key order until `visit` returns `false`.
    fn scan(&self, table: Table, from: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool);
}

impl<R: Rows + ?Sized> Rows for &R {
    fn get(&self, table: Table, key: &[u8]) -> Option<Bytes> {
        (**self).get(table, key)
    }

    fn scan(&self, table: Table, from: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        (**self).scan(table, from, visit);
    }
}

/// Rows to be put (`Some`) and deleted (`None`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    rows: BTreeMap<(Table, Bytes), Option<Bytes>>,
}

impl Changes {
    /// Puts a row.
    pub fn put(&mut self, table: Table, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.rows.insert((table, key.into()), Some(value.into()));
    }

    /// Deletes a row.
    pub fn delete(&mut self, table: Table, key: impl Into<Bytes>) {
        self.rows.insert((table, key.into()), None);
    }

    /// What becomes of a row: `None` if it is not touched.
    pub fn get(&self, table: Table, key: &[u8]) -> Option<&Option<Bytes>> {
        // The map's key owns its bytes; a borrowed look-up would need a second key type for little.
        self.rows.get(&(table, Bytes::copy_from_slice(key)))
    }

    /// All of them, ordered by table and key.
    pub fn iter(&self) -> impl Iterator<Item = (Table, &Bytes, &Option<Bytes>)> {
        self.rows.iter().map(|((table, key), value)| (*table, key, value))
    }

    /// The touched rows of a table at or after a key, in order.
    pub fn range(&self, table: Table, from: &[u8]) -> impl Iterator<Item = (&Bytes, &Option<Bytes>)> {
        self.rows
            .range((table, Bytes::copy_from_slice(from))..)
            .take_while(move |((in_table, _), _)| *in_table == table)
            .map(|((_, key), value)| (key, value))
    }

    /// Adds later changes on top.
    pub fn merge(&mut self, later: Self) {
        self.rows.extend(later.rows);
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many rows change.
    pub fn len(&self) -> usize {
        self.rows.len()
    }
}
