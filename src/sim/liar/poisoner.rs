//! Proposes what nobody may vote for: garbage, another's name, a command twice, a command that was executed long ago,
//! more than fits, or bytes that are not those of the header. Where clients sign: what no client has signed.

use bytes::Bytes;

use super::{
    Hand, Liar,
    wire::{self, Place},
};
use crate::{
    app::{Command, Payload},
    crypto::Signable as _,
    protocol::{
        pbft::{self, PrePrepare},
        streamlette::{self as sl, Header, Proposal},
    },
    sim::letter::Mail,
    types::{Digest, Height, codec},
};

/// Above the worlds' limit of 64 KiB.
const TOO_LARGE: usize = 70_000;

/// See the file's header.
#[derive(Default)]
pub struct Poisoner {
    /// A command of an earlier payload, with its height.
    old: Option<(Height, Command)>,
    /// What was proposed last, in place of what: everyone is told the same.
    last: Option<(Digest, sl::Message)>,
    /// The same under PBFT.
    last_slot: Option<(pbft::Proposal, pbft::Message)>,
}

impl Poisoner {
    fn poison(&mut self, place: Place, header: Proposal, payload: &[u8], hand: &mut Hand<'_>) -> sl::Message {
        let mut content: Payload = codec::decode(payload).unwrap_or_default();
        let first = content.commands.first().cloned();
        if let Some(signed) = first.as_ref().filter(|first| first.signature.is_some() && hand.dice.chance(500)) {
            let forged = forge(signed, hand);
            content.commands.push(forged);
            return wire::streamlette::propose(hand.key(), place, header, codec::encode(&content).into());
        }
        match (hand.dice.below(6), first) {
            (0, _) => return wire::streamlette::propose(hand.key(), place, header, Bytes::from_static(b"garbage")),
            (1, Some(first)) => content.commands.push(first),
            (2, _) => {
                let bytes = Bytes::from(vec![7; TOO_LARGE]);
                return wire::streamlette::propose(hand.key(), place, header, bytes);
            }
            (3, _) => {
                let good = wire::streamlette::propose(hand.key(), place, header, Bytes::copy_from_slice(payload));
                return match good {
                    sl::Message::Proposal { header, signature, .. } => {
                        content.proposed_at_ms += 1;
                        sl::Message::Proposal { header, signature, payload: codec::encode(&content).into() }
                    }
                    other => other,
                };
            }
            _ => match &self.old {
                // Old enough to be known as executed to everyone who may vote.
                Some((height, old)) if place.height.above(*height) >= 2 => content.commands.insert(0, old.clone()),
                _ => content.proposer = crate::types::ValidatorIndex::new(header.leader.get() ^ 1),
            },
        }
        wire::streamlette::propose(hand.key(), place, header, codec::encode(&content).into())
    }
}

impl Poisoner {
    /// PBFT: as above, and a null request, which only a new view may propose.
    fn poison_request(&self, place: Place, it: &PrePrepare, hand: &mut Hand<'_>) -> pbft::Message {
        let slot = (it.proposal.view, it.proposal.height);
        let mut content: Payload = codec::decode(&it.payload).unwrap_or_default();
        let first = content.commands.first().cloned();
        let payload = match (hand.dice.below(7), first) {
            (0, _) => Bytes::from_static(b"garbage"),
            (1, _) => Bytes::new(),
            (2, _) => Bytes::from(vec![7; TOO_LARGE]),
            (3, _) => {
                content.proposed_at_ms += 1;
                let payload = Bytes::from(codec::encode(&content));
                return pbft::Message::PrePrepare(PrePrepare { payload, ..it.clone() });
            }
            (drawn, first) => {
                match (drawn, first, &self.old) {
                    (4, Some(first), _) => content.commands.push(first),
                    // Old enough to be known as executed to everyone who may vote.
                    (5, _, Some((height, old))) if slot.1.above(*height) >= 2 => {
                        content.commands.insert(0, old.clone());
                    }
                    _ => content.proposer = crate::types::ValidatorIndex::new(hand.index().get() ^ 1),
                }
                codec::encode(&content).into()
            }
        };
        wire::pbft::propose(hand.key(), place, slot, payload)
    }

    fn speak_pbft(&mut self, to: usize, mail: &Mail, hand: &mut Hand<'_>) -> bool {
        let Some((place, it)) = wire::pbft::own_proposal(mail, hand) else { return false };
        if self.last_slot.as_ref().is_none_or(|(known, _)| *known != it.proposal) {
            self.last_slot = Some((it.proposal, self.poison_request(place, it, hand)));
        }
        if let Some((_, message)) = &self.last_slot {
            hand.send(to, place.mail(message.clone()));
        }
        true
    }
}

/// A client's command that this client never gave: unsigned, signed for another one, or signed by somebody else.
fn forge(signed: &Command, hand: &mut Hand<'_>) -> Command {
    let other = Command { sequence: signed.sequence + 1, ..signed.clone() };
    match hand.dice.below(3) {
        0 => Command { signature: None, ..other },
        1 => other,
        _ => {
            let digest = other.view().digest(&hand.noise());
            Command { signature: Some(hand.key().sign_digest(&digest)), ..other }
        }
    }
}

impl Liar for Poisoner {
    fn speak(&mut self, to: usize, mail: Mail, hand: &mut Hand<'_>) {
        if self.speak_pbft(to, &mail, hand) {
            return;
        }
        let own = match wire::streamlette::message(&mail) {
            Some((place, sl::Message::Proposal { header, payload, .. })) if header.leader == hand.index() => {
                Some((place, *header, payload.clone()))
            }
            _ => None,
        };
        let Some((place, header, payload)) = own else { return hand.send(to, mail) };
        let id = Header::Proposal(header).id(&place.instance);
        if self.last.as_ref().is_none_or(|(known, _)| *known != id) {
            self.last = Some((id, self.poison(place, header, &payload, hand)));
        }
        if let Some((_, message)) = &self.last {
            hand.send(to, place.mail(message.clone()));
        }
    }

    fn hear(&mut self, mail: &Mail, _hand: &mut Hand<'_>) {
        let proposed = match (wire::streamlette::message(mail), wire::pbft::message(mail)) {
            (Some((place, sl::Message::Proposal { payload, .. })), _) => Some((place.height, payload)),
            (_, Some((_, pbft::Message::PrePrepare(it)))) => Some((it.proposal.height, &it.payload)),
            _ => None,
        };
        if let Some((at, payload)) = proposed
            && self.old.as_ref().is_none_or(|(height, _)| at.above(*height) > 6)
            && let Some(command) =
                codec::decode::<Payload>(payload).ok().and_then(|payload| payload.commands.into_iter().next())
        {
            self.old = Some((at, command));
        }
    }
}
