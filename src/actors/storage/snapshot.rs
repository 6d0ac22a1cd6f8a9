//! What readers see: the rows on disk with what is not there yet on top.

use std::{iter, sync::Arc};

use bytes::Bytes;

use super::store::Base;
use crate::{
    store::{Change, Changes, Rows, Table},
    types::Height,
};

/// Committed changes that are not in the store yet. Never changes.
#[derive(Debug)]
pub(super) struct Layer {
    pub changes: Changes,
    /// How many.
    pub rows: usize,
    /// Of keys and values.
    pub bytes: usize,
}

impl Layer {
    pub(super) fn new(changes: Changes) -> Self {
        let length = |(_, key, value): (_, &Bytes, &Change)| key.len() + value.as_ref().map_or(0, Bytes::len);
        Self { rows: changes.len(), bytes: changes.iter().map(length).sum(), changes }
    }
}

/// Adds a layer, and merges layers of like size, so that a read looks into few of them and each row is copied few
/// times: both grow with the logarithm of the number of commits.
pub(super) fn push_layer(layers: &mut Vec<Arc<Layer>>, layer: Layer) {
    layers.push(Arc::new(layer));
    while let [.., earlier, later] = &layers[..]
        && earlier.rows <= 2 * later.rows
    {
        let mut merged = earlier.changes.clone();
        merged.merge(later.changes.clone());
        layers.truncate(layers.len() - 2);
        layers.push(Arc::new(Layer::new(merged)));
    }
}

/// The committed rows at one moment. Whoever holds it reads one consistent state, for as long as it likes; the store
/// cannot reuse the pages it sees, so that should not be minutes.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) base: Arc<Base>,
    /// Oldest first.
    pub(super) layers: Vec<Arc<Layer>>,
    pub(super) height: Option<Height>,
}

impl Snapshot {
    /// The last committed height; `None` before genesis is.
    pub fn height(&self) -> Option<Height> {
        self.height
    }
}

impl Rows for Snapshot {
    fn get(&self, table: Table, key: &[u8]) -> Option<Bytes> {
        match self.layers.iter().rev().find_map(|layer| layer.changes.get(table, key)) {
            Some(change) => change.clone(),
            None => self.base.get(table, key),
        }
    }

    fn scan(&self, table: Table, from: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        let mut changes = merged(&self.layers, table, from).peekable();
        let mut base = self.base.range(table, from).peekable();
        loop {
            let key = changes.peek().map(|(key, _)| *key);
            let stored = base.next_if(|(stored, _)| key.is_none_or(|key| stored.value() < key.as_ref()));
            if let Some((stored, value)) = stored {
                if !visit(stored.value(), value.value()) {
                    return;
                }
                continue;
            }
            let Some((key, value)) = changes.next() else { return };
            base.next_if(|(stored, _)| stored.value() == key.as_ref());
            if let Some(value) = value
                && !visit(key, value)
            {
                return;
            }
        }
    }
}

/// The changes of several layers in key order, the newest of each key.
pub(super) fn merged<'a>(
    layers: &'a [Arc<Layer>],
    table: Table,
    from: &'a [u8],
) -> impl Iterator<Item = (&'a Bytes, &'a Change)> {
    let mut heads: Vec<_> = layers.iter().map(|layer| layer.changes.range(table, from).peekable()).collect();
    iter::from_fn(move || {
        let key = heads.iter_mut().filter_map(|head| head.peek().map(|(key, _)| *key)).min()?;
        let newest_last = heads.iter_mut().filter_map(|head| head.next_if(|(same, _)| *same == key));
        newest_last.last()
    })
}
