//! The order within one source: first in, first out for each client, and clients share by bytes.
//!
//! Start-time fair queuing (Goyal, Vin and Cheng, SIGCOMM 1996): a command's tag is where its client's last one ended,
//! or the present virtual time if that is later. A client that queues a thousand commands at once therefore gets one
//! served for each one of a client that comes after it. Push and removal are O(log n).

use std::collections::{BTreeMap, BTreeSet};

use crate::types::Digest;

/// A command's place: its tag, then its arrival number.
pub(super) type Place = (u64, u64);

/// What a client has in the queue.
#[derive(Default)]
struct Held {
    commands: usize,
    bytes: usize,
    end: u64,
}

/// The commands of one source.
#[derive(Default)]
pub(super) struct FairQueue {
    order: BTreeSet<Place>,
    clients: BTreeMap<Digest, Held>,
    virtual_time: u64,
}

impl FairQueue {
    /// Adds a command of `client`.
    pub(super) fn push(&mut self, client: Digest, arrival: u64, bytes: usize) -> Place {
        let held = self.clients.entry(client).or_default();
        let place = (self.virtual_time.max(held.end), arrival);
        held.commands += 1;
        held.bytes += bytes;
        held.end = place.0 + bytes as u64;
        self.order.insert(place);
        place
    }

    /// Takes a command out that was pushed with the same client and bytes.
    pub(super) fn remove(&mut self, client: &Digest, place: Place, bytes: usize) {
        self.order.remove(&place);
        self.virtual_time = self.virtual_time.max(place.0);
        if let Some(held) = self.clients.get_mut(client) {
            held.commands -= 1;
            held.bytes -= bytes;
            if held.commands == 0 {
                self.clients.remove(client);
            }
        }
    }

    /// How many commands and bytes a client has here.
    pub(super) fn held(&self, client: &Digest) -> (usize, usize) {
        self.clients.get(client).map_or((0, 0), |held| (held.commands, held.bytes))
    }

    /// Arrival numbers in fair order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.order.iter().map(|(_, arrival)| *arrival)
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serves_a_late_client_before_the_backlog_of_a_greedy_one() {
        let (greedy, modest) = (Digest::new([1; 32]), Digest::new([2; 32]));
        let mut queue = FairQueue::default();
        for arrival in 0..100 {
            queue.push(greedy, arrival, 10);
        }
        queue.push(modest, 100, 10);
        queue.push(modest, 101, 10);
        assert_eq!(queue.iter().take(5).collect::<Vec<_>>(), [0, 100, 1, 101, 2]);
    }

    #[test]
    fn keeps_the_order_of_each_client() {
        let client = Digest::new([1; 32]);
        let mut queue = FairQueue::default();
        let places: Vec<Place> = (0..20).map(|arrival| queue.push(client, arrival, 7)).collect();
        queue.remove(&client, places[3], 7);
        queue.push(client, 20, 1);
        assert_eq!(queue.iter().collect::<Vec<_>>(), (0..=20).filter(|at| *at != 3).collect::<Vec<_>>());
        assert_eq!(queue.held(&client), (20, 19 * 7 + 1));
    }
}
