//! Votes for one target before one half of the validators and for another before the other half: for the twin where
//! a leader made one, otherwise for something that nobody has ever seen.

use super::{
    Hand, Liar,
    wire::{self, Place},
};
use crate::{
    crypto::Signed,
    protocol::{
        pbft::{self, Proposal, Vote},
        streamlette as sl,
    },
    sim::letter::Mail,
};

/// See the file's header.
pub struct Turncoat;

impl Liar for Turncoat {
    fn speak(&mut self, to: usize, mail: Mail, hand: &mut Hand<'_>) {
        if let Some((place, pbft::Message::Votes(votes))) = wire::pbft::message(&mail)
            && !hand.camp(to)
        {
            let turned = turned(place, votes, hand);
            hand.send(to, place.mail(turned));
            if hand.dice.chance(500) {
                return;
            }
        }
        let own = match wire::streamlette::message(&mail) {
            Some((place, sl::Message::Vote(vote))) if vote.signer == hand.index() => Some((place, vote.message)),
            _ => None,
        };
        if let Some((place, vote)) = own.filter(|_| !hand.camp(to)) {
            let twin = hand.plan.twin_of(place.instance, vote.target);
            let twin = twin.unwrap_or_else(|| sl::Vote { target: hand.noise(), ..vote });
            let message = wire::streamlette::vote(hand, hand.index(), place, twin);
            hand.send(to, place.mail(message));
            if hand.dice.chance(500) {
                return;
            }
        }
        hand.send(to, mail);
    }
}

/// PBFT: the same votes, for other values.
fn turned(place: Place, votes: &[Signed<Vote>], hand: &mut Hand<'_>) -> pbft::Message {
    let turn = |vote: &Signed<Vote>| {
        let Vote { phase, proposal } = vote.message;
        let twin = hand.plan.twin_value(place.instance, proposal);
        let twin = twin.unwrap_or_else(|| Proposal { payload_root: hand.noise(), ..proposal });
        wire::pbft::sign(hand.key(), hand.index(), Vote { phase, proposal: twin }, &place.instance)
    };
    wire::pbft::say(votes.iter().map(turn).collect())
}
