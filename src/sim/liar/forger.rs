//! Signs for others with its own key, for other instances, as a stranger, or not at all.

use super::{
    Hand, Liar,
    wire::{self, Place},
};
use crate::{
    crypto::Signed,
    protocol::{
        pbft::{self, ViewChange, Vote},
        streamlette::{self as sl, Tick, Want},
    },
    sim::letter::Mail,
    types::{Signature, ValidatorIndex},
};

/// See the file's header.
pub struct Forger;

impl Forger {
    /// PBFT: votes and view changes that others did not make, and a view that nobody opened.
    fn forge_pbft(place: Place, (signer, vote): (ValidatorIndex, Vote), hand: &mut Hand<'_>) -> pbft::Message {
        let (other, next) = (somebody(hand), vote.proposal.view.next());
        let sign = |hand: &Hand<'_>, signer, instance| {
            wire::pbft::say(vec![wire::pbft::sign(hand.key(), signer, vote, instance)])
        };
        match hand.dice.below(6) {
            0 => sign(hand, other, &place.instance),
            1 => sign(hand, ValidatorIndex::new(99), &place.instance),
            2 => {
                let foreign = hand.noise();
                sign(hand, hand.index(), &foreign)
            }
            3 => wire::pbft::say(vec![Signed { message: vote, signer, signature: Signature::new([0; 64]) }]),
            drawn => {
                let Some(own) = wire::pbft::leave(hand, place, wire::pbft::nothing_prepared(next)) else {
                    return sign(hand, other, &place.instance);
                };
                let in_name_of = |signer: ValidatorIndex| {
                    let change = Signed { signer, ..own.change.clone() };
                    ViewChange { change, ..own.clone() }
                };
                if drawn == 4 {
                    return pbft::Message::ViewChange(Box::new(in_name_of(other)));
                }
                let all = (0..hand.validators()).filter_map(ValidatorIndex::at).map(in_name_of).collect::<Vec<_>>();
                match wire::pbft::open(hand, place, next, &all) {
                    Some(pbft::Message::NewView(mut it)) => {
                        it.opening.signer = wire::pbft::primary(next, hand);
                        pbft::Message::NewView(it)
                    }
                    _ => sign(hand, other, &place.instance),
                }
            }
        }
    }

    fn forge(place: Place, message: &sl::Message, hand: &mut Hand<'_>) -> sl::Message {
        let tick = wire::streamlette::tick(message).unwrap_or(Tick::ZERO);
        let target = match message {
            sl::Message::Vote(vote) => vote.message.target,
            sl::Message::Proposal { header, .. } => sl::Header::Proposal(*header).id(&place.instance),
            sl::Message::Solicit { header, .. } => sl::Header::Solicit(*header).id(&place.instance),
            _ => hand.noise(),
        };
        let (vote, other) = (sl::Vote { tick, target }, somebody(hand));
        let sign = |hand: &Hand<'_>, signer, instance| {
            let signature = wire::streamlette::sign(hand.key(), vote, instance);
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
        if let Some((place, message)) = wire::pbft::message(&mail)
            && let Some(vote) = wire::pbft::votes(message, hand).first().copied()
            && hand.dice.chance(500)
        {
            let forged = Self::forge_pbft(place, vote, hand);
            hand.send(to, place.mail(forged));
        }
        if let Some((place, message)) = wire::streamlette::message(&mail)
            && hand.dice.chance(500)
        {
            let forged = Self::forge(place, message, hand);
            hand.send(to, place.mail(forged));
        }
        hand.send(to, mail);
    }

    /// Votes of others are forged at once where their targets are known: before the true ones arrive.
    fn hear(&mut self, mail: &Mail, hand: &mut Hand<'_>) {
        if let Some((place, message @ pbft::Message::PrePrepare(_))) = wire::pbft::message(mail)
            && let Some(vote) = wire::pbft::votes(message, hand).first().copied()
        {
            for to in (0..hand.nodes()).filter(|to| *to != hand.me).collect::<Vec<_>>() {
                let forged = Self::forge_pbft(place, vote, hand);
                hand.send(to, place.mail(forged));
            }
        }
        if let Some((place, message @ (sl::Message::Proposal { .. } | sl::Message::Solicit { .. }))) =
            wire::streamlette::message(mail)
        {
            for to in (0..hand.nodes()).filter(|to| *to != hand.me).collect::<Vec<_>>() {
                let forged = Self::forge(place, message, hand);
                hand.send(to, place.mail(forged));
            }
        }
    }
}
