//! The way in: where frames of substreams and of gossip meet, are told from their copies, decoded within bounds and
//! handed up.
//!
//! Called by the readers of substreams, each in its own task, and by the swarm's task for gossip. Overflow: when the
//! receiver is behind, the newest frame is dropped and counted; pulling repairs it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p::PeerId;
use tokio::sync::mpsc;

use super::{
    book::{Arrival, Book, Route},
    envelope,
    event::{FrameTicket, InboundHold, NetworkEvent},
    gauge::{Direction, Dropped, Level, MessageKind, NetworkGauges},
    settings::NetworkLimits,
};
use crate::{
    protocol::{Judgement, Rejection},
    replica::{Peer, wire::Frame},
    types::codec,
};

/// Events of the channel kept free of frames, so that peers coming and going are told however many frames wait.
pub(super) const CONTROL_RESERVE: usize = 64;

/// What became of an envelope.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// It was handed up, or a copy of it was: the word will follow.
    Waiting,
    /// The word on an earlier copy holds.
    Judged(Judgement),
}

/// The book, shared between those who take in and those who judge.
pub(super) struct Verdicts(Mutex<Book>);

impl Verdicts {
    pub fn new(entries_max: usize) -> Self {
        Self(Mutex::new(Book::new(entries_max)))
    }

    /// Never held across anything slow.
    pub fn lock(&self) -> MutexGuard<'_, Book> {
        // The book is consistent between any two statements that could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way in. The only holder of the channel of events beside the swarm's task, so that it ends with them.
pub(super) struct Inbound {
    events: mpsc::Sender<NetworkEvent>,
    book: Arc<Verdicts>,
    gauges: Arc<NetworkGauges>,
    frame_bytes_max: usize,
    inbound_bytes_max: usize,
}

impl Inbound {
    pub fn new(
        events: mpsc::Sender<NetworkEvent>,
        book: Arc<Verdicts>,
        gauges: Arc<NetworkGauges>,
        limits: &NetworkLimits,
    ) -> Self {
        Self {
            events,
            book,
            gauges,
            frame_bytes_max: limits.frame_bytes_max,
            inbound_bytes_max: limits.inbound_bytes_max,
        }
    }

    pub fn gauges(&self) -> &NetworkGauges {
        &self.gauges
    }

    /// Whether only control events may still be queued.
    pub fn is_full(&self) -> bool {
        self.events.capacity() <= CONTROL_RESERVE
    }

    /// Takes an envelope in.
    pub fn take(&self, peer: Peer, peer_id: PeerId, route: Route, bytes: &[u8]) -> Taken {
        let Some(encoded) = envelope::open(bytes) else {
            return self.refuse(Rejection::Malformed);
        };
        if encoded.len() > self.frame_bytes_max {
            return self.refuse(Rejection::TooLarge);
        }
        let id = envelope::id(bytes);
        match self.book.lock().arrive(id, peer_id, route) {
            Arrival::First => {}
            Arrival::Waiting => {
                self.gauges.count_duplicate();
                return Taken::Waiting;
            }
            Arrival::Replayed => return self.refuse(Rejection::Replayed),
            Arrival::Judged(judgement) => {
                self.gauges.count_duplicate();
                return Taken::Judged(judgement);
            }
        }
        let Ok(frame) = codec::decode::<Frame>(encoded) else {
            let refused = self.refuse(Rejection::Malformed);
            self.book.lock().judge(&id, Judgement::Reject(Rejection::Malformed));
            return refused;
        };
        self.gauges.count_message(MessageKind::from(&frame), Direction::In, bytes.len());
        // What a peer says of itself is heard from itself: never passed on, and no copy stands for another.
        let is_status = matches!(frame, Frame::Status { .. });
        if is_status {
            self.book.lock().forget(&id);
        }
        let ticket = FrameTicket((!is_status).then_some(id));
        let has_room = self.hand_up(peer, ticket, frame, bytes.len());
        match (has_room, is_status) {
            (true, false) => Taken::Waiting,
            (true, true) => Taken::Judged(Judgement::Ignore),
            (false, _) => {
                self.book.lock().forget(&id);
                self.gauges.count_dropped(Dropped::Inbound, 1);
                Taken::Judged(Judgement::Ignore)
            }
        }
    }

    fn refuse(&self, rejection: Rejection) -> Taken {
        self.gauges.count_rejection(rejection);
        Taken::Judged(Judgement::Reject(rejection))
    }

    /// Whether there was room.
    fn hand_up(&self, peer: Peer, ticket: FrameTicket, frame: Frame, bytes: usize) -> bool {
        let waiting = self.gauges.level(Level::InboundBytes);
        if self.is_full() || waiting.saturating_add(bytes as u64) > self.inbound_bytes_max as u64 {
            return false;
        }
        let hold = InboundHold::new(bytes, Arc::clone(&self.gauges));
        self.events.try_send(NetworkEvent::Frame { peer, ticket, frame, hold }).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{replica::wire::PeerStatus, types::BoundedVec};

    fn inbound(limits: &NetworkLimits) -> (Inbound, mpsc::Receiver<NetworkEvent>, Arc<NetworkGauges>) {
        let (events, receiver) = mpsc::channel(limits.events_max + CONTROL_RESERVE);
        let gauges = Arc::new(NetworkGauges::default());
        let book = Arc::new(Verdicts::new(limits.verdicts_max));
        (Inbound::new(events, book, Arc::clone(&gauges), limits), receiver, gauges)
    }

    fn commands(nonce: u32) -> bytes::Bytes {
        envelope::seal(nonce, &codec::encode(&Frame::Commands(BoundedVec::default())))
    }

    #[test]
    fn full_queue_drops_the_newest_and_takes_a_later_copy() {
        let limits = NetworkLimits { events_max: 2, ..NetworkLimits::default() };
        let (inbound, mut events, gauges) = inbound(&limits);
        let (peer, id) = (Peer(1), PeerId::random());
        let ignored = Taken::Judged(Judgement::Ignore);
        assert_eq!(inbound.take(peer, id, Route::Substream, &commands(1)), Taken::Waiting);
        assert_eq!(inbound.take(peer, id, Route::Substream, &commands(2)), Taken::Waiting);
        assert_eq!(inbound.take(peer, id, Route::Substream, &commands(3)), ignored);
        assert_eq!(gauges.dropped(Dropped::Inbound), 1);
        assert!(events.try_recv().is_ok());
        assert_eq!(inbound.take(peer, id, Route::Substream, &commands(3)), Taken::Waiting, "was not remembered");
        let replayed = Taken::Judged(Judgement::Reject(Rejection::Replayed));
        assert_eq!(inbound.take(peer, id, Route::Substream, &commands(3)), replayed);
        assert_eq!(gauges.rejected(Rejection::Replayed), 1);
    }

    #[test]
    fn bytes_are_held_until_the_receiver_drops_the_frame() {
        let limits = NetworkLimits { inbound_bytes_max: 10, ..NetworkLimits::default() };
        let (inbound, mut events, gauges) = inbound(&limits);
        let (peer, id) = (Peer(1), PeerId::random());
        assert_eq!(inbound.take(peer, id, Route::Gossip, &commands(1)), Taken::Waiting);
        assert_eq!(inbound.take(peer, id, Route::Gossip, &commands(2)), Taken::Judged(Judgement::Ignore));
        drop(events.try_recv());
        assert_eq!(gauges.level(Level::InboundBytes), 0);
        assert_eq!(inbound.take(peer, id, Route::Gossip, &commands(2)), Taken::Waiting);
    }

    #[test]
    fn every_peers_status_is_heard_and_none_is_passed_on() {
        let (inbound, mut events, _) = inbound(&NetworkLimits::default());
        let status = envelope::seal(1, &codec::encode(&Frame::Status { status: PeerStatus::default(), wall_ms: 0 }));
        for mark in 1..=2 {
            let taken = inbound.take(Peer(mark), PeerId::random(), Route::Gossip, &status);
            assert_eq!(taken, Taken::Judged(Judgement::Ignore));
            assert!(matches!(events.try_recv(), Ok(NetworkEvent::Frame { peer, .. }) if peer == Peer(mark)));
        }
    }

    #[test]
    fn malformed_frames_are_rejected_and_remembered() {
        let (inbound, mut events, gauges) = inbound(&NetworkLimits::default());
        let garbage = envelope::seal(1, &[0xff; 9]);
        let rejected = Taken::Judged(Judgement::Reject(Rejection::Malformed));
        assert_eq!(inbound.take(Peer(1), PeerId::random(), Route::Gossip, &garbage), rejected);
        assert_eq!(inbound.take(Peer(1), PeerId::random(), Route::Gossip, &garbage), rejected);
        assert_eq!(inbound.take(Peer(1), PeerId::random(), Route::Gossip, b"abc"), rejected);
        assert_eq!(gauges.rejected(Rejection::Malformed), 2);
        assert!(events.try_recv().is_err());
    }
}
