//! A peer that sends garbage at full speed, by every way there is into a node.
//!
//! It needs no key and no genesis: which chain a node follows, the node itself says. Each connection has a new
//! identity and one way of annoying; when it is ended or refused the next one tries the next way. Runs on the calling
//! thread until told to stop. Own CPU is bounded by the node: it sends as fast as it is read.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol, Swarm, SwarmBuilder, identify, noise,
    swarm::{NetworkBehaviour, SwarmEvent, dial_opts::DialOpts},
    tcp, yamux,
};
use libp2p_stream::Control;
use tokio::{task::JoinSet, time::timeout};

/// What was sent, and what became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sent {
    /// Connections that were let in.
    pub connections: u64,
    /// Connections that were refused.
    pub refused: u64,
    /// Substreams that were opened.
    pub substreams: u64,
    /// Messages written, whole ones and torn ones.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// One way of annoying.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// First frames that are none.
    MalformedHello,
    /// First frames for another chain.
    ForeignHello,
    /// Proofs signed by nobody.
    ForgedHello,
    /// Frames that would be larger than any may be.
    HugeHello,
    /// Frames that end too soon, again and again.
    TornHello,
    /// Requests that are none.
    MalformedRequest,
    /// Requests larger than they may be.
    HugeRequest,
    /// Honest questions, far too many.
    ManyRequests,
    /// Gossip whose content is nonsense.
    NonsenseGossip,
    /// Gossip that breaks the rules of gossip.
    InvalidGossip,
    /// Bytes where gossip is expected.
    BytesInGossip,
    /// Connections that are opened and left alone.
    SilentSockets,
}

const WAYS: [Way; 12] = [
    Way::MalformedHello,
    Way::ForeignHello,
    Way::ForgedHello,
    Way::HugeHello,
    Way::TornHello,
    Way::MalformedRequest,
    Way::HugeRequest,
    Way::ManyRequests,
    Way::NonsenseGossip,
    Way::InvalidGossip,
    Way::BytesInGossip,
    Way::SilentSockets,
];

const CONSENSUS: StreamProtocol = StreamProtocol::new("/thalweg/consensus/1");
const PULL: StreamProtocol = StreamProtocol::new("/thalweg/pull/1");
const GOSSIP: StreamProtocol = StreamProtocol::new("/meshsub/1.1.0");

/// How long one connection may annoy if nobody ends it.
const TURN: Duration = Duration::from_secs(2);
/// Between two attempts, so that refusing does not become a contest for the CPU of a small machine.
const PAUSE: Duration = Duration::from_millis(5);
/// Sockets opened and left alone at once.
const SOCKETS: usize = 100;
/// Requests under way at once.
const REQUESTS: usize = 16;
/// Messages that leave at once.
const BURST: usize = 64;

/// Floods the node that listens at a multiaddress (`/ip4/…/tcp/…`, with or without `/p2p/…`) until `stop` is set.
///
/// # Panics
/// When the address is none, or no runtime can be had.
pub fn flood(address: &str, stop: &AtomicBool) -> Sent {
    let mut address: Multiaddr = address.parse().expect("a multiaddress");
    if matches!(address.iter().last(), Some(libp2p::multiaddr::Protocol::P2p(_))) {
        address.pop();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut sent = Sent::default();
        // What the node says it speaks, so that it does not take us for one of another chain.
        let mut version = "unknown".to_owned();
        let mut pace = tokio::time::interval(PAUSE);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for way in WAYS.into_iter().cycle() {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let turn = async {
                match way {
                    Way::SilentSockets => leave_sockets(&address, &mut sent).await,
                    _ => annoy(&address, way, stop, &mut version, &mut sent).await,
                }
            };
            // A turn that is over is no failure: the next way is tried.
            let _ = timeout(TURN, turn).await;
            pace.tick().await;
        }
        sent
    })
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    streams: libp2p_stream::Behaviour,
}

fn swarm(version: &str) -> Swarm<Behaviour> {
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .expect("noise and yamux")
        .with_behaviour(|key| Behaviour {
            identify: identify::Behaviour::new(identify::Config::new(version.to_owned(), key.public())),
            streams: libp2p_stream::Behaviour::new(),
        })
        .expect("a behaviour")
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build()
}

/// One connection, until it is ended.
async fn annoy(address: &Multiaddr, way: Way, stop: &AtomicBool, version: &mut String, sent: &mut Sent) {
    let mut swarm = swarm(version);
    if swarm.dial(DialOpts::unknown_peer_id().address(address.clone()).allocate_new_port().build()).is_err() {
        return;
    }
    let control = swarm.behaviour().streams.new_control();
    let mut senders = JoinSet::new();
    let mut was_let_in = false;
    loop {
        tokio::select! {
            event = swarm.select_next_some() => match event {
                SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }))
                    if !was_let_in =>
                {
                    was_let_in = true;
                    sent.connections += 1;
                    version.clone_from(&info.protocol_version);
                    let at_once = if way == Way::ManyRequests { REQUESTS } else { 1 };
                    for _ in 0..at_once {
                        senders.spawn(send(control.clone(), peer_id, way, version.clone()));
                    }
                }
                SwarmEvent::ConnectionClosed { .. } | SwarmEvent::OutgoingConnectionError { .. } => break,
                _ => {}
            },
            Some(Ok(some)) = senders.join_next() => {
                sent.substreams += 1;
                sent.messages += some.messages;
                sent.bytes += some.bytes;
                senders.spawn(send(control.clone(), some.peer, way, some.topic));
            }
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    sent.refused += u64::from(!was_let_in);
}

struct Some {
    peer: PeerId,
    topic: String,
    messages: u64,
    bytes: u64,
}

/// Opens one substream and writes as much as it takes, at most a few bursts.
async fn send(mut control: Control, peer: PeerId, way: Way, topic: String) -> Some {
    let mut some = Some { peer, topic, messages: 0, bytes: 0 };
    let protocol = match way {
        Way::MalformedRequest | Way::HugeRequest | Way::ManyRequests => PULL,
        Way::NonsenseGossip | Way::InvalidGossip | Way::BytesInGossip => GOSSIP,
        _ => CONSENSUS,
    };
    let Ok(mut stream) = control.open_stream(peer, protocol).await else {
        // The node does not speak it any more, or not with us; the turn goes on until the connection ends.
        let mut pace = tokio::time::interval_at(tokio::time::Instant::now() + PAUSE, PAUSE);
        pace.tick().await;
        return some;
    };
    let bursts = if matches!(way, Way::NonsenseGossip | Way::InvalidGossip) { BURST } else { 1 };
    for number in 0..bursts {
        let (messages, bytes) = burst(way, number, &some.topic);
        some.messages += messages;
        some.bytes += bytes.len() as u64;
        if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
            break;
        }
    }
    end(stream, way).await;
    some
}

/// Requests have one answer each, everything else has none.
async fn end(mut stream: Stream, way: Way) {
    let is_torn = matches!(way, Way::TornHello);
    if !is_torn && timeout(PAUSE, stream.read(&mut [0; 1_024])).await.is_ok() {
        return;
    }
    // Whether closing succeeds or not, the substream is over.
    let _ = stream.close().await;
}

/// So many messages, and their bytes.
fn burst(way: Way, number: usize, topic: &str) -> (u64, Vec<u8>) {
    let noise = |length: usize| -> Vec<u8> {
        (0..length).map(|at| u8::try_from((at * 31 + number * 17 + 0xff) % 251).unwrap_or(0xff)).collect()
    };
    let chain = topic.rsplit('/').next().and_then(|hex| hex::decode(hex).ok()).unwrap_or_else(|| vec![0; 32]);
    match way {
        Way::MalformedHello => (1, framed(&noise(200))),
        Way::ForeignHello => (1, framed(&hello(&[0x5a; 32], None))),
        Way::ForgedHello => (1, framed(&hello(&chain, Some([7; 32])))),
        Way::HugeHello => (1, [&u32::MAX.to_be_bytes()[..], &noise(1_000)].concat()),
        Way::TornHello => (1, framed(&hello(&chain, None)).into_iter().take(20).collect()),
        Way::MalformedRequest => (1, framed(&[0xff; 100])),
        Way::HugeRequest => (1, [&(1u32 << 30).to_be_bytes()[..], &noise(1_000)].concat()),
        // Blocks from height 1 on: the second kind of question.
        Way::ManyRequests => (1, framed(&[1, 1])),
        Way::NonsenseGossip | Way::InvalidGossip => {
            let is_invalid = way == Way::InvalidGossip;
            let messages = (0..BURST).map(|at| published(&noise(40 + at), topic, is_invalid)).collect::<Vec<_>>();
            (BURST as u64, messages.concat())
        }
        Way::BytesInGossip => (1, noise(10_000)),
        Way::SilentSockets => (0, Vec::new()),
    }
}

/// As on substreams: a length as big-endian u32, then as many bytes.
fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("small");
    [&length.to_be_bytes()[..], bytes].concat()
}

/// The first frame: chain, version 1, and the proof of a validator, whose signature is nonsense.
fn hello(chain: &[u8], validator: Option<[u8; 32]>) -> Vec<u8> {
    let mut bytes = [chain, &[1]].concat();
    match validator {
        None => bytes.push(0),
        Some(key) => {
            bytes.push(1);
            bytes.extend(key);
            bytes.push(9);
            bytes.extend([3; 64]);
        }
    }
    bytes
}

/// A gossip RPC with one message, as protocol buffers; `is_invalid` adds a sequence number, which anonymous gossip
/// forbids.
fn published(data: &[u8], topic: &str, is_invalid: bool) -> Vec<u8> {
    let mut message = field(2, data);
    if is_invalid {
        message.extend(field(3, &[1; 8]));
    }
    message.extend(field(4, topic.as_bytes()));
    let rpc = field(2, &message);
    [varint(rpc.len()), rpc].concat()
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [vec![number << 3 | 2], varint(bytes.len()), bytes.to_vec()].concat()
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).expect("seven bits") | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).expect("seven bits"));
    bytes
}

/// Opens sockets and says nothing on them.
async fn leave_sockets(address: &Multiaddr, sent: &mut Sent) {
    let mut parts = address.iter();
    let (Some(libp2p::multiaddr::Protocol::Ip4(ip)), Some(libp2p::multiaddr::Protocol::Tcp(port))) =
        (parts.next(), parts.next())
    else {
        return;
    };
    let mut sockets = Vec::new();
    for _ in 0..SOCKETS {
        match tokio::net::TcpStream::connect((ip, port)).await {
            Ok(socket) => sockets.push(socket),
            Err(_) => sent.refused += 1,
        }
    }
    // A refused one is closed at once: then reading ends.
    for mut socket in sockets {
        let is_refused = timeout(PAUSE, async {
            let mut bytes = [0; 1_024];
            while let Ok(1..) = tokio::io::AsyncReadExt::read(&mut socket, &mut bytes).await {}
        })
        .await
        .is_ok();
        if is_refused {
            sent.refused += 1;
        } else {
            sent.connections += 1;
        }
    }
}
