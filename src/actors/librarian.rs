//! The librarian: reads blocks for peers that lack them.
//!
//! A thread of its own, which all others go before: whoever fell behind is served with what the processor has left, and
//! slows nobody who votes. Who lacks one height alone comes here as well, and waits a little longer on a machine that is
//! full. The router hands it requests and never waits for it. It ends with the last of its senders.
//!
//! Overflow: at most [`ORDERS_MAX`] requests wait; who asks beyond is told `Busy`, and asks another peer.

use std::{
    io,
    sync::mpsc::{SyncSender, TrySendError, sync_channel},
    thread,
};

use super::{network::Reply, priority::yield_to_others};
use crate::{
    replica::{
        blocks_from,
        wire::{PeerStatus, Response},
    },
    store::Rows,
    types::Height,
};

/// How many requests may wait: one for each of as many peers as may catch up at a time.
const ORDERS_MAX: usize = 64;

struct Order {
    from: Height,
    status: PeerStatus,
    reply: Reply,
}

/// Where the librarian is reached.
pub(super) struct Librarian(SyncSender<Order>);

impl Librarian {
    /// Starts the thread. An answer has at most so many bytes of blocks, or one block.
    ///
    /// # Errors
    /// The operating system's, if it gives no thread.
    pub(super) fn start(rows: impl Rows + Send + 'static, bytes_max: usize) -> io::Result<Self> {
        let (orders, waiting) = sync_channel::<Order>(ORDERS_MAX);
        thread::Builder::new().name("librarian".into()).spawn(move || {
            yield_to_others();
            for Order { from, status, reply } in waiting {
                reply.answer(Response::Blocks { blocks: blocks_from(&rows, from, bytes_max), status });
            }
        })?;
        Ok(Self(orders))
    }

    /// Answers with the blocks from a height on and with `status`, sooner or later.
    pub(super) fn serve(&self, from: Height, status: PeerStatus, reply: Reply) {
        if let Err(TrySendError::Full(order) | TrySendError::Disconnected(order)) =
            self.0.try_send(Order { from, status, reply })
        {
            order.reply.answer(Response::Busy);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc::Receiver};

    use bytes::Bytes;
    use tokio::sync::oneshot;

    use super::*;
    use crate::store::Table;

    /// An empty store whose reads say that they began, and go on when told to.
    struct Slow {
        began: SyncSender<()>,
        may_end: Mutex<Receiver<()>>,
    }

    impl Rows for Slow {
        fn get(&self, table: Table, _: &[u8]) -> Option<Bytes> {
            if table == Table::Blocks {
                self.began.send(()).unwrap();
                let _ = self.may_end.lock().unwrap().recv();
            }
            None
        }

        fn range(&self, _: Table, _: &[u8], _: Option<&[u8]>, _: &mut dyn FnMut(&[u8], &[u8]) -> bool) {}
    }

    #[test]
    fn who_asks_when_many_wait_is_told_at_once_and_those_who_wait_are_answered() {
        let ((began, begins), (may_end, ends)) = (sync_channel(ORDERS_MAX), sync_channel(1));
        let librarian = Librarian::start(Slow { began, may_end: Mutex::new(ends) }, 100).unwrap();
        let ask = || {
            let (reply, answer) = oneshot::channel();
            librarian.serve(Height::FIRST, PeerStatus::default(), Reply(reply));
            answer
        };
        let mut waiting = vec![ask()];
        begins.recv().unwrap();
        waiting.extend((0..ORDERS_MAX).map(|_| ask()));
        assert_eq!(ask().blocking_recv(), Ok(Response::Busy));
        drop(may_end);
        let nothing = Response::Blocks { blocks: Vec::new(), status: PeerStatus::default() };
        for answer in waiting {
            assert_eq!(answer.blocking_recv().as_ref(), Ok(&nothing));
        }
    }
}
