//! What is wrong with a message is counted by reason, and costs whoever sent it.

use super::{
    raw::{Raw, ends, sealed, write, write_raw},
    *,
};
use crate::{
    actors::network::{
        identity::{FRAME_VERSION, Hello},
        pull, substream,
    },
    protocol::Rejection,
    replica::wire::{Request, Response},
    types::{Height, codec},
};

impl Node {
    async fn has_rejected(&self, rejection: Rejection, times: u64) {
        self.is_soon(rejection.as_str(), |port| port.gauges().rejected(rejection) >= times).await;
    }
}

#[tokio::test]
async fn first_frames_that_are_wrong_are_counted_by_what_is_wrong() {
    let node = Node::start(validator(1)).await;
    let peer = Raw::connect(&node, 50).await;
    let say = async |bytes: &[u8]| {
        let mut stream = peer.open(substream::PROTOCOL).await;
        write(&mut stream, bytes).await;
        ends(stream).await;
    };
    let proof = |seed: u8, by: u8, counter| PeerProof {
        validator: public_key(seed),
        ..PeerProof::sign(&consensus_key(by), &CHAIN, peer.key.peer_id(), counter)
    };
    let hello = |proof| codec::encode(&Hello { chain: CHAIN, version: FRAME_VERSION, proof: Some(proof) });
    say(&[0xff; 40]).await;
    node.has_rejected(Rejection::Malformed, 1).await;
    say(&hello(proof(2, 3, 1))).await;
    node.has_rejected(Rejection::BadSignature, 1).await;
    say(&hello(proof(9, 9, 1))).await;
    node.has_rejected(Rejection::UnknownSigner, 1).await;
    assert!(peer.is_connected(), "two lies are not enough");
    say(&vec![0; 5_000]).await;
    node.has_rejected(Rejection::TooLarge, 1).await;
    peer.thrown_out().await;
}

#[tokio::test]
async fn first_frame_for_another_chain_ends_the_connection_but_bans_no_neighbour() {
    let node = Node::start(validator(1)).await;
    let peer = Raw::connect(&node, 50).await;
    let mut stream = peer.open(substream::PROTOCOL).await;
    let proof = PeerProof::sign(&consensus_key(2), &CHAIN, peer.key.peer_id(), 1);
    let hello = Hello { chain: Digest::new([8; 32]), version: FRAME_VERSION, proof: Some(proof) };
    write(&mut stream, &codec::encode(&hello)).await;
    node.has_rejected(Rejection::ForeignInstance, 1).await;
    peer.thrown_out().await;
    assert!(Raw::try_connect(&node, NodeKey::from_seed([50; 32])).await.is_none(), "it is refused itself");
    assert_eq!(node.port.gauges().refused_connections(Refusal::Blocked), 1);
    Raw::connect(&node, 51).await;
}

/// `NW-P1`
#[tokio::test]
async fn proof_from_before_a_restart_is_a_replay() {
    let mut node = Node::start(validator(1)).await;
    let now = Raw::connect(&node, 50).await;
    let _stream = now.open_as(2, 7).await;
    node.sees_validator(2).await;
    let before = Raw::connect(&node, 51).await;
    ends(before.open_as(2, 6).await).await;
    node.has_rejected(Rejection::Replayed, 1).await;
}

#[tokio::test]
async fn torn_frame_is_nobodys_lie_and_nothing_is_kept_of_it() {
    let mut node = Node::start(validator(1)).await;
    let peer = Raw::connect(&node, 50).await;
    let mut stream = peer.open_as(2, 1).await;
    let mark = node.sees_validator(2).await;
    let whole = sealed(&frame(1), 1);
    let announced = u32::try_from(whole.len()).unwrap().to_be_bytes();
    write_raw(&mut stream, &[&announced[..], &whole[..5]].concat()).await;
    drop(stream);
    let mut stream = peer.open_as(2, 1).await;
    write(&mut stream, &whole).await;
    assert_eq!(node.receives(&frame(1)).await.0, mark);
    assert!(Rejection::ALL.iter().all(|rejection| node.port.gauges().rejected(*rejection) == 0));
}

#[tokio::test]
async fn replayed_frame_is_counted_and_handed_up_once_and_a_flood_of_them_ends_the_connection() {
    let mut node = Node::start(validator(1)).await;
    let peer = Raw::connect(&node, 50).await;
    let mut stream = peer.open_as(2, 1).await;
    let mark = node.sees_validator(2).await;
    for _ in 0..30 {
        write(&mut stream, &sealed(&frame(1), 1)).await;
    }
    node.receives(&frame(1)).await;
    node.loses(mark).await;
    assert!(node.port.gauges().rejected(Rejection::Replayed) >= 20);
    assert_eq!(node.port.gauges().messages(MessageKind::Commands, Direction::In), 1);
    // A validator behind a bug comes back, though it is never banned with its neighbours.
    assert_eq!(node.port.gauges().refused_connections(Refusal::Banned), 0);
}

#[tokio::test]
async fn malformed_requests_cost_a_stranger_its_connection_and_its_neighbours_theirs() {
    let mut settings = validator(1);
    settings.timings.block_for = Duration::from_millis(500);
    let node = Node::start(settings).await;
    let peer = Raw::connect(&node, 50).await;
    for _ in 0..3 {
        let mut stream = peer.open(pull::PROTOCOL).await;
        write(&mut stream, &[0xff; 30]).await;
        ends(stream).await;
    }
    node.has_rejected(Rejection::Malformed, 3).await;
    peer.thrown_out().await;
    assert!(Raw::try_connect(&node, NodeKey::from_seed([51; 32])).await.is_none(), "a new identity does not help");
    assert!(node.port.gauges().refused_connections(Refusal::Banned) >= 1);
    // Known peers from there are let in, and strangers again in time.
    let known = NodeKey::from_seed([52; 32]);
    node.port.dial(format!("/ip4/192.0.2.1/tcp/1/p2p/{}", known.peer_id()).parse().unwrap());
    node.is_soon("an order is taken", |port| port.gauges().dials() > 0).await;
    let known = Raw::try_connect(&node, known).await.expect("a known peer is let in");
    node.is_soon("pardoned", |port| port.gauges().level(Level::Blocked) == 0).await;
    Raw::connect(&node, 51).await;
    assert!(known.is_connected());
}

#[tokio::test]
async fn substreams_opened_without_end_are_held_against_the_peer() {
    let node = Node::start(validator(1)).await;
    let peer = Raw::connect(&node, 50).await;
    let mut streams = Vec::new();
    while peer.is_connected() && streams.len() < 1_000 {
        let mut control = peer.control();
        match timeout(PATIENCE, control.open_stream(node.port.peer_id(), substream::PROTOCOL)).await.unwrap() {
            Ok(stream) => streams.push(stream),
            Err(_) => break,
        }
    }
    peer.thrown_out().await;
    assert!(node.port.gauges().rejected(Rejection::OverRate) >= 100);
}

#[tokio::test]
async fn peer_that_asks_far_too_much_is_told_busy_and_then_thrown_out() {
    let mut settings = validator(1);
    settings.limits.requests_per_second = 5;
    let mut node = Node::start(settings).await;
    let mut asker = Node::dialing(listener(11), &[&node]).await;
    node.sees_listener(asker.port.peer_id()).await;
    let mark = asker.sees_listener(node.port.peer_id()).await;
    let request = Request::Blocks { from: Height::FIRST };
    let gauges = node.port.gauges();
    let asking = async {
        let mut answers = 0;
        while asker.port.request(mark, request.clone()).await.is_ok() && answers < 10_000 {
            answers += 1;
        }
        answers
    };
    let answering = async {
        loop {
            if let NetworkEvent::Request { reply, .. } = node.next().await {
                reply.answer(Response::Busy);
            }
        }
    };
    let answers = tokio::select! {
        answers = asking => answers,
        () = answering => 0,
    };
    assert!((100..10_000).contains(&answers), "thrown out after {answers} answers");
    assert!(gauges.rejected(Rejection::OverRate) >= 100);
    assert!(gauges.dropped(Dropped::Request) >= 100);
}

#[tokio::test]
async fn gossip_over_the_rate_is_counted_and_ends_the_connection() {
    let mut settings = validator(1);
    settings.limits.frames_per_second = 10;
    let mut node = Node::start(settings).await;
    let mut loud = Node::dialing(listener(11), &[&node]).await;
    let mark = node.sees_listener(loud.port.peer_id()).await;
    loud.sees_listener(node.port.peer_id()).await;
    loud.is_soon("a mesh", |port| port.gauges().level(Level::MeshPeers) == 1).await;
    for number in 0..400 {
        loud.port.send(To::Everyone, &frame(number), 0);
    }
    node.loses(mark).await;
    assert!(node.port.gauges().rejected(Rejection::OverRate) >= 100);
}

#[tokio::test]
async fn slow_reader_is_dropped_and_its_queue_is_bounded() {
    let mut settings = validator(1);
    settings.limits.lane_frames_max = 8;
    settings.timings.write_timeout = Duration::from_millis(200);
    let mut node = Node::start(settings).await;
    let peer = Raw::connect(&node, 50).await;
    let _stream = peer.open_as(2, 1).await;
    let mark = node.sees_validator(2).await;
    node.has_substreams(1).await;
    let large = crate::app::Command { body: vec![7; 1 << 18].into(), ..command(0) };
    let large = Frame::Commands(BoundedVec::try_from(vec![large]).unwrap());
    for number in 0..40 {
        node.port.send(To::Validators(vec![public_key(2)]), &large, number);
    }
    node.is_soon("drops", |port| port.gauges().dropped(Dropped::Outbound) > 0).await;
    assert!(node.port.peers().iter().all(|view| view.queued_frames <= 8));
    node.loses(mark).await;
    assert_eq!(node.port.gauges().refused_connections(Refusal::Slow), 1);
    drop(peer);
}
