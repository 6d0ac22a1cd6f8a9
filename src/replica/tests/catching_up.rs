//! `OB-9`, `RP-S1`, `SL-W2`: peers that are further, lie, or stay silent.

use super::hands::*;
use crate::{
    app::{Block, Header},
    replica::{Effect, Event, Input, Peer, catch_up::PREFETCH_MAX, wire::PeerStatus},
    types::Height,
};

fn blocks(from: u64, to: u64) -> Vec<Block> {
    (from..=to).map(|at| block(at, &[command(at)])).collect()
}

fn serve(hands: &mut Hands, peer: u64, from: u64, to: u64) {
    hands.step(Input::Blocks { peer: Peer(peer), blocks: blocks(from, to) });
}

/// Serves every request with at most `most` blocks of a chain of `tip` heights, until nothing is asked any more.
fn serve_all(hands: &mut Hands, tip: u64, most: u64) -> usize {
    let mut served = 0;
    loop {
        hands.run();
        let asked = hands.fetches();
        hands.take();
        if asked.is_empty() {
            return served;
        }
        for (peer, from) in asked {
            served += 1;
            serve(hands, peer, from, tip.min(from + most - 1));
        }
    }
}

#[test]
fn fetches_verifies_and_executes_what_peers_have() {
    for window in [1, 4] {
        let mut hands = Hands::new(window, 0);
        (1..=3).for_each(|peer| hands.peer_up(peer, None));
        (1..=3).for_each(|peer| hands.status(peer, 100));
        assert_eq!(hands.fetches().len(), 1, "the size of an answer is not known yet");
        assert!(hands.replica.view().sync.is_some());
        serve_all(&mut hands, 100, 10);
        assert_eq!(hands.executed(), height(100));
        assert_eq!(hands.applied.len(), 100);
        assert!(hands.replica.view().sync.is_none());
        assert_eq!(hands.open.keys().map(|h| h.get()).collect::<Vec<_>>(), (101..=100 + window).collect::<Vec<_>>());
        let synced = hands.events.iter().filter(|event| matches!(event, Event::Synced { .. })).count();
        assert_eq!(synced, 100);
        let syncing = hands.events.iter().filter(|event| matches!(event, Event::Syncing { .. })).count();
        assert_eq!(syncing, 2);
    }
}

#[test]
fn asks_several_peers_for_different_parts_once_the_size_of_answers_is_known() {
    let mut hands = Hands::new(1, 0);
    (1..=3).for_each(|peer| hands.peer_up(peer, None));
    (1..=3).for_each(|peer| hands.status(peer, 100));
    hands.take();
    serve(&mut hands, 1, 1, 10);
    let mut asked = hands.fetches();
    asked.sort_unstable();
    assert_eq!(asked.iter().map(|(peer, _)| *peer).collect::<Vec<_>>(), [1, 2, 3]);
    let mut parts: Vec<u64> = asked.iter().map(|(_, from)| *from).collect();
    parts.sort_unstable();
    assert_eq!(parts, [11, 21, 31]);
}

#[test]
fn checks_nothing_more_than_a_window_and_one_above_the_tip() {
    let mut hands = Hands::new(4, 0);
    hands.peer_up(1, None);
    hands.status(1, 50);
    serve(&mut hands, 1, 1, 20);
    assert_eq!(hands.checks.iter().map(|(_, block)| block.height.get()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
}

#[test]
fn leaves_a_liar_for_another_peer_and_keeps_nothing_of_it() {
    let mut hands = Hands::new(1, 0);
    hands.liars.insert(Peer(1));
    hands.peer_up(1, None);
    hands.peer_up(2, None);
    hands.status(1, 30);
    hands.status(2, 30);
    assert_eq!(hands.fetches(), [(1, 1)]);
    serve_all(&mut hands, 30, 30);
    assert_eq!(hands.executed(), height(30));
    hands.status(1, 1000);
    hands.pass(millis(5000));
    assert!(hands.fetches().iter().all(|(peer, _)| *peer != 1), "avoided");
    assert_eq!(hands.replica.view().target, height(30));
}

#[test]
fn blames_a_bad_certificate_and_blocks_that_nobody_asked_for() {
    let mut hands = Hands::new(1, 0);
    for peer in 1..=4 {
        hands.peer_up(peer, None);
    }
    hands.liars.insert(Peer(1));
    hands.status(1, 30);
    serve(&mut hands, 1, 1, 3);
    hands.run();
    assert_eq!(hands.blamed()[0], 1);
    hands.take();
    serve(&mut hands, 2, 700, 710);
    assert_eq!(hands.blamed(), [2], "far from anything asked");
    let mut gap = blocks(1, 3);
    gap.remove(1);
    hands.step(Input::Blocks { peer: Peer(3), blocks: gap });
    assert_eq!(hands.blamed(), [2, 3], "not consecutive");
    let huge = Block { payload: vec![0; 5000].into(), ..block(1, &[]) };
    hands.step(Input::Blocks { peer: Peer(4), blocks: vec![huge] });
    assert_eq!(hands.blamed(), [2, 3, 4], "larger than genesis allows");
    assert_eq!(hands.replica.catch_up.len(), (0, 0));
}

#[test]
fn turns_to_another_peer_when_one_is_silent_or_has_nothing() {
    let mut hands = Hands::new(1, 0);
    (1..=3).for_each(|peer| hands.peer_up(peer, None));
    (1..=3).for_each(|peer| hands.status(peer, 10));
    assert_eq!(hands.fetches(), [(1, 1)]);
    hands.take();
    hands.pass(millis(499));
    assert_eq!(hands.fetches(), []);
    hands.pass(millis(1));
    assert_eq!(hands.fetches(), [(2, 1)]);
    hands.take();
    hands.step(Input::Blocks { peer: Peer(2), blocks: vec![] });
    assert_eq!(hands.fetches(), [(3, 1)]);
    serve_all(&mut hands, 10, 10);
    assert_eq!(hands.executed(), height(10));
}

#[test]
fn a_late_answer_is_still_good() {
    let mut hands = Hands::new(1, 0);
    hands.peer_up(1, None);
    hands.peer_up(2, None);
    hands.status(1, 100);
    hands.status(2, 100);
    serve(&mut hands, 1, 1, 10);
    assert_eq!(hands.fetches()[1..], [(2, 11), (1, 21)]);
    hands.pass(millis(600));
    serve(&mut hands, 1, 21, 30);
    serve(&mut hands, 2, 11, 20);
    assert!(hands.blamed().is_empty());
    hands.run();
    assert_eq!(hands.executed(), height(30));
}

#[test]
fn a_claim_that_is_not_made_good_is_forgotten() {
    let mut hands = Hands::new(1, 0);
    hands.peer_up(1, None);
    hands.status(1, u64::MAX);
    assert!(hands.replica.view().sync.is_some());
    hands.step(Input::Blocks { peer: Peer(1), blocks: vec![] });
    assert!(hands.replica.view().sync.is_none());
    assert_eq!(hands.replica.view().target, Height::ZERO);
    hands.take();
    hands.pass(millis(60_000));
    assert_eq!(hands.fetches(), [], "until it makes another");
}

#[test]
fn leaves_live_instances_time_to_decide_before_fetching_one_height() {
    let mut hands = Hands::new(1, 0);
    hands.peer_up(1, None);
    hands.status(1, 1);
    assert_eq!(hands.fetches(), []);
    hands.pass(millis(99));
    assert_eq!(hands.fetches(), []);
    hands.pass(millis(1));
    assert_eq!(hands.fetches(), [(1, 1)]);
}

#[test]
fn closes_the_instance_of_a_height_that_a_peer_has_proven() {
    let mut hands = Hands::new(1, 0);
    hands.peer_up(1, None);
    assert!(hands.open.contains_key(&height(1)));
    hands.step(Input::Blocks { peer: Peer(1), blocks: blocks(1, 1) });
    hands.check();
    assert!(!hands.open.contains_key(&height(1)));
    hands.decide(1, &[command(1)]);
    hands.run();
    assert_eq!(hands.executed(), height(1));
}

#[test]
fn a_block_that_fails_its_check_leaves_the_height_to_its_instance() {
    let mut hands = Hands::new(1, 0);
    hands.liars.insert(Peer(1));
    hands.peer_up(1, None);
    hands.status(1, 3);
    serve(&mut hands, 1, 1, 3);
    hands.run();
    hands.commit(1, &[]);
    assert!(hands.open.contains_key(&height(2)));
}

#[test]
fn enlightens_whoever_is_busy_with_a_closed_height() {
    let mut hands = Hands::new(1, 0);
    hands.peer_up(1, Some(1));
    hands.commit(1, &[]);
    hands.take();
    hands.step(Input::Stray { peer: Peer(1), height: height(1) });
    assert!(matches!(hands.effects[..], [Effect::Enlighten { peer: Peer(1), height: at }] if at == height(1)));
    hands.take();
    hands.step(Input::Stray { peer: Peer(1), height: height(2) });
    assert!(hands.effects.is_empty(), "live: nothing to tell");
}

#[test]
fn a_stray_above_the_window_names_a_peer_to_fetch_from() {
    let mut hands = Hands::new(1, 0);
    hands.peer_up(1, Some(1));
    hands.step(Input::Stray { peer: Peer(1), height: height(9) });
    assert_eq!(hands.replica.view().target, height(8));
    assert_eq!(hands.fetches(), [(1, 1)]);
}

#[test]
fn announces_itself_to_new_peers_and_then_at_most_once_in_an_interval() {
    let mut hands = Hands::new(1, 0);
    assert_eq!(hands.replica.deadline(), None, "alone and idle: no timer");
    hands.peer_up(1, None);
    let mine = PeerStatus { executed: Height::ZERO, tip: Some(genesis_header().hash()), oldest: Height::FIRST };
    assert!(matches!(hands.effects.last(), Some(Effect::Announce { to: Some(Peer(1)), status }) if *status == mine));
    hands.take();
    (1..50).for_each(|at| hands.commit(at, &[]));
    let told = |effects: &[Effect]| effects.iter().filter(|e| matches!(e, Effect::Announce { to: None, .. })).count();
    assert_eq!(told(&hands.take()), 0);
    assert_eq!(hands.replica.deadline(), Some(hands.now.plus(millis(1000))));
    hands.pass(millis(1000));
    assert_eq!(told(&hands.take()), 1);
    hands.step(Input::PeerDown { peer: Peer(1) });
    hands.pass(millis(1000));
    assert_eq!(told(&hands.take()), 0);
}

#[test]
fn holds_a_bounded_number_of_blocks_however_many_are_served() {
    let mut hands = Hands::new(1, 0);
    hands.peer_up(1, None);
    hands.status(1, 10_000);
    serve(&mut hands, 1, 1, 3000);
    assert_eq!(hands.replica.catch_up.len().0 as u64, PREFETCH_MAX);
    serve_all(&mut hands, 10_000, 3000);
    assert_eq!(hands.executed(), height(10_000));
    assert_eq!(hands.replica.catch_up.len(), (0, 0));
}

#[test]
fn a_peer_that_no_longer_has_the_height_is_not_asked() {
    let mut hands = Hands::new(1, 0);
    hands.peer_up(1, None);
    let status = PeerStatus { executed: height(100), oldest: height(50), ..PeerStatus::default() };
    hands.step(Input::Status { peer: Peer(1), status });
    assert_eq!(hands.fetches(), []);
}

#[test]
fn notices_a_validator_with_another_state() {
    let mut hands = Hands::new(1, 0);
    (1..=3).for_each(|at| hands.commit(at, &[]));
    hands.peer_up(1, Some(1));
    let tips: Vec<_> = hands.headers.iter().map(Header::hash).collect();
    let mut told = |executed: u64, tip| {
        hands.events.clear();
        let status = PeerStatus { executed: height(executed), tip: Some(tip), oldest: Height::FIRST };
        hands.step(Input::Status { peer: Peer(1), status });
        hands.events.iter().any(|event| matches!(event, Event::Diverged { validator, .. } if validator.get() == 1))
    };
    assert!(!told(2, tips[2]));
    assert!(!told(9, tips[0]), "of what is not executed here nothing can be said");
    assert!(told(2, tips[1]));
}
