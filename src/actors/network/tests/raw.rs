//! A peer that speaks raw libp2p: the right protocols, and on them whatever a test wants.

use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::{
    Stream, StreamProtocol, Swarm, SwarmBuilder, identify, noise,
    swarm::{NetworkBehaviour, SwarmEvent, dial_opts::DialOpts},
    tcp, yamux,
};
use libp2p_stream::{Control, IncomingStreams};
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

use super::{super::behaviour::protocol_version, *};
use crate::{
    actors::network::{
        envelope, framing,
        identity::{FRAME_VERSION, Hello},
        substream,
    },
    types::codec,
};

#[derive(NetworkBehaviour)]
struct RawBehaviour {
    identify: identify::Behaviour,
    streams: libp2p_stream::Behaviour,
}

/// The peer, connected to one node.
pub struct Raw {
    pub key: NodeKey,
    node: PeerId,
    control: Control,
    /// What the node opens to us; nobody reads it.
    _unread: IncomingStreams,
    /// Ends with the connection.
    connection: AbortOnDropHandle<()>,
}

fn swarm(key: &NodeKey, chain: &Digest) -> Swarm<RawBehaviour> {
    let identify = identify::Config::new(protocol_version(chain), key.keypair().public());
    SwarmBuilder::with_existing_identity(key.keypair())
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| RawBehaviour {
            identify: identify::Behaviour::new(identify),
            streams: libp2p_stream::Behaviour::new(),
        })
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(3_600)))
        .build()
}

impl Raw {
    /// Connects; `None` when it is refused.
    pub async fn try_connect(node: &Node, key: NodeKey) -> Option<Self> {
        let mut swarm = swarm(&key, &CHAIN);
        let mut control = swarm.behaviour().streams.new_control();
        let _unread = control.accept(substream::PROTOCOL).unwrap();
        let dial = DialOpts::unknown_peer_id().address(node.address.clone()).allocate_new_port();
        swarm.dial(dial.build()).unwrap();
        let identified = async {
            loop {
                match swarm.select_next_some().await {
                    SwarmEvent::Behaviour(RawBehaviourEvent::Identify(identify::Event::Received { .. })) => {
                        break true;
                    }
                    SwarmEvent::ConnectionClosed { .. } | SwarmEvent::OutgoingConnectionError { .. } => break false,
                    _ => {}
                }
            }
        };
        let is_in = timeout(PATIENCE, identified).await.expect("let in or refused in time");
        let connection: JoinHandle<()> = tokio::spawn(async move {
            while !matches!(swarm.select_next_some().await, SwarmEvent::ConnectionClosed { .. }) {}
        });
        let connection = AbortOnDropHandle::new(connection);
        is_in.then_some(Self { key, node: node.port.peer_id(), control, _unread, connection })
    }

    pub async fn connect(node: &Node, seed: u8) -> Self {
        Self::try_connect(node, NodeKey::from_seed([seed; 32])).await.expect("is let in")
    }

    pub async fn open(&self, protocol: StreamProtocol) -> Stream {
        let mut control = self.control.clone();
        timeout(PATIENCE, control.open_stream(self.node, protocol)).await.expect("in time").expect("opens")
    }

    /// A substream opened with the good proof of a validator.
    pub async fn open_as(&self, seed: u8, counter: u64) -> Stream {
        let proof = PeerProof::sign(&consensus_key(seed), &CHAIN, self.key.peer_id(), counter);
        let hello = Hello { chain: CHAIN, version: FRAME_VERSION, proof: Some(proof) };
        let mut stream = self.open(substream::PROTOCOL).await;
        write(&mut stream, &codec::encode(&hello)).await;
        stream
    }

    /// Waits until the node has ended the connection.
    pub async fn thrown_out(self) {
        timeout(PATIENCE, self.connection).await.expect("thrown out in time").unwrap();
    }

    pub fn control(&self) -> Control {
        self.control.clone()
    }

    pub fn is_connected(&self) -> bool {
        !self.connection.is_finished()
    }
}

/// Writes one frame; the node may have ended the substream.
pub async fn write(stream: &mut Stream, bytes: &[u8]) {
    let _ = framing::write_frame(stream, bytes).await;
    let _ = stream.flush().await;
}

/// Writes bytes as they are.
pub async fn write_raw(stream: &mut Stream, bytes: &[u8]) {
    let _ = stream.write_all(bytes).await;
    let _ = stream.flush().await;
}

/// Waits until the node has ended a substream.
pub async fn ends(mut stream: Stream) {
    let mut bytes = [0; 64];
    let reading = async { while let Ok(1..) = stream.read(&mut bytes).await {} };
    timeout(PATIENCE, reading).await.expect("the substream ends in time");
}

pub fn sealed(frame: &Frame, nonce: u32) -> bytes::Bytes {
    envelope::seal(nonce, &codec::encode(frame))
}
