//! Real libp2p on 127.0.0.1, ports chosen by the system. Every wait is for an event and bounded.

mod connect;
mod finding;
mod flood;
#[path = "../../../../tests/cluster/flooder.rs"]
mod flooder;
mod frames;
mod garbage;
mod lies;
mod raw;
mod requests;

use std::time::Duration;

use libp2p::{Multiaddr, PeerId};
use tokio::{sync::mpsc, time::timeout};

use super::*;
use crate::{
    app::Command,
    crypto::SecretKey,
    protocol::Judgement,
    replica::{Peer, wire::Frame},
    types::{BoundedVec, Digest, PublicKey},
};

const PATIENCE: Duration = Duration::from_secs(20);
const CHAIN: Digest = Digest::new([7; 32]);

fn consensus_key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn public_key(seed: u8) -> PublicKey {
    consensus_key(seed).public_key()
}

/// A listener's settings; `seed` makes the node key, validators 1 to 4 exist.
fn listener(seed: u8) -> NetworkSettings {
    let mut settings = NetworkSettings::new(CHAIN, NodeKey::from_seed([seed; 32]), (1..=4).map(public_key).collect());
    settings.listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
    settings.timings.retry_max = Duration::from_millis(200);
    settings.timings.gossip_heartbeat = Duration::from_millis(100);
    settings
}

/// A validator's settings.
fn validator(seed: u8) -> NetworkSettings {
    with_proof(listener(seed), seed, 1)
}

fn with_proof(mut settings: NetworkSettings, seed: u8, counter: u64) -> NetworkSettings {
    let peer = settings.node_key.peer_id();
    settings.proof = Some(PeerProof::sign(&consensus_key(seed), &settings.chain, peer, counter));
    settings
}

fn command(number: u64) -> Command {
    Command {
        client: Digest::new([1; 32]),
        sequence: number,
        expires_at_height: None,
        body: "x".into(),
        signature: None,
    }
}

/// A frame that differs by its number.
fn frame(number: u64) -> Frame {
    Frame::Commands(BoundedVec::try_from(vec![command(number)]).unwrap())
}

struct Node {
    network: Network,
    port: NetworkPort,
    events: mpsc::Receiver<NetworkEvent>,
    address: Multiaddr,
}

impl Node {
    async fn start(settings: NetworkSettings) -> Self {
        let (network, port, mut events) = start(settings).unwrap();
        let event = timeout(PATIENCE, events.recv()).await.expect("listens in time");
        let Some(NetworkEvent::Listening { address }) = event else {
            panic!("listening comes first, not {event:?}");
        };
        Self { network, port, events, address }
    }

    /// Starts a node that dials others.
    async fn dialing(mut settings: NetworkSettings, others: &[&Node]) -> Self {
        settings.peers = others.iter().map(|node| node.address.clone()).collect();
        Self::start(settings).await
    }

    async fn next(&mut self) -> NetworkEvent {
        match timeout(PATIENCE, self.events.recv()).await {
            Ok(event) => event.expect("the network lives"),
            Err(_) => panic!("no event in time; peers: {:#?}\n{:#?}", self.port.peers(), self.port.gauges()),
        }
    }

    /// Waits until something is told, passing over the rest.
    async fn until<T>(&mut self, mut wanted: impl FnMut(NetworkEvent) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.next().await) {
                return found;
            }
        }
    }

    /// Waits until a validator is announced.
    async fn sees_validator(&mut self, seed: u8) -> Peer {
        let key = public_key(seed);
        self.until(|event| match event {
            NetworkEvent::PeerUp { peer, validator, .. } if validator == Some(key) => Some(peer),
            _ => None,
        })
        .await
    }

    /// Waits until a peer is announced as no validator.
    async fn sees_listener(&mut self, id: PeerId) -> Peer {
        self.until(|event| match event {
            NetworkEvent::PeerUp { peer, peer_id, validator: None } if peer_id == id => Some(peer),
            _ => None,
        })
        .await
    }

    async fn loses(&mut self, lost: Peer) {
        self.until(|event| matches!(event, NetworkEvent::PeerDown { peer } if peer == lost).then_some(())).await;
    }

    /// Waits for a frame, lets go its hold and leaves it to the test to judge.
    async fn receives(&mut self, wanted: &Frame) -> (Peer, FrameTicket) {
        self.until(|event| match event {
            NetworkEvent::Frame { peer, ticket, frame, .. } if frame == *wanted => Some((peer, ticket)),
            _ => None,
        })
        .await
    }

    /// Sends a frame again and again, each time as another one, until `to` has received one of them.
    async fn sends_until_received(&self, to: &mut Node, frame: &Frame) -> (Peer, FrameTicket) {
        let mut resend = 0;
        loop {
            resend += 1;
            self.port.send(To::Everyone, frame, resend);
            if let Ok(received) = timeout(Duration::from_millis(100), to.receives(frame)).await {
                return received;
            }
            assert!(resend < 200, "never received; {:#?}", to.port.peers());
        }
    }

    /// Polls a condition that no event tells of.
    async fn is_soon(&self, what: &str, condition: impl Fn(&NetworkPort) -> bool) {
        let polling = async {
            while !condition(&self.port) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(PATIENCE, polling).await.is_err() {
            panic!("not in time: {what}; {:#?}\n{:#?}", self.port.peers(), self.port.gauges());
        }
    }

    async fn has_substreams(&self, count: u64) {
        self.is_soon("substreams", |port| port.gauges().level(Level::Substreams) == count).await;
    }
}
