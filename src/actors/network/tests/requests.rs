use super::*;
use crate::{
    protocol::Rejection,
    replica::wire::{PeerStatus, Request, Response},
    types::Height,
};

const QUESTION: Request = Request::Blocks { from: Height::FIRST };

fn nothing(executed: u64) -> Response {
    Response::Nothing(PeerStatus { executed: Height::new(executed), oldest: Height::FIRST, ..PeerStatus::default() })
}

/// A listener that asks a validator, and how each calls the other.
async fn pair(settings: NetworkSettings) -> (Node, Peer, Node) {
    let mut first = Node::start(settings).await;
    let mut asker = Node::dialing(listener(11), &[&first]).await;
    first.sees_listener(asker.port.peer_id()).await;
    let mark = asker.sees_listener(first.port.peer_id()).await;
    (first, mark, asker)
}

impl Node {
    async fn is_asked(&mut self) -> (Peer, Request, Reply) {
        self.until(|event| match event {
            NetworkEvent::Request { peer, request, reply } => Some((peer, request, reply)),
            _ => None,
        })
        .await
    }
}

#[tokio::test]
async fn request_is_handed_up_and_its_response_comes_back() {
    let (mut first, mark, asker) = pair(validator(1)).await;
    let answer = tokio::spawn(asker.port.request(mark, QUESTION));
    let (_, request, reply) = first.is_asked().await;
    assert_eq!(request, QUESTION);
    reply.answer(nothing(7));
    assert_eq!(answer.await.unwrap(), Ok(nothing(7)));
    assert_eq!(asker.port.request(Peer(999), QUESTION).await, Err(RequestError::Unreachable));
}

#[tokio::test]
async fn requests_over_the_limit_are_answered_busy() {
    let mut settings = validator(1);
    settings.limits.requests_max = 2;
    let (mut first, mark, asker) = pair(settings).await;
    let waiting = [(); 2].map(|()| tokio::spawn(asker.port.request(mark, QUESTION)));
    let (_, _, one) = first.is_asked().await;
    let (_, _, other) = first.is_asked().await;
    assert_eq!(asker.port.request(mark, QUESTION).await, Ok(Response::Busy));
    assert_eq!(first.port.gauges().dropped(Dropped::Request), 1);
    one.answer(nothing(1));
    other.answer(nothing(1));
    for answer in waiting {
        assert_eq!(answer.await.unwrap(), Ok(nothing(1)));
    }
    let answer = tokio::spawn(asker.port.request(mark, QUESTION));
    first.is_asked().await.2.answer(nothing(2));
    assert_eq!(answer.await.unwrap(), Ok(nothing(2)), "there is room again");
}

#[tokio::test]
async fn bytes_over_the_rate_are_answered_busy() {
    let mut settings = validator(1);
    settings.limits.response_bytes_per_second = 1;
    let (mut first, mark, asker) = pair(settings).await;
    let answer = tokio::spawn(asker.port.request(mark, QUESTION));
    first.is_asked().await.2.answer(nothing(1 << 40));
    assert_eq!(answer.await.unwrap(), Ok(nothing(1 << 40)));
    assert_eq!(asker.port.request(mark, QUESTION).await, Ok(Response::Busy));
}

#[tokio::test]
async fn dropped_reply_and_lost_peer_end_the_request() {
    let (mut first, mark, asker) = pair(validator(1)).await;
    let answer = tokio::spawn(asker.port.request(mark, QUESTION));
    drop(first.is_asked().await);
    assert_eq!(answer.await.unwrap(), Err(RequestError::Unreachable));
    let answer = tokio::spawn(asker.port.request(mark, QUESTION));
    let _reply = first.is_asked().await;
    first.port.shutdown();
    assert_eq!(answer.await.unwrap(), Err(RequestError::Unreachable));
}

#[tokio::test]
async fn too_large_requests_are_refused_and_blamed() {
    let mut settings = validator(1);
    settings.limits.request_bytes_max = 1;
    settings.timings.block_for = Duration::from_secs(60);
    let (mut first, mark, asker) = pair(settings).await;
    for _ in 0..3 {
        let answer = asker.port.request(mark, QUESTION).await;
        assert_eq!(answer, Err(RequestError::Unreachable));
    }
    first.until(|event| matches!(event, NetworkEvent::PeerDown { .. }).then_some(())).await;
    assert_eq!(first.port.gauges().rejected(Rejection::TooLarge), 3);
}
