//! The outbound queue of one validator's substream.
//!
//! Bounded in frames and bytes; when full the oldest frames go, for what a slow peer missed it pulls, and newer
//! messages of a protocol supersede older ones. Written by the swarm's task, emptied by the substream's writer.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::Notify;

#[derive(Default)]
struct Queue {
    frames: VecDeque<Bytes>,
    bytes: usize,
}

/// A queue that is open while the substream behind it is up.
pub(super) struct Lane {
    queue: Mutex<Queue>,
    filled: Notify,
    is_open: AtomicBool,
    frames_max: usize,
    bytes_max: usize,
}

/// What became of a frame given to a lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pushed {
    /// It is queued; so many older ones went for it.
    Queued {
        /// How many.
        dropped: usize,
    },
    /// There is no substream: it must travel another way.
    Closed,
}

impl Lane {
    pub fn new(frames_max: usize, bytes_max: usize) -> Self {
        let (queue, filled, is_open) = Default::default();
        Self { queue, filled, is_open, frames_max, bytes_max }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // The queue is consistent between any two statements that could panic.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The substream is up.
    pub fn open(&self) {
        self.is_open.store(true, Ordering::Release);
    }

    /// The substream is gone. What was queued goes with it: it would be stale before the next one is up.
    pub fn close(&self) {
        self.is_open.store(false, Ordering::Release);
        *self.queue() = Queue::default();
    }

    pub fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// Queues a frame and drops the oldest ones beyond the limits; the newest always stays.
    pub fn push(&self, frame: Bytes) -> Pushed {
        if !self.is_open() {
            return Pushed::Closed;
        }
        let mut dropped = 0;
        let mut queue = self.queue();
        queue.bytes += frame.len();
        queue.frames.push_back(frame);
        while queue.frames.len() > 1 && (queue.frames.len() > self.frames_max || queue.bytes > self.bytes_max) {
            let oldest = queue.frames.pop_front().map_or(0, |frame| frame.len());
            queue.bytes -= oldest;
            dropped += 1;
        }
        drop(queue);
        self.filled.notify_one();
        Pushed::Queued { dropped }
    }

    /// The oldest frame, if any.
    pub fn try_pop(&self) -> Option<Bytes> {
        let mut queue = self.queue();
        let frame = queue.frames.pop_front()?;
        queue.bytes -= frame.len();
        Some(frame)
    }

    /// The oldest frame, waiting for one. Losing the future loses no frame.
    pub async fn pop(&self) -> Bytes {
        loop {
            if let Some(frame) = self.try_pop() {
                return frame;
            }
            self.filled.notified().await;
        }
    }

    /// How many frames wait.
    pub fn len(&self) -> usize {
        self.queue().frames.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `NW-B1`
    #[test]
    fn drops_the_oldest_when_full_in_frames_or_bytes() {
        let lane = Lane::new(2, 10);
        assert_eq!(lane.push(Bytes::from_static(b"lost")), Pushed::Closed);
        lane.open();
        assert_eq!(lane.push(Bytes::from_static(b"a")), Pushed::Queued { dropped: 0 });
        assert_eq!(lane.push(Bytes::from_static(b"b")), Pushed::Queued { dropped: 0 });
        assert_eq!(lane.push(Bytes::from_static(b"c")), Pushed::Queued { dropped: 1 });
        assert_eq!(lane.push(Bytes::from_static(b"123456789")), Pushed::Queued { dropped: 1 });
        assert_eq!(lane.push(Bytes::from_static(b"larger than the limit")), Pushed::Queued { dropped: 2 });
        assert_eq!(lane.try_pop().as_deref(), Some(&b"larger than the limit"[..]));
        assert_eq!(lane.try_pop(), None);
    }

    #[test]
    fn closing_forgets_what_waited() {
        let lane = Lane::new(2, 10);
        lane.open();
        lane.push(Bytes::from_static(b"stale"));
        lane.close();
        lane.open();
        assert_eq!((lane.try_pop(), lane.len()), (None, 0));
    }
}
