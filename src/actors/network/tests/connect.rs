use super::*;
use crate::{replica::wire::Request, types::Height};

#[tokio::test]
async fn four_validators_find_each_other_though_they_dial_simultaneously() {
    let mut nodes = Vec::new();
    for seed in 1..=4 {
        nodes.push(Node::start(validator(seed)).await);
    }
    let addresses: Vec<_> = nodes.iter().map(|node| node.address.clone()).collect();
    for node in &nodes {
        addresses.iter().for_each(|address| node.port.dial(address.clone()));
    }
    for node in &nodes {
        node.has_substreams(3).await;
    }
    // Surplus connections are closed by now or soon; nobody is lost by that.
    for (at, node) in nodes.iter_mut().enumerate() {
        let mut missing: Vec<_> = (1..=4).filter(|seed| usize::from(*seed) != at + 1).map(public_key).collect();
        while !missing.is_empty() {
            match node.next().await {
                NetworkEvent::PeerUp { validator: Some(key), .. } => missing.retain(|other| *other != key),
                NetworkEvent::PeerDown { .. } => panic!("flaps"),
                _ => {}
            }
        }
    }
    let (sender, receivers) = nodes.split_at_mut(1);
    for receiver in receivers {
        // Again until it is there: a frame may be lost with a surplus connection.
        sender[0].sends_until_received(receiver, &frame(1)).await;
    }
}

#[tokio::test]
async fn restarted_peer_is_found_again_at_another_port_and_at_the_same() {
    let mut first = Node::start(validator(1)).await;
    let second = Node::dialing(validator(2), &[&first]).await;
    let mark = first.sees_validator(2).await;
    second.port.shutdown();
    second.network.join().unwrap();
    first.loses(mark).await;
    // Another port: it comes to us.
    let second = Node::dialing(with_proof(listener(2), 2, 2), &[&first]).await;
    let again = first.sees_validator(2).await;
    assert_ne!(mark, again);
    // The first one restarts where it was: it is dialed until it is back.
    let address = first.address.clone();
    first.port.shutdown();
    first.network.join().unwrap();
    let mut settings = with_proof(listener(1), 1, 2);
    settings.listen = vec![address];
    let mut first = Node::start(settings).await;
    first.sees_validator(2).await;
    first.has_substreams(1).await;
    second.has_substreams(1).await;
}

#[tokio::test]
async fn peer_with_another_node_key_at_a_known_address_is_found() {
    let first = Node::start(validator(1)).await;
    let said_to_live_there = NodeKey::from_seed([99; 32]).peer_id();
    let mut settings = validator(2);
    settings.peers = vec![first.address.clone().with(libp2p::multiaddr::Protocol::P2p(said_to_live_there))];
    let mut second = Node::start(settings).await;
    second.sees_validator(1).await;
}

#[tokio::test]
async fn peers_of_another_chain_are_turned_away() {
    let first = Node::start(validator(1)).await;
    let mut settings = listener(2);
    settings.chain = Digest::new([8; 32]);
    let mut second = Node::dialing(with_proof(settings, 2, 1), &[&first]).await;
    let own = Node::dialing(validator(3), &[&first]).await;
    own.has_substreams(1).await;
    // Whoever notices first closes the connection before the other can.
    let other = first.port.gauges();
    second.is_soon("turned away", |port| port.gauges().foreign_peers() + other.foreign_peers() > 0).await;
    first.is_soon("one validator", |port| port.gauges().level(Level::Validators) == 1).await;
    assert_eq!(first.port.peers().len(), 1);
    assert!(second.events.try_recv().is_err(), "never announced");
}

#[tokio::test]
async fn dialing_ourselves_gives_no_peer() {
    let mut node = Node::start(validator(1)).await;
    node.port.dial(node.address.clone());
    let other = Node::dialing(validator(2), &[&node]).await;
    node.sees_validator(2).await;
    assert_eq!(node.port.gauges().dials(), 0);
    drop(other);
}

#[tokio::test]
async fn quic_connects_too() {
    let mut settings = validator(1);
    settings.listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()];
    let first = Node::start(settings).await;
    let mut second = Node::dialing(validator(2), &[&first]).await;
    second.sees_validator(1).await;
    second.has_substreams(1).await;
    let sent = frame(1);
    let mut first = first;
    second.port.send(To::Validators(vec![public_key(1)]), &sent, 0);
    first.receives(&sent).await;
}

#[tokio::test]
async fn stops_at_once_and_tells_by_the_end_of_events() {
    let first = Node::start(validator(1)).await;
    let mut second = Node::dialing(validator(2), &[&first]).await;
    second.sees_validator(1).await;
    let begun = std::time::Instant::now();
    second.port.shutdown();
    second.network.join().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1));
    while second.events.recv().await.is_some() {}
    let answer = second.port.request(Peer(1), Request::Blocks { from: Height::FIRST }).await;
    assert_eq!(answer, Err(RequestError::Stopped));
}
