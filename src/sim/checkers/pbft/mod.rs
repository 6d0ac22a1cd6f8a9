//! What the checkers `one-vote`, `durable` and `justified` ask of PBFT, one a file, with arithmetic that is written here
//! anew: who leads a view, who is a quorum, what a proof proves, and what a new view must propose.

mod durable;
mod justified;
mod one_vote;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use durable::Disks;
pub(super) use justified::Justified;
pub(super) use one_vote::Said;

use super::is_signed;
use crate::{
    crypto::{Check, Signable, Signed, Transcript},
    protocol::{
        StableCheckpoint,
        pbft::{Change, NewView, Phase, Proof, Proposal, ViewNumber, Vote},
    },
    types::{Digest, Height, Signature, ValidatorIndex, ValidatorSet},
};

/// Who may sign in an instance.
pub(super) struct Jury<'a> {
    pub(super) set: &'a ValidatorSet,
    pub(super) instance: Digest,
}

impl Jury<'_> {
    /// Validators lead in turn.
    pub(super) fn primary(&self, view: ViewNumber) -> ValidatorIndex {
        let place = view.get() % self.set.members().len() as u64;
        ValidatorIndex::new(u16::try_from(place).unwrap_or(u16::MAX))
    }

    /// Whether validators, each counted once, have more than two thirds of the power.
    pub(super) fn are_quorum(&self, who: impl IntoIterator<Item = ValidatorIndex>) -> bool {
        let members = self.set.members();
        let who: BTreeSet<_> = who.into_iter().collect();
        let power = who.iter().filter_map(|one| members.get(one.position())).map(|one| u128::from(one.power.get()));
        let total: u128 = members.iter().map(|member| u128::from(member.power.get())).sum();
        power.sum::<u128>() * 3 > total * 2
    }

    fn has_signed(&self, signer: ValidatorIndex, message: &impl Signable, signature: Signature) -> bool {
        let (member, digest) = (self.set.members().get(signer.position()), message.digest(&self.instance));
        member.is_some_and(|member| is_signed(&Check { key: member.public_key, digest, signature }))
    }

    fn check_signed<T: Signable + std::fmt::Debug>(&self, it: &Signed<T>) -> Result<(), String> {
        let holds = self.has_signed(it.signer, &it.message, it.signature);
        holds.then_some(()).ok_or_else(|| format!("{} never signed {:?}", it.signer, it.message))
    }

    /// Votes of a quorum for a proposal.
    fn check_proof(&self, proposal: Proposal, proof: &Proof) -> Result<(), String> {
        let vote = Vote { phase: proof.phase, proposal };
        if let Some(ballot) = proof.votes.iter().find(|it| !self.has_signed(it.voter, &vote, it.signature)) {
            return Err(format!("{} never signed {vote:?}", ballot.voter));
        }
        let are_quorum = self.are_quorum(proof.votes.iter().map(|ballot| ballot.voter));
        are_quorum.then_some(()).ok_or_else(|| format!("{proposal:?} has only {} votes", proof.votes.len()))
    }

    /// A low mark needs a stable checkpoint, unless nothing lies below.
    fn check_stable(&self, height: Height, proof: Option<&StableCheckpoint>) -> Result<(), String> {
        let Some(proof) = proof else {
            return (height == Height::ZERO).then_some(()).ok_or_else(|| format!("nothing proves the mark {height}"));
        };
        let checkpoint = proof.checkpoint;
        let are_signed = proof.vouchers.iter().all(|it| self.has_signed(it.signer, &checkpoint, it.signature));
        let is_proven = are_signed && self.are_quorum(proof.vouchers.iter().map(|it| it.signer));
        let is_it = is_proven && checkpoint.height == height;
        is_it.then_some(()).ok_or_else(|| format!("{checkpoint:?} does not prove the mark {height}"))
    }

    /// Accounts of a quorum to one view, all signed.
    fn check_changes(&self, view: ViewNumber, changes: &[Signed<Change>]) -> Result<(), String> {
        changes.iter().try_for_each(|it| self.check_signed(it))?;
        if let Some(other) = changes.iter().find(|it| it.message.view != view) {
            return Err(format!("{} left for view {}, not {view}", other.signer, other.message.view));
        }
        let are_quorum = self.are_quorum(changes.iter().map(|it| it.signer));
        are_quorum.then_some(()).ok_or_else(|| format!("{} have left for view {view}, no quorum", changes.len()))
    }

    /// What a primary signs with a new view, beside the opening.
    fn check_new_view(&self, it: &NewView) -> Result<(), String> {
        let (view, signer) = (it.opening.message.view, it.opening.signer);
        if signer != self.primary(view) {
            return Err(format!("{signer} opened view {view}, which it does not lead"));
        }
        self.check_signed(&it.opening)?;
        self.check_changes(view, &it.changes)?;
        let choice = choose(&it.changes);
        self.check_choice(&choice, it.stable.as_ref(), &it.proofs)?;
        let proposals = choice.proposals(view);
        if proposals.len() != it.ballots.len() {
            return Err(format!("view {view} proposes {} heights again, not {}", it.ballots.len(), proposals.len()));
        }
        for (proposal, signature) in proposals.into_iter().zip(it.ballots.iter()) {
            if !self.has_signed(signer, &Vote { phase: Phase::Prepare, proposal }, *signature) {
                return Err(format!("{signer} does not propose {proposal:?} again, as it must"));
            }
        }
        Ok(())
    }

    fn check_choice(&self, choice: &Choice, stable: Option<&StableCheckpoint>, proofs: &[Proof]) -> Result<(), String> {
        self.check_stable(choice.stable, stable)?;
        let claims: Vec<Proposal> = choice.chosen.values().flatten().copied().collect();
        if claims.len() != proofs.len() {
            return Err(format!("{} proofs for {} claims", proofs.len(), claims.len()));
        }
        claims.into_iter().zip(proofs).try_for_each(|(claim, proof)| self.check_proof(claim, proof))
    }
}

/// What follows from the view changes of a quorum.
struct Choice {
    stable: Height,
    /// The claim of the highest view for each height up to the highest that is claimed; nothing where none is.
    chosen: BTreeMap<Height, Option<Proposal>>,
}

impl Choice {
    fn proposals(&self, view: ViewNumber) -> Vec<Proposal> {
        let nothing = Transcript::new("thalweg payload v1").bytes(&[]).finish();
        let root = |claim: &Option<Proposal>| claim.map_or(nothing, |claim| claim.payload_root);
        self.chosen
            .iter()
            .map(|(height, claim)| Proposal { view, height: *height, payload_root: root(claim) })
            .collect()
    }

    /// Above, the view takes new values.
    fn last(&self) -> Height {
        self.chosen.last_key_value().map_or(self.stable, |(height, _)| *height)
    }
}

fn choose(changes: &[Signed<Change>]) -> Choice {
    let stable = changes.iter().map(|it| it.message.stable).max().unwrap_or_default();
    let claims: Vec<Proposal> = changes.iter().flat_map(|it| it.message.claims.iter().copied()).collect();
    let last = claims.iter().map(|claim| claim.height).max().unwrap_or_default();
    let best = |height| {
        let here = claims.iter().filter(|claim| claim.height == height);
        here.max_by_key(|claim| (claim.view, claim.payload_root)).copied()
    };
    let heights = stable.get() + 1..=last.get();
    Choice { stable, chosen: heights.map(Height::new).map(|height| (height, best(height))).collect() }
}
