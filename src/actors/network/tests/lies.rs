use super::*;
use crate::protocol::Rejection;

#[tokio::test]
async fn malformed_frames_end_the_connection_for_a_while() {
    let mut settings = validator(1);
    settings.timings.validator_block_for = Duration::from_millis(300);
    let mut first = Node::start(settings).await;
    let mut liar = Node::dialing(validator(2), &[&first]).await;
    let mark = first.sees_validator(2).await;
    liar.sees_validator(1).await;
    liar.has_substreams(1).await;
    for number in 0..3 {
        liar.port.post(To::Validators(vec![public_key(1)]), MessageKind::Other, &[0xff; 10], number);
    }
    first.loses(mark).await;
    assert_eq!(first.port.gauges().rejected(Rejection::Malformed), 3);
    // After its time it may come back.
    first.sees_validator(2).await;
}

#[tokio::test]
async fn upper_layers_blame_a_few_times_and_the_peer_is_gone() {
    let mut first = Node::start(validator(1)).await;
    let mut liar = Node::dialing(validator(2), &[&first]).await;
    let mark = first.sees_validator(2).await;
    liar.sees_validator(1).await;
    liar.has_substreams(1).await;
    for _ in 0..100 {
        first.port.blame(mark, Rejection::Late);
    }
    for number in 0..3 {
        liar.port.send(To::Validators(vec![public_key(1)]), &frame(number), 0);
        let (peer, ticket) = first.receives(&frame(number)).await;
        assert_eq!(peer, mark, "lateness costs nothing");
        first.port.judge(ticket, Judgement::Reject(Rejection::BadSignature));
    }
    first.loses(mark).await;
    assert_eq!(first.port.gauges().rejected(Rejection::BadSignature), 3);
    first.is_soon("blocked", |port| port.gauges().level(Level::Blocked) == 1).await;
}

#[tokio::test]
async fn proof_by_a_wrong_key_is_refused() {
    let mut settings = listener(2);
    // Signed by its own key, but claiming validator 3.
    let peer = settings.node_key.peer_id();
    let signed = PeerProof::sign(&consensus_key(2), &CHAIN, peer, 1);
    settings.proof = Some(PeerProof { validator: public_key(3), ..signed });
    settings.timings.retry_max = Duration::from_secs(60);
    settings.timings.retry_min = Duration::from_secs(60);
    let mut first_settings = validator(1);
    first_settings.timings.grace = Duration::from_millis(200);
    let mut first = Node::start(first_settings).await;
    let _liar = Node::dialing(settings, &[&first]).await;
    first.sees_listener(peer).await;
    first.is_soon("refused", |port| port.gauges().refused_proofs() == 1).await;
    assert_eq!(first.port.gauges().rejected(Rejection::BadSignature), 1);
}

#[tokio::test]
async fn stranger_with_a_good_proof_is_a_listener_until_its_key_is_believed() {
    let mut settings = validator(1);
    settings.timings.grace = Duration::from_millis(200);
    let mut first = Node::start(settings).await;
    let stranger = Node::dialing(validator(9), &[&first]).await;
    let mark = first.sees_listener(stranger.port.peer_id()).await;
    first.port.set_validators([1, 9].map(public_key));
    assert_eq!(first.sees_validator(9).await, mark, "the same peer, announced again");
    first.port.set_validators([1, 2].map(public_key));
    assert_eq!(first.sees_listener(stranger.port.peer_id()).await, mark);
}

/// `NW-P1`
#[tokio::test]
async fn highest_counter_wins_whatever_the_order() {
    let mut first = Node::start(validator(1)).await;
    let old = Node::dialing(with_proof(listener(21), 2, 5), &[&first]).await;
    let of_old = first.sees_validator(2).await;
    let new = Node::dialing(with_proof(listener(22), 2, 6), &[&first]).await;
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let change = first.until(|event| match event {
            NetworkEvent::PeerUp { peer, validator, .. } => Some((peer == of_old, validator)),
            _ => None,
        });
        seen.push(change.await);
    }
    assert_eq!(seen, [(true, None), (false, Some(public_key(2)))], "the old node lost what the new one won");
    // The old one tries again and again, in vain.
    let refused = first.port.gauges().refused_proofs();
    first.is_soon("refusals", |port| port.gauges().refused_proofs() > refused + 1).await;
    let views = first.port.peers();
    let holder = views.iter().find(|view| view.validator == Some(public_key(2)));
    assert_eq!(holder.map(|view| view.peer_id), Some(new.port.peer_id()));
    assert_eq!(views.len(), 2);
    drop(old);
}

#[tokio::test]
async fn own_frame_that_is_too_large_never_leaves() {
    let mut settings = validator(1);
    settings.limits.frame_bytes_max = 10;
    let small = Frame::Commands(Vec::new().try_into().unwrap());
    let first = Node::start(settings).await;
    first.port.send(To::Everyone, &frame(1), 0);
    assert_eq!(first.port.gauges().dropped(Dropped::TooLarge), 1);
    first.port.send(To::Everyone, &small, 0);
    assert_eq!(first.port.gauges().dropped(Dropped::TooLarge), 1);
}

#[tokio::test]
async fn too_large_frame_of_a_peer_ends_its_substream() {
    let mut settings = validator(1);
    settings.limits.frame_bytes_max = 10;
    let mut first = Node::start(settings).await;
    let mut second = Node::dialing(validator(2), &[&first]).await;
    first.sees_validator(2).await;
    second.sees_validator(1).await;
    second.has_substreams(1).await;
    second.port.send(To::Validators(vec![public_key(1)]), &frame(1), 0);
    first.is_soon("rejected", |port| port.gauges().rejected(Rejection::TooLarge) == 1).await;
}
