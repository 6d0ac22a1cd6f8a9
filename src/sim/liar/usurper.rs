//! Leads when others do: under its own name, and under the leader's name with its own signature.

use super::{
    Hand, Liar,
    wire::{self, Place},
};
use crate::{
    app::Payload,
    protocol::streamlette::{self as sl, Proposal, Tick},
    sim::letter::Mail,
    types::{Digest, ValidatorIndex, codec},
};

/// See the file's header.
#[derive(Default)]
pub struct Usurper {
    /// Where it has done so.
    last: Option<(Digest, Tick)>,
}

impl Usurper {
    fn usurp(&mut self, place: Place, tick: Tick, leader: ValidatorIndex, hand: &mut Hand<'_>) {
        if self.last == Some((place.instance, tick)) {
            return;
        }
        self.last = Some((place.instance, tick));
        for to in (0..hand.nodes()).filter(|to| *to != hand.me).collect::<Vec<_>>() {
            let name = if hand.dice.chance(700) { hand.index() } else { leader };
            let payload = codec::encode(&Payload { proposer: name, proposed_at_ms: 2, commands: Vec::new() });
            let header = Proposal { tick, leader: name, payload_root: Digest::new([0; 32]), payload_len: 0 };
            let message = wire::propose(hand.key(), place, header, payload.into());
            hand.send(to, place.mail(message));
        }
    }
}

impl Liar for Usurper {
    fn speak(&mut self, to: usize, mail: Mail, hand: &mut Hand<'_>) {
        // Where it is at the next tick before the others, it leads that too.
        if let Some((place, message @ sl::Message::Vote(_))) = wire::message(&mail)
            && let Some(tick) = wire::tick(message)
        {
            self.usurp(place, tick.next(), hand.index(), hand);
        }
        hand.send(to, mail);
    }

    fn hear(&mut self, mail: &Mail, hand: &mut Hand<'_>) {
        match wire::message(mail) {
            Some((place, sl::Message::Proposal { header, .. })) if header.leader != hand.index() => {
                self.usurp(place, header.tick, header.leader, hand);
            }
            Some((place, sl::Message::Solicit { header, .. })) if header.leader != hand.index() => {
                self.usurp(place, header.tick, header.leader, hand);
            }
            _ => {}
        }
    }
}
