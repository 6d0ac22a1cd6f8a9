//! The handle by which others use the network.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use libp2p::{Multiaddr, PeerId, gossipsub::MessageAcceptance};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::{
    envelope,
    event::FrameTicket,
    gauge::{Dropped, MessageKind, NetworkGauges},
    inbound::Verdicts,
};
use crate::{
    metrics::Label as _,
    protocol::{Judgement, Rejection},
    replica::{
        Peer,
        wire::{Frame, Request, Response},
    },
    types::{Digest, PublicKey, codec},
};

/// To whom a frame goes. Whoever cannot be reached by a substream is reached through gossip, which everyone hears.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum To {
    /// One connected peer.
    Peer(Peer),
    /// Some validators; ourselves left out.
    Validators(Vec<PublicKey>),
    /// All validators but ourselves.
    AllValidators,
    /// Everyone who follows, listeners included.
    Everyone,
}

/// Why a request has no response.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RequestError {
    /// The peer is not connected, or went away.
    #[error("the peer is not connected")]
    Unreachable,
    /// Too many of our requests to this peer, or orders to the network, are under way.
    #[error("too many requests are under way")]
    Overloaded,
    /// No answer in time.
    #[error("the peer did not answer in time")]
    Timeout,
    /// The answer was malformed or too large; the peer has been blamed for it.
    #[error("the answer is malformed")]
    Malformed,
    /// The network has stopped.
    #[error("the network has stopped")]
    Stopped,
}

/// What is known of a connected peer, for operators.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerView {
    /// Its mark.
    pub peer: Peer,
    /// Its libp2p identity.
    pub peer_id: PeerId,
    /// The validator it has proven to be.
    pub validator: Option<PublicKey>,
    /// Its address as seen from here.
    pub address: Multiaddr,
    /// Its software, as it says.
    pub agent: String,
    /// The last measured round trip.
    pub round_trip: Option<Duration>,
    /// Whether our substream to it is open.
    pub has_substream: bool,
    /// Whether it is in our gossip mesh.
    pub is_in_mesh: bool,
    /// Frames that wait for its substream.
    pub queued_frames: usize,
}

/// What the swarm's task is asked to do.
pub(super) enum Order {
    Send { to: To, kind: MessageKind, envelope: Bytes },
    Request { peer: Peer, request: Request, answer: oneshot::Sender<Result<Response, RequestError>> },
    Report { id: Digest, passed_on_by: PeerId, acceptance: MessageAcceptance },
    Blame { whom: Culprit, rejection: Rejection },
    Dial { address: Multiaddr },
}

/// Who is to blame.
pub(super) enum Culprit {
    Marked(Peer),
    Identified(PeerId),
}

/// The network's handle. Cheap to clone; the network stops when the last one is gone. No method waits, but for the
/// future of [`NetworkPort::request`]; what cannot be queued is dropped and counted, and repaired by pulling.
#[derive(Clone)]
pub struct NetworkPort {
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) book: Arc<Verdicts>,
    pub(super) gauges: Arc<NetworkGauges>,
    pub(super) peers: Arc<Mutex<Vec<PeerView>>>,
    pub(super) validators: Arc<watch::Sender<BTreeSet<PublicKey>>>,
    pub(super) stop: CancellationToken,
    pub(super) me: PeerId,
    pub(super) salt: u32,
    pub(super) frame_bytes_max: usize,
}

impl NetworkPort {
    /// Sends a frame; it is encoded once, here. `resend` tells repetitions of the same frame apart and must rise with
    /// each, otherwise gossip swallows them as duplicates.
    pub fn send(&self, to: To, frame: &Frame, resend: u32) {
        self.post(to, MessageKind::from(frame), &codec::encode(frame), resend);
    }

    pub(super) fn post(&self, to: To, kind: MessageKind, encoded: &[u8], resend: u32) {
        if encoded.len() > self.frame_bytes_max {
            self.gauges.count_dropped(Dropped::TooLarge, 1);
            tracing::error!(kind = kind.as_str(), bytes = encoded.len(), "own frame is too large to be sent");
            return;
        }
        let envelope = envelope::seal(resend.wrapping_add(self.salt), encoded);
        self.order(Order::Send { to, kind, envelope });
    }

    /// Asks a peer. The future may be dropped at any time.
    ///
    /// # Errors
    /// [`RequestError`] when there is no valid response within the request timeout.
    pub fn request(
        &self,
        peer: Peer,
        request: Request,
    ) -> impl Future<Output = Result<Response, RequestError>> + Send + use<> {
        let (answer, answered) = oneshot::channel();
        let queued = self.orders.try_send(Order::Request { peer, request, answer });
        if queued.is_err() {
            self.gauges.count_dropped(Dropped::Order, 1);
        }
        async move {
            match queued {
                Ok(()) => answered.await.unwrap_or(Err(RequestError::Stopped)),
                Err(mpsc::error::TrySendError::Full(_)) => Err(RequestError::Overloaded),
                Err(mpsc::error::TrySendError::Closed(_)) => Err(RequestError::Stopped),
            }
        }
    }

    /// Gives the word on a frame, for all its copies: gossip forwards what is accepted, and those who sent what is
    /// rejected are blamed. Of several words on one frame the first counts. Every frame should be judged; one that is
    /// not is not forwarded.
    pub fn judge(&self, ticket: FrameTicket, judgement: Judgement) {
        if let Judgement::Reject(rejection) = judgement {
            self.gauges.count_rejection(rejection);
        }
        let Some(id) = ticket.0 else {
            return;
        };
        let Some(concerned) = self.book.lock().judge(&id, judgement) else {
            self.gauges.count_dropped(Dropped::Verdict, 1);
            return;
        };
        if let Some(passed_on_by) = concerned.gossip {
            self.order(Order::Report { id, passed_on_by, acceptance: acceptance(judgement) });
        }
        if let Judgement::Reject(rejection) = judgement {
            for sender in concerned.senders {
                self.order(Order::Blame { whom: Culprit::Identified(sender), rejection });
            }
        }
    }

    /// Counts a rejection against a peer, outside of frames: a bad response. A few bad encodings or signatures
    /// disconnect it for a while; what honest peers can cause costs nothing.
    pub fn blame(&self, peer: Peer, rejection: Rejection) {
        self.gauges.count_rejection(rejection);
        self.order(Order::Blame { whom: Culprit::Marked(peer), rejection });
    }

    /// Stays connected to one more address.
    pub fn dial(&self, address: Multiaddr) {
        self.order(Order::Dial { address });
    }

    /// Changes whose proofs are believed. Peers that lose or gain it are announced again.
    pub fn set_validators(&self, validators: impl IntoIterator<Item = PublicKey>) {
        // Without a receiver the network has stopped.
        let _ = self.validators.send(validators.into_iter().collect());
    }

    /// The connected peers, at most 100 ms old.
    pub fn peers(&self) -> Vec<PeerView> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Our libp2p identity.
    pub fn peer_id(&self) -> PeerId {
        self.me
    }

    /// The counters.
    pub fn gauges(&self) -> Arc<NetworkGauges> {
        Arc::clone(&self.gauges)
    }

    /// Stops the network within a second; the channel of events ends. [`super::Network::join`] waits for it.
    pub fn shutdown(&self) {
        self.stop.cancel();
    }

    /// Orders that wait for the network's task.
    pub fn waiting_orders(&self) -> usize {
        self.orders.max_capacity() - self.orders.capacity()
    }

    pub(super) fn order(&self, order: Order) {
        if self.orders.try_send(order).is_err() {
            self.gauges.count_dropped(Dropped::Order, 1);
        }
    }
}

/// Sets the envelopes of different senders apart, and those of a validator from the ones before its restart: re-send
/// counters begin anew, and what is sent again after a restart must not be taken for what was heard before it.
pub(super) fn salt(me: &PeerId, counter: u64) -> u32 {
    let hash = blake3::Hasher::new().update(&me.to_bytes()).update(&counter.to_le_bytes()).finalize();
    let [a, b, c, d, ..] = *hash.as_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Gossip is told Reject only for what whoever passed it on had to know: a bad encoding or signature (SPEC.md
/// section 5).
pub(super) fn acceptance(judgement: Judgement) -> MessageAcceptance {
    match judgement {
        Judgement::Accept => MessageAcceptance::Accept,
        Judgement::Reject(Rejection::Malformed | Rejection::TooLarge | Rejection::BadSignature) => {
            MessageAcceptance::Reject
        }
        Judgement::Ignore | Judgement::Reject(_) => MessageAcceptance::Ignore,
    }
}
