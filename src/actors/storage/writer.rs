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
    /// some 20,000 commands of 512 bytes, below a second of work.
    pub bytes_max: usize,
    /// How much earlier the first write after a pause comes, in percent, below 100. Validators commit the same, so they
    /// would all write at the same time, and all votes would wait for the disk; with a different number each, most of
    /// them vote while one writes.
    pub early_percent: u32,
}

impl WriteBehind {
    /// The defaults of the validator with this place among so many.
    pub fn of_validator(place: usize, validators: usize) -> Self {
        let early = place * 100 / validators.max(1);
        Self { early_percent: u32::try_from(early).unwrap_or(0).min(99), ..Self::default() }
    }

    /// After how long, and with how many bytes, a write begins.
    fn due(&self, is_first: bool) -> (Duration, usize) {
        let percent = if is_first { 100_u32.saturating_sub(self.early_percent) } else { 100 };
        (self.after * percent / 100, self.bytes / 100 * percent as usize)
    }
}

impl Default for WriteBehind {
    fn default() -> Self {
        Self { after: Duration::from_secs(1), bytes: 12 << 20, bytes_max: 32 << 20, early_percent: 0 }
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
    /// When the last write began.
    last: Option<Instant>,
    /// Whether the fresh ones came after a pause.
    is_first: bool,
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
        if unwritten.since.is_none() {
            unwritten.is_first = unwritten.last.is_none_or(|last| last.elapsed() > self.settings.after);
            unwritten.since = Some(Instant::now());
        }
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
            unwritten = match (unwritten.since, self.patience(&unwritten)) {
                (Some(_), Duration::ZERO) => break,
                (Some(_), patience) => self.committed.wait_timeout(unwritten, patience).expect(NOT_POISONED).0,
                (None, _) if unwritten.is_closed => return None,
                (None, _) => self.committed.wait(unwritten).expect(NOT_POISONED),
            };
        }
        unwritten.since = None;
        unwritten.last = Some(Instant::now());
        unwritten.frozen = std::mem::take(&mut unwritten.fresh);
        Some((unwritten.frozen.clone(), self.snapshot().height?))
    }

    /// How long the next write may wait.
    fn patience(&self, unwritten: &Unwritten) -> Duration {
        let (after, bytes) = self.settings.due(unwritten.is_first);
        if unwritten.is_closed || unwritten.bytes() >= bytes {
            return Duration::ZERO;
        }
        after.saturating_sub(unwritten.since.map_or(Duration::ZERO, |since| since.elapsed()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{actors::storage::StoreView, store::Table, types::Digest};

    /// So validators that commit the same write one after the other, from the first write on.
    #[test]
    fn first_write_after_a_pause_comes_earlier() {
        let directory = tempfile::TempDir::new().unwrap();
        let file = StoreView::file(directory.path());
        let store = Store::open(&file, &Digest::new([7; 32]), 1 << 20, OnFault::default()).unwrap();
        let second_of_four = WriteBehind::of_validator(1, 4);
        assert_eq!((WriteBehind::of_validator(0, 4).early_percent, second_of_four.early_percent), (0, 25));
        let settings = WriteBehind { after: Duration::from_secs(3600), bytes: 1000, ..second_of_four };
        let gauges = Arc::new(StorageGauges::new(directory.path().to_owned()));
        let shared = Shared::new(store.base().unwrap(), None, gauges, settings);
        let commit = |height| {
            let mut changes = Changes::default();
            changes.put(Table::State, format!("{height:03}"), vec![0; 247]);
            shared.commit(Height::new(height), changes);
            shared.patience(&shared.lock())
        };
        assert!([commit(0), commit(1)].iter().all(|patience| *patience > Duration::from_secs(2600)));
        assert_eq!(commit(2), Duration::ZERO, "three quarters of the bytes");
        assert!(shared.freeze().is_some());
        shared.thaw(store.base().unwrap());
        assert!([commit(3), commit(4), commit(5)].iter().all(|patience| *patience > Duration::from_secs(3500)));
        assert_eq!(commit(6), Duration::ZERO);
    }
}
