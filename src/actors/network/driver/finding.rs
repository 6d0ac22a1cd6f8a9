//! Where peers can be dialed: what validators say of themselves, and what discovery finds.

use std::time::Instant;

use libp2p::{Multiaddr, PeerId, StreamProtocol, kad};

use super::Driver;
use crate::actors::network::{
    discovery::kademlia_protocol,
    origin::{is_dialable, is_loopback},
};

/// The most addresses taken from one peer's word at once.
const SAID_MAX: usize = 4;

impl Driver {
    /// Those of the addresses where a peer says that it listens which we could dial. One of this machine is believed
    /// only from this machine.
    pub(super) fn dialable(&self, peer: PeerId, said: Vec<Multiaddr>) -> Vec<Multiaddr> {
        let is_here = self.peers.get(&peer).is_some_and(|entry| is_loopback(entry.address()));
        said.into_iter()
            .filter(|address| is_dialable(address) && (is_here || !is_loopback(address)))
            .take(SAID_MAX)
            .collect()
    }

    /// A proven validator is dialed where it says that it listens: it may have moved, and it must be found again when
    /// it comes back. Of strangers nothing is believed.
    pub(super) fn hear_of_validator(&mut self, peer: PeerId) {
        let now = Instant::now();
        if let Some(entry) = self.peers.get(&peer).filter(|entry| entry.proven.is_some()) {
            entry.listens.iter().for_each(|address| self.addresses.hear(address.clone(), peer, now));
        }
    }

    /// A peer of our chain takes part in Kademlia, if it says so.
    pub(super) fn tell_kademlia(&mut self, peer: PeerId, protocols: &[StreamProtocol], listens: &[Multiaddr]) {
        let Some(kademlia) = self.swarm.behaviour_mut().kademlia.as_mut() else {
            return;
        };
        if protocols.contains(&kademlia_protocol(&self.settings.chain)) {
            for address in listens {
                kademlia.add_address(&peer, address.clone());
            }
        }
    }

    pub(super) fn on_kademlia(&mut self, event: kad::Event) {
        if let kad::Event::RoutingUpdated { peer, addresses, .. } = event {
            let found = addresses.iter().filter(|address| is_dialable(address)).take(SAID_MAX);
            self.on_found(found.map(|address| (peer, address.clone())).collect());
        }
    }

    /// Somebody may live there. A stranger's connection takes a stranger's place.
    pub(super) fn on_found(&mut self, found: Vec<(PeerId, Multiaddr)>) {
        let now = Instant::now();
        for (peer, address) in found {
            if peer != *self.swarm.local_peer_id() {
                self.addresses.hear(address, peer, now);
            }
        }
    }
}
