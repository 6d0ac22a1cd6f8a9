//! Substreams of one protocol: opening ours, taking theirs. A libp2p behaviour.
//!
//! Writers ask it for a substream to a peer; the driver is told of each substream that a peer opens. It goes by the
//! newest connection, because an older one may be what is left of a peer that restarted. `libp2p-stream` does the same
//! but chooses a connection by lot, keeps something of every connection that ever was, and drops anybody's substream
//! while somebody else's waits to be taken, which a flood makes permanent.
//!
//! Overflow: a peer may open few substreams per second; further ones are dropped and told of as such.

use std::{
    collections::{HashMap, VecDeque},
    task::{Context, Poll},
    time::Instant,
};

use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{
        Endpoint, UpgradeInfo,
        transport::PortUse,
        upgrade::{InboundUpgrade, OutboundUpgrade},
    },
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
        NotifyHandler, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
        handler::{ConnectionEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound},
    },
};
use tokio::sync::{mpsc, oneshot};

use super::allowance::Allowance;

/// How many substreams a peer may open on one connection per second; it needs one in all.
const OPENS_PER_SECOND: u32 = 1;
/// How many it may open in a burst: one that cannot keep it open tries again with back-off.
const OPENS_BURST: u32 = 16;
/// Requests to open that may wait; writers wait beyond.
const REQUESTS_MAX: usize = 64;

/// What a peer did.
#[derive(Debug)]
pub(super) enum StreamEvent {
    /// It opened a substream.
    Opened { peer: PeerId, stream: Stream },
    /// It opened another one too soon.
    OverRate { peer: PeerId },
}

struct Open {
    peer: PeerId,
    opened: oneshot::Sender<Stream>,
}

/// By which writers ask. Cheap to clone.
#[derive(Clone)]
pub(super) struct Opener(mpsc::Sender<Open>);

impl Opener {
    /// Opens a substream to a connected peer; `None` when that failed. May be dropped at any time.
    pub async fn open(&self, peer: PeerId) -> Option<Stream> {
        let (opened, stream) = oneshot::channel();
        self.0.send(Open { peer, opened }).await.ok()?;
        stream.await.ok()
    }
}

/// The behaviour.
pub(super) struct Streams {
    protocol: StreamProtocol,
    accepts: bool,
    opener: Opener,
    requests: mpsc::Receiver<Open>,
    /// The newest last.
    connections: HashMap<PeerId, Vec<ConnectionId>>,
    events: VecDeque<StreamEvent>,
}

impl Streams {
    /// `accepts`: whether peers may open substreams; if not, they do not even see the protocol.
    pub fn new(protocol: StreamProtocol, accepts: bool) -> Self {
        let (opener, requests) = mpsc::channel(REQUESTS_MAX);
        let (connections, events) = Default::default();
        Self { protocol, accepts, opener: Opener(opener), requests, connections, events }
    }

    /// The way for writers.
    pub fn opener(&self) -> Opener {
        self.opener.clone()
    }

    fn handler(&self) -> Handler {
        Handler {
            protocol: self.protocol.clone(),
            accepts: self.accepts,
            opens: VecDeque::new(),
            opened: VecDeque::new(),
            allowance: Allowance::new(OPENS_PER_SECOND, OPENS_BURST, Instant::now()),
        }
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = StreamEvent;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(established) => {
                self.connections.entry(established.peer_id).or_default().push(established.connection_id);
            }
            FromSwarm::ConnectionClosed(closed) => {
                if let Some(connections) = self.connections.get_mut(&closed.peer_id) {
                    connections.retain(|connection| *connection != closed.connection_id);
                    if connections.is_empty() {
                        self.connections.remove(&closed.peer_id);
                    }
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        self.events.push_back(match event {
            Some(stream) => StreamEvent::Opened { peer, stream },
            None => StreamEvent::OverRate { peer },
        });
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(ToSwarm::GenerateEvent(event));
        }
        // Our own opener keeps the channel open.
        while let Poll::Ready(Some(Open { peer, opened })) = self.requests.poll_recv(cx) {
            if let Some(newest) = self.connections.get(&peer).and_then(|connections| connections.last()) {
                let handler = NotifyHandler::One(*newest);
                return Poll::Ready(ToSwarm::NotifyHandler { peer_id: peer, handler, event: opened });
            }
        }
        Poll::Pending
    }
}

/// One connection's part.
pub(super) struct Handler {
    protocol: StreamProtocol,
    accepts: bool,
    opens: VecDeque<oneshot::Sender<Stream>>,
    /// What the behaviour is not told yet: a substream, or that there was one too many.
    opened: VecDeque<Option<Stream>>,
    allowance: Allowance,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = oneshot::Sender<Stream>;
    type ToBehaviour = Option<Stream>;
    type InboundProtocol = Bare;
    type OutboundProtocol = Bare;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = oneshot::Sender<Stream>;

    fn listen_protocol(&self) -> SubstreamProtocol<Bare> {
        SubstreamProtocol::new(Bare(self.accepts.then(|| self.protocol.clone())), ())
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Bare, oneshot::Sender<Stream>, Option<Stream>>> {
        if let Some(opened) = self.opened.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(opened));
        }
        if let Some(open) = self.opens.pop_front() {
            let protocol = SubstreamProtocol::new(Bare(Some(self.protocol.clone())), open);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, open: oneshot::Sender<Stream>) {
        self.opens.push_back(open);
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Bare, Bare, (), oneshot::Sender<Stream>>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: stream, .. }) => {
                let is_allowed = self.allowance.try_take(Instant::now()).is_ok();
                self.opened.push_back(is_allowed.then_some(stream));
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: stream, info: opened }) => {
                // The writer has gone: its substream goes too.
                let _ = opened.send(stream);
            }
            // A failure drops the sender, by which the writer knows.
            _ => {}
        }
    }
}

/// A substream as it is, or none at all.
pub(super) struct Bare(Option<StreamProtocol>);

impl UpgradeInfo for Bare {
    type Info = StreamProtocol;
    type InfoIter = std::option::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Bare {
    type Output = Stream;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Stream, Self::Error>>;

    fn upgrade_inbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        std::future::ready(Ok(stream))
    }
}

impl OutboundUpgrade<Stream> for Bare {
    type Output = Stream;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Stream, Self::Error>>;

    fn upgrade_outbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        std::future::ready(Ok(stream))
    }
}
