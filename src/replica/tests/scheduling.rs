//! `OB-1`, `OB-8`: what a long instance is opened with, and told.

use std::collections::BTreeMap;

use super::hands::*;
use crate::{
    protocol::{self, Abstention},
    replica::{Effect, Input, Peer},
    types::Height,
};

/// What the long instance was told since the last look: horizons, low marks, and what was decided elsewhere.
fn told(hands: &mut Hands) -> (Vec<u64>, Vec<u64>, Vec<u64>) {
    let (mut horizons, mut stable, mut closed) = (Vec::new(), Vec::new(), Vec::new());
    for effect in hands.take() {
        let Effect::Tell { instance, input } = effect else { continue };
        assert_eq!(instance, Height::FIRST);
        match input {
            protocol::Input::Horizon { last_height, epoch_end: None } => horizons.push(last_height.get()),
            protocol::Input::Stable { height, .. } => stable.push(height.get()),
            protocol::Input::Closed { height, .. } => closed.push(height.get()),
            other => panic!("{other:?}"),
        }
    }
    (horizons, stable, closed)
}

fn make_stable(hands: &mut Hands) {
    let own = checkpoint(hands.headers.last().unwrap());
    for signer in 0..3 {
        hands.step(Input::VoteChecked { peer: Peer(u64::from(signer)), vote: Some(signed(signer, own)) });
    }
}

#[test]
fn the_horizon_rises_with_execution_and_stays_within_two_intervals_of_what_is_stable() {
    let mut hands = Hands::with(long(3, 4, Some(0)));
    assert_eq!(hands.open.len(), 1);
    assert_eq!(told(&mut hands), (vec![3], vec![], vec![]));
    (1..=4).for_each(|at| hands.commit(at, &[]));
    assert_eq!(told(&mut hands), (vec![4, 5, 6, 7], vec![], vec![]));
    (5..=8).for_each(|at| hands.commit(at, &[]));
    assert_eq!(told(&mut hands).0, [8], "no checkpoint is stable: nothing above 2 * 4");
    make_stable(&mut hands);
    assert_eq!(told(&mut hands), (vec![11], vec![8], vec![]));
    assert_eq!(hands.open.len(), 1, "never opened again");
}

#[test]
fn what_is_decided_elsewhere_is_told() {
    let mut hands = Hands::with(long(3, 100, Some(0)));
    hands.peer_up(1, Some(1));
    hands.status(1, 2);
    hands.pass(millis(2000));
    assert_eq!(hands.fetches().first(), Some(&(1, 1)), "{:?}", hands.effects);
    hands.take();
    hands.step(Input::Blocks { peer: Peer(1), blocks: vec![block(1, &[]), block(2, &[])] });
    hands.run();
    assert_eq!(told(&mut hands).2, [1, 2]);
    assert_eq!(hands.executed(), height(2));
}

/// `OB-10`: opened again with its vote, above all that it may have voted on; the instance is told how far that is.
#[test]
fn is_opened_again_with_a_vote_when_the_silence_is_over() {
    let settings = long(2, 4, Some(0));
    let abstention = Abstention::Through(height(3));
    let mut hands = Hands::returned(settings, vec![genesis_header()], BTreeMap::new(), abstention);
    let setup = |hands: &Hands| hands.open[&Height::FIRST].clone();
    assert_eq!(setup(&hands).me, None);
    (1..=2).for_each(|at| hands.commit(at, &[]));
    assert_eq!(setup(&hands).me, None);
    hands.take();
    hands.commit(3, &[]);
    assert_eq!((setup(&hands).me, setup(&hands).forgotten), (Some(validator(0)), height(3)));
    let order: Vec<_> =
        hands.effects.iter().filter(|effect| matches!(effect, Effect::Open { .. } | Effect::Close { .. })).collect();
    assert!(matches!(order[..], [Effect::Close { .. }, Effect::Open { .. }]), "{order:?}");
    // The new one is told everything anew.
    assert_eq!(told(&mut hands).0.last(), Some(&5));
}

/// One that remembers everything, has nothing to be careful about; nor has one without a vote.
#[test]
fn nothing_is_forgotten_unless_the_journal_says_so() {
    for me in [Some(0), None] {
        let hands = Hands::with(long(2, 4, me));
        assert_eq!(hands.open[&Height::FIRST].forgotten, Height::ZERO);
    }
}
