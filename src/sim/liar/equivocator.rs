//! As a leader, shows one value to one half of the validators and another one to the other half. In every other instance
//! that it leads it is then never heard of again: whoever took the one value must be able to take the other one too,
//! without its help.

use super::{
    Hand, Liar,
    wire::{self, Place},
};
use crate::{
    app::Payload,
    protocol::streamlette::{self as sl, Header, Proposal, Solicit},
    sim::letter::Mail,
    types::{Digest, codec},
};

/// See the file's header.
#[derive(Default)]
pub struct Equivocator {
    /// The last instance that it left after it had led there.
    left: Option<Digest>,
}

impl Equivocator {
    /// Whether it says nothing more where this belongs to.
    fn has_left(&mut self, mail: &Mail, hand: &Hand<'_>) -> bool {
        if let Mail::Response(..) = mail {
            return self.left.is_some();
        }
        let Some((place, message)) = wire::message(mail) else { return false };
        if let sl::Message::Proposal { header, .. } = message
            && header.leader == hand.index()
        {
            self.left = Some(place.instance).filter(|instance| instance.as_bytes()[0].is_multiple_of(2));
            return false;
        }
        self.left == Some(place.instance)
    }
}

impl Liar for Equivocator {
    fn speak(&mut self, to: usize, mail: Mail, hand: &mut Hand<'_>) {
        if !self.has_left(&mail, hand) {
            let mail = two_faced(to, mail, hand);
            hand.send(to, mail);
        }
    }
}

/// What a node is shown instead of a leader's message: the same in the first half, its twin in the second.
pub fn two_faced(to: usize, mail: Mail, hand: &mut Hand<'_>) -> Mail {
    let Some((place, message)) = wire::message(&mail) else { return mail };
    let twin = match message {
        sl::Message::Proposal { header, payload, .. } if header.leader == hand.index() => {
            other_value(place, *header, payload, hand)
        }
        sl::Message::Solicit { header, .. } if header.leader == hand.index() => other_chain(place, *header, hand),
        _ => None,
    };
    match twin {
        Some(twin) if !hand.camp(to) => place.mail(twin),
        _ => mail,
    }
}

/// A proposal for the same tick whose payload is as valid, but another.
fn other_value(place: Place, header: Proposal, payload: &[u8], hand: &mut Hand<'_>) -> Option<sl::Message> {
    let mut twin: Payload = codec::decode(payload).ok()?;
    twin.proposed_at_ms += 1;
    twin.commands.pop();
    let message = wire::propose(hand.key(), place, header, codec::encode(&twin).into());
    if let sl::Message::Proposal { header: other, .. } = &message {
        let vote = wire::vote_for(&Header::Proposal(*other), &place.instance);
        hand.plan.pair(place.instance, Header::Proposal(header).id(&place.instance), vote);
    }
    Some(message)
}

/// A solicit for the same tick that stands on the twin of its parent. The quorum that comes with it is what the liars
/// can sign; the honest votes are known where they were given.
fn other_chain(place: Place, header: Solicit, hand: &mut Hand<'_>) -> Option<sl::Message> {
    let parent = hand.plan.twin_of(place.instance, header.parent)?;
    let root = hand.plan.twin_of(place.instance, header.root)?;
    let other = Solicit { parent: parent.target, root: root.target, ..header };
    let vote = wire::vote_for(&Header::Solicit(other), &place.instance);
    hand.plan.pair(place.instance, Header::Solicit(header).id(&place.instance), vote);
    let signature = wire::sign(hand.key(), vote, &place.instance);
    let quorum = wire::votes_of_all(hand, parent, &place.instance);
    Some(sl::Message::Solicit { header: other, signature, parent_tick: parent.tick, quorum })
}
