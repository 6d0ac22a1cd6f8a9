//! Requests and responses, ours and theirs, within the limits of each peer.

use std::time::Instant;

use futures::{FutureExt as _, future::BoxFuture};
use libp2p::{
    PeerId,
    request_response::{Event, Message, OutboundFailure, OutboundRequestId, ResponseChannel},
};
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::timeout,
};

use super::{Driver, Pending};
use crate::{
    actors::network::{
        event::{NetworkEvent, Reply},
        gauge::Dropped,
        port::RequestError,
        pull::Received,
    },
    protocol::Rejection,
    replica::{
        Peer,
        wire::{Request, Response},
    },
};

/// A request of ours that waits for its response.
pub(super) struct Asked {
    peer: PeerId,
    answer: oneshot::Sender<Result<Response, RequestError>>,
}

/// The answer to a peer's request, some day.
pub(super) type Answer = BoxFuture<'static, Answered>;

/// The answer to a peer's request; none when those who had to give it did not.
pub(super) struct Answered {
    peer: PeerId,
    channel: ResponseChannel<Received<Response>>,
    response: Option<Response>,
    /// Its place among the requests of this peer, given back when the answer is on its way.
    _permit: OwnedSemaphorePermit,
}

impl Driver {
    /// Sends a request of ours.
    pub(super) fn ask(
        &mut self,
        mark: Peer,
        request: Request,
        answer: oneshot::Sender<Result<Response, RequestError>>,
    ) {
        // Whoever has dropped the future wants no answer, here and below.
        let Some(peer) = self.marks.get(&mark).copied() else {
            let _ = answer.send(Err(RequestError::Unreachable));
            return;
        };
        let Some(entry) = self.peers.get_mut(&peer).filter(|entry| entry.asked < self.settings.limits.requests_max)
        else {
            let _ = answer.send(Err(RequestError::Overloaded));
            return;
        };
        entry.asked += 1;
        let id = self.swarm.behaviour_mut().pull.send_request(&peer, Ok(request));
        self.asked.insert(id, Asked { peer, answer });
    }

    fn conclude(&mut self, id: OutboundRequestId, result: Result<Response, RequestError>) {
        let Some(asked) = self.asked.remove(&id) else {
            return;
        };
        if let Some(entry) = self.peers.get_mut(&asked.peer) {
            entry.asked = entry.asked.saturating_sub(1);
        }
        let _ = asked.answer.send(result);
    }

    pub(super) fn on_pull(&mut self, event: Event<Received<Request>, Received<Response>>) {
        match event {
            Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => match request {
                Ok(request) => self.on_request(peer, request, channel),
                Err(rejection) => self.reject(peer, rejection),
            },
            Event::Message { peer, message: Message::Response { request_id, response }, .. } => {
                if let Err(rejection) = response {
                    self.reject(peer, rejection);
                }
                self.conclude(request_id, response.map_err(|_| RequestError::Malformed));
            }
            Event::OutboundFailure { request_id, error, .. } => {
                self.conclude(request_id, Err(request_error(&error)));
            }
            Event::InboundFailure { peer, error, .. } => tracing::debug!(%peer, %error, "request not served"),
            Event::ResponseSent { .. } => {}
        }
    }

    /// Hands a peer's request up, or answers `Busy`.
    fn on_request(&mut self, peer: PeerId, request: Request, channel: ResponseChannel<Received<Response>>) {
        let now = Instant::now();
        let is_overrun = self.ends.inbound.is_full() || self.pending.len() > super::NOTICES_MAX;
        // Who is told again and again that we are busy and asks on is no honest peer behind.
        if self.peers.get_mut(&peer).is_some_and(|entry| entry.patience.try_take(now).is_err()) {
            self.reject(peer, Rejection::OverRate);
        }
        let admitted =
            self.peers.get_mut(&peer).filter(|entry| entry.is_announced() && !is_overrun).and_then(|entry| {
                let permit = entry.serving.clone().try_acquire_owned().ok()?;
                entry.request_allowance.try_take(now).ok()?;
                entry.response_allowance.try_take(now).ok()?;
                Some((entry.mark, permit))
            });
        let Some((mark, permit)) = admitted else {
            self.gauges().count_dropped(Dropped::Request, 1);
            return self.respond(channel, Response::Busy);
        };
        let (reply, replied) = oneshot::channel();
        self.pending.push_back(Pending::Event(NetworkEvent::Request { peer: mark, request, reply: Reply(reply) }));
        let request_timeout = self.settings.timings.request_timeout;
        let answer = async move {
            let response = timeout(request_timeout, replied).await.ok().and_then(Result::ok);
            Answered { peer, channel, response, _permit: permit }
        };
        self.answers.push(answer.boxed());
    }

    pub(super) fn on_answer(&mut self, answered: Answered) {
        let Some(response) = answered.response else {
            return;
        };
        if let Some(entry) = self.peers.get_mut(&answered.peer) {
            entry.response_allowance.charge(weight(&response));
        }
        self.respond(answered.channel, response);
    }

    fn respond(&mut self, channel: ResponseChannel<Received<Response>>, response: Response) {
        // The response comes back when the asker is gone: nobody is left to tell.
        let _ = self.swarm.behaviour_mut().pull.send_response(channel, Ok(response));
    }
}

fn request_error(failure: &OutboundFailure) -> RequestError {
    match failure {
        OutboundFailure::Timeout => RequestError::Timeout,
        OutboundFailure::DialFailure
        | OutboundFailure::ConnectionClosed
        | OutboundFailure::UnsupportedProtocols
        | OutboundFailure::Io(_) => RequestError::Unreachable,
    }
}

/// How many bytes a response will have, without writing it.
fn weight(response: &Response) -> usize {
    // What cannot be measured cannot be written either; the codec reports it.
    postcard::experimental::serialized_size(response).unwrap_or(0)
}
