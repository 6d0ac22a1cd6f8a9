//! What travels, and what is signed.
//!
//! Four things are signed: the two headers are never signed themselves; their leader signs a [`Vote`] for their id,
//! which authenticates the header and is the leader's vote at once (`SL-W3`). All messages but the certificate are
//! short forms of a [`Diff`], which is the only form that is screened and counted.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    Certificate,
    tick::{Depth, Tick},
};
use crate::protocol::votes::{Ballot, Votes};
use crate::{
    crypto::{Check, Kind, SecretKey, Signable, Signed, Transcript, UnknownSigner, Verified},
    protocol::{Electorate, payload_root},
    types::{BoundedVec, Digest, Signature, ValidatorIndex, ValidatorSet, planted},
};

const PROTOCOL: &str = "streamlette";

/// The header of a candidate value: the root of a subtree. Its id is its [`Signable::digest`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// When it was made.
    pub tick: Tick,
    /// Who leads that tick.
    pub leader: ValidatorIndex,
    /// [`payload_root`] of the value.
    pub payload_root: Digest,
    /// The value's length in bytes.
    pub payload_len: u64,
}

/// A request to vote once more for the same value: it only lengthens the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Solicit {
    /// When it was made.
    pub tick: Tick,
    /// Who leads that tick.
    pub leader: ValidatorIndex,
    /// The message it extends.
    pub parent: Digest,
    /// The Proposal at the bottom; so a certificate need not carry the path (`SL-W1`).
    pub root: Digest,
    /// One more than the parent's.
    pub depth: Depth,
}

/// A vote. It names its tick, so two votes of a tick prove a lie by themselves (`SL-W1`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    /// The target's tick.
    pub tick: Tick,
    /// The id of a Proposal or a Solicit.
    pub target: Digest,
}

/// The wish to go on to a tick (`SL-T0`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Want {
    /// Which.
    pub tick: Tick,
}

impl Signable for Proposal {
    const KIND: Kind = Kind { protocol: PROTOCOL, name: "proposal", version: 1 };

    fn fields(&self, transcript: Transcript) -> Transcript {
        let start = transcript.number(self.tick.get()).number(u64::from(self.leader.get()));
        start.digest(&self.payload_root).number(self.payload_len)
    }
}

impl Signable for Solicit {
    const KIND: Kind = Kind { protocol: PROTOCOL, name: "solicit", version: 1 };

    fn fields(&self, transcript: Transcript) -> Transcript {
        let start = transcript.number(self.tick.get()).number(u64::from(self.leader.get()));
        start.digest(&self.parent).digest(&self.root).number(self.depth.get())
    }
}

impl Signable for Vote {
    const KIND: Kind = Kind { protocol: PROTOCOL, name: "vote", version: 1 };

    fn fields(&self, transcript: Transcript) -> Transcript {
        transcript.number(self.tick.get()).digest(&self.target)
    }
}

impl Signable for Want {
    const KIND: Kind = Kind { protocol: PROTOCOL, name: "want", version: 1 };

    fn fields(&self, transcript: Transcript) -> Transcript {
        transcript.number(self.tick.get())
    }
}

/// Either kind of message that can be voted for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Header {
    /// A root.
    Proposal(Proposal),
    /// Anything above.
    Solicit(Solicit),
}

impl Header {
    /// The id within an instance.
    pub fn id(&self, instance: &Digest) -> Digest {
        match self {
            Self::Proposal(proposal) => proposal.digest(instance),
            Self::Solicit(solicit) => solicit.digest(instance),
        }
    }

    /// When it was made.
    pub fn tick(&self) -> Tick {
        match self {
            Self::Proposal(proposal) => proposal.tick,
            Self::Solicit(solicit) => solicit.tick,
        }
    }

    /// Who made it.
    pub fn leader(&self) -> ValidatorIndex {
        match self {
            Self::Proposal(proposal) => proposal.leader,
            Self::Solicit(solicit) => solicit.leader,
        }
    }

    /// What it extends; `None` for the virtual genesis.
    pub fn parent(&self) -> Option<Digest> {
        match self {
            Self::Proposal(_) => None,
            Self::Solicit(solicit) => Some(solicit.parent),
        }
    }

    /// Its distance from the root.
    pub fn depth(&self) -> Depth {
        match self {
            Self::Proposal(_) => Depth::ROOT,
            Self::Solicit(solicit) => solicit.depth,
        }
    }
}

/// Something of the tree with votes for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Item {
    /// A Proposal; its leader's ballot is among the votes.
    Proposal {
        /// The header.
        header: Proposal,
        /// The value.
        payload: Bytes,
        /// Ballots for it.
        votes: Votes,
    },
    /// A Solicit; its leader's ballot is among the votes.
    Solicit {
        /// The header.
        header: Solicit,
        /// Ballots for it.
        votes: Votes,
    },
    /// More votes for something that the receiver knows.
    Votes {
        /// What all of them signed.
        vote: Vote,
        /// The ballots.
        votes: Votes,
    },
}

impl Item {
    /// The header, if it brings one.
    pub fn header(&self) -> Option<Header> {
        match self {
            Self::Proposal { header, .. } => Some(Header::Proposal(*header)),
            Self::Solicit { header, .. } => Some(Header::Solicit(*header)),
            Self::Votes { .. } => None,
        }
    }

    /// What all its ballots sign.
    pub fn vote(&self, instance: &Digest) -> Vote {
        match self {
            Self::Proposal { header, .. } => Vote { tick: header.tick, target: header.digest(instance) },
            Self::Solicit { header, .. } => Vote { tick: header.tick, target: header.digest(instance) },
            Self::Votes { vote, .. } => *vote,
        }
    }

    /// Its ballots.
    pub fn votes(&self) -> &Votes {
        match self {
            Self::Proposal { votes, .. } | Self::Solicit { votes, .. } | Self::Votes { votes, .. } => votes,
        }
    }

    /// The same with other ballots.
    #[must_use]
    pub fn with_votes(mut self, ballots: Votes) -> Self {
        match &mut self {
            Self::Proposal { votes, .. } | Self::Solicit { votes, .. } | Self::Votes { votes, .. } => *votes = ballots,
        }
        self
    }

    /// Whether the payload is the one that the header promises. True where there is none.
    pub fn has_right_payload(&self) -> bool {
        match self {
            Self::Proposal { .. } if planted::is("any-payload") => true,
            Self::Proposal { header, payload, .. } => {
                u64::try_from(payload.len()) == Ok(header.payload_len) && payload_root(payload) == header.payload_root
            }
            Self::Solicit { .. } | Self::Votes { .. } => true,
        }
    }

    /// An upper bound of its encoded size.
    pub fn bytes_max(&self) -> usize {
        let payload = if let Self::Proposal { payload, .. } = self { payload.len() } else { 0 };
        ITEM_BYTES_MAX + payload + self.votes().len() * BALLOT_BYTES_MAX
    }
}

/// The most bytes of an encoded item without payload and ballots: variant, header and two lengths.
pub const ITEM_BYTES_MAX: usize = 128;
/// The most bytes of an encoded ballot.
pub const BALLOT_BYTES_MAX: usize = 3 + 64;
/// The most bytes of an encoded wish.
pub const WISH_BYTES_MAX: usize = 10 + 33 + BALLOT_BYTES_MAX;

/// Proof that a validator wants a tick: a [`Want`], or a [`Vote`] of that tick, which counts as one (`SL-T0`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Wish {
    /// The tick.
    pub tick: Tick,
    /// The target of the vote; `None` for a plain [`Want`].
    pub target: Option<Digest>,
    /// Who wants it.
    pub signer: ValidatorIndex,
    /// The evidence.
    pub signature: Signature,
}

impl Wish {
    fn digest(&self, instance: &Digest) -> Digest {
        match self.target {
            None => Want { tick: self.tick }.digest(instance),
            Some(target) => Vote { tick: self.tick, target }.digest(instance),
        }
    }
}

/// The most items of a diff, and of messages in a tree.
pub const NODES_MAX: usize = 4096;

/// What one replica has and another lacks: parents before children.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Diff {
    /// Messages and votes.
    pub items: BoundedVec<Item, NODES_MAX>,
    /// Wishes, at most one of each validator.
    pub wants: BoundedVec<Wish, { ValidatorSet::MEMBERS_MAX }>,
    /// Whether the byte limit left something out: ask again.
    pub more: bool,
}

impl Diff {
    /// A diff of one or a few items.
    ///
    /// # Panics
    /// If there are more than [`NODES_MAX`], which is a bug of the caller.
    pub fn of(items: Vec<Item>) -> Self {
        let items = BoundedVec::try_from(items).expect("the caller bounds the items");
        Self { items, ..Self::default() }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.wants.is_empty()
    }
}

/// A message as it travels.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Message {
    /// A leader proposes a value.
    Proposal {
        /// The header.
        header: Proposal,
        /// The leader's signature over the vote for it.
        signature: Signature,
        /// The value.
        payload: Bytes,
    },
    /// A leader extends a notarized message.
    Solicit {
        /// The header.
        header: Solicit,
        /// The leader's signature over the vote for it.
        signature: Signature,
        /// The parent's tick.
        parent_tick: Tick,
        /// The votes that notarize the parent. Outside the id: it may differ between copies.
        quorum: Votes,
    },
    /// A vote.
    Vote(Signed<Vote>),
    /// A wish.
    Want(Signed<Want>),
    /// An answer to a pull, and the form into which all of the above are brought.
    Diff(Diff),
    /// The whole instance in a nutshell, for whoever is late.
    Certificate {
        /// The proof.
        certificate: Certificate,
        /// The decided value.
        payload: Bytes,
    },
}

/// What a message comes down to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// Parts of the tree, and wishes.
    Diff(Diff),
    /// The end.
    Certificate {
        /// The proof.
        certificate: Certificate,
        /// The decided value.
        payload: Bytes,
    },
}

impl Message {
    /// Brings a message into the one form that is screened and counted.
    ///
    /// # Panics
    /// Never: the only list that it makes has one entry.
    pub fn into_content(self) -> Content {
        Content::Diff(match self {
            Self::Proposal { header, signature, payload } => {
                let votes = Votes::one(header.leader, signature);
                Diff::of(vec![Item::Proposal { header, payload, votes }])
            }
            Self::Solicit { header, signature, parent_tick, quorum } => {
                let parent = Vote { tick: parent_tick, target: header.parent };
                let votes = Votes::one(header.leader, signature);
                Diff::of(vec![Item::Votes { vote: parent, votes: quorum }, Item::Solicit { header, votes }])
            }
            Self::Vote(Signed { message, signer, signature }) => {
                Diff::of(vec![Item::Votes { vote: message, votes: Votes::one(signer, signature) }])
            }
            Self::Want(Signed { message, signer, signature }) => {
                let wish = Wish { tick: message.tick, target: None, signer, signature };
                let wants = BoundedVec::try_from(vec![wish]).expect("one is within the bound");
                Diff { wants, ..Diff::default() }
            }
            Self::Diff(diff) => diff,
            Self::Certificate { certificate, payload } => return Content::Certificate { certificate, payload },
        })
    }

    /// Adds every signature that this message rests on.
    ///
    /// # Errors
    /// [`UnknownSigner`] if a signer is no member.
    pub fn checks(&self, electorate: &Electorate, checks: &mut Vec<Check>) -> Result<(), UnknownSigner> {
        let mut add = |signer, digest, signature: &Signature| {
            let member = electorate.set.get(signer).ok_or(UnknownSigner)?;
            checks.push(Check { key: member.public_key, digest, signature: *signature });
            Ok(())
        };
        let id = &electorate.id;
        let vote = |tick, target| Vote { tick, target }.digest(id);
        match self {
            Self::Proposal { header, signature, .. } => {
                add(header.leader, vote(header.tick, header.digest(id)), signature)
            }
            Self::Solicit { header, signature, parent_tick, quorum } => {
                let parent = vote(*parent_tick, header.parent);
                quorum.iter().try_for_each(|Ballot { voter, signature }| add(*voter, parent, signature))?;
                add(header.leader, vote(header.tick, header.digest(id)), signature)
            }
            Self::Vote(signed) => add(signed.signer, signed.message.digest(id), &signed.signature),
            Self::Want(signed) => add(signed.signer, signed.message.digest(id), &signed.signature),
            Self::Diff(diff) => {
                for item in diff.items.iter() {
                    let digest = item.vote(id).digest(id);
                    item.votes().iter().try_for_each(|ballot| add(ballot.voter, digest, &ballot.signature))?;
                }
                diff.wants.iter().try_for_each(|wish| add(wish.signer, wish.digest(id), &wish.signature))
            }
            Self::Certificate { certificate, .. } => certificate.checks(electorate, checks),
        }
    }
}

/// A message of our own before it is signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unsigned {
    /// We lead and propose.
    Proposal {
        /// The header.
        header: Proposal,
        /// The value.
        payload: Bytes,
    },
    /// We lead and solicit.
    Solicit {
        /// The header.
        header: Solicit,
        /// The parent's tick.
        parent_tick: Tick,
        /// The votes that notarize the parent, all verified.
        quorum: Votes,
    },
    /// We vote.
    Vote(Vote),
    /// We want to go on.
    Want(Want),
    /// We have decided; nothing in it is ours to sign.
    Certificate(Verified<Message>),
}

impl Unsigned {
    /// Signs it as a validator of the instance. What it carries of others has been verified before. `None` without a
    /// key, unless there is nothing to sign.
    pub fn sign(self, signer: Option<(&SecretKey, ValidatorIndex)>, instance: &Digest) -> Option<Verified<Message>> {
        if let Self::Certificate(message) = self {
            return Some(message);
        }
        let (key, me) = signer?;
        let vote = |tick, target| key.sign_own(Vote { tick, target }, me, instance);
        Some(match self {
            Self::Proposal { header, payload } => vote(header.tick, header.digest(instance))
                .map(|signed| Message::Proposal { header, signature: signed.signature, payload }),
            Self::Solicit { header, parent_tick, quorum } => vote(header.tick, header.digest(instance))
                .map(|signed| Message::Solicit { header, signature: signed.signature, parent_tick, quorum }),
            Self::Vote(Vote { tick, target }) => vote(tick, target).map(Message::Vote),
            Self::Want(want) => key.sign_own(want, me, instance).map(Message::Want),
            Self::Certificate(message) => message,
        })
    }
}
