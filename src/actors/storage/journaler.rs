//! The thread that owns the journal.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::{
    OnFault, StorageFault,
    gauges::StorageGauges,
    queue::{Drained, Queue},
};
use crate::{
    journal::{Disk, Fault, Item, Journal},
    protocol::Lifetime,
    types::Height,
};

/// How long nothing is appended before the journal is sealed.
const SEAL_AFTER: Duration = Duration::from_millis(50);

/// Something to be made durable, and what to do then.
pub(super) struct Append {
    pub items: Vec<Item>,
    pub done: Box<dyn FnOnce() + Send>,
}

/// What the journal's thread shares with those who write to it.
pub(super) struct Inbox {
    pub appends: Queue<Append>,
    /// The lowest height that is not in the store.
    stored: AtomicU64,
    /// The lowest height that a long instance still needs.
    instances: AtomicU64,
}

impl Inbox {
    /// One-shot instances need nothing of what is stored; a long one says what it needs.
    pub(super) fn new(bytes_max: usize, lifetime: Lifetime) -> Self {
        let instances = match lifetime {
            Lifetime::Height => u64::MAX,
            Lifetime::Epoch => 0,
        };
        Self { appends: Queue::new(bytes_max), stored: AtomicU64::new(0), instances: AtomicU64::new(instances) }
    }

    /// What lies below is in the store: the next batch may forget it, as far as instances do not need it.
    pub(super) fn forget_below(&self, height: Height) {
        self.stored.fetch_max(height.get(), Relaxed);
    }

    /// A long instance needs nothing below.
    pub(super) fn forget_instances_below(&self, height: Height) {
        self.instances.fetch_max(height.get(), Relaxed);
    }

    fn floor(&self) -> Height {
        Height::new(self.stored.load(Relaxed).min(self.instances.load(Relaxed)))
    }
}

/// Everything the thread owns.
pub(super) struct Journaler<D> {
    pub journal: Journal<D>,
    pub inbox: Arc<Inbox>,
    pub gauges: Arc<StorageGauges>,
    pub observe_sync: Box<dyn Fn(Duration) + Send>,
    pub on_fault: OnFault,
}

impl<D: Disk> Journaler<D> {
    /// Runs until the inbox is closed and empty.
    pub(super) fn run(mut self) {
        if let Err(fault) = self.serve() {
            // Nobody is told that anything is durable, from now on.
            self.inbox.appends.close();
            self.on_fault.call(&StorageFault::Journal(fault));
        }
    }

    fn serve(&mut self) -> Result<(), Fault> {
        loop {
            self.gauges.journal_bytes.store(self.journal.bytes(), Relaxed);
            let patience = (!self.journal.is_sealed()).then_some(SEAL_AFTER);
            let drained = self.inbox.appends.drain(patience);
            self.journal.forget_below(self.inbox.floor());
            match drained {
                Drained::Jobs(appends) => self.commit(appends)?,
                Drained::Idle => self.journal.seal()?,
                Drained::Closed => return self.journal.seal(),
            }
        }
    }

    /// Group commit: one sync for all that waited while the one before was under way.
    fn commit(&mut self, appends: Vec<Append>) -> Result<(), Fault> {
        let mut waiting = Vec::with_capacity(appends.len());
        for Append { items, done } in appends {
            for item in items {
                self.journal.append_item(item);
            }
            waiting.push(done);
        }
        let start = Instant::now();
        self.journal.flush()?;
        (self.observe_sync)(start.elapsed());
        self.gauges.waiting_appends.fetch_sub(waiting.len() as u64, Relaxed);
        for done in waiting {
            done();
        }
        Ok(())
    }
}
