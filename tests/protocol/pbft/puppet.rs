//! What validators without a seat say: anything, signed with their own keys.

use thalweg::{
    crypto::{Signable as _, Signed},
    protocol::{
        Checkpoint, StableCheckpoint, Voucher,
        pbft::{
            Account, Change, Draft, Message, NewView, Phase, PrePrepare, Proof, Proposal, Unsigned, ViewChange, Vote,
        },
        votes::{Ballot, Votes},
    },
    types::{Digest, Height},
};

use bytes::Bytes;

use super::world::{Body, Letter, World, index, proposal, view};

impl World {
    pub fn signed(&self, who: usize, phase: Phase, proposal: Proposal) -> Signed<Vote> {
        self.keys[who].sign(proposal.vote(phase), index(who), &self.electorate.id)
    }

    pub fn vote(&self, who: usize, phase: Phase, proposal: Proposal) -> Message {
        Message::Votes(vec![self.signed(who, phase, proposal)].try_into().unwrap())
    }

    pub fn pre_prepare(&self, who: usize, view: u64, height: u64, payload: &Bytes) -> Message {
        let proposal = proposal(view, height, payload);
        let signature = self.signed(who, Phase::Prepare, proposal).signature;
        Message::PrePrepare(PrePrepare { proposal, signature, payload: payload.clone() })
    }

    pub fn proof(&self, who: &[usize], phase: Phase, proposal: Proposal) -> Proof {
        Proof { phase, votes: self.ballots(who, phase, proposal) }
    }

    pub fn ballots(&self, who: &[usize], phase: Phase, proposal: Proposal) -> Votes {
        who.iter()
            .map(|at| Ballot { voter: index(*at), signature: self.signed(*at, phase, proposal).signature })
            .collect()
    }

    pub fn view_change(&self, who: usize, to: u64, claims: &[(Proposal, Proof)]) -> ViewChange {
        let (claims, proofs): (Vec<_>, Vec<_>) = claims.iter().cloned().unzip();
        let change = Change { view: view(to), stable: Height::ZERO, claims: claims.try_into().unwrap() };
        let account = Account { change, stable: None, proofs: proofs.try_into().unwrap() };
        match self.sign(who, Unsigned::ViewChange(account)) {
            Message::ViewChange(change) => *change,
            other => panic!("{other:?}"),
        }
    }

    pub fn new_view(&self, who: usize, to: u64, changes: &[ViewChange], proofs: Vec<Proof>) -> NewView {
        let changes: Vec<_> = changes.iter().map(|it| it.change.clone()).collect();
        let draft = Draft {
            view: view(to),
            changes: changes.try_into().unwrap(),
            stable: None,
            proofs: proofs.try_into().unwrap(),
        };
        match self.sign(who, Unsigned::NewView(draft)) {
            Message::NewView(new_view) => *new_view,
            other => panic!("{other:?}"),
        }
    }

    fn sign(&self, who: usize, message: Unsigned) -> Message {
        message.sign(Some((&self.keys[who], index(who))), &self.electorate.id).unwrap().into_inner()
    }

    pub fn checkpoint(&self, height: u64) -> StableCheckpoint {
        let checkpoint =
            Checkpoint { height: Height::new(height), header: Digest::new([1; 32]), state_root: Digest::new([2; 32]) };
        let digest = checkpoint.digest(&self.electorate.id);
        let voucher = |at: usize| Voucher { signer: index(at), signature: self.keys[at].sign_digest(&digest) };
        let vouchers: Vec<Voucher> = (0..self.keys.len()).map(voucher).collect();
        StableCheckpoint { checkpoint, vouchers: vouchers.try_into().unwrap() }
    }

    /// Hands a puppet's message to a replica.
    pub fn say(&mut self, from: usize, to: usize, message: Message) {
        self.hand_over(Letter { from, to, body: Body::Message(message) });
    }
}
