//! Signs for others with its own key, for other instances, as a stranger, or not at all.

use super::{
    Hand, Liar,
    wire::{self, Place},
};
use crate::{
    crypto::Signed,
    protocol::streamlette::{self as sl, Tick, Vote, Want},
    sim::letter::Mail,
    types::{Signature, ValidatorIndex},
};

/// See the file's header.
pub struct Forger;

impl Forger {
    fn forge(place: Place, message: &sl::Message, hand: &mut Hand<'_>) -> sl::Message {
        let tick = wire::tick(message).unwrap_or(Tick::ZERO);
        let target = match message {
            sl::Message::Vote(vote) => vote.message.target,
            sl::Message::Proposal { header, .. } => sl::Header::Proposal(*header).id(&place.instance),
            sl::Message::Solicit { header, .. } => sl::Header::Solicit(*header).id(&place.instance),
            _ => hand.noise(),
        };
        let (vote, other) = (Vote { tick, target }, somebody(hand));
        let sign = |hand: &Hand<'_>, signer, instance| {
            let signature = wire::sign(hand.key(), vote, instance);
            sl::Message::Vote(Signed { message: vote, signer, signature })
        };
        match hand.dice.below(6) {
            0 => sign(hand, other, &place.instance),
            1 => sign(hand, ValidatorIndex::new(99), &place.instance),
            2 => {
                let foreign = hand.noise();
                sign(hand, hand.index(), &foreign)
            }
            3 => sl::Message::Vote(Signed { message: vote, signer: other, signature: Signature::new([0; 64]) }),
            4 => {
                let signature = hand.key().sign_digest(&target);
                let message = Want { tick: tick.plus(1 + hand.dice.below(50)) };
                sl::Message::Want(Signed { message, signer: other, signature })
            }
            _ => unsigned(message, hand),
        }
    }
}

/// A leader's message that nobody signed; of other messages a vote of nobody.
fn unsigned(message: &sl::Message, hand: &mut Hand<'_>) -> sl::Message {
    let mut message = message.clone();
    match &mut message {
        sl::Message::Proposal { signature, .. } | sl::Message::Solicit { signature, .. } => {
            *signature = Signature::new([0; 64]);
        }
        sl::Message::Vote(signed) => signed.signer = somebody(hand),
        _ => {}
    }
    message
}

fn somebody(hand: &mut Hand<'_>) -> ValidatorIndex {
    let drawn = usize::try_from(hand.dice.below(hand.nodes() as u64)).unwrap_or(0);
    hand.plan.peers[drawn].unwrap_or_default()
}

impl Liar for Forger {
    fn speak(&mut self, to: usize, mail: Mail, hand: &mut Hand<'_>) {
        if let Some((place, message)) = wire::message(&mail)
            && hand.dice.chance(500)
        {
            let forged = Self::forge(place, message, hand);
            hand.send(to, place.mail(forged));
        }
        hand.send(to, mail);
    }

    /// Votes of others are forged at once where their targets are known: before the true ones arrive.
    fn hear(&mut self, mail: &Mail, hand: &mut Hand<'_>) {
        if let Some((place, message @ (sl::Message::Proposal { .. } | sl::Message::Solicit { .. }))) =
            wire::message(mail)
        {
            for to in (0..hand.nodes()).filter(|to| *to != hand.me).collect::<Vec<_>>() {
                let forged = Self::forge(place, message, hand);
                hand.send(to, place.mail(forged));
            }
        }
    }
}
