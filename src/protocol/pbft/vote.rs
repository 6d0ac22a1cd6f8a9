//! What validators sign in the normal case: votes, in two phases. The primary's prepare for a height of its view is
//! its pre-prepare (`PB-W1`).

use serde::{Deserialize, Serialize};

use super::ViewNumber;
use crate::{
    crypto::{Check, Kind, Signable, Transcript, UnknownSigner},
    protocol::{
        Electorate, payload_root,
        votes::{Ballot, Votes},
    },
    types::{Digest, Height, planted},
};

/// The name of the protocol in what is signed.
pub const PROTOCOL: &str = "pbft";

/// Which of the two votes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// I accept this value, and no other, for the height in this view.
    Prepare,
    /// I know a quorum that has prepared it.
    Commit,
}

/// A value for a height, as a view's primary proposes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// In which view.
    pub view: ViewNumber,
    /// For which height.
    pub height: Height,
    /// [`payload_root`] of the value; that of nothing for a null request.
    pub payload_root: Digest,
}

impl Proposal {
    /// The vote for it in a phase.
    pub fn vote(self, phase: Phase) -> Vote {
        Vote { phase, proposal: self }
    }

    /// Whether it is a null request (`PB-N1`).
    pub fn is_null(&self) -> bool {
        self.payload_root == payload_root(&[])
    }
}

/// A vote. It names its view and height, so two of a phase prove a lie by themselves (`PB-E1`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    /// Which vote.
    pub phase: Phase,
    /// For what.
    pub proposal: Proposal,
}

impl Signable for Vote {
    const KIND: Kind = Kind { protocol: PROTOCOL, name: "vote", version: 1 };

    fn fields(&self, transcript: Transcript) -> Transcript {
        let Proposal { view, height, payload_root } = &self.proposal;
        let phase = match self.phase {
            Phase::Prepare => 0,
            Phase::Commit => 1,
        };
        transcript.number(phase).number(view.get()).number(height.get()).digest(payload_root)
    }
}

/// Votes of a quorum for something that the context names: proof that it is prepared. Commits prove it as well, for
/// honest ones come only after a quorum of prepares.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// Which votes.
    pub phase: Phase,
    /// A quorum of them.
    pub votes: Votes,
}

/// Adds the signatures of votes.
///
/// # Errors
/// [`UnknownSigner`] if a voter is no member.
pub fn vote_checks(
    vote: &Vote,
    votes: &Votes,
    electorate: &Electorate,
    checks: &mut Vec<Check>,
) -> Result<(), UnknownSigner> {
    let digest = vote.digest(&electorate.id);
    for Ballot { voter, signature } in votes.iter().copied() {
        if planted::is("strangers") && electorate.set.get(voter).is_none() {
            continue;
        }
        let key = electorate.set.get(voter).ok_or(UnknownSigner)?.public_key;
        checks.push(Check { key, digest, signature });
    }
    Ok(())
}
