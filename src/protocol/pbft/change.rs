//! Changing the view: what a validator brings along, and what follows from a quorum of that.
//!
//! The signed part of a view change names what is prepared; the votes that prove it travel beside it. So a new view
//! needs no proof of what it does not choose: one for each height, not one for each height and validator.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Phase, Proof, Proposal, ViewNumber,
    vote::{PROTOCOL, vote_checks},
};
use crate::{
    crypto::{Check, Kind, Signable, Signed, Transcript, UnknownSigner},
    protocol::{Electorate, Rejection, StableCheckpoint, payload_root},
    types::{BoundedVec, Digest, Height, Signature, Tally, ValidatorSet, planted},
};

/// The most heights that are prepared at once: the high mark bounds them for honest replicas, this bounds the others.
pub const CLAIMS_MAX: usize = 2048;

/// What a validator has prepared, and its wish to go on to a view. All of it is signed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// To which view.
    pub view: ViewNumber,
    /// Its low mark.
    pub stable: Height,
    /// For each height above, what it knows to be prepared there in the highest view: by ascending height.
    pub claims: BoundedVec<Proposal, CLAIMS_MAX>,
}

impl Signable for Change {
    const KIND: Kind = Kind { protocol: PROTOCOL, name: "view change", version: 1 };

    fn fields(&self, transcript: Transcript) -> Transcript {
        let start = transcript.number(self.view.get()).number(self.stable.get()).number(self.claims.len() as u64);
        self.claims.iter().fold(start, |transcript, claim| {
            transcript.number(claim.view.get()).number(claim.height.get()).digest(&claim.payload_root)
        })
    }
}

impl Change {
    fn check_form(&self) -> Result<(), Rejection> {
        let ascend = self.claims.windows(2).all(|pair| pair[0].height < pair[1].height);
        let is_sound = |claim: &Proposal| claim.height > self.stable && claim.view < self.view;
        let is_sound = ascend && self.view > ViewNumber::ZERO && self.claims.iter().all(is_sound);
        if is_sound { Ok(()) } else { Err(Rejection::Malformed) }
    }
}

/// A view change as it travels: the statement with its proofs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ViewChange {
    /// The statement.
    pub change: Signed<Change>,
    /// Why it may stand on its low mark; `None` at the start of the epoch.
    pub stable: Option<StableCheckpoint>,
    /// A proof for each claim, in order.
    pub proofs: BoundedVec<Proof, CLAIMS_MAX>,
}

impl ViewChange {
    /// Checks everything but the signatures.
    ///
    /// # Errors
    /// A [`Rejection`] that says what is wrong.
    pub fn check_form(&self, start: Height, set: &ValidatorSet) -> Result<(), Rejection> {
        let Change { stable, claims, .. } = &self.change.message;
        set.get(self.change.signer).ok_or(Rejection::UnknownSigner)?;
        self.change.message.check_form()?;
        check_stable(*stable, start, self.stable.as_ref())?;
        if claims.len() != self.proofs.len() {
            return Err(Rejection::Malformed);
        }
        self.proofs.iter().try_for_each(|proof| proof.votes.check_quorum(set))
    }

    /// Adds every signature that this rests on.
    ///
    /// # Errors
    /// [`UnknownSigner`] if a signer is no member.
    pub fn checks(&self, electorate: &Electorate, checks: &mut Vec<Check>) -> Result<(), UnknownSigner> {
        signature(&self.change, electorate, checks)?;
        proof_checks(self.stable.as_ref(), &self.change.message.claims, &self.proofs, electorate, checks)
    }
}

/// What a primary opens its view with. It signs which view changes it stands on; all else follows from these.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// The view.
    pub view: ViewNumber,
    /// A digest of the view changes, by ascending signer.
    pub changes: Digest,
}

impl Opening {
    /// The statement over given view changes.
    pub fn of(view: ViewNumber, changes: &[Signed<Change>], instance: &Digest) -> Self {
        let start = Transcript::new("thalweg pbft view changes v1").number(changes.len() as u64);
        let all = changes.iter().fold(start, |transcript, change| {
            transcript.number(u64::from(change.signer.get())).digest(&change.message.digest(instance))
        });
        Self { view, changes: all.finish() }
    }
}

impl Signable for Opening {
    const KIND: Kind = Kind { protocol: PROTOCOL, name: "new view", version: 1 };

    fn fields(&self, transcript: Transcript) -> Transcript {
        transcript.number(self.view.get()).digest(&self.changes)
    }
}

/// A new view as it travels.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewView {
    /// The primary's statement.
    pub opening: Signed<Opening>,
    /// View changes of a quorum, by ascending signer.
    pub changes: BoundedVec<Signed<Change>, { ValidatorSet::MEMBERS_MAX }>,
    /// Proof of the highest low mark among them.
    pub stable: Option<StableCheckpoint>,
    /// A proof for each height that is not null, ascending.
    pub proofs: BoundedVec<Proof, CLAIMS_MAX>,
    /// The primary's prepare for each height of the [`Plan`], ascending: its pre-prepares.
    pub ballots: BoundedVec<Signature, CLAIMS_MAX>,
}

/// What follows from the view changes of a quorum, the same for everyone (`PB-V2`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The highest low mark: nothing up to here is proposed again.
    pub stable: Height,
    /// For each height above, up to the highest that anyone has prepared: the claim of the highest view, or `None`
    /// for a null request.
    pub chosen: BTreeMap<Height, Option<Proposal>>,
}

impl Plan {
    /// Chooses for each height what was prepared in the highest view (`PB-V2`): if anything was decided there, it is
    /// that. Heights that nobody has prepared below another become null requests (`PB-N1`).
    pub fn of(changes: &[Signed<Change>]) -> Self {
        let stable = changes.iter().map(|change| change.message.stable).max().unwrap_or(Height::ZERO);
        let mut chosen: BTreeMap<Height, Option<Proposal>> = BTreeMap::new();
        let claims = changes.iter().flat_map(|change| change.message.claims.iter());
        for claim in claims.filter(|claim| claim.height > stable) {
            let best = chosen.entry(claim.height).or_default();
            let is_better = best.is_none_or(|best| is_preferred(claim, &best));
            if is_better {
                *best = Some(*claim);
            }
        }
        if let Some(last) = chosen.keys().next_back().copied() {
            if planted::is("pbft-null-below") {
                chosen.range_mut(..last).for_each(|(_, claim)| *claim = None);
            }
            // A claim far above all others has a proof, hence honest voters whose high mark reached it; a bound on
            // the length is in the type all the same.
            let heights = (1..=last.above(stable)).take(CLAIMS_MAX).map(|above| stable.plus(above));
            for height in heights {
                chosen.entry(height).or_default();
            }
        }
        Self { stable, chosen }
    }

    /// What the primary proposes for each height.
    pub fn proposals(&self, view: ViewNumber) -> impl Iterator<Item = Proposal> + '_ {
        self.chosen.iter().map(move |(height, claim)| {
            let payload_root = claim.map_or_else(|| payload_root(&[]), |claim| claim.payload_root);
            Proposal { view, height: *height, payload_root }
        })
    }

    /// The claims that need a proof, by ascending height.
    pub fn claims(&self) -> impl Iterator<Item = &Proposal> {
        self.chosen.values().flatten()
    }

    /// The last height that is not free for new values.
    pub fn last(&self) -> Height {
        self.chosen.keys().next_back().copied().unwrap_or(self.stable)
    }
}

/// Equal views prove equal values; the order of roots only makes the choice one for everybody.
fn is_preferred(claim: &Proposal, best: &Proposal) -> bool {
    if planted::is("pbft-lowest-view") {
        return claim < best;
    }
    claim > best
}

impl NewView {
    /// The view.
    pub fn view(&self) -> ViewNumber {
        self.opening.message.view
    }

    /// Checks everything but the signatures (`PB-V3`).
    ///
    /// # Errors
    /// A [`Rejection`] that says what is wrong.
    pub fn check_form(&self, start: Height, electorate: &Electorate) -> Result<Plan, Rejection> {
        let (view, set) = (self.view(), &electorate.set);
        if self.opening.signer != view.primary(set) && !planted::is("pbft-any-leader") {
            return Err(Rejection::NotLeader);
        }
        if self.opening.message != Opening::of(view, &self.changes, &electorate.id) {
            return Err(Rejection::WrongTarget);
        }
        let mut power = Tally::ZERO;
        let mut last = None;
        for change in self.changes.iter() {
            if last.is_some_and(|last| change.signer <= last) {
                return Err(Rejection::Malformed);
            }
            last = Some(change.signer);
            change.message.check_form()?;
            if change.message.view != view {
                return Err(Rejection::WrongTarget);
            }
            power = power.plus(set.get(change.signer).ok_or(Rejection::UnknownSigner)?.power);
        }
        if !set.is_quorum(power) && !planted::is("pbft-few-changes") {
            return Err(Rejection::NoQuorum);
        }
        let plan = Plan::of(&self.changes);
        check_stable(plan.stable, start, self.stable.as_ref())?;
        if plan.claims().count() != self.proofs.len() || plan.chosen.len() != self.ballots.len() {
            return Err(Rejection::WrongAncestry);
        }
        self.proofs.iter().try_for_each(|proof| proof.votes.check_quorum(set))?;
        Ok(plan)
    }

    /// Adds every signature that this rests on.
    ///
    /// # Errors
    /// [`UnknownSigner`] if a signer is no member.
    pub fn checks(&self, electorate: &Electorate, checks: &mut Vec<Check>) -> Result<(), UnknownSigner> {
        signature(&self.opening, electorate, checks)?;
        self.changes.iter().try_for_each(|change| signature(change, electorate, checks))?;
        let plan = Plan::of(&self.changes);
        let claims: Vec<Proposal> = plan.claims().copied().collect();
        proof_checks(self.stable.as_ref(), &claims, &self.proofs, electorate, checks)?;
        let key = electorate.set.get(self.opening.signer).ok_or(UnknownSigner)?.public_key;
        for (proposal, signature) in plan.proposals(self.view()).zip(self.ballots.iter()) {
            let digest = proposal.vote(Phase::Prepare).digest(&electorate.id);
            checks.push(Check { key, digest, signature: *signature });
        }
        Ok(())
    }
}

fn check_stable(stable: Height, start: Height, proof: Option<&StableCheckpoint>) -> Result<(), Rejection> {
    match proof {
        None if stable == start => Ok(()),
        Some(proof) if proof.checkpoint.height == stable => Ok(()),
        _ => Err(Rejection::WrongAncestry),
    }
}

fn signature<T: Signable>(
    signed: &Signed<T>,
    electorate: &Electorate,
    checks: &mut Vec<Check>,
) -> Result<(), UnknownSigner> {
    let key = electorate.set.get(signed.signer).ok_or(UnknownSigner)?.public_key;
    checks.push(Check { key, digest: signed.message.digest(&electorate.id), signature: signed.signature });
    Ok(())
}

fn proof_checks(
    stable: Option<&StableCheckpoint>,
    claims: &[Proposal],
    proofs: &[Proof],
    electorate: &Electorate,
    checks: &mut Vec<Check>,
) -> Result<(), UnknownSigner> {
    if let Some(stable) = stable {
        stable.checks(electorate, checks).map_err(|_| UnknownSigner)?;
    }
    claims
        .iter()
        .zip(proofs)
        .try_for_each(|(claim, proof)| vote_checks(&claim.vote(proof.phase), &proof.votes, electorate, checks))
}
