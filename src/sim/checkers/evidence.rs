//! `evidence`: nobody honest is ever accused, every accusation is proven, and nobody honest says that more than a third
//! must lie while no more than a third does.

use super::{Checker, Sight};
use crate::{
    crypto::{Check, Signable as _},
    protocol::Evidence,
    types::ValidatorIndex,
};

/// See the file's header.
#[derive(Debug)]
pub struct HonestEvidence;

/// Who is accused.
pub fn accused(evidence: &Evidence) -> ValidatorIndex {
    match evidence {
        Evidence::Streamlette(evidence) => evidence.first.signer,
        Evidence::Checkpoint(evidence) => evidence.first.signer,
    }
}

impl Checker for HonestEvidence {
    fn id(&self) -> &'static str {
        "evidence"
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        match sight {
            Sight::Accused { evidence, is_honest: true, .. } => {
                Err(format!("{} is honest, and accused by {evidence:?}", accused(evidence)))
            }
            Sight::Accused { electorate, evidence: Evidence::Streamlette(proof), .. } => {
                let votes = [&proof.first, &proof.second];
                let key = electorate.set.get(proof.first.signer).map(|member| member.public_key);
                let is_signed = votes.iter().all(|vote| {
                    let (digest, signature) = (vote.message.digest(&electorate.id), vote.signature);
                    vote.signer == proof.first.signer
                        && key.is_some_and(|key| Check { key, digest, signature }.is_valid())
                });
                let [one, other] = votes.map(|vote| vote.message);
                let contradict = one.tick == other.tick && one.target != other.target;
                if is_signed && contradict { Ok(()) } else { Err(format!("{proof:?} proves nothing")) }
            }
            Sight::Alarmed { node, what } => Err(format!("node {node} says that too many lie: {what}")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::SecretKey,
        protocol::{
            Electorate,
            streamlette::{self, Tick, Vote},
        },
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
        HonestEvidence.see(&Sight::Accused { electorate: &electorate, evidence: &evidence, is_honest })
    }

    #[test]
    fn accusations_of_the_honest_and_without_proof_are_noticed() {
        judge([1, 2], false).unwrap();
        judge([1, 1], false).unwrap_err();
        judge([1, 2], true).unwrap_err();
    }

    #[test]
    fn false_alarms_are_noticed() {
        HonestEvidence.see(&Sight::Alarmed { node: 0, what: "twins" }).unwrap_err();
    }
}
