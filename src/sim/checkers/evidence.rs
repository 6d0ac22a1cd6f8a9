//! `evidence`: nobody honest is ever accused, every accusation is proven, nobody honest says that more than a third must
//! lie while no more than a third does, and whoever has verified two votes of one validator that exclude each other
//! accuses it at once (`PB-E1`).

use std::collections::{BTreeMap, BTreeSet};

use super::{Checker, Facts, Sight, is_signed, pbft::Jury};
use crate::{
    crypto::{Check, Signable, Signed},
    protocol::{
        Certificate, CheckpointEvidence, Electorate, Evidence, Message,
        pbft::{self, Phase, Vote},
        streamlette,
    },
    replica::wire::{Frame, Response},
    sim::letter::Mail,
    types::{Height, ValidatorIndex},
};

/// See the file's header.
#[derive(Debug)]
pub struct HonestEvidence {
    facts: Facts,
    /// Who has committed to something at a height, as far as anyone has said: where no quorum has, nothing is decided.
    commits: BTreeMap<Height, BTreeSet<ValidatorIndex>>,
    /// The first vote of each validator in each place that a node has verified in its present life.
    verified: BTreeMap<(usize, ValidatorIndex, Phase, Height, u64), Vote>,
    accused: BTreeSet<(usize, ValidatorIndex)>,
    /// An accusation that must come before anything else happens.
    due: Option<(usize, ValidatorIndex, String)>,
}

impl HonestEvidence {
    /// For a world of these facts.
    pub fn new(facts: Facts) -> Self {
        let (commits, verified, accused, due) = Default::default();
        Self { facts, commits, verified, accused, due }
    }

    fn note_commits(&mut self, mail: &Mail) {
        let message = match mail {
            Mail::Frame(Frame::Instance { message: Message::Pbft(message), .. })
            | Mail::Response(_, Response::Diff(Message::Pbft(message))) => message,
            Mail::Response(_, Response::Blocks { blocks, .. }) => {
                for block in blocks {
                    if let Certificate::Pbft(certificate) = &block.certificate {
                        let voters = certificate.commits.iter().map(|ballot| ballot.voter);
                        self.commits.entry(block.height).or_default().extend(voters);
                    }
                }
                return;
            }
            _ => return,
        };
        let diff = message.clone().into_diff();
        for vote in diff.votes.iter().filter(|vote| vote.message.phase == Phase::Commit) {
            self.commits.entry(vote.message.proposal.height).or_default().insert(vote.signer);
        }
        for it in diff.certificates.iter() {
            self.commits.entry(it.proposal.height).or_default().extend(it.commits.iter().map(|ballot| ballot.voter));
        }
        for it in diff.changes.iter() {
            for (claim, proof) in it.change.message.claims.iter().zip(it.proofs.iter()) {
                self.commits.entry(claim.height).or_default().extend(proof.votes.iter().map(|ballot| ballot.voter));
            }
        }
    }

    /// Of votes that are counted: those of the view in which the node is, for what is decided nowhere.
    fn on_verified(&mut self, node: usize, jury: &Jury<'_>, now: (u64, Height), message: &pbft::Message) {
        let diff = message.clone().into_diff();
        // It changes the view before its votes are counted.
        if diff.new_view.is_some() {
            return;
        }
        let (round, executed) = now;
        let led = diff
            .proposals
            .iter()
            .map(|it| (jury.primary(it.proposal.view), Vote { phase: Phase::Prepare, proposal: it.proposal }));
        let cast = diff.votes.iter().map(|vote| (vote.signer, vote.message));
        for (signer, vote) in led.chain(cast).filter(|(_, vote)| vote.proposal.view.get() == round) {
            let height = vote.proposal.height;
            let committed = self.commits.get(&height).into_iter().flatten().copied();
            let is_open = height > executed && !jury.are_quorum(committed);
            let first = *self.verified.entry((node, signer, vote.phase, height, round)).or_insert(vote);
            if is_open && first != vote && !self.accused.contains(&(node, signer)) {
                self.due = Some((node, signer, format!("{signer} signed {first:?} and {vote:?}")));
            }
        }
    }

    fn settle_dues(&self) -> Result<(), String> {
        match &self.due {
            Some((node, _, what)) => Err(format!("node {node} verified that {what}, and accuses nobody")),
            None => Ok(()),
        }
    }
}

/// Who is accused.
pub fn accused(evidence: &Evidence) -> ValidatorIndex {
    match evidence {
        Evidence::Streamlette(evidence) => evidence.first.signer,
        Evidence::Pbft(evidence) => evidence.accused(),
        Evidence::Checkpoint(evidence) => evidence.first.signer,
    }
}

impl Checker for HonestEvidence {
    fn id(&self) -> &'static str {
        "evidence"
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        match sight {
            Sight::Sent { mail, .. } => {
                self.note_commits(mail);
                Ok(())
            }
            Sight::Remembered { node, .. } => {
                self.verified.retain(|(of, ..), _| of != node);
                Ok(())
            }
            Sight::Verified { node, instance, round, executed, message: Message::Pbft(message) } => {
                self.settle_dues()?;
                let set = std::sync::Arc::clone(&self.facts.set);
                let jury = Jury { set: &set, instance: *instance };
                self.on_verified(*node, &jury, (*round, *executed), message);
                Ok(())
            }
            Sight::End { .. } => self.settle_dues(),
            Sight::Accused { node, evidence, electorate, is_honest } => {
                let who = accused(evidence);
                self.accused.insert((*node, who));
                self.due.take_if(|(of, signer, _)| of == node && *signer == who);
                judge(electorate, evidence, *is_honest)
            }
            Sight::Alarmed { node, what } => Err(format!("node {node} says that too many lie: {what}")),
            _ => Ok(()),
        }
    }
}

/// Whether the accused lies, and the proof shows it.
fn judge(electorate: &Electorate, evidence: &Evidence, is_honest: bool) -> Result<(), String> {
    if is_honest {
        return Err(format!("{} is honest, and accused by {evidence:?}", accused(evidence)));
    }
    let is_proven = match evidence {
        Evidence::Streamlette(streamlette::Evidence { first, second }) => {
            let (one, other) = (first.message, second.message);
            one.tick == other.tick && one.target != other.target && are_rivals(electorate, first, second)
        }
        Evidence::Pbft(proof) => proves(electorate, proof),
        Evidence::Checkpoint(CheckpointEvidence { first, second }) => {
            first.message.height == second.message.height && are_rivals(electorate, first, second)
        }
    };
    if is_proven { Ok(()) } else { Err(format!("{evidence:?} proves nothing")) }
}

/// Whether both statements are signed by one validator, fill the same place, and differ.
fn proves(electorate: &Electorate, proof: &pbft::Evidence) -> bool {
    use pbft::Evidence as E;
    match proof {
        E::Votes { first, second } => {
            let place = |vote: &pbft::Vote| (vote.phase, vote.proposal.view, vote.proposal.height);
            place(&first.message) == place(&second.message) && are_rivals(electorate, first, second)
        }
        E::Changes { first, second } => {
            first.message.view == second.message.view && are_rivals(electorate, first, second)
        }
        E::Openings { first, second } => {
            first.message.view == second.message.view && are_rivals(electorate, first, second)
        }
    }
}

fn are_rivals<T: Signable + PartialEq>(electorate: &Electorate, first: &Signed<T>, second: &Signed<T>) -> bool {
    let key = electorate.set.get(first.signer).map(|member| member.public_key);
    let is_signed = |signed: &Signed<T>| {
        let (digest, signature) = (signed.message.digest(&electorate.id), signed.signature);
        key.is_some_and(|key| is_signed(&Check { key, digest, signature }))
    };
    first.signer == second.signer && first.message != second.message && is_signed(first) && is_signed(second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::SecretKey,
        protocol::streamlette::{Tick, Vote},
        sim::checkers::planted::facts,
        types::Digest,
    };

    fn judge(targets: [u8; 2], is_honest: bool) -> Result<(), String> {
        let electorate = Electorate { id: Digest::new([9; 32]), set: facts().set };
        let key = SecretKey::from_seed(&[1; 32]);
        let [first, second] = targets.map(|target| {
            let vote = Vote { tick: Tick::ZERO, target: Digest::new([target; 32]) };
            key.sign(vote, facts().peers[0].unwrap(), &electorate.id)
        });
        let evidence = Evidence::Streamlette(streamlette::Evidence { first, second });
        HonestEvidence::new(facts()).see(&Sight::Accused {
            node: 0,
            electorate: &electorate,
            evidence: &evidence,
            is_honest,
        })
    }

    #[test]
    fn accusations_of_the_honest_and_without_proof_are_noticed() {
        judge([1, 2], false).unwrap();
        judge([1, 1], false).unwrap_err();
        judge([1, 2], true).unwrap_err();
    }

    #[test]
    fn false_alarms_are_noticed() {
        HonestEvidence::new(facts()).see(&Sight::Alarmed { node: 0, what: "twins" }).unwrap_err();
    }

    /// `PB-E1`: the second vote must be followed by an accusation, unless the height is decided.
    #[test]
    fn a_second_vote_without_an_accusation_is_noticed() {
        let see = |round: u64, executed: u64, commits: usize| {
            let instance = Digest::new([9; 32]);
            let mut checker = HonestEvidence::new(facts());
            let vote = |node: usize, phase, root: u8| {
                let key = SecretKey::from_seed(&[u8::try_from(node + 1).unwrap(); 32]);
                let payload_root = Digest::new([root; 32]);
                let proposal = pbft::Proposal { view: pbft::ViewNumber::ZERO, height: Height::FIRST, payload_root };
                let vote = key.sign(pbft::Vote { phase, proposal }, facts().peers[node].unwrap(), &instance);
                Message::Pbft(pbft::Message::Votes(vec![vote].try_into().unwrap()))
            };
            for node in 1..=commits {
                let message = vote(node, Phase::Commit, 1);
                let mail = Mail::Frame(Frame::Instance { height: Height::FIRST, instance, message });
                checker.see(&Sight::Sent { node, is_honest: true, mail: &mail }).unwrap();
            }
            for root in [1, 2] {
                let message = vote(3, Phase::Prepare, root);
                let executed = Height::new(executed);
                checker.see(&Sight::Verified { node: 0, instance, round, executed, message: &message }).unwrap();
            }
            checker.see(&Sight::End { now: crate::types::Time::ZERO, tips: &[] })
        };
        see(0, 0, 0).unwrap_err();
        see(0, 0, 2).unwrap_err();
        see(0, 0, 3).expect("it may be decided");
        see(0, 1, 0).expect("it is executed");
        see(1, 0, 0).expect("it is of another view");
    }
}
