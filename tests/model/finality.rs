//! What the model calls decided is what a certificate can prove, and nothing else: `SL-S1` and `SL-S2` as the form of
//! certificates has them, against the same rules restated.

use std::sync::Arc;

use thalweg::{
    crypto::{SecretKey, Signable as _},
    protocol::{
        Electorate,
        streamlette::{Ballot, Certificate, Depth, Proposal, Solicit, Step, Tick, Votes},
    },
    types::{CrashModel, Digest, Power, Signature, Validator, ValidatorIndex, ValidatorSet},
};

use crate::{
    rules::{Model, Rules, Vote},
    state::State,
};

const TICKS: u32 = 5;

fn electorate() -> Electorate {
    let key = |seed| SecretKey::from_seed(&[seed; 32]).public_key();
    let members = (1..=4).map(|seed| Validator { public_key: key(seed), power: Power::new(1) }).collect();
    let set = ValidatorSet::new(members, CrashModel::Byzantine).expect("four keys");
    Electorate { id: Digest::new([7; 32]), set: Arc::new(set) }
}

/// The ballots of three of four. Their signatures are not what is looked at here.
fn quorum() -> Votes {
    let ballot = |voter| Ballot { voter: ValidatorIndex::new(voter), signature: Signature::new([0; 64]) };
    (0..3).map(ballot).collect()
}

/// A proof that the last messages of a chain with these ticks decide; the whole chain, or what is above its beginning.
fn certificate(electorate: &Electorate, ticks: &[u32], from: usize) -> Certificate {
    let tick = |at: usize| Tick::new(ticks[at].into());
    let leader = ValidatorIndex::new(0);
    let proposal = Proposal { tick: tick(0), leader, payload_root: Digest::new([1; 32]), payload_len: 1 };
    let root = proposal.digest(&electorate.id);
    let (mut parent, mut steps) = (root, Vec::new());
    for (at, depth) in (1..ticks.len()).zip(1..) {
        let header = Solicit { tick: tick(at), leader, parent, root, depth: Depth::new(depth) };
        parent = header.digest(&electorate.id);
        steps.push(Step { header, votes: quorum() });
    }
    let steps = steps.split_off(from.saturating_sub(1).min(steps.len()));
    let votes = if from == 0 { quorum() } else { Votes::default() };
    Certificate { proposal, votes, steps: steps.try_into().expect("three at most") }
}

/// Whether the model calls a chain decided, by any of its messages.
fn is_decided(ticks: &[u32]) -> bool {
    let model = Model { rules: Rules::Ours, honest: 3, liars: 1, ticks: TICKS, twins: 1 };
    let mut state = State::of(3);
    let parents = [None].into_iter().chain(ticks.iter().copied().map(Some));
    for (id, parent) in ticks.iter().copied().zip(parents) {
        for voter in 0..2 {
            let vote = Vote { voter, id, parent };
            model.allows(&state, vote).expect("a chain in ascending ticks may be voted for");
            state = model.cast(&state, vote);
        }
    }
    !model.decisions(&state).is_empty()
}

#[test]
fn the_model_and_certificates_agree_on_what_is_decided() {
    let electorate = electorate();
    let (mut decided, mut all) = (0, 0);
    // Every chain in ascending ticks is a set of ticks.
    for mask in 1u32..1 << TICKS {
        let ticks: Vec<u32> = (0..TICKS).filter(|tick| mask & (1 << tick) != 0).collect();
        // Everything that can be shown of the chain and its beginnings, three messages at most.
        let shown = (1..=ticks.len()).flat_map(|end| (end.saturating_sub(3)..end).map(move |from| (from, end)));
        let is_proven = shown
            .into_iter()
            .any(|(from, end)| certificate(&electorate, &ticks[..end], from).check_form(&electorate).is_ok());
        assert_eq!(is_proven, is_decided(&ticks), "{ticks:?}");
        decided += u32::from(is_proven);
        all += 1;
    }
    assert!(decided > 5 && decided < all, "{decided} of {all} chains decide");
}
