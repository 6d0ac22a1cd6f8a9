//! As a leader, shows one value to one half of the validators and another one to the other half. In every other instance
//! that it leads it is then never heard of again: whoever took the one value must be able to take the other one too,
//! without its help. Of PBFT's long instance that is every other view that it leads.

use bytes::Bytes;

use super::{
    Hand, Liar,
    wire::{self, Place},
};
use crate::{
    app::Payload,
    protocol::{
        pbft::{self, PrePrepare, ViewNumber},
        streamlette::{self as sl, Header, Proposal, Solicit},
    },
    sim::letter::Mail,
    types::{Digest, codec},
};

/// See the file's header.
#[derive(Default)]
pub struct Equivocator {
    /// The last instance that it left after it had led there.
    left: Option<Digest>,
    /// The view that it left after it had led there.
    left_view: Option<ViewNumber>,
}

impl Equivocator {
    /// Whether it says nothing more where this belongs to.
    fn has_left(&mut self, mail: &Mail, hand: &Hand<'_>) -> bool {
        if let Mail::Response(..) = mail {
            return self.left.is_some() || self.left_view.is_some();
        }
        if let Some((place, message)) = wire::pbft::message(mail) {
            return self.has_left_view(place, message, hand);
        }
        let Some((place, message)) = wire::streamlette::message(mail) else { return false };
        if let sl::Message::Proposal { header, .. } = message
            && header.leader == hand.index()
        {
            self.left = Some(place.instance).filter(|instance| instance.as_bytes()[0].is_multiple_of(2));
            return false;
        }
        self.left == Some(place.instance)
    }

    fn has_left_view(&mut self, place: Place, message: &pbft::Message, hand: &Hand<'_>) -> bool {
        match message {
            pbft::Message::PrePrepare(it) if wire::pbft::primary(it.proposal.view, hand) == hand.index() => {
                let view = it.proposal.view;
                let turns = view.get() / hand.validators() as u64 + u64::from(place.instance.as_bytes()[0]);
                self.left_view = Some(view).filter(|_| turns.is_multiple_of(2));
                false
            }
            pbft::Message::Votes(votes) => votes.iter().any(|vote| Some(vote.message.proposal.view) <= self.left_view),
            pbft::Message::ViewChange(_) | pbft::Message::NewView(_) => {
                self.left_view = None;
                false
            }
            pbft::Message::PrePrepare(_) | pbft::Message::Diff(_) => self.left_view.is_some(),
        }
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
    if let Some((place, it)) = wire::pbft::own_proposal(&mail, hand) {
        let it = it.clone();
        let twin = other_request(place, &it, hand).filter(|_| !hand.camp(to));
        return twin.map_or(mail, |twin| place.mail(twin));
    }
    let Some((place, message)) = wire::streamlette::message(&mail) else { return mail };
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

/// A payload that is as valid, but another.
fn other_payload(payload: &[u8]) -> Option<Bytes> {
    let mut twin: Payload = codec::decode(payload).ok()?;
    twin.proposed_at_ms += 1;
    twin.commands.pop();
    Some(codec::encode(&twin).into())
}

/// PBFT: a proposal for the same height of the same view.
fn other_request(place: Place, it: &PrePrepare, hand: &mut Hand<'_>) -> Option<pbft::Message> {
    let (view, height) = (it.proposal.view, it.proposal.height);
    let message = wire::pbft::propose(hand.key(), place, (view, height), other_payload(&it.payload)?);
    if let pbft::Message::PrePrepare(twin) = &message {
        hand.plan.pair_values(place.instance, it.proposal, twin.proposal.payload_root);
    }
    Some(message)
}

/// A proposal for the same tick whose payload is as valid, but another.
fn other_value(place: Place, header: Proposal, payload: &[u8], hand: &mut Hand<'_>) -> Option<sl::Message> {
    let message = wire::streamlette::propose(hand.key(), place, header, other_payload(payload)?);
    if let sl::Message::Proposal { header: other, .. } = &message {
        let vote = wire::streamlette::vote_for(&Header::Proposal(*other), &place.instance);
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
    let vote = wire::streamlette::vote_for(&Header::Solicit(other), &place.instance);
    hand.plan.pair(place.instance, Header::Solicit(header).id(&place.instance), vote);
    let signature = wire::streamlette::sign(hand.key(), vote, &place.instance);
    let quorum = wire::streamlette::votes_of_all(hand, parent, &place.instance);
    Some(sl::Message::Solicit { header: other, signature, parent_tick: parent.tick, quorum })
}
