//! What liars must know of Streamlette's messages to put their own in the place of honest ones.

use super::{super::letter::Mail, Hand};
use crate::{
    crypto::{SecretKey, Signable as _, Transcript},
    protocol::{
        Message,
        streamlette::{self as sl, Ballot, Header, Proposal, Vote, Votes},
    },
    replica::wire::Frame,
    types::{Digest, Height, Signature, ValidatorIndex},
};

/// A message of an instance, with where it belongs.
#[derive(Clone, Copy)]
pub struct Place {
    /// The height.
    pub height: Height,
    /// The instance.
    pub instance: Digest,
}

impl Place {
    /// The mail that takes a message there.
    pub fn mail(self, message: sl::Message) -> Mail {
        let Self { height, instance } = self;
        Mail::Frame(Frame::Instance { height, instance, message: Message::Streamlette(message) })
    }
}

/// The message in a frame, if it is one of Streamlette.
pub fn message(mail: &Mail) -> Option<(Place, &sl::Message)> {
    match mail {
        Mail::Frame(Frame::Instance { height, instance, message: Message::Streamlette(message) }) => {
            Some((Place { height: *height, instance: *instance }, message))
        }
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

/// The digest of a payload, as the protocol has it.
fn payload_root(payload: &[u8]) -> Digest {
    Transcript::new("thalweg payload v1").bytes(payload).finish()
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
