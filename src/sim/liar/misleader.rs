//! Opens its views with what suits it: with values left out or exchanged, without a quorum behind it, and in another way
//! for others, as sound as the first, in which its own account of what it has prepared is another one.

use super::{
    Hand, Liar,
    wire::{self, Place, pbft::Heard},
};
use crate::{
    protocol::pbft::{self, NewView, Phase, Proposal, ViewChange, Vote},
    sim::letter::Mail,
    types::BoundedVec,
};

/// See the file's header.
#[derive(Default)]
pub struct Misleader {
    heard: Heard,
}

impl Misleader {
    fn mislead(&self, place: Place, it: &NewView, hand: &mut Hand<'_>) -> Option<pbft::Message> {
        let mut lie = it.clone();
        match hand.dice.below(4) {
            0 => {
                let proofs: Vec<_> = it.proofs.iter().skip(1).cloned().collect();
                let ballots: Vec<_> = it.ballots.iter().skip(1).copied().collect();
                (lie.proofs, lie.ballots) = (BoundedVec::try_from(proofs).ok()?, BoundedVec::try_from(ballots).ok()?);
            }
            1 => {
                let view = it.opening.message.view;
                let mut ballots = it.ballots.to_vec();
                let height = place.height;
                let proposal = Proposal { view, height, payload_root: hand.noise() };
                let vote = Vote { phase: Phase::Prepare, proposal };
                *ballots.first_mut()? = wire::pbft::sign(hand.key(), hand.index(), vote, &place.instance).signature;
                lie.ballots = BoundedVec::try_from(ballots).ok()?;
            }
            2 => {
                let few: Vec<ViewChange> = self.heard.of(it.opening.message.view).into_iter().take(1).collect();
                return wire::pbft::open(hand, place, it.opening.message.view, &few);
            }
            _ => return self.open_anew(place, it, hand),
        }
        Some(pbft::Message::NewView(Box::new(lie)))
    }

    /// A sound opening of the same view: with another account of its own.
    fn open_anew(&self, place: Place, it: &NewView, hand: &Hand<'_>) -> Option<pbft::Message> {
        let view = it.opening.message.view;
        let mut account = wire::pbft::nothing_prepared(view);
        let own = it.changes.iter().find(|change| change.signer == hand.index())?;
        account.change.stable = own.message.stable;
        account.stable = it.stable.clone().filter(|stable| stable.checkpoint.height == own.message.stable);
        let others = self.heard.of(view).into_iter().filter(|change| change.change.signer != hand.index());
        let mut changes: Vec<ViewChange> = others.chain(wire::pbft::leave(hand, place, account)).collect();
        changes.sort_by_key(|change| change.change.signer);
        wire::pbft::open(hand, place, view, &changes)
    }
}

impl Liar for Misleader {
    fn speak(&mut self, to: usize, mail: Mail, hand: &mut Hand<'_>) {
        let lie = match wire::pbft::message(&mail) {
            Some((place, pbft::Message::NewView(it))) if it.opening.signer == hand.index() && !hand.camp(to) => {
                self.mislead(place, it, hand).map(|lie| place.mail(lie))
            }
            _ => None,
        };
        hand.send(to, lie.unwrap_or(mail));
    }

    fn hear(&mut self, mail: &Mail, _hand: &mut Hand<'_>) {
        self.heard.note(mail);
    }
}
