//! Peers that move, names, and peers that nobody configured.

use libp2p::multiaddr::Protocol;

use super::*;

impl Node {
    fn stop(self) -> Multiaddr {
        self.port.shutdown();
        self.network.join().unwrap();
        self.address
    }
}

#[tokio::test]
async fn validator_that_moved_is_dialed_where_it_lives_now() {
    let mut first = Node::start(validator(1)).await;
    // It comes to us, twice from different ports; nobody configured where it lives.
    let second = Node::dialing(with_proof(listener(2), 2, 1), &[&first]).await;
    let mark = first.sees_validator(2).await;
    let old = second.stop();
    first.loses(mark).await;
    let second = Node::dialing(with_proof(listener(2), 2, 2), &[&first]).await;
    let mark = first.sees_validator(2).await;
    let new = second.stop();
    assert_ne!(old, new);
    first.loses(mark).await;
    // Now it waits to be found, without knowing us.
    let mut settings = with_proof(listener(2), 2, 3);
    settings.listen = vec![new];
    let _second = Node::start(settings).await;
    first.sees_validator(2).await;
}

#[tokio::test]
async fn strangers_are_not_dialed_where_they_say_they_live() {
    let mut first = Node::start(validator(1)).await;
    let stranger = Node::dialing(listener(11), &[&first]).await;
    let mark = first.sees_listener(stranger.port.peer_id()).await;
    stranger.stop();
    first.loses(mark).await;
    let second = Node::dialing(validator(2), &[&first]).await;
    first.sees_validator(2).await;
    assert_eq!(first.port.gauges().dials(), 0);
    drop(second);
}

#[tokio::test]
async fn names_are_resolved() {
    let first = Node::start(validator(1)).await;
    let port = first.address.iter().nth(1).unwrap();
    let named = |name: Protocol<'static>| Multiaddr::empty().with(name).with(port.clone());
    for (seed, name) in [(2, Protocol::Dns4("localhost".into())), (3, Protocol::Dns("localhost".into()))] {
        let mut settings = validator(seed);
        settings.peers = vec![named(name)];
        let mut other = Node::start(settings).await;
        other.sees_validator(1).await;
    }
}

#[tokio::test]
async fn name_that_cannot_be_resolved_is_tried_again_and_harms_nobody_else() {
    let first = Node::start(validator(1)).await;
    let mut settings = validator(2);
    settings.timings.handshake_timeout = Duration::from_millis(500);
    settings.peers = vec!["/dns4/nowhere.invalid/tcp/1".parse().unwrap(), "/dnsaddr/nowhere.invalid".parse().unwrap()];
    settings.peers.push(first.address.clone());
    let mut second = Node::start(settings).await;
    second.sees_validator(1).await;
    second.is_soon("dials", |port| port.gauges().dials() >= 6).await;
}

#[tokio::test]
async fn kademlia_finds_who_is_known_to_whom_we_know() {
    let with_kademlia = |seed| {
        let mut settings = validator(seed);
        settings.discovery.kademlia = true;
        settings
    };
    let mut hub = Node::start(with_kademlia(1)).await;
    let second = Node::dialing(with_kademlia(2), &[&hub]).await;
    hub.sees_validator(2).await;
    let mut third = Node::dialing(with_kademlia(3), &[&hub]).await;
    third.sees_validator(2).await;
    third.has_substreams(2).await;
    drop(second);
}

#[tokio::test]
async fn without_kademlia_nobody_is_found() {
    let mut hub = Node::start(validator(1)).await;
    let _second = Node::dialing(validator(2), &[&hub]).await;
    hub.sees_validator(2).await;
    let third = Node::dialing(validator(3), &[&hub]).await;
    hub.sees_validator(3).await;
    third.has_substreams(1).await;
    assert_eq!(third.port.peers().len(), 1);
}

/// Needs a network interface that is up and takes multicast; the loopback one does not.
#[tokio::test]
async fn neighbours_on_the_local_network_are_found_by_multicast() {
    // A chain of its own: others on this network may run the same test.
    let chain = Digest::new(*blake3::hash(format!("{:?}", std::process::id()).as_bytes()).as_bytes());
    let with_mdns = |seed: u8| {
        let mut settings = listener(seed);
        settings.chain = chain;
        settings.listen = vec!["/ip4/0.0.0.0/tcp/0".parse().unwrap()];
        settings.discovery.mdns = true;
        with_proof(settings, seed, 1)
    };
    let _first = Node::start(with_mdns(1)).await;
    let mut second = Node::start(with_mdns(2)).await;
    second.sees_validator(1).await;
    second.has_substreams(1).await;
}
