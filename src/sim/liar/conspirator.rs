//! Works with all others of its kind for two decisions: a leader among them shows two chains to two halves, and all of
//! them vote for either chain in its half, and hide each half from the other.
//!
//! Up to f of them achieve nothing; beyond, agreement breaks, and the checkers must say so.

use super::{Hand, Liar, equivocator, wire};
use crate::{protocol::streamlette as sl, replica::wire::Response, sim::letter::Mail};

/// See the file's header.
pub struct Conspirator;

impl Liar for Conspirator {
    fn speak(&mut self, to: usize, mail: Mail, hand: &mut Hand<'_>) {
        if hand.camp(to) {
            // Makes the twins known to the others, whoever is spoken to first.
            equivocator::two_faced(to, mail.clone(), hand);
            return hand.send(to, mail);
        }
        let mail = match (wire::message(&mail), &mail) {
            (Some((place, sl::Message::Vote(vote))), _) => {
                let Some(twin) = hand.plan.twin_of(place.instance, vote.message.target) else {
                    return hand.send(to, mail);
                };
                place.mail(wire::vote(hand, vote.signer, place, twin))
            }
            // A certificate, a diff, a block: they would tell of the other half.
            (Some((_, sl::Message::Certificate { .. } | sl::Message::Diff(_))), _)
            | (_, Mail::Response(_, Response::Diff(_) | Response::Blocks { .. })) => return,
            _ => equivocator::two_faced(to, mail, hand),
        };
        hand.send(to, mail);
    }
}
