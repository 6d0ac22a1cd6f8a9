//! `OB-8`: what is signed, what is stable, and what stops a replica.

use std::collections::BTreeMap;

use super::hands::*;
use crate::{
    protocol::{Checkpoint, Evidence},
    replica::{Effect, Event, Input, Peer},
    types::{Digest, Height},
};

/// Validator 0 of four; every fourth height is a checkpoint.
fn validator_0() -> Hands {
    Hands::with(long(1, 4, Some(0)))
}

/// One that has executed and signed height 4.
fn at_checkpoint() -> (Hands, Checkpoint) {
    let mut hands = validator_0();
    (1..=4).for_each(|at| hands.commit(at, &[]));
    let own = checkpoint(hands.headers.last().unwrap());
    hands.step(Input::Attested { vote: signed(0, own) });
    (hands, own)
}

fn hear(hands: &mut Hands, signer: u16, checkpoint: Checkpoint) {
    let vote = Some(signed(signer, checkpoint));
    hands.step(Input::VoteChecked { peer: Peer(u64::from(signer)), vote });
}

fn attested(hands: &Hands) -> Vec<u64> {
    let of = |effect: &Effect| match effect {
        Effect::Attest { checkpoint, .. } => Some(checkpoint.height.get()),
        _ => None,
    };
    hands.effects.iter().filter_map(of).collect()
}

fn kept(hands: &Hands) -> Vec<(u64, usize)> {
    let of = |effect: &Effect| match effect {
        Effect::Keep { stable } => Some((stable.checkpoint.height.get(), stable.vouchers.len())),
        _ => None,
    };
    hands.effects.iter().filter_map(of).collect()
}

fn halts(hands: &Hands) -> bool {
    hands.effects.iter().any(|effect| matches!(effect, Effect::Halt { .. }))
}

fn alarms(hands: &Hands) -> usize {
    hands.events.iter().filter(|event| matches!(event, Event::StateMismatch { .. })).count()
}

fn elsewhere(own: Checkpoint, root: u8) -> Checkpoint {
    Checkpoint { state_root: Digest::new([root; 32]), ..own }
}

#[test]
fn signs_only_what_is_durable_and_executed() {
    let mut hands = validator_0();
    (1..=3).for_each(|at| hands.commit(at, &[]));
    hands.decide(4, &[]);
    hands.execute();
    assert!(attested(&hands).is_empty(), "executed, but not in the journal");
    hands.record();
    assert_eq!(attested(&hands), [4]);

    let mut hands = validator_0();
    (1..=3).for_each(|at| hands.commit(at, &[]));
    hands.decide(4, &[]);
    hands.record();
    assert!(attested(&hands).is_empty(), "in the journal, but not executed");
    hands.execute();
    assert_eq!(attested(&hands), [4]);
}

#[test]
fn is_stable_with_a_quorum_on_the_own_tuple() {
    let (mut hands, own) = at_checkpoint();
    hear(&mut hands, 1, own);
    hear(&mut hands, 1, own);
    assert!(kept(&hands).is_empty(), "two of four, one of them heard twice");
    hear(&mut hands, 3, elsewhere(own, 9));
    assert!(kept(&hands).is_empty(), "the third signed something else");
    hear(&mut hands, 2, own);
    assert_eq!(kept(&hands), [(4, 3)]);
    assert_eq!(hands.replica.view().stable, Some(height(4)));
    assert_eq!((alarms(&hands), halts(&hands)), (0, false), "one of four may say what it likes");
}

/// Whatever others say, what is not executed here is not pruned here.
#[test]
fn is_not_stable_before_the_own_state_is_there() {
    let ours = at_checkpoint().1;
    let mut hands = validator_0();
    (1..=3).for_each(|at| hands.commit(at, &[]));
    (1..=3).for_each(|signer| hear(&mut hands, signer, ours));
    assert!(kept(&hands).is_empty());
    hands.decide(4, &[]);
    hands.execute();
    assert!(kept(&hands).is_empty(), "executed, but not durable");
    hands.record();
    assert_eq!(kept(&hands), [(4, 3)]);
}

#[test]
fn another_state_of_more_than_a_third_is_an_alarm_and_of_more_than_two_thirds_the_end() {
    let (mut hands, own) = at_checkpoint();
    hear(&mut hands, 1, elsewhere(own, 9));
    assert_eq!(alarms(&hands), 0);
    hear(&mut hands, 2, elsewhere(own, 9));
    assert_eq!((alarms(&hands), halts(&hands)), (1, false), "half of the power is no quorum");
    hear(&mut hands, 3, elsewhere(own, 9));
    assert!(halts(&hands));
}

/// Exact tuples are counted: two that differ from ours and from each other are not one.
#[test]
fn different_other_states_do_not_add_up() {
    let (mut hands, own) = at_checkpoint();
    (1..=3).for_each(|signer| hear(&mut hands, signer, elsewhere(own, u8::try_from(signer).unwrap())));
    assert_eq!((alarms(&hands), halts(&hands)), (0, false));
}

#[test]
fn a_second_tuple_of_a_signer_is_evidence_and_does_not_count() {
    let (mut hands, own) = at_checkpoint();
    hear(&mut hands, 1, elsewhere(own, 9));
    hear(&mut hands, 1, own);
    let accused = hands.effects.iter().find_map(|effect| match effect {
        Effect::Accuse { evidence: Evidence::Checkpoint(evidence), .. } => Some(evidence.second.signer),
        _ => None,
    });
    assert_eq!(accused, Some(validator(1)));
    hear(&mut hands, 2, own);
    assert!(kept(&hands).is_empty(), "its first word counts");
}

#[test]
fn stops_when_an_earlier_life_signed_another_state() {
    let (again, _) = at_checkpoint();
    let headers = again.headers.clone();
    let own = checkpoint(headers.last().unwrap());
    let restart = |signed: Checkpoint| {
        let settings = long(1, 4, Some(0));
        let decided = [(height(4), block(4, &[]))].into();
        let mut hands = Hands::recovering(settings, headers[..4].to_vec(), decided, |it| it.signed = vec![signed]);
        hands.run();
        hands
    };
    let hands = restart(own);
    assert_eq!((halts(&hands), attested(&hands)), (false, vec![4]), "the same again, and it says so");
    let hands = restart(elsewhere(own, 9));
    assert_eq!((halts(&hands), attested(&hands)), (true, vec![]));
}

/// Lost votes are no loss: the last one goes along whenever we say how far we are.
#[test]
fn says_its_last_vote_to_whoever_connects() {
    let (mut hands, own) = at_checkpoint();
    hands.take();
    hands.peer_up(2, Some(2));
    let vouched = hands.effects.iter().find_map(|effect| match effect {
        Effect::Vouch { to, vote } => Some((*to, vote.message)),
        _ => None,
    });
    assert_eq!(vouched, Some((Some(Peer(2)), own)));
}

#[test]
fn holds_a_few_votes_of_each_signer_only() {
    let (mut hands, own) = at_checkpoint();
    let mut votes = BTreeMap::new();
    for at in 1..100 {
        let far = Checkpoint { height: Height::new(4 * at), ..elsewhere(own, 9) };
        hear(&mut hands, 1, far);
        votes.insert(far.height, far);
    }
    // What it said of height 4 first is forgotten with the rest: the same again is news, another word no evidence.
    hear(&mut hands, 1, own);
    assert!(!hands.effects.iter().any(|effect| matches!(effect, Effect::Accuse { .. })));
}
