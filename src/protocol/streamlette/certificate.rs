//! Why anyone must believe a decision: the deciding messages with their quorums, and the Proposal they stand on.
//! Constant size for any depth, because each Solicit names its root and depth (`SL-W1`).

use serde::{Deserialize, Serialize};

use super::{
    message::{Header, Proposal, Solicit, Vote},
    tick::{Depth, Tick},
    tree::{Deciding, Tree},
};
use crate::protocol::votes::Votes;
use crate::{
    crypto::{BatchRng, Check, Signable, UnknownSigner, bad_signatures},
    protocol::{Electorate, Rejection},
    types::{BoundedVec, Digest, ValidatorSet, planted},
};

/// A Solicit with the votes that notarize it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The message.
    pub header: Solicit,
    /// A quorum for it.
    pub votes: Votes,
}

/// Proof of a decision. Not canonical: different votes, or different three messages, may prove the same value, so it
/// must never be hashed into anything replicas agree on (`OB-7`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// What is decided.
    pub proposal: Proposal,
    /// A quorum for the Proposal when it is one of the deciding messages, else nothing.
    pub votes: Votes,
    /// The deciding Solicits: one on a Proposal of tick 0 (the genesis shortcut), two on a Proposal, or three.
    pub steps: BoundedVec<Step, 3>,
}

impl Certificate {
    /// Takes the proof out of a tree. `None` if something of `deciding` is not in it.
    pub fn from_tree(tree: &Tree, set: &ValidatorSet, deciding: Deciding) -> Option<Self> {
        let Header::Proposal(proposal) = tree.get(&tree.get(&deciding.last)?.root)?.header else { return None };
        let mut certificate = Self { proposal, votes: Votes::default(), steps: BoundedVec::default() };
        for id in [deciding.first, Some(deciding.middle), Some(deciding.last)].into_iter().flatten() {
            let node = tree.get(&id)?;
            let votes = node.quorum(set);
            match node.header {
                Header::Proposal(_) => certificate.votes = votes,
                Header::Solicit(header) => certificate.steps.try_push(Step { header, votes }).ok()?,
            }
        }
        Some(certificate)
    }

    /// The last tick that it took.
    pub fn last_tick(&self) -> Tick {
        self.steps.last().map_or(self.proposal.tick, |step| step.header.tick)
    }

    /// Checks everything but the signatures, cheap checks first (`SL-S1`).
    ///
    /// # Errors
    /// A [`Rejection`] that says what is wrong.
    pub fn check_form(&self, electorate: &Electorate) -> Result<(), Rejection> {
        let root = self.proposal.digest(&electorate.id);
        let from_proposal = !self.votes.is_empty();
        let is_shortcut = from_proposal && self.proposal.tick == Tick::ZERO && self.steps.len() == 1;
        let are_three = self.steps.len() + usize::from(from_proposal) == 3;
        if !is_shortcut && !are_three {
            return Err(Rejection::Malformed);
        }
        let mut below = from_proposal.then_some((root, self.proposal.tick, Depth::ROOT));
        for Step { header, .. } in self.steps.iter() {
            let is_on_parent = match below {
                Some((id, tick, depth)) => {
                    header.parent == id && tick.is_followed_by(header.tick) && header.depth == depth.below()
                }
                // The parent of the first of three does not matter; that it is no root does.
                None => header.depth > Depth::ROOT,
            };
            if !is_on_parent || header.root != root {
                return Err(Rejection::WrongAncestry);
            }
            below = Some((header.digest(&electorate.id), header.tick, header.depth));
        }
        if from_proposal {
            self.votes.check_quorum(&electorate.set)?;
        }
        self.steps.iter().try_for_each(|step| step.votes.check_quorum(&electorate.set))
    }

    /// Adds every signature that this rests on.
    ///
    /// # Errors
    /// [`UnknownSigner`] if a voter is no member.
    pub fn checks(&self, electorate: &Electorate, checks: &mut Vec<Check>) -> Result<(), UnknownSigner> {
        let id = &electorate.id;
        let proposal = Vote { tick: self.proposal.tick, target: self.proposal.digest(id) };
        let steps = self.steps.iter().map(|Step { header, votes }| {
            let vote = Vote { tick: header.tick, target: header.digest(id) };
            (vote, votes)
        });
        for (vote, votes) in std::iter::once((proposal, &self.votes)).chain(steps) {
            let digest = vote.digest(id);
            for ballot in votes {
                if planted::is("strangers") && electorate.set.get(ballot.voter).is_none() {
                    continue;
                }
                let key = electorate.set.get(ballot.voter).ok_or(UnknownSigner)?.public_key;
                checks.push(Check { key, digest, signature: ballot.signature });
            }
        }
        Ok(())
    }

    /// Checks the whole proof with nothing but the electorate, and returns the digest of the decided payload.
    ///
    /// # Errors
    /// A [`Rejection`] that says what is wrong.
    pub fn verify(&self, electorate: &Electorate, rng: &mut BatchRng) -> Result<Digest, Rejection> {
        if planted::is("unproven-sync") {
            return Ok(self.proposal.payload_root);
        }
        self.check_form(electorate)?;
        let mut checks = Vec::new();
        self.checks(electorate, &mut checks).map_err(|UnknownSigner| Rejection::UnknownSigner)?;
        if bad_signatures(&checks, rng).is_empty() {
            Ok(self.proposal.payload_root)
        } else {
            Err(Rejection::BadSignature)
        }
    }
}
