use super::*;

#[tokio::test]
async fn two_validators_exchange_frames_by_substreams() {
    let mut first = Node::start(validator(1)).await;
    let mut second = Node::dialing(validator(2), &[&first]).await;
    let (of_second, of_first) = (first.sees_validator(2).await, second.sees_validator(1).await);
    first.has_substreams(1).await;
    second.has_substreams(1).await;
    // Two of four validators are missing, so all validators means gossip too; named ones do not.
    first.port.send(To::Validators(vec![public_key(1), public_key(2)]), &frame(1), 0);
    assert_eq!(second.receives(&frame(1)).await.0, of_first);
    second.port.send(To::Peer(of_first), &frame(2), 0);
    assert_eq!(first.receives(&frame(2)).await.0, of_second);
    assert_eq!(first.port.gauges().published() + second.port.gauges().published(), 0);
    assert_eq!(first.port.gauges().messages(MessageKind::Commands, Direction::Out), 1);
    assert_eq!(first.port.gauges().messages(MessageKind::Commands, Direction::In), 1);
}

/// A chain of validator 1, a listener in the middle, and a listener at the end.
async fn chain() -> (Node, Node, Node) {
    let mut first = Node::start(validator(1)).await;
    let mut middle = Node::dialing(listener(11), &[&first]).await;
    let mut end = Node::dialing(listener(12), &[&middle]).await;
    first.sees_listener(middle.port.peer_id()).await;
    middle.sees_listener(first.port.peer_id()).await;
    end.sees_listener(middle.port.peer_id()).await;
    middle.is_soon("a mesh of two", |port| port.gauges().level(Level::MeshPeers) == 2).await;
    (first, middle, end)
}

/// `NW-G2`
#[tokio::test]
async fn listener_hears_gossip_and_passes_on_only_what_is_accepted() {
    let (first, mut middle, mut end) = chain().await;
    let (_, unwanted) = first.sends_until_received(&mut middle, &frame(1)).await;
    middle.port.judge(unwanted, Judgement::Ignore);
    let (_, wanted) = first.sends_until_received(&mut middle, &frame(2)).await;
    middle.port.judge(wanted, Judgement::Accept);
    let passed_on = end
        .until(|event| match event {
            NetworkEvent::Frame { frame, .. } => Some(frame),
            _ => None,
        })
        .await;
    assert_eq!(passed_on, frame(2), "the first frame stays where it was ignored");
}

/// `NW-G1`
#[tokio::test]
async fn identical_frame_with_another_counter_goes_through() {
    let (first, mut middle, _end) = chain().await;
    first.sends_until_received(&mut middle, &frame(1)).await;
    first.port.send(To::Everyone, &frame(1), 1_000);
    middle.receives(&frame(1)).await;
    let before = first.port.gauges().publish_errors();
    first.port.send(To::Everyone, &frame(1), 1_000);
    first.is_soon("a duplicate", |port| port.gauges().publish_errors() == before + 1).await;
    first.port.send(To::Everyone, &frame(1), 1_001);
    middle.receives(&frame(1)).await;
}

#[tokio::test]
async fn frame_heard_on_a_substream_is_passed_on_to_listeners_once_and_handed_up_once() {
    // The validators 1 and 2 are connected; the listener hears of 1 only through 2.
    let first = Node::start(validator(1)).await;
    let mut second = Node::dialing(validator(2), &[&first]).await;
    let mut end = Node::dialing(listener(11), &[&second]).await;
    second.sees_validator(1).await;
    second.has_substreams(1).await;
    first.has_substreams(1).await;
    second.is_soon("a mesh of two", |port| port.gauges().level(Level::MeshPeers) == 2).await;
    // Validators 3 and 4 are missing, so the first one publishes to gossip besides.
    first.port.send(To::Everyone, &frame(1), 0);
    let (_, ticket) = second.receives(&frame(1)).await;
    second.port.judge(ticket, Judgement::Accept);
    end.receives(&frame(1)).await;
    second.is_soon("the copy", |port| port.gauges().duplicates() == 1).await;
}

/// `NW-B1`
#[tokio::test]
async fn full_inbound_queue_drops_the_newest_and_still_tells_of_peers() {
    let mut settings = validator(1);
    settings.limits.events_max = 2;
    let mut first = Node::start(settings).await;
    let mut second = Node::dialing(validator(2), &[&first]).await;
    second.sees_validator(1).await;
    second.has_substreams(1).await;
    for number in 0..10 {
        second.port.send(To::Validators(vec![public_key(1)]), &frame(number), 0);
    }
    first.is_soon("drops", |port| port.gauges().dropped(Dropped::Inbound) >= 7).await;
    let third = Node::dialing(validator(3), &[&first]).await;
    let mut frames = Vec::new();
    first
        .until(|event| match event {
            NetworkEvent::Frame { frame, .. } => {
                frames.push(frame);
                None
            }
            NetworkEvent::PeerUp { validator, .. } => (validator == Some(public_key(3))).then_some(()),
            _ => None,
        })
        .await;
    assert_eq!(frames.first(), Some(&frame(0)), "the newest were dropped, not the oldest");
    drop(third);
}
