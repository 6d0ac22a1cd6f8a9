//! Committed changes that are not in the store yet: sorted runs, each with a filter, merged in steps of four.

#[expect(clippy::disallowed_types, reason = "as at its use")]
use std::hash::RandomState;
use std::{hash::BuildHasher, sync::Arc};

use bytes::Bytes;

use crate::store::{Change, Changes, Table};

/// How many runs of like size are merged into one. A row is copied once for each power of this in the number of
/// commits, and a read looks at fewer than as many filters for each.
const MERGED: usize = 4;

/// One changed row.
#[derive(Clone, Debug)]
struct Row {
    table: Table,
    key: Bytes,
    change: Change,
    /// Of table and key, as [`Hasher::hash`] gives it.
    hash: u64,
}

impl Row {
    fn place(&self) -> (Table, &[u8]) {
        (self.table, &self.key)
    }
}

/// Hashes places of rows for the filters; drawn anew for each storage, so that no client can aim at it.
#[derive(Clone, Debug, Default)]
#[expect(clippy::disallowed_types, reason = "what is found does not depend on it, only how often a filter is passed")]
pub(super) struct Hasher(RandomState);

impl Hasher {
    pub(super) fn hash(&self, table: Table, key: &[u8]) -> u64 {
        self.0.hash_one((table, key))
    }
}

/// A run of changes, ordered by table and key. Never changes.
#[derive(Debug)]
pub(super) struct Layer {
    changed: Vec<Row>,
    filter: Filter,
    /// Of keys and values.
    pub bytes: usize,
}

impl Layer {
    pub(super) fn new(changes: Changes, hasher: &Hasher) -> Self {
        let row = |(table, key, change): (Table, Bytes, Change)| {
            let hash = hasher.hash(table, &key);
            Row { table, key, change, hash }
        };
        Self::of(changes.into_iter().map(row).collect())
    }

    /// One layer in place of some, the oldest first.
    fn merge(layers: &[Arc<Self>]) -> Self {
        Self::of(newest(layers, None).into_iter().cloned().collect())
    }

    fn of(changed: Vec<Row>) -> Self {
        let bytes = changed.iter().map(|row| row.key.len() + row.change.as_ref().map_or(0, Bytes::len)).sum();
        Self { filter: Filter::of(&changed), bytes, changed }
    }

    /// How many rows it changes.
    pub(super) fn rows(&self) -> usize {
        self.changed.len()
    }

    /// What becomes of a row: `None` if it is not touched. `hash` is the place's.
    pub(super) fn get(&self, table: Table, key: &[u8], hash: u64) -> Option<&Change> {
        if !self.filter.may_hold(hash) {
            return None;
        }
        let at = self.changed.binary_search_by(|row| row.place().cmp(&(table, key))).ok()?;
        Some(&self.changed[at].change)
    }

    /// The touched rows of a table at or after a key, in order.
    pub(super) fn range(&self, table: Table, from: &[u8]) -> impl Iterator<Item = (&Bytes, &Change)> {
        let start = self.changed.partition_point(|row| row.place() < (table, from));
        let of_table = self.changed[start..].iter().take_while(move |row| row.table == table);
        of_table.map(|row| (&row.key, &row.change))
    }
}

/// Adds a layer, and merges the last ones when there are [`MERGED`] of like size.
pub(super) fn push(layers: &mut Vec<Arc<Layer>>, layer: Layer) {
    let class = |layer: &Layer| layer.rows().max(1).ilog(MERGED);
    layers.push(Arc::new(layer));
    while let Some(last) = layers.last().map(|last| class(last)) {
        let alike = layers.iter().rev().take_while(|layer| class(layer) <= last).count();
        if alike < MERGED {
            return;
        }
        let merged = Layer::merge(&layers[layers.len() - alike..]);
        layers.truncate(layers.len() - alike);
        layers.push(Arc::new(merged));
    }
}

/// The changes of several layers to one table, in key order, the newest of each key.
pub(super) fn merged(layers: &[Arc<Layer>], table: Table) -> impl Iterator<Item = (&Bytes, &Change)> {
    newest(layers, Some(table)).into_iter().map(|row| (&row.key, &row.change))
}

/// The newest change of each row, in order; of one table or of all.
fn newest(layers: &[Arc<Layer>], table: Option<Table>) -> Vec<&Row> {
    let is_meant = |row: &&Row| table.is_none_or(|table| row.table == table);
    // The sort is stable and finds the runs that are in order already: this is a merge.
    let mut rows: Vec<&Row> = layers.iter().rev().flat_map(|layer| &layer.changed).filter(is_meant).collect();
    rows.sort_by(|a, b| a.place().cmp(&b.place()));
    rows.dedup_by(|later, first| later.place() == first.place());
    rows
}

/// A blocked Bloom filter (Putze, Sanders and Singler, WEA 2007): three bits in one word for each row, sixteen bits a
/// row. It lets about one absent row in eighty pass.
#[derive(Debug)]
struct Filter(Vec<u64>);

impl Filter {
    const ROWS_PER_WORD: usize = 4;

    fn of(rows: &[Row]) -> Self {
        let mut filter = Self(vec![0; rows.len().div_ceil(Self::ROWS_PER_WORD).max(1)]);
        for row in rows {
            let word = filter.word(row.hash);
            filter.0[word] |= Self::bits(row.hash);
        }
        filter
    }

    fn may_hold(&self, hash: u64) -> bool {
        let bits = Self::bits(hash);
        self.0[self.word(hash)] & bits == bits
    }

    /// By the upper half of the hash.
    fn word(&self, hash: u64) -> usize {
        let scaled = (hash >> 32) * self.0.len() as u64;
        usize::try_from(scaled >> 32).unwrap_or_default()
    }

    /// By the lower half.
    fn bits(hash: u64) -> u64 {
        1 << (hash & 63) | 1 << (hash >> 6 & 63) | 1 << (hash >> 12 & 63)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(hasher: &Hasher, rows: &[(&'static str, Option<&'static str>)]) -> Layer {
        let mut changes = Changes::default();
        for (key, value) in rows {
            match value {
                Some(value) => changes.put(Table::State, *key, *value),
                None => changes.delete(Table::State, *key),
            };
        }
        Layer::new(changes, hasher)
    }

    #[test]
    fn newest_change_of_each_row_remains() {
        let hasher = Hasher::default();
        let layers =
            [layer(&hasher, &[("a", Some("1")), ("b", Some("1"))]), layer(&hasher, &[("a", None), ("c", Some("2"))])];
        let merged = Layer::merge(&layers.map(Arc::new));
        let rows: Vec<_> = merged.range(Table::State, b"").map(|(key, value)| (&key[..], value.as_deref())).collect();
        assert_eq!(rows, [(&b"a"[..], None), (b"b", Some(&b"1"[..])), (b"c", Some(b"2"))]);
        assert_eq!((merged.rows(), merged.bytes), (3, 5));
        let get = |key: &[u8]| merged.get(Table::State, key, hasher.hash(Table::State, key)).cloned();
        assert_eq!((get(b"a"), get(b"b"), get(b"d")), (Some(None), Some(Some("1".into())), None));
        assert_eq!(merged.get(Table::Meta, b"a", hasher.hash(Table::Meta, b"a")), None);
    }

    /// Few layers however many commits of whatever sizes; and what is not there is mostly not looked for.
    #[test]
    fn layers_stay_few_and_filters_keep_out_most() {
        let (hasher, mut layers) = (Hasher::default(), Vec::new());
        for commit in 0_u32..3_000 {
            let mut changes = Changes::default();
            for row in 0..=(commit % 7) * (commit % 5) {
                changes.put(Table::Replies, [commit.to_be_bytes(), row.to_be_bytes()].concat(), vec![0; 4]);
            }
            push(&mut layers, Layer::new(changes, &hasher));
            assert!(layers.len() < 3 * MERGED * 4, "{} layers after {commit} commits", layers.len());
        }
        let absent = (0_u32..10_000).map(|number| hasher.hash(Table::Replies, &number.to_be_bytes()));
        let passed: usize = absent.map(|hash| layers.iter().filter(|layer| layer.filter.may_hold(hash)).count()).sum();
        assert!(passed < 10_000 * layers.len() / 40, "{passed} of {}", 10_000 * layers.len());
    }
}
