//! `RP-B1`: nothing grows with history.

use super::hands::*;
use crate::replica::{Input, Peer, peers::PEERS_MAX, replies::RECENT_MAX};

fn live_through(window: u64, heights: u64) {
    let mut hands = Hands::new(window, 0);
    hands.peer_up(1, Some(1));
    for at in 1..=heights {
        hands.submit(at, &command(at));
        hands.step(Input::Forwarded { from: Peer(1), commands: vec![command(1_000_000 + at).into()] });
        hands.build(at);
        hands.commit(at, &[command(at), command(1_000_000 + at)]);
        hands.forget();
    }
    let replica = &hands.replica;
    assert_eq!(hands.executed(), height(heights));
    assert_eq!((replica.mempool.len(), replica.mempool.bytes()), (0, 0));
    assert!(replica.order.len() as u64 <= window);
    assert_eq!(replica.flights.len(), 0);
    assert!(replica.forwarder.len() as u64 <= window);
    assert!(replica.demands.len() as u64 <= window);
    let (waiting, recent) = replica.replies.len();
    assert_eq!(waiting, 0);
    assert!(recent <= RECENT_MAX);
    assert_eq!(replica.catch_up.len(), (0, 0));
}

#[test]
fn nothing_grows_over_ten_thousand_heights() {
    live_through(1, 10_000);
}

#[test]
fn nothing_grows_with_a_wider_window() {
    live_through(4, 1000);
}

#[test]
fn remembers_a_bounded_number_of_peers() {
    let mut hands = Hands::new(1, 0);
    (0..PEERS_MAX as u64 + 100).for_each(|peer| hands.peer_up(peer, None));
    assert_eq!(hands.replica.peers.len(), PEERS_MAX);
}

#[test]
fn remembers_a_bounded_number_of_outcomes() {
    let mut hands = Hands::new(1, 0);
    let per_block = 1000;
    for at in 1..=(RECENT_MAX as u64 / per_block + 5) {
        let commands: Vec<_> = (0..per_block).map(|number| command(at * per_block + number)).collect();
        hands.commit(at, &commands);
        hands.take();
    }
    let (waiting, recent) = hands.replica.replies.len();
    assert!(waiting == 0 && (RECENT_MAX / 2..=RECENT_MAX).contains(&recent), "{recent} are remembered");
}
