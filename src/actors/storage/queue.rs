//! A bounded queue that is emptied in one go: what makes group commit.

use std::{
    sync::{Condvar, Mutex, MutexGuard},
    time::Duration,
};

/// Jobs for one thread from many. When it is full, senders wait: nothing is dropped, and the disk sets the pace.
#[derive(Debug)]
pub struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    emptied: Condvar,
    bytes_max: usize,
}

#[derive(Debug)]
struct State<T> {
    jobs: Vec<T>,
    bytes: usize,
    is_closed: bool,
}

/// What the receiver gets.
#[derive(Debug)]
pub enum Drained<T> {
    /// Everything that waited, in order.
    Jobs(Vec<T>),
    /// Nothing came in time.
    Idle,
    /// Nothing waits and nothing more will come.
    Closed,
}

impl<T> Queue<T> {
    /// An empty queue for at most `bytes_max`, or a single job that is larger.
    pub fn new(bytes_max: usize) -> Self {
        let state = State { jobs: Vec::new(), bytes: 0, is_closed: false };
        Self { state: Mutex::new(state), filled: Condvar::new(), emptied: Condvar::new(), bytes_max }
    }

    /// Adds a job, waiting for room. A closed queue drops it.
    pub fn push(&self, job: T, bytes: usize) {
        let has_no_room =
            |state: &mut State<T>| !state.is_closed && !state.jobs.is_empty() && state.bytes + bytes > self.bytes_max;
        let mut state = self.emptied.wait_while(self.lock(), has_no_room).expect(NOT_POISONED);
        if !state.is_closed {
            state.jobs.push(job);
            state.bytes += bytes;
            self.filled.notify_one();
        }
    }

    /// Takes everything, waiting for something for at most `patience` (`None`: for ever).
    pub fn drain(&self, patience: Option<Duration>) -> Drained<T> {
        let is_empty = |state: &mut State<T>| state.jobs.is_empty() && !state.is_closed;
        let mut state = match patience {
            Some(patience) => self.filled.wait_timeout_while(self.lock(), patience, is_empty).expect(NOT_POISONED).0,
            None => self.filled.wait_while(self.lock(), is_empty).expect(NOT_POISONED),
        };
        if state.jobs.is_empty() {
            return if state.is_closed { Drained::Closed } else { Drained::Idle };
        }
        state.bytes = 0;
        self.emptied.notify_all();
        Drained::Jobs(std::mem::take(&mut state.jobs))
    }

    /// Lets the receiver finish what waits, and drops what comes later.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.filled.notify_all();
        self.emptied.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().expect(NOT_POISONED)
    }
}

/// Why the locks of this module cannot be poisoned.
const NOT_POISONED: &str = "nothing panics while holding the lock";

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use super::*;

    #[test]
    fn sender_waits_for_room_and_nothing_is_lost() {
        let queue = Arc::new(Queue::new(10));
        queue.push(1, 6);
        let (told, tells) = mpsc::sync_channel(2);
        let sender = std::thread::spawn({
            let queue = queue.clone();
            move || {
                told.send("before").unwrap();
                queue.push(2, 6);
                told.send("after").unwrap();
            }
        });
        assert_eq!(tells.recv().unwrap(), "before");
        assert!(tells.try_recv().is_err());
        assert!(matches!(queue.drain(None), Drained::Jobs(jobs) if jobs == [1]));
        assert_eq!(tells.recv().unwrap(), "after");
        sender.join().unwrap();
        queue.close();
        queue.push(3, 1);
        assert!(matches!(queue.drain(None), Drained::Jobs(jobs) if jobs == [2]));
        assert!(matches!(queue.drain(None), Drained::Closed));
    }

    #[test]
    fn job_larger_than_the_queue_goes_alone() {
        let queue = Queue::new(10);
        queue.push((), 100);
        assert!(matches!(queue.drain(None), Drained::Jobs(jobs) if jobs.len() == 1));
        assert!(matches!(queue.drain(Some(Duration::ZERO)), Drained::Idle));
    }
}
