//! Leads when others do: under its own name, and under the leader's name with its own signature. It opens PBFT's views
//! too: its next one when nobody has left for it, and every one that others lead.

use super::{
    Hand, Liar,
    wire::{self, Place, pbft::Heard},
};
use crate::{
    app::Payload,
    protocol::{
        pbft::{self, Proposal, ViewNumber},
        streamlette::{self as sl, Tick},
    },
    sim::letter::Mail,
    types::{Digest, Height, ValidatorIndex, codec},
};

/// See the file's header.
#[derive(Default)]
pub struct Usurper {
    /// Where it has done so.
    last: Option<(Digest, Tick)>,
    /// The same under PBFT.
    last_slot: Option<(ViewNumber, Height)>,
    heard: Heard,
}

impl Usurper {
    /// PBFT: a value in the primary's name, and a view of its own that nobody wants.
    fn usurp_view(&mut self, place: Place, it: &Proposal, hand: &mut Hand<'_>) {
        if self.last_slot.replace((it.view, it.height)) == Some((it.view, it.height)) {
            return;
        }
        let payload = Payload { proposer: hand.index(), proposed_at_ms: 2, commands: Vec::new() };
        let value = wire::pbft::propose(hand.key(), place, (it.view, it.height), codec::encode(&payload).into());
        let mut next = it.view.next();
        while wire::pbft::primary(next, hand) != hand.index() {
            next = next.next();
        }
        let alone = wire::pbft::leave(hand, place, wire::pbft::nothing_prepared(next));
        let view = alone.and_then(|alone| wire::pbft::open(hand, place, next, &[alone]));
        for message in [Some(value), view].into_iter().flatten() {
            to_all(place, &message, hand);
        }
    }

    /// PBFT: opens what others lead, with what they have said.
    fn open_theirs(&mut self, mail: &Mail, hand: &mut Hand<'_>) {
        let Some((place, view)) = self.heard.note(mail) else { return };
        let mut changes = self.heard.of(view);
        if changes.iter().all(|it| it.change.signer != hand.index()) {
            changes.extend(wire::pbft::leave(hand, place, wire::pbft::nothing_prepared(view)));
            changes.sort_by_key(|it| it.change.signer);
        }
        if let Some(opened) = wire::pbft::open(hand, place, view, &changes) {
            to_all(place, &opened, hand);
        }
    }

    fn usurp(&mut self, place: Place, tick: Tick, leader: ValidatorIndex, hand: &mut Hand<'_>) {
        if self.last == Some((place.instance, tick)) {
            return;
        }
        self.last = Some((place.instance, tick));
        for to in (0..hand.nodes()).filter(|to| *to != hand.me).collect::<Vec<_>>() {
            let name = if hand.dice.chance(700) { hand.index() } else { leader };
            let payload = codec::encode(&Payload { proposer: name, proposed_at_ms: 2, commands: Vec::new() });
            let header = sl::Proposal { tick, leader: name, payload_root: Digest::new([0; 32]), payload_len: 0 };
            let message = wire::streamlette::propose(hand.key(), place, header, payload.into());
            hand.send(to, place.mail(message));
        }
    }
}

impl Liar for Usurper {
    fn speak(&mut self, to: usize, mail: Mail, hand: &mut Hand<'_>) {
        // Where it is at the next tick before the others, it leads that too.
        if let Some((place, message @ sl::Message::Vote(_))) = wire::streamlette::message(&mail)
            && let Some(tick) = wire::streamlette::tick(message)
        {
            self.usurp(place, tick.next(), hand.index(), hand);
        }
        hand.send(to, mail);
    }

    fn hear(&mut self, mail: &Mail, hand: &mut Hand<'_>) {
        match wire::pbft::message(mail) {
            Some((place, pbft::Message::PrePrepare(it))) => self.usurp_view(place, &it.proposal, hand),
            Some((_, pbft::Message::ViewChange(_))) => self.open_theirs(mail, hand),
            _ => {}
        }
        match wire::streamlette::message(mail) {
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

fn to_all(place: Place, message: &pbft::Message, hand: &mut Hand<'_>) {
    for to in (0..hand.nodes()).filter(|to| *to != hand.me).collect::<Vec<_>>() {
        hand.send(to, place.mail(message.clone()));
    }
}
