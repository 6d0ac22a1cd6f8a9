//! Why anyone must believe a decision: a quorum of commits for one value at one height in one view.

use serde::{Deserialize, Serialize};

use super::{
    Proposal,
    vote::{Phase, Proof, vote_checks},
};
use crate::{
    crypto::{BatchRng, Check, UnknownSigner, bad_signatures},
    protocol::{Electorate, Rejection, votes::Votes},
    types::{Digest, Height, planted},
};

/// Proof of a decision (`PB-S1`). Not canonical: other commits, or those of another view, may prove the same value.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// What is decided, and for which height.
    pub proposal: Proposal,
    /// Commits of a quorum.
    pub commits: Votes,
}

impl Certificate {
    /// The proof, as a view change carries it.
    pub fn proof(&self) -> Proof {
        Proof { phase: Phase::Commit, votes: self.commits.clone() }
    }

    /// Checks everything but the signatures.
    ///
    /// # Errors
    /// A [`Rejection`] that says what is wrong.
    pub fn check_form(&self, electorate: &Electorate) -> Result<(), Rejection> {
        self.commits.check_quorum(&electorate.set)
    }

    /// Adds every signature that this rests on.
    ///
    /// # Errors
    /// [`UnknownSigner`] if a voter is no member.
    pub fn checks(&self, electorate: &Electorate, checks: &mut Vec<Check>) -> Result<(), UnknownSigner> {
        vote_checks(&self.proposal.vote(Phase::Commit), &self.commits, electorate, checks)
    }

    /// Checks the whole proof with nothing but the electorate, and returns the digest of the payload that is decided
    /// at a height: a long instance's id does not name it, its votes do.
    ///
    /// # Errors
    /// A [`Rejection`] that says what is wrong; [`Rejection::WrongTarget`] for a certificate of another height.
    pub fn verify(&self, height: Height, electorate: &Electorate, rng: &mut BatchRng) -> Result<Digest, Rejection> {
        if planted::is("unproven-sync") {
            return Ok(self.proposal.payload_root);
        }
        if self.proposal.height != height {
            return Err(Rejection::WrongTarget);
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
