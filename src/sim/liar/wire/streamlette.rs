//! Streamlette's messages.

use super::{super::Hand, Place, payload_root};
use crate::{
    crypto::{SecretKey, Signable as _},
    protocol::{
        Message,
        streamlette::{self as sl, Ballot, Header, Proposal, Vote, Votes},
    },
    sim::letter::Mail,
    types::{Digest, Signature, ValidatorIndex},
};

/// The message in a frame, if it is one of Streamlette.
pub fn message(mail: &Mail) -> Option<(Place, &sl::Message)> {
    match super::message(mail)? {
        (place, Message::Streamlette(message)) => Some((place, message)),
        _ => None,
    }
}

/// What a message says at which tick, as far as it says anything that can be voted for.
pub fn tick(message: &sl::Message) -> Option<sl::Tick> {
    match message {
        sl::Message::Proposal { header, .. } => Some(header.tick),
        sl::Message::Solicit { header, .. } => Some(header.tick),
        sl::Message::Vote(vote) => Some(vote.message.tick),
        sl::Message::Want(want) => Some(want.message.tick),
        sl::Message::Diff(_) | sl::Message::Certificate { .. } => None,
    }
}

/// The vote for a header.
pub fn vote_for(header: &Header, instance: &Digest) -> Vote {
    Vote { tick: header.tick(), target: header.id(instance) }
}

/// Someone's signature over a vote.
pub fn sign(key: &SecretKey, vote: Vote, instance: &Digest) -> Signature {
    key.sign_digest(&vote.digest(instance))
}

/// A proposal of this payload, signed with a key, which need not be the leader's.
pub fn propose(key: &SecretKey, place: Place, header: Proposal, payload: bytes::Bytes) -> sl::Message {
    let payload_root = payload_root(&payload);
    let header = Proposal { payload_root, payload_len: payload.len() as u64, ..header };
    let signature = sign(key, vote_for(&Header::Proposal(header), &place.instance), &place.instance);
    sl::Message::Proposal { header, signature, payload }
}

/// A vote of one of the liars.
pub fn vote(hand: &Hand<'_>, signer: ValidatorIndex, place: Place, message: Vote) -> sl::Message {
    let signature = sign(&hand.plan.keys[&signer], message, &place.instance);
    sl::Message::Vote(crate::crypto::Signed { message, signer, signature })
}

/// Votes of all liars for something.
pub fn votes_of_all(hand: &Hand<'_>, vote: Vote, instance: &Digest) -> Votes {
    let ballot =
        |(voter, key): (&ValidatorIndex, &SecretKey)| Ballot { voter: *voter, signature: sign(key, vote, instance) };
    hand.plan.keys.iter().map(ballot).collect()
}
