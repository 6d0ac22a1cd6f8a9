//! One height: what is proposed, voted for and proven there.
//!
//! Limits: of each validator one vote of each phase for the current view and one for a later view; one proposal of
//! the current view and one of a later view; [`ACCEPTED_MAX`] values and two more. A second, different vote of a place is evidence and not kept.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Certificate, Phase, PrePrepare, Proof, Proposal, ViewNumber, Vote};
use crate::{
    crypto::Signed,
    protocol::{
        payload_root,
        votes::{Ballot, Votes},
    },
    types::{Bitmap, Digest, Signature, Tally, Time, ValidatorIndex, ValidatorSet, planted},
};

/// Values of different views that are kept for one height.
const ACCEPTED_MAX: usize = 8;

/// A verified vote, without its voter.
#[derive(Clone, Copy, Debug)]
struct Cast {
    proposal: Proposal,
    signature: Signature,
}

/// What the application says of a new value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Validity {
    /// Not asked yet, or to be asked again.
    Unknown,
    /// Asked.
    Asked,
    /// May be voted for.
    Valid,
    /// Must not be voted for.
    Invalid,
    /// Not known before more is executed.
    Undecided,
}

/// What the view's primary proposes here.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// What.
    pub proposal: Proposal,
    /// Its signature; `None` for what a new view proposes again, which carries its own.
    pub signature: Option<Signature>,
    /// Whether it may be voted for. What is proposed again was prepared before, hence is valid (`PB-A2`).
    pub validity: Validity,
    /// Whether our acceptance of it is in the journal.
    pub is_accepted: bool,
}

/// A height.
#[derive(Clone, Debug, Default)]
pub struct Slot {
    /// The proposal of the current view.
    pub offer: Option<Offer>,
    /// Since when.
    pub since: Option<Time>,
    /// A verified proposal of a view that is not open here yet.
    pub early: Option<PrePrepare>,
    votes: BTreeMap<(Phase, ValidatorIndex), Cast>,
    early_votes: BTreeMap<(Phase, ValidatorIndex), Cast>,
    bodies: BTreeMap<Digest, Bytes>,
    /// The roots of the values that we have accepted here, the last at the end: others may need them (`PB-A2`).
    accepted: Vec<Digest>,
    /// What is known to be prepared here in the highest view.
    pub prepared: Option<(Proposal, Proof)>,
    /// What is decided here.
    pub certificate: Option<Certificate>,
    /// Whether the hands know of the decision.
    pub is_told: bool,
    /// Whether the hands know that it is decided without us.
    pub is_missed: bool,
    /// The votes that we have sent in the current view.
    pub has_sent: [bool; 2],
}

/// What became of a vote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Counted {
    /// It is new.
    Added,
    /// It was here.
    Known,
    /// Its voter voted for something else in the same place: this.
    Double(Signed<Vote>),
}

impl Slot {
    /// The value with this root, if it is here.
    pub fn body(&self, root: &Digest) -> Option<Bytes> {
        if *root == payload_root(&[]) { Some(Bytes::new()) } else { self.bodies.get(root).cloned() }
    }

    /// Notes that we accept a value, whatever comes of it.
    pub fn accept(&mut self, root: Digest) {
        if !self.accepted.contains(&root) {
            if self.accepted.len() == ACCEPTED_MAX {
                self.accepted.remove(0);
            }
            self.accepted.push(root);
        }
    }

    /// Keeps a value if something here may need it.
    pub fn keep_body(&mut self, root: Digest, body: Bytes) {
        let (offer, prepared) = (self.offer.map(|offer| offer.proposal), self.prepared.as_ref().map(|(it, _)| *it));
        let decided = self.certificate.as_ref().map(|certificate| certificate.proposal);
        let wanted = [offer, prepared, decided].map(|it| it.map(|it| it.payload_root));
        self.bodies.insert(root, body);
        let accepted = &self.accepted;
        self.bodies.retain(|known, _| wanted.contains(&Some(*known)) || accepted.contains(known));
    }

    /// The root of a value that is wanted here and not here.
    pub fn lacks(&self) -> Option<Digest> {
        let decided = self.certificate.as_ref().map(|certificate| certificate.proposal);
        let wanted = decided.or(self.offer.map(|offer| offer.proposal))?;
        self.body(&wanted.payload_root).is_none().then_some(wanted.payload_root)
    }

    /// What is voted for in a place, if anything.
    pub fn vote_of(&self, phase: Phase, voter: ValidatorIndex, view: ViewNumber) -> Option<Signed<Vote>> {
        let cast = [&self.votes, &self.early_votes]
            .into_iter()
            .find_map(|votes| votes.get(&(phase, voter)).filter(|cast| cast.proposal.view == view))?;
        Some(Signed { message: cast.proposal.vote(phase), signer: voter, signature: cast.signature })
    }

    /// Takes a verified vote of the current view or a later one.
    pub fn count(&mut self, current: ViewNumber, vote: &Signed<Vote>) -> Counted {
        let Vote { phase, proposal } = vote.message;
        if let Some(known) = self.vote_of(phase, vote.signer, proposal.view) {
            return if known.message == vote.message { Counted::Known } else { Counted::Double(known) };
        }
        let is_now = proposal.view == current || planted::is("pbft-any-view");
        let cast = Cast {
            proposal: if is_now { Proposal { view: current, ..proposal } } else { proposal },
            signature: vote.signature,
        };
        let votes = if is_now { &mut self.votes } else { &mut self.early_votes };
        votes.insert((phase, vote.signer), cast);
        Counted::Added
    }

    /// Everyone's votes of a phase for a root in the current view.
    pub fn votes(&self, phase: Phase, root: &Digest) -> Votes {
        let of_phase =
            self.votes.iter().filter(|((known, _), cast)| *known == phase && cast.proposal.payload_root == *root);
        of_phase.map(|((_, voter), cast)| Ballot { voter: *voter, signature: cast.signature }).collect()
    }

    /// Who has voted in a phase of the current view.
    pub fn voters(&self, phase: Phase) -> Bitmap {
        self.votes.keys().filter(|(known, _)| *known == phase).map(|(_, voter)| *voter).collect()
    }

    /// The votes of a phase that others than these have cast in the current view.
    pub fn votes_beyond<'a>(&'a self, phase: Phase, known: &'a Bitmap) -> impl Iterator<Item = Signed<Vote>> + 'a {
        let of_phase = self.votes.iter().filter(move |((of, voter), _)| *of == phase && !known.contains(*voter));
        of_phase.map(move |((_, voter), cast)| Signed {
            message: cast.proposal.vote(phase),
            signer: *voter,
            signature: cast.signature,
        })
    }

    /// What a quorum votes for in a phase of the current view, with that quorum.
    pub fn quorum(&self, phase: Phase, set: &ValidatorSet) -> Option<(Proposal, Votes)> {
        let mut powers: BTreeMap<Proposal, Tally> = BTreeMap::new();
        for ((_, voter), cast) in self.votes.iter().filter(|((known, _), _)| *known == phase) {
            let power = powers.entry(cast.proposal).or_default();
            *power = power.plus(set.power(*voter));
        }
        let (proposal, _) = powers.into_iter().find(|(_, power)| set.is_quorum(*power))?;
        let mut power = Tally::ZERO;
        let enough = self.votes(phase, &proposal.payload_root);
        let votes = enough.iter().copied().take_while(|ballot| {
            let is_short = !set.is_quorum(power);
            power = power.plus(set.power(ballot.voter));
            is_short
        });
        Some((proposal, votes.collect()))
    }

    /// The power that has voted here in the current view.
    pub fn power(&self, set: &ValidatorSet) -> Tally {
        let voters: Bitmap = self.votes.keys().map(|(_, voter)| *voter).collect();
        voters.iter().fold(Tally::ZERO, |sum, voter| sum.plus(set.power(voter)))
    }

    /// Notes what is prepared, if its view is higher than what was known.
    pub fn prepare(&mut self, proposal: Proposal, proof: Proof) -> bool {
        let is_news = self.prepared.as_ref().is_none_or(|(known, _)| known.view < proposal.view);
        if is_news {
            self.prepared = Some((proposal, proof));
        }
        is_news
    }

    /// Goes to a view: votes of later views become those of the current one when it comes.
    pub fn turn(&mut self, view: ViewNumber) {
        let is_over = |proposal: Proposal| proposal.view < view;
        self.votes.retain(|_, cast| !is_over(cast.proposal));
        let (now, later) = std::mem::take(&mut self.early_votes)
            .into_iter()
            .filter(|(_, cast)| !is_over(cast.proposal))
            .partition(|(_, cast)| cast.proposal.view == view);
        self.votes.extend::<BTreeMap<_, _>>(now);
        self.early_votes = later;
        self.early.take_if(|early| is_over(early.proposal));
        (self.offer, self.since) = (None, None);
        self.has_sent = [false; 2];
    }

    /// It is decided and executed: what others may need of it is its proof.
    pub fn close(&mut self) {
        if let Some(certificate) = &self.certificate {
            let (proposal, proof) = (certificate.proposal, certificate.proof());
            self.prepare(proposal, proof);
        }
        (self.offer, self.early) = (None, None);
        self.votes.clear();
        self.early_votes.clear();
        self.bodies.clear();
        self.accepted.clear();
    }

    /// How many verified votes are here.
    pub fn len(&self) -> usize {
        self.votes.len() + self.early_votes.len()
    }
}
