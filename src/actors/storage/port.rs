//! The handles that others hold.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use bytes::Bytes;

use super::{
    gauges::StorageGauges,
    journaler::{Append, Inbox},
    snapshot::Snapshot,
    writer::Shared,
};
use crate::{
    journal::{Entry, Item},
    store::{Changes, Rows, Table},
    types::Height,
};

/// What an append weighs in the queue beside its bytes.
const APPEND_BYTES: usize = 128;

/// The way into storage. Cheap to clone; any thread may use it.
///
/// Overflow: storage is waited for. Both calls block the caller while too many bytes are on their way to the disk, and
/// drop nothing. After [`super::Storage::shutdown`] they do nothing.
#[derive(Clone)]
pub struct StoragePort {
    pub(super) inbox: Arc<Inbox>,
    pub(super) shared: Arc<Shared>,
    pub(super) gauges: Arc<StorageGauges>,
}

impl StoragePort {
    /// Journals entries, and runs `done` once they and everything appended before are on disk. It runs on the
    /// journal's thread and must be quick and never wait, otherwise every vote does: it hands a message over. If
    /// storage fails or stops first, it never runs.
    pub fn append(&self, entries: Vec<Entry>, done: impl FnOnce() + Send + 'static) {
        // Encoded here and not on the journal's thread, which is waited for.
        let items: Vec<Item> = entries.into_iter().flat_map(Entry::into_items).collect();
        let bytes = items.iter().map(|item| item.bytes.len()).sum::<usize>() + APPEND_BYTES;
        self.gauges.waiting_appends.fetch_add(1, Relaxed);
        self.inbox.appends.push(Append { items, done: Box::new(done) }, bytes);
    }

    /// Lets the journal forget what a long instance had written for heights below, as far as they are in the store.
    pub fn forget_instances_below(&self, height: Height) {
        self.inbox.forget_instances_below(height);
    }

    /// Commits what executing a height changed. Readers see it when this returns; it is written to the store within
    /// [`super::WriteBehind`]'s limits, after which the journal forgets the height. Until then a crash undoes it, and
    /// the height is executed again from the journal: so its block must be appended too, in whichever order.
    ///
    /// # Panics
    /// If a height is not above the last one.
    pub fn commit(&self, height: Height, changes: Changes) {
        self.shared.commit(height, changes);
    }

    /// The read side.
    pub fn reader(&self) -> StoreReader {
        StoreReader { shared: self.shared.clone() }
    }

    /// Figures for metrics.
    pub fn gauges(&self) -> Arc<StorageGauges> {
        self.gauges.clone()
    }
}

/// The committed rows, for any thread. Each call sees everything that is committed before it; whoever wants several
/// reads of one state takes a [`StoreReader::snapshot`].
#[derive(Clone)]
pub struct StoreReader {
    pub(super) shared: Arc<Shared>,
}

impl StoreReader {
    /// The committed rows at this moment.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot()
    }

    /// The last committed height; `None` before genesis is.
    pub fn height(&self) -> Option<Height> {
        self.snapshot().height()
    }
}

impl Rows for StoreReader {
    fn get(&self, table: Table, key: &[u8]) -> Option<Bytes> {
        self.snapshot().get(table, key)
    }

    fn range(&self, table: Table, from: &[u8], until: Option<&[u8]>, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        self.snapshot().range(table, from, until, visit);
    }
}
