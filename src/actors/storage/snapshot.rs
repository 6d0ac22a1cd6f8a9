//! What readers see: the rows on disk with what is not there yet on top.

use std::{iter, sync::Arc};

use bytes::Bytes;

use super::{
    layer::{Hasher, Layer},
    store::Base,
};
use crate::{
    store::{Change, Rows, Table},
    types::Height,
};

/// The committed rows at one moment. Whoever holds it reads one consistent state, for as long as it likes; the store
/// cannot reuse the pages it sees, so that should not be minutes.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) base: Arc<Base>,
    /// Oldest first.
    pub(super) layers: Vec<Arc<Layer>>,
    pub(super) hasher: Hasher,
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
        let hash = self.hasher.hash(table, key);
        match self.layers.iter().rev().find_map(|layer| layer.get(table, key, hash)) {
            Some(change) => change.clone(),
            None => self.base.get(table, key),
        }
    }

    fn range(&self, table: Table, from: &[u8], until: Option<&[u8]>, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        let is_within = |(key, _): &(&Bytes, &Change)| until.is_none_or(|until| key.as_ref() <= until);
        let mut changes = changes(&self.layers, table, from).take_while(is_within).peekable();
        let mut base = self.base.range(table, from, until).peekable();
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

/// The changes of several layers from a key on, in key order, the newest of each key. Reads no further than it is asked
/// to.
fn changes<'a>(
    layers: &'a [Arc<Layer>],
    table: Table,
    from: &'a [u8],
) -> impl Iterator<Item = (&'a Bytes, &'a Change)> {
    let mut heads: Vec<_> = layers.iter().map(|layer| layer.range(table, from).peekable()).collect();
    iter::from_fn(move || {
        let key = heads.iter_mut().filter_map(|head| head.peek().map(|(key, _)| *key)).min()?;
        let newest_last = heads.iter_mut().filter_map(|head| head.next_if(|(same, _)| *same == key));
        newest_last.last()
    })
}
