//! The thread that writes committed changes to the store, behind everyone's back.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, RwLock, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use super::{
    OnFault, StorageFault,
    gauges::StorageGauges,
    journaler::Inbox,
    layer::{self, Hasher, Layer},
    snapshot::Snapshot,
    store::{Base, Store},
};
use crate::{store::Changes, types::Height};

/// When committed changes are written to the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WriteBehind {
    /// This long after the first of them was committed, at the latest. What is younger is executed again after a
    /// crash, from the journal.
    pub after: Duration,
    /// As soon as they have this many bytes.
    pub bytes: usize,
    /// With this many bytes, further commits wait: more than that is never executed again after a crash. The default is
    /// some 15,000 commands of 512 bytes, well below a second of work.
    pub bytes_max: usize,
}

impl Default for WriteBehind {
    fn default() -> Self {
        Self { after: Duration::from_secs(1), bytes: 12 << 20, bytes_max: 32 << 20 }
    }
}

/// Committed rows, for readers and for the writer.
///
/// Readers take the current [`Snapshot`] and look no further: the lock is held for as long as it takes to count one
/// reference. It is replaced by each commit, with one more layer, and by each write, with a new base and fewer layers;
/// so a row is never missed between the two. The other lock, of those who commit, is never held during I/O.
pub(super) struct Shared {
    current: RwLock<Arc<Snapshot>>,
    unwritten: Mutex<Unwritten>,
    /// Something was committed, or the end has come.
    committed: Condvar,
    /// There is room again.
    written: Condvar,
    hasher: Hasher,
    gauges: Arc<StorageGauges>,
    settings: WriteBehind,
}

/// Committed changes that are not in the store.
#[derive(Default)]
struct Unwritten {
    /// Being written, oldest first.
    frozen: Vec<Arc<Layer>>,
    /// Later ones, oldest first.
    fresh: Vec<Arc<Layer>>,
    /// When the first of the fresh ones was committed.
    since: Option<Instant>,
    is_closed: bool,
}

impl Unwritten {
    fn layers(&self) -> impl Iterator<Item = &Arc<Layer>> {
        self.frozen.iter().chain(&self.fresh)
    }

    fn bytes(&self) -> usize {
        self.layers().map(|layer| layer.bytes).sum()
    }
}

impl Shared {
    pub(super) fn new(base: Base, height: Option<Height>, gauges: Arc<StorageGauges>, settings: WriteBehind) -> Self {
        let hasher = Hasher::default();
        let snapshot = Snapshot { base: Arc::new(base), layers: Vec::new(), hasher: hasher.clone(), height };
        Self {
            current: RwLock::new(Arc::new(snapshot)),
            unwritten: Mutex::default(),
            committed: Condvar::new(),
            written: Condvar::new(),
            hasher,
            gauges,
            settings,
        }
    }

    /// The committed rows at this moment.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.current.read().expect(NOT_POISONED).clone()
    }

    /// Makes changes visible at once, and durable later. Waits while too much is unwritten.
    pub(super) fn commit(&self, height: Height, changes: Changes) {
        let layer = Layer::new(changes, &self.hasher);
        let is_full = |unwritten: &mut Unwritten| {
            !unwritten.is_closed && unwritten.bytes() > 0 && unwritten.bytes() + layer.bytes > self.settings.bytes_max
        };
        let mut unwritten = self.written.wait_while(self.lock(), is_full).expect(NOT_POISONED);
        if unwritten.is_closed {
            return;
        }
        let current = self.snapshot();
        assert!(current.height < Some(height), "height {height} is committed after {:?}", current.height);
        layer::push(&mut unwritten.fresh, layer);
        unwritten.since.get_or_insert_with(Instant::now);
        self.publish(&unwritten, current.base.clone(), Some(height));
        self.committed.notify_one();
    }

    /// Writes what is left and ends the writer; what is committed later is dropped.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.committed.notify_all();
        self.written.notify_all();
    }

    /// Waits until something is to be written; `None` at the end.
    pub(super) fn freeze(&self) -> Option<(Vec<Arc<Layer>>, Height)> {
        let mut unwritten = self.lock();
        loop {
            let age = unwritten.since.map(|since| since.elapsed());
            let patience = self.settings.after.saturating_sub(age.unwrap_or_default());
            let is_due = patience.is_zero() || unwritten.is_closed || unwritten.bytes() >= self.settings.bytes;
            unwritten = match age {
                Some(_) if is_due => break,
                Some(_) => self.committed.wait_timeout(unwritten, patience).expect(NOT_POISONED).0,
                None if unwritten.is_closed => return None,
                None => self.committed.wait(unwritten).expect(NOT_POISONED),
            };
        }
        unwritten.since = None;
        unwritten.frozen = std::mem::take(&mut unwritten.fresh);
        Some((unwritten.frozen.clone(), self.snapshot().height?))
    }

    /// The frozen layers are in `base` now.
    pub(super) fn thaw(&self, base: Base) {
        let mut unwritten = self.lock();
        unwritten.frozen.clear();
        let height = self.snapshot().height;
        self.publish(&unwritten, Arc::new(base), height);
        self.written.notify_all();
    }

    fn publish(&self, unwritten: &Unwritten, base: Arc<Base>, height: Option<Height>) {
        let layers: Vec<_> = unwritten.layers().cloned().collect();
        self.gauges.unwritten_rows.store(layers.iter().map(|layer| layer.rows() as u64).sum(), Relaxed);
        self.gauges.unwritten_bytes.store(unwritten.bytes() as u64, Relaxed);
        let next = Arc::new(Snapshot { base, layers, hasher: self.hasher.clone(), height });
        let last = std::mem::replace(&mut *self.current.write().expect(NOT_POISONED), next);
        // Perhaps the last reference to a read transaction: not to be dropped under the lock.
        drop(last);
    }

    fn lock(&self) -> MutexGuard<'_, Unwritten> {
        self.unwritten.lock().expect(NOT_POISONED)
    }
}

/// Why the locks of this module cannot be poisoned for those who go on: a commit out of order ends the process.
const NOT_POISONED: &str = "nothing that goes on panics while holding the lock";

/// Everything the thread owns.
pub(super) struct Writer {
    pub store: Store,
    pub shared: Arc<Shared>,
    pub inbox: Arc<Inbox>,
    pub gauges: Arc<StorageGauges>,
    pub on_fault: OnFault,
}

impl Writer {
    /// Runs until [`Shared::close`].
    pub(super) fn run(self) {
        while let Some((layers, height)) = self.shared.freeze() {
            let start = Instant::now();
            match self.store.apply(&layers, height).and_then(|()| self.store.base()) {
                Ok(base) => self.shared.thaw(base),
                Err(error) => {
                    self.shared.close();
                    return self.on_fault.call(&StorageFault::Store(error));
                }
            }
            // Durable in the store: the journal may forget it.
            self.inbox.forget_below(height.next());
            self.gauges.written_height.store(height.get(), Relaxed);
            self.gauges.store_writes.fetch_add(1, Relaxed);
            let micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.gauges.store_write_micros.fetch_add(micros, Relaxed);
        }
    }
}
