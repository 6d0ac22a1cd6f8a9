//! `OB-10`: a validator without its memory follows, learns how far the others are, and votes only above.

use std::{collections::BTreeMap, sync::Arc};

use super::hands::*;
use crate::{
    protocol::Abstention,
    replica::{Effect, Input, Settings},
    types::{Height, Power, PublicKey, Validator},
};

/// Validator 0 of some, its memory gone; peer i is validator i.
fn amnesiac(window: u64, validators: u8) -> Hands {
    let settings = settings(window, Some(0));
    let mut genesis = (*settings.genesis).clone();
    let member = |at| Validator { public_key: PublicKey::new([at; 32]), power: Power::new(1) };
    genesis.validators = (1..=validators).map(member).collect();
    let settings = Settings { genesis: Arc::new(genesis), ..settings };
    let mut hands = Hands::returned(settings, vec![genesis_header()], BTreeMap::new(), Abstention::Everywhere);
    (1..u64::from(validators)).for_each(|peer| hands.peer_up(peer, u16::try_from(peer).ok()));
    hands
}

fn abstentions(hands: &Hands) -> Vec<u64> {
    let through = |effect: &Effect| if let Effect::Abstain { through } = effect { Some(through.get()) } else { None };
    hands.effects.iter().filter_map(through).collect()
}

/// The live heights, and whether it votes there.
fn votes(hands: &Hands) -> Vec<(u64, bool)> {
    hands.open.values().map(|setup| (setup.height.get(), setup.me.is_some())).collect()
}

#[test]
fn votes_only_above_what_enough_others_have_claimed() {
    for window in [1, 3] {
        let mut hands = amnesiac(window, 4);
        assert_eq!(hands.replica.view().abstention, Some(Abstention::Everywhere));
        hands.status(1, 5);
        hands.status(2, 4);
        (1..=5).for_each(|at| hands.commit(at, &[]));
        assert!(abstentions(&hands).is_empty(), "two of four are no quorum");
        hands.status(3, 0);
        let through = 5 + 2 * window;
        assert_eq!(abstentions(&hands), [through]);

        // Not before it is durable.
        hands.commit(6, &[]);
        assert!(votes(&hands).iter().all(|(_, may)| !may));
        hands.step(Input::Abstained { through: height(through) });
        assert_eq!(hands.replica.view().abstention, Some(Abstention::Through(height(through))));
        for at in 7..=through {
            assert!(votes(&hands).iter().all(|(height, may)| *may == (*height > through)), "{:?}", votes(&hands));
            hands.commit(at, &[]);
        }
        assert_eq!(hands.replica.view().abstention, None);
        hands.commit(through + 1, &[]);
        assert!(votes(&hands).iter().all(|(_, may)| *may));
        assert_eq!(abstentions(&hands).len(), 1, "learnt once");
    }
}

/// The first claim of each stands: a liar cannot lower an honest one's, and none is counted before it is made good.
#[test]
fn cannot_be_made_to_vote_too_early() {
    let mut hands = amnesiac(1, 4);
    hands.status(1, 9);
    hands.status(1, 0);
    hands.status(2, 9);
    hands.status(3, 0);
    // Neither our own name nor a follower's word counts.
    hands.peer_up(7, Some(0));
    hands.status(7, 0);
    hands.peer_up(8, None);
    hands.status(8, 0);
    (1..=8).for_each(|at| hands.commit(at, &[]));
    assert!(abstentions(&hands).is_empty());
    hands.commit(9, &[]);
    assert_eq!(abstentions(&hands), [11]);
}

#[test]
fn cannot_be_kept_silent_for_ever() {
    // Two of seven are faulty: this one, and a liar.
    let mut hands = amnesiac(1, 7);
    hands.status(1, u64::MAX);
    (2..=5).for_each(|honest| hands.status(honest, 3));
    (1..=3).for_each(|at| hands.commit(at, &[]));
    assert!(abstentions(&hands).is_empty(), "four of seven");
    hands.status(6, 4);
    hands.commit(4, &[]);
    assert_eq!(abstentions(&hands), [6]);
}

/// The bug that the rule prevents: without it the validator is asked to vote again where it has voted before.
#[test]
fn forgotten_votes_are_cast_again_unless_it_abstains() {
    let first_life = Hands::new(1, 0);
    let voted = first_life.open[&Height::FIRST].clone();
    let is_asked_again = |abstention| {
        let second_life = Hands::returned(settings(1, Some(0)), vec![genesis_header()], BTreeMap::new(), abstention);
        let again = second_life.open[&Height::FIRST].clone();
        again.id == voted.id && again.me == voted.me
    };
    assert!(is_asked_again(Abstention::NONE), "nothing else would stop it");
    assert!(!is_asked_again(Abstention::Everywhere));
}

/// What others need to rely on: who replays its journal claims what it holds from the first moment on.
#[test]
fn claims_what_the_journal_holds_before_it_is_executed_again() {
    let decided = [1, 2, 4].map(|at| (height(at), block(at, &[]))).into();
    let mut hands = Hands::restarted(settings(1, Some(0)), vec![genesis_header()], decided);
    hands.peer_up(1, Some(1));
    let told = hands.effects.iter().find_map(|effect| match effect {
        Effect::Announce { status, .. } => Some(status.executed),
        _ => None,
    });
    assert_eq!((hands.executed(), told), (Height::ZERO, Some(height(2))));
}
