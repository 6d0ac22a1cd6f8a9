//! What travels. All messages are short forms of a [`Diff`], which is the only form that is screened and counted.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    Certificate, Change, NewView, Opening, Phase, Proof, Proposal, ViewChange, ViewNumber, Vote,
    change::{CLAIMS_MAX, Plan},
};
use crate::{
    crypto::{Check, SecretKey, Signable, Signed, UnknownSigner, Verified},
    protocol::{Electorate, StableCheckpoint, payload_root},
    types::{BoundedVec, Digest, Signature, ValidatorIndex, ValidatorSet, planted},
};

/// The most proposals, certificates and bodies of a diff.
pub const ITEMS_MAX: usize = 4096;
/// The most votes of a message.
pub const VOTES_MAX: usize = 1 << 16;

/// A primary's proposal of a new value.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PrePrepare {
    /// What is proposed.
    pub proposal: Proposal,
    /// The primary's signature over its prepare (`PB-W1`).
    pub signature: Signature,
    /// The value.
    pub payload: Bytes,
}

impl PrePrepare {
    /// Whether the payload is the one that is proposed.
    pub fn has_right_payload(&self) -> bool {
        planted::is("any-payload") || payload_root(&self.payload) == self.proposal.payload_root
    }
}

/// A message as it travels.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Message {
    /// A primary proposes.
    PrePrepare(PrePrepare),
    /// Prepares and commits.
    Votes(BoundedVec<Signed<Vote>, VOTES_MAX>),
    /// A validator gives a primary up. Boxed: seldom, and large.
    ViewChange(Box<ViewChange>),
    /// A primary opens its view. Boxed: seldom, and by far the largest.
    NewView(Box<NewView>),
    /// An answer to a pull, and the form into which all of the above are brought.
    Diff(Diff),
}

/// What one replica has and another lacks.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Diff {
    /// The opening of the view.
    pub new_view: Option<Box<NewView>>,
    /// View changes, at most one of each validator.
    pub changes: BoundedVec<ViewChange, { ValidatorSet::MEMBERS_MAX }>,
    /// Proposals of new values.
    pub proposals: BoundedVec<PrePrepare, ITEMS_MAX>,
    /// Votes.
    pub votes: BoundedVec<Signed<Vote>, VOTES_MAX>,
    /// Decisions.
    pub certificates: BoundedVec<Certificate, ITEMS_MAX>,
    /// Values that are known by their roots.
    pub bodies: BoundedVec<Bytes, ITEMS_MAX>,
    /// Whether the byte limit left something out: ask again.
    pub more: bool,
}

impl Diff {
    /// Whether nothing is in it that a signature must vouch for.
    pub fn is_unsigned(&self) -> bool {
        self.new_view.is_none()
            && self.changes.is_empty()
            && self.proposals.is_empty()
            && self.votes.is_empty()
            && self.certificates.is_empty()
    }
}

impl Message {
    /// Brings a message into the one form that is screened and counted.
    ///
    /// # Panics
    /// Never: each list that it makes has one entry.
    pub fn into_diff(self) -> Diff {
        let mut diff = Diff::default();
        match self {
            Self::PrePrepare(proposal) => {
                diff.proposals = vec![proposal].try_into().expect("one is within the bound");
            }
            Self::Votes(votes) => diff.votes = votes,
            Self::ViewChange(change) => {
                diff.changes = vec![*change].try_into().expect("one is within the bound");
            }
            Self::NewView(new_view) => diff.new_view = Some(new_view),
            Self::Diff(whole) => return whole,
        }
        diff
    }

    /// Adds every signature that this message rests on.
    ///
    /// # Errors
    /// [`UnknownSigner`] if a signer is no member.
    pub fn checks(&self, electorate: &Electorate, checks: &mut Vec<Check>) -> Result<(), UnknownSigner> {
        match self {
            Self::PrePrepare(proposal) => pre_prepare_checks(proposal, electorate, checks),
            Self::Votes(votes) => votes.iter().try_for_each(|vote| signature_check(vote, electorate, checks)),
            Self::ViewChange(change) => change.checks(electorate, checks),
            Self::NewView(new_view) => new_view.checks(electorate, checks),
            Self::Diff(diff) => {
                diff.new_view.iter().try_for_each(|new_view| new_view.checks(electorate, checks))?;
                diff.changes.iter().try_for_each(|change| change.checks(electorate, checks))?;
                diff.proposals.iter().try_for_each(|proposal| pre_prepare_checks(proposal, electorate, checks))?;
                diff.votes.iter().try_for_each(|vote| signature_check(vote, electorate, checks))?;
                diff.certificates.iter().try_for_each(|certificate| certificate.checks(electorate, checks))
            }
        }
    }
}

fn pre_prepare_checks(
    pre_prepare: &PrePrepare,
    electorate: &Electorate,
    checks: &mut Vec<Check>,
) -> Result<(), UnknownSigner> {
    let signer = pre_prepare.proposal.view.primary(&electorate.set);
    let message = pre_prepare.proposal.vote(Phase::Prepare);
    signature_check(&Signed { message, signer, signature: pre_prepare.signature }, electorate, checks)
}

fn signature_check(vote: &Signed<Vote>, electorate: &Electorate, checks: &mut Vec<Check>) -> Result<(), UnknownSigner> {
    let key = electorate.set.get(vote.signer).ok_or(UnknownSigner)?.public_key;
    checks.push(Check { key, digest: vote.message.digest(&electorate.id), signature: vote.signature });
    Ok(())
}

/// A message of our own before it is signed. What it carries of others has been verified before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unsigned {
    /// We lead and propose.
    PrePrepare {
        /// What.
        proposal: Proposal,
        /// The value.
        payload: Bytes,
    },
    /// We vote.
    Votes(Vec<Vote>),
    /// We give the primary up.
    ViewChange(Account),
    /// We open our view.
    NewView(Draft),
}

/// Our own view change before it is signed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Account {
    /// The statement.
    pub change: Change,
    /// Proof of the low mark.
    pub stable: Option<StableCheckpoint>,
    /// A proof for each claim, in order.
    pub proofs: BoundedVec<Proof, CLAIMS_MAX>,
}

/// Our own new view before it is signed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Draft {
    /// The view.
    pub view: ViewNumber,
    /// View changes of a quorum, by ascending signer.
    pub changes: BoundedVec<Signed<Change>, { ValidatorSet::MEMBERS_MAX }>,
    /// Proof of the highest low mark among them.
    pub stable: Option<StableCheckpoint>,
    /// A proof for each height that is not null.
    pub proofs: BoundedVec<Proof, CLAIMS_MAX>,
}

impl Draft {
    fn sign(self, key: &SecretKey, me: ValidatorIndex, instance: &Digest) -> NewView {
        let Self { view, changes, stable, proofs } = self;
        let prepare = |proposal: Proposal| key.sign_digest(&proposal.vote(Phase::Prepare).digest(instance));
        let ballots: Vec<Signature> = Plan::of(&changes).proposals(view).map(prepare).collect();
        let ballots = ballots.try_into().expect("a plan is as long as one account at most");
        let opening = key.sign(Opening::of(view, &changes, instance), me, instance);
        NewView { opening, changes, stable, proofs, ballots }
    }
}

impl Unsigned {
    /// Signs it as a validator of the instance. `None` without a key.
    ///
    /// # Panics
    /// If there are more than [`VOTES_MAX`] votes, which is a bug of the caller.
    pub fn sign(self, signer: Option<(&SecretKey, ValidatorIndex)>, instance: &Digest) -> Option<Verified<Message>> {
        let (key, me) = signer?;
        Some(match self {
            Self::PrePrepare { proposal, payload } => key
                .sign_own(proposal.vote(Phase::Prepare), me, instance)
                .map(|signed| Message::PrePrepare(PrePrepare { proposal, signature: signed.signature, payload })),
            Self::Votes(votes) => {
                let first = votes.first().copied()?;
                key.sign_own(first, me, instance).map(|first| {
                    let others = votes.iter().skip(1).map(|vote| key.sign(*vote, me, instance));
                    let all: Vec<Signed<Vote>> = std::iter::once(first).chain(others).collect();
                    Message::Votes(all.try_into().expect("the caller bounds the votes"))
                })
            }
            Self::ViewChange(Account { change, stable, proofs }) => key
                .sign_own(change, me, instance)
                .map(|change| Message::ViewChange(Box::new(ViewChange { change, stable, proofs }))),
            Self::NewView(draft) => {
                let opening = Opening::of(draft.view, &draft.changes, instance);
                key.sign_own(opening, me, instance).map(|_| Message::NewView(Box::new(draft.sign(key, me, instance))))
            }
        })
    }
}
