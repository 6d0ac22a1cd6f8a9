//! Gives accounts of what it has prepared that are false, and not the same for everyone: that nothing is, or only a part,
//! or something that nobody voted for. As a primary it does nothing, so that there are accounts to give.

use super::{
    Hand, Liar,
    wire::{self, Place},
};
use crate::{
    protocol::pbft::{self, Account, Change, Phase, Proof, Proposal, ViewChange, ViewNumber, Vote},
    sim::letter::Mail,
    types::BoundedVec,
};

/// See the file's header.
pub struct Perjurer;

impl Liar for Perjurer {
    fn speak(&mut self, to: usize, mail: Mail, hand: &mut Hand<'_>) {
        if wire::pbft::own_proposal(&mail, hand).is_some() {
            return;
        }
        let Some((place, pbft::Message::ViewChange(it))) = wire::pbft::message(&mail) else {
            return hand.send(to, mail);
        };
        let account = match hand.dice.below(4) {
            0 => nothing(it),
            1 => half(it),
            2 => invented(place, it, hand),
            _ => return hand.send(to, mail),
        };
        if let Some(lie) = wire::pbft::leave(hand, place, account) {
            hand.send(to, place.mail(pbft::Message::ViewChange(Box::new(lie))));
        }
    }
}

/// Above the true low mark, nothing.
fn nothing(it: &ViewChange) -> Account {
    let change = Change { claims: BoundedVec::default(), ..it.change.message.clone() };
    Account { change, stable: it.stable.clone(), proofs: BoundedVec::default() }
}

/// Every other one of the true claims.
fn half(it: &ViewChange) -> Account {
    let claims: Vec<Proposal> = it.change.message.claims.iter().step_by(2).copied().collect();
    let proofs: Vec<Proof> = it.proofs.iter().step_by(2).cloned().collect();
    of(it, claims, proofs)
}

/// A value that nobody has seen, just now prepared, for what is claimed and one height more.
fn invented(place: Place, it: &ViewChange, hand: &mut Hand<'_>) -> Account {
    let Change { view, stable, claims } = &it.change.message;
    let before = ViewNumber::new(view.get().saturating_sub(1));
    let above = claims.last().map_or(*stable, |claim| claim.height).next();
    let heights = claims.iter().map(|claim| claim.height).chain([above]);
    let claims: Vec<Proposal> =
        heights.map(|height| Proposal { view: before, height, payload_root: hand.noise() }).collect();
    let strangers = hand.dice.chance(500);
    let proof = |proposal: &Proposal| {
        let vote = Vote { phase: Phase::Prepare, proposal: *proposal };
        let votes = wire::pbft::ballots_of_one(hand, vote, &place.instance, strangers);
        Proof { phase: Phase::Prepare, votes: votes.into_iter().collect() }
    };
    let proofs = claims.iter().map(proof).collect();
    of(it, claims, proofs)
}

fn of(it: &ViewChange, claims: Vec<Proposal>, proofs: Vec<Proof>) -> Account {
    let claims = BoundedVec::try_from(claims).unwrap_or_default();
    let change = Change { claims, ..it.change.message.clone() };
    Account { change, stable: it.stable.clone(), proofs: BoundedVec::try_from(proofs).unwrap_or_default() }
}
