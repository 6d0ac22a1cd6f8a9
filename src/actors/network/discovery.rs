//! Finding peers that nobody configured, where switched on: libp2p's multicast DNS (RFC 6762) and Kademlia.
//!
//! What they find is where to dial, never whom to believe: who a peer is, its proof decides, and whose chain it
//! follows, its identification. Both are open to anybody who can reach us, so that what they name is bounded by the
//! address book and forgotten when it leads nowhere. Kademlia serves for finding peers only: records are refused.

use std::time::Duration;

use libp2p::{
    StreamProtocol,
    kad::{self, StoreInserts, store::MemoryStore},
    mdns,
    swarm::behaviour::toggle::Toggle,
};

use super::settings::NetworkSettings;
use crate::types::Digest;

pub(super) type Mdns = Toggle<mdns::tokio::Behaviour>;
pub(super) type Kademlia = Toggle<kad::Behaviour<MemoryStore>>;

/// How often peers are asked for peers, and the local network for who is there.
const INTERVAL: Duration = Duration::from_secs(60);

/// Kademlia's protocol, one for each chain, so that the tables of chains never mix.
pub(super) fn kademlia_protocol(chain: &Digest) -> StreamProtocol {
    StreamProtocol::try_from_owned(format!("/thalweg/{chain}/kad/1")).unwrap_or(StreamProtocol::new("/thalweg/kad/1"))
}

/// Multicast DNS, if switched on.
///
/// # Errors
/// When interfaces cannot be watched.
pub(super) fn mdns(settings: &NetworkSettings) -> std::io::Result<Mdns> {
    let config = mdns::Config { query_interval: INTERVAL, ..mdns::Config::default() };
    let me = settings.node_key.peer_id();
    settings.discovery.mdns.then(|| mdns::tokio::Behaviour::new(config, me)).transpose().map(Toggle::from)
}

/// Kademlia, if switched on.
pub(super) fn kademlia(settings: &NetworkSettings) -> Kademlia {
    let me = settings.node_key.peer_id();
    let behaviour = settings.discovery.kademlia.then(|| {
        let mut config = kad::Config::new(kademlia_protocol(&settings.chain));
        config
            .set_periodic_bootstrap_interval(Some(INTERVAL))
            .set_record_filtering(StoreInserts::FilterBoth)
            .set_query_timeout(settings.timings.request_timeout);
        let mut kademlia = kad::Behaviour::with_config(me, MemoryStore::new(me), config);
        // Everybody answers: whether others can reach us is not ours to guess.
        kademlia.set_mode(Some(kad::Mode::Server));
        kademlia
    });
    behaviour.into()
}
