//! Figures that parts count for themselves, brought into the metrics at each scrape.

use crate::{
    actors::{
        network::{Level, NetworkPort},
        storage::StoragePort,
    },
    metrics::{Actor, Bound, Direction, Label as _, MessageKind, Metrics, PeerState, Refusal},
    protocol::Rejection,
    replica,
};

/// Brings everything up to now.
pub(super) fn collect(metrics: &Metrics, view: &replica::View, network: &NetworkPort, storage: &StoragePort) {
    metrics.view(view);
    let gauges = network.gauges();
    for kind in MessageKind::all() {
        for direction in Direction::all() {
            let (count, bytes) = (gauges.messages(*kind, *direction), gauges.bytes(*kind, *direction));
            metrics.messages(*kind, *direction, count, bytes);
        }
    }
    for reason in Rejection::ALL {
        metrics.rejected(reason, gauges.rejected(reason));
    }
    for reason in Refusal::all() {
        metrics.refused_connections(*reason, gauges.refused_connections(*reason));
    }
    for bound in Bound::all() {
        metrics.dropped(*bound, gauges.dropped(*bound));
    }
    metrics.mailbox(Actor::Network).set(i64::try_from(network.waiting_orders()).unwrap_or(i64::MAX));
    // A pull that we answer goes out as a diff; one that we ask comes back as one.
    metrics.diff_requests(Direction::In, gauges.messages(MessageKind::Pull, Direction::In));
    metrics.diff_requests(Direction::Out, gauges.messages(MessageKind::Pull, Direction::Out));
    let level = |level| usize::try_from(gauges.level(level)).unwrap_or(usize::MAX);
    metrics.peers(PeerState::Validator, level(Level::Validators));
    metrics.peers(PeerState::Listener, level(Level::Peers).saturating_sub(level(Level::Validators)));
    metrics.peers(PeerState::Dialing, level(Level::Dialing));
    metrics.peers(PeerState::Blocked, level(Level::Blocked));
    metrics.mesh_peers(level(Level::MeshPeers));
    let storage = storage.gauges();
    metrics.mailbox(Actor::Storage).set(i64::try_from(storage.waiting_appends()).unwrap_or(i64::MAX));
    metrics.storage(storage.journal_bytes(), storage.unwritten_bytes());
    if let (Some(free), Some(size)) = (storage.disk_free_bytes(), storage.disk_size_bytes()) {
        metrics.disk(free, size);
    }
}
