//! `evidence`: nobody honest is ever accused, every accusation is proven, and nobody honest says that more than a third
//! must lie while no more than a third does.

use super::{Checker, Sight};
use crate::{
    crypto::{Check, Signable, Signed},
    protocol::{Electorate, Evidence, pbft},
    types::ValidatorIndex,
};

/// See the file's header.
#[derive(Debug)]
pub struct HonestEvidence;

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
            Sight::Accused { electorate, evidence: Evidence::Pbft(proof), .. } => {
                if proves(electorate, proof) {
                    Ok(())
                } else {
                    Err(format!("{proof:?} proves nothing"))
                }
            }
            Sight::Alarmed { node, what } => Err(format!("node {node} says that too many lie: {what}")),
            _ => Ok(()),
        }
    }
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
        key.is_some_and(|key| Check { key, digest, signature }.is_valid())
    };
    first.signer == second.signer && first.message != second.message && is_signed(first) && is_signed(second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::SecretKey,
        protocol::streamlette::{self, Tick, Vote},
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
