//! The swarm: transports, and the libp2p protocols side by side.

use std::{collections::HashSet, sync::Arc, time::Duration};

use libp2p::{
    Swarm, SwarmBuilder,
    allow_block_list::{self, BlockedPeers},
    connection_limits::{self, ConnectionLimits},
    gossipsub::{
        self, IdentTopic, IdentityTransform, MessageAuthenticity, ValidationMode, WhitelistSubscriptionFilter,
    },
    identify, noise, ping, request_response,
    swarm::NetworkBehaviour,
    tcp, yamux,
};

use super::{
    envelope,
    gauge::NetworkGauges,
    pull::{self, PullCodec},
    settings::NetworkSettings,
};
use crate::types::Digest;

pub(super) type Gossip = gossipsub::Behaviour<IdentityTransform, WhitelistSubscriptionFilter>;

/// Everything that runs on a connection.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    limits: connection_limits::Behaviour,
    pub blocked: allow_block_list::Behaviour<BlockedPeers>,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub gossip: Gossip,
    pub pull: request_response::Behaviour<PullCodec>,
    pub streams: libp2p_stream::Behaviour,
}

/// What a peer must say in its identification to be of our chain.
pub(super) fn protocol_version(chain: &Digest) -> String {
    format!("thalweg/1/{chain}")
}

/// The one topic of a chain.
pub(super) fn topic(chain: &Digest) -> IdentTopic {
    IdentTopic::new(format!("thalweg/1/{chain}"))
}

/// Connections of one peer above this are refused; surplus ones are closed soon after (see `driver::peer`).
const CONNECTIONS_PER_PEER_MAX: u32 = 4;
/// Room for the encoding around a gossiped envelope.
const GOSSIP_MARGIN_BYTES: usize = 1_024;

/// Builds the swarm. Must be called within the runtime that will drive it.
///
/// # Errors
/// What is wrong with the machine (no resolver configuration) or the settings.
pub(super) fn build(
    settings: &NetworkSettings,
    gauges: Arc<NetworkGauges>,
) -> Result<Swarm<Behaviour>, Box<dyn std::error::Error + Send + Sync>> {
    let handshake_timeout = settings.timings.handshake_timeout;
    let swarm = SwarmBuilder::with_existing_identity(settings.node_key.keypair())
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)?
        .with_quic()
        .with_dns()?
        .with_behaviour(|_| behaviour(settings, gauges))?
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(24 * 3_600)))
        .with_connection_timeout(handshake_timeout)
        .build();
    Ok(swarm)
}

fn behaviour(
    settings: &NetworkSettings,
    gauges: Arc<NetworkGauges>,
) -> Result<Behaviour, Box<dyn std::error::Error + Send + Sync>> {
    let (limits, timings) = (&settings.limits, &settings.timings);
    let connections = ConnectionLimits::default()
        .with_max_pending_incoming(Some(limits.connections_max))
        .with_max_established_incoming(Some(limits.connections_max.div_ceil(2)))
        .with_max_established(Some(limits.connections_max))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX));
    let identify = identify::Config::new(protocol_version(&settings.chain), settings.node_key.keypair().public())
        .with_agent_version(concat!("thalweg/", env!("CARGO_PKG_VERSION")).to_owned())
        .with_cache_size(0);
    let ping = ping::Config::new().with_interval(timings.ping_interval).with_timeout(timings.ping_interval * 2);
    let codec = PullCodec {
        request_bytes_max: limits.request_bytes_max,
        response_bytes_max: limits.response_bytes_max,
        gauges,
    };
    let pull = request_response::Config::default()
        .with_request_timeout(timings.request_timeout)
        .with_max_concurrent_streams(2 * limits.requests_max);
    Ok(Behaviour {
        limits: connection_limits::Behaviour::new(connections),
        blocked: allow_block_list::Behaviour::default(),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping),
        gossip: gossip(settings)?,
        pull: request_response::Behaviour::with_codec(
            codec,
            [(pull::PROTOCOL, request_response::ProtocolSupport::Full)],
            pull,
        ),
        streams: libp2p_stream::Behaviour::new(),
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
        .build()?;
    let topic = topic(&settings.chain);
    let filter = WhitelistSubscriptionFilter(HashSet::from([topic.hash()]));
    let mut gossip = Gossip::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter)?;
    gossip.subscribe(&topic)?;
    Ok(gossip)
}
