//! Votes for one target before one half of the validators and for another before the other half: for the twin where
//! a leader made one, otherwise for something that nobody has ever seen.

use super::{Hand, Liar, wire};
use crate::{
    protocol::streamlette::{self as sl, Vote},
    sim::letter::Mail,
};

/// See the file's header.
pub struct Turncoat;

impl Liar for Turncoat {
    fn speak(&mut self, to: usize, mail: Mail, hand: &mut Hand<'_>) {
        let own = match wire::message(&mail) {
            Some((place, sl::Message::Vote(vote))) if vote.signer == hand.index() => Some((place, vote.message)),
            _ => None,
        };
        if let Some((place, vote)) = own.filter(|_| !hand.camp(to)) {
            let twin = hand.plan.twin_of(place.instance, vote.target);
            let twin = twin.unwrap_or_else(|| Vote { target: hand.noise(), ..vote });
            let message = wire::vote(hand, hand.index(), place, twin);
            hand.send(to, place.mail(message));
            if hand.dice.chance(500) {
                return;
            }
        }
        hand.send(to, mail);
    }
}
