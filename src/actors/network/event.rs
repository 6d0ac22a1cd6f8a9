//! What the network tells.

use std::sync::Arc;

use libp2p::{Multiaddr, PeerId};
use tokio::sync::oneshot;

use super::gauge::{Level, NetworkGauges};
use crate::{
    replica::{
        Peer,
        wire::{Frame, Request, Response},
    },
    types::{Digest, PublicKey},
};

/// What happened.
///
/// A peer's first event is `PeerUp`, its last `PeerDown`; a frame or request that was under way may still arrive
/// shortly after `PeerDown`, from a mark that will not be used again.
#[derive(Debug)]
pub enum NetworkEvent {
    /// A peer of our chain is connected. Told once it has proven to be a validator, is known not to be one (it does
    /// not take substreams), or has let the grace pass; told again under the same mark whenever `validator` changes.
    PeerUp {
        /// Its mark. A peer that reconnects gets another one.
        peer: Peer,
        /// Its libp2p identity.
        peer_id: PeerId,
        /// The validator it has proven to be, by the highest counter seen.
        validator: Option<PublicKey>,
    },
    /// A peer's last connection is gone.
    PeerDown {
        /// Its mark.
        peer: Peer,
    },
    /// A frame arrived that no earlier copy of was handed up, decoded and not verified.
    Frame {
        /// Who sent it: on a substream the validator, through gossip whoever passed it on last. A status is never
        /// passed on, so it is the sender's own.
        peer: Peer,
        /// To be judged: gossip forwards it only after [`super::NetworkPort::judge`] accepts.
        ticket: FrameTicket,
        /// The frame.
        frame: Frame,
        /// Counts the frame's bytes against the inbound bound until dropped. Keep it as long as the frame waits.
        hold: InboundHold,
    },
    /// A peer asks.
    Request {
        /// Who.
        peer: Peer,
        /// What.
        request: Request,
        /// Where the answer goes.
        reply: Reply,
    },
    /// We are listening.
    Listening {
        /// Where, without `/p2p`; port 0 is resolved.
        address: Multiaddr,
    },
}

/// The mark of a frame that waits for its verdict.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FrameTicket(
    /// The frame's digest; `None`: nobody waits for the verdict.
    pub Option<Digest>,
);

/// A frame's share of the inbound bound; given back when dropped.
#[derive(Debug)]
pub struct InboundHold {
    bytes: usize,
    gauges: Arc<NetworkGauges>,
}

impl InboundHold {
    pub(super) fn new(bytes: usize, gauges: Arc<NetworkGauges>) -> Self {
        gauges.raise_level(Level::InboundBytes, bytes);
        Self { bytes, gauges }
    }
}

impl Drop for InboundHold {
    fn drop(&mut self) {
        self.gauges.lower_level(Level::InboundBytes, self.bytes);
    }
}

/// Where the answer to one request goes. Dropped without an answer, the asker runs into its timeout.
#[derive(Debug)]
pub struct Reply(pub(in crate::actors) oneshot::Sender<Response>);

impl Reply {
    /// Answers. Nothing happens if the asker is gone.
    pub fn answer(self, response: Response) {
        // The receiver is gone when the request timed out: nobody is left to tell.
        let _ = self.0.send(response);
    }
}
