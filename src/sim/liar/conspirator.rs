//! Works with all others of its kind for two decisions: a leader among them shows two chains to two halves, and all of
//! them vote for either chain in its half, and hide each half from the other.
//!
//! Up to f of them achieve nothing; beyond, agreement breaks, and the checkers must say so.

use super::{
    Hand, Liar, equivocator,
    wire::{self, Place},
};
use crate::{
    protocol::{
        pbft::{self, Proposal, Vote},
        streamlette as sl,
    },
    replica::wire::Response,
    sim::letter::Mail,
};

/// See the file's header.
pub struct Conspirator;

impl Liar for Conspirator {
    fn speak(&mut self, to: usize, mail: Mail, hand: &mut Hand<'_>) {
        if hand.camp(to) {
            // Makes the twins known to the others, whoever is spoken to first.
            equivocator::two_faced(to, mail.clone(), hand);
            return hand.send(to, mail);
        }
        if let Some((place, message)) = wire::pbft::message(&mail) {
            return speak_pbft(to, place, message, &mail, hand);
        }
        let mail = match (wire::streamlette::message(&mail), &mail) {
            (Some((place, sl::Message::Vote(vote))), _) => {
                let Some(twin) = hand.plan.twin_of(place.instance, vote.message.target) else {
                    return hand.send(to, mail);
                };
                place.mail(wire::streamlette::vote(hand, vote.signer, place, twin))
            }
            // A certificate, a diff, a block: they would tell of the other half.
            (Some((_, sl::Message::Certificate { .. } | sl::Message::Diff(_))), _)
            | (_, Mail::Response(_, Response::Diff(_) | Response::Blocks { .. })) => return,
            _ => equivocator::two_faced(to, mail, hand),
        };
        hand.send(to, mail);
    }
}

/// PBFT: votes for the twin where there is one; what tells of the first half is left unsaid.
fn speak_pbft(to: usize, place: Place, message: &pbft::Message, mail: &Mail, hand: &mut Hand<'_>) {
    let has_twin = |hand: &Hand<'_>, it: &Proposal| hand.plan.twin_value(place.instance, *it).is_some();
    match message {
        pbft::Message::PrePrepare(_) => {
            let mail = equivocator::two_faced(to, mail.clone(), hand);
            hand.send(to, mail);
        }
        pbft::Message::Votes(votes) => {
            let votes = votes.iter().map(|vote| {
                let twin = hand.plan.twin_value(place.instance, vote.message.proposal);
                let message = Vote { proposal: twin.unwrap_or(vote.message.proposal), ..vote.message };
                wire::pbft::sign(&hand.plan.keys[&vote.signer], vote.signer, message, &place.instance)
            });
            let votes = wire::pbft::say(votes.collect());
            hand.send(to, place.mail(votes));
        }
        pbft::Message::ViewChange(it) if it.change.message.claims.iter().any(|claim| has_twin(hand, claim)) => {}
        pbft::Message::Diff(_) => {}
        pbft::Message::ViewChange(_) | pbft::Message::NewView(_) => hand.send(to, mail.clone()),
    }
}
