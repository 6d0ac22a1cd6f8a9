//! The swarm: transports, and the libp2p protocols side by side.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use libp2p::{
    PeerId, Swarm, SwarmBuilder, Transport as _,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, MemoryTransport},
        upgrade::Version,
    },
    dns::{ResolverConfig, ResolverOpts},
    gossipsub::{
        self, IdentTopic, IdentityTransform, MessageAuthenticity, PeerScoreParams, PeerScoreThresholds,
        TopicScoreParams, ValidationMode, WhitelistSubscriptionFilter,
    },
    identify,
    identity::Keypair,
    noise, ping, request_response,
    swarm::NetworkBehaviour,
    tcp, yamux,
};

use super::{
    dial::said_to_live,
    discovery::{self, Kademlia, Mdns},
    envelope,
    gate::{Gate, GateLimits},
    gauge::NetworkGauges,
    pull::{self, PullCodec},
    settings::NetworkSettings,
    stream::Streams,
    substream,
};
use crate::types::Digest;

pub(super) type Gossip = gossipsub::Behaviour<IdentityTransform, WhitelistSubscriptionFilter>;

/// Everything that runs on a connection.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    /// First, so that nobody else keeps anything of a connection that is refused.
    pub gate: Gate,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub gossip: Gossip,
    pub pull: request_response::Behaviour<PullCodec>,
    pub streams: Streams,
    mdns: Mdns,
    pub kademlia: Kademlia,
}

/// What a peer must say in its identification to be of our chain.
pub(super) fn protocol_version(chain: &Digest) -> String {
    format!("thalweg/1/{chain}")
}

/// The one topic of a chain.
pub(super) fn topic(chain: &Digest) -> IdentTopic {
    IdentTopic::new(format!("thalweg/1/{chain}"))
}

/// How long an answer to a name is waited for: a fraction of what a dial may take in all.
const NAME_TIMEOUT: Duration = Duration::from_secs(1);
/// Substreams of one connection that may be in negotiation; a peer needs a handful.
const NEGOTIATING_MAX: usize = 32;
/// Messages of gossip that may wait for one peer, of each kind; further ones are dropped.
const GOSSIP_QUEUE_MAX: usize = 1_024;
/// The score in gossip from which on a peer is turned away: ten invalid messages at once, or broken promises and
/// control messages that only a flood can bring about.
pub(super) const GOSSIP_SCORE_MIN: f64 = -100.0;
/// Room for the encoding around a gossiped envelope.
const GOSSIP_MARGIN_BYTES: usize = 1_024;

/// Builds the swarm. Must be called within the runtime that will drive it.
///
/// # Errors
/// What is wrong with the machine or the settings.
pub(super) fn build(
    settings: &NetworkSettings,
    gauges: Arc<NetworkGauges>,
) -> Result<Swarm<Behaviour>, Box<dyn std::error::Error + Send + Sync>> {
    let handshake_timeout = settings.timings.handshake_timeout;
    let (resolver, options) = resolver();
    let swarm = SwarmBuilder::with_existing_identity(settings.node_key.keypair())
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)?
        .with_quic()
        .with_other_transport(in_process)?
        .with_dns_config(resolver, options)
        .with_behaviour(|_| behaviour(settings, gauges))?
        .with_swarm_config(|config| {
            config
                .with_idle_connection_timeout(Duration::from_secs(24 * 3_600))
                .with_max_negotiating_inbound_streams(NEGOTIATING_MAX)
        })
        .with_connection_timeout(handshake_timeout)
        .build();
    Ok(swarm)
}

/// Replicas of one process, without sockets: `/memory/NUMBER`. Authenticated like all others.
fn in_process(key: &Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>, Box<dyn std::error::Error + Send + Sync>> {
    let transport = MemoryTransport::default().upgrade(Version::V1Lazy).authenticate(noise::Config::new(key)?);
    Ok(transport.multiplex(yamux::Config::default()).boxed())
}

/// The machine's resolver without its cache: a name is asked for again at each dial, since the reason to dial again is
/// often that the name has moved. All of its servers are asked at once, and the first address is taken: one may be out of
/// reach, and one that does not know the names of a cluster's own network says that there are none. A machine without a
/// resolver can still be reached and dial addresses.
fn resolver() -> (ResolverConfig, ResolverOpts) {
    let (mut config, mut options) = hickory_resolver::system_conf::read_system_conf().unwrap_or_else(|error| {
        tracing::warn!(%error, "no resolver: names of peers cannot be dialed");
        Default::default()
    });
    config.name_servers.iter_mut().for_each(|server| server.trust_negative_responses = false);
    options.num_concurrent_reqs = config.name_servers.len();
    options.timeout = NAME_TIMEOUT;
    options.cache_size = 0;
    (config, options)
}

fn gate(settings: &NetworkSettings, gauges: Arc<NetworkGauges>) -> Gate {
    let limits = &settings.limits;
    let gate_limits = GateLimits {
        strangers_max: limits.connections_max,
        origin_max: limits.connections_max.div_ceil(8),
        pending_max: limits.pending_max,
        arrivals_per_second: limits.arrivals_per_second,
        grace: settings.timings.grace,
    };
    // Only who is put out is drawn by lot, so the seed need not be secret from anybody but strangers.
    let seed = settings.node_key.keypair().derive_secret(b"gate").unwrap_or_default();
    let mut gate = Gate::new(gate_limits, seed, gauges);
    settings.peers.iter().filter_map(said_to_live).for_each(|peer| gate.know(peer));
    gate
}

fn behaviour(
    settings: &NetworkSettings,
    gauges: Arc<NetworkGauges>,
) -> Result<Behaviour, Box<dyn std::error::Error + Send + Sync>> {
    let (limits, timings) = (&settings.limits, &settings.timings);
    let identify = identify::Config::new(protocol_version(&settings.chain), settings.node_key.keypair().public())
        .with_agent_version(crate::agent())
        .with_cache_size(0);
    let ping = ping::Config::new().with_interval(timings.ping_interval).with_timeout(timings.ping_interval * 2);
    let codec = PullCodec {
        request_bytes_max: limits.request_bytes_max,
        response_bytes_max: limits.response_bytes_max,
        gauges: Arc::clone(&gauges),
    };
    let pull = request_response::Config::default()
        .with_request_timeout(timings.request_timeout)
        .with_max_concurrent_streams(2 * limits.requests_max);
    Ok(Behaviour {
        gate: gate(settings, gauges),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping),
        gossip: gossip(settings)?,
        pull: request_response::Behaviour::with_codec(
            codec,
            [(pull::PROTOCOL, request_response::ProtocolSupport::Full)],
            pull,
        ),
        // A listener takes no substreams: by the lack of this protocol others know it for one.
        streams: Streams::new(substream::PROTOCOL, settings.proof.is_some()),
        mdns: discovery::mdns(settings)?,
        kademlia: discovery::kademlia(settings),
    })
}

/// Gossip for committees of four to a hundred: a mesh that is repaired within a round, and verdicts before
/// forwarding. Anonymous, because frames carry their own signatures; a second one costs five times the throughput.
fn gossip(settings: &NetworkSettings) -> Result<Gossip, Box<dyn std::error::Error + Send + Sync>> {
    let heartbeat = settings.timings.gossip_heartbeat;
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message| gossipsub::MessageId::new(envelope::id(&message.data).as_bytes()))
        .max_transmit_size(settings.limits.frame_bytes_max + envelope::OVERHEAD_BYTES + GOSSIP_MARGIN_BYTES)
        .mesh_outbound_min(1)
        .mesh_n_low(2)
        .mesh_n(4)
        .mesh_n_high(8)
        .heartbeat_interval(heartbeat)
        .heartbeat_initial_delay(heartbeat / 3)
        // Verdicts may take a while; what has left this cache cannot be forwarded any more.
        .history_length(20)
        .history_gossip(5)
        // A minute by default: a restarted peer would stay out of the mesh for two hundred heartbeats.
        .prune_backoff(Duration::from_secs(2))
        .unsubscribe_backoff(Duration::from_secs(1))
        .connection_handler_queue_len(GOSSIP_QUEUE_MAX)
        .build()?;
    let topic = topic(&settings.chain);
    let filter = WhitelistSubscriptionFilter(HashSet::from([topic.hash()]));
    let mut gossip = Gossip::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter)?;
    gossip.subscribe(&topic)?;
    let (params, thresholds) = scores(&topic);
    gossip.with_peer_score(params, thresholds)?;
    Ok(gossip)
}

/// Scores that know only guilt: what gossip itself finds wrong never reaches us as a message, so it is read from here.
/// Nothing is held against those who share an address or are slow, and nothing is remembered of those who have left.
fn scores(topic: &IdentTopic) -> (PeerScoreParams, PeerScoreThresholds) {
    let of_topic = TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.0,
        first_message_deliveries_weight: 0.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: -1.0,
        invalid_message_deliveries_decay: 0.9,
        ..TopicScoreParams::default()
    };
    let params = PeerScoreParams {
        topics: HashMap::from([(topic.hash(), of_topic)]),
        app_specific_weight: 0.0,
        ip_colocation_factor_weight: 0.0,
        behaviour_penalty_weight: -1.0,
        behaviour_penalty_threshold: 20.0,
        behaviour_penalty_decay: 0.5,
        retain_score: Duration::from_secs(1),
        slow_peer_weight: 0.0,
        ..PeerScoreParams::default()
    };
    let thresholds = PeerScoreThresholds {
        gossip_threshold: GOSSIP_SCORE_MIN / 4.0,
        publish_threshold: GOSSIP_SCORE_MIN / 2.0,
        graylist_threshold: GOSSIP_SCORE_MIN,
        ..PeerScoreThresholds::default()
    };
    (params, thresholds)
}
