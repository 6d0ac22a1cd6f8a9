//! `certificate`: whatever an honest validator executes is proven by a certificate that holds, counted and checked by
//! hand: who signed, how much power that is, which messages stand on which, in which ticks.

use std::collections::BTreeSet;

use super::{Checker, Facts, Sight, is_signed};
use crate::{
    app::Block,
    crypto::{Check, Signable as _, Transcript},
    protocol::{
        Certificate, pbft,
        streamlette::{self as sl, Vote, Votes},
    },
    types::Digest,
};

/// See the file's header.
#[derive(Debug)]
pub struct CertificateSoundness {
    facts: Facts,
    /// What was found to hold.
    proven: BTreeSet<Digest>,
}

impl CertificateSoundness {
    /// For a world of these facts.
    pub fn new(facts: Facts) -> Self {
        Self { facts, proven: BTreeSet::new() }
    }

    fn check(&self, instance: &Digest, block: &Block) -> Result<(), String> {
        let certificate = match &block.certificate {
            Certificate::Streamlette(certificate) => certificate,
            Certificate::Pbft(certificate) => return self.check_pbft(instance, block, certificate),
        };
        let proposal = certificate.proposal;
        let root = Transcript::new("thalweg payload v1").bytes(&block.payload).finish();
        if root != proposal.payload_root || proposal.payload_len != block.payload.len() as u64 {
            return Err("the payload is not the one that was voted for".into());
        }
        let bottom = proposal.digest(instance);
        let mut chain = Vec::new();
        if !certificate.votes.is_empty() {
            self.count(instance, proposal.tick, bottom, &certificate.votes)?;
            chain.push((bottom, proposal.tick.get(), 0));
        }
        for sl::Step { header, votes } in certificate.steps.iter() {
            let id = header.digest(instance);
            self.count(instance, header.tick, id, votes)?;
            if header.root != bottom {
                return Err(format!("{header:?} stands on another proposal than {bottom:?}"));
            }
            if chain.last().is_some_and(|(below, ..)| header.parent != *below) {
                return Err(format!("{header:?} does not stand on what is below it"));
            }
            chain.push((id, header.tick.get(), header.depth.get()));
        }
        let follow = |pair: &[(Digest, u64, u64)]| pair[1].1 == pair[0].1 + 1 && pair[1].2 == pair[0].2 + 1;
        let are_adjacent = chain.windows(2).all(follow);
        let is_shortcut = matches!(chain[..], [(_, 0, 0), (_, 1, 1)]);
        let is_at_bottom = chain.first().is_some_and(|(id, _, depth)| (*depth == 0) == (*id == bottom));
        if are_adjacent && is_at_bottom && (chain.len() == 3 || is_shortcut) {
            Ok(())
        } else {
            Err(format!("these decide nothing: {chain:?}"))
        }
    }

    /// A quorum of commits for this payload at this height in one view.
    fn check_pbft(&self, instance: &Digest, block: &Block, certificate: &pbft::Certificate) -> Result<(), String> {
        let root = Transcript::new("thalweg payload v1").bytes(&block.payload).finish();
        let proposal = certificate.proposal;
        if root != proposal.payload_root || block.height != proposal.height {
            return Err(format!("{proposal:?} is not what the block holds"));
        }
        let commit = pbft::Vote { phase: pbft::Phase::Commit, proposal };
        self.count_signed(commit.digest(instance), root, &certificate.commits)
    }

    fn count(&self, instance: &Digest, tick: sl::Tick, target: Digest, votes: &Votes) -> Result<(), String> {
        self.count_signed(Vote { tick, target }.digest(instance), target, votes)
    }

    fn count_signed(&self, digest: Digest, target: Digest, votes: &Votes) -> Result<(), String> {
        let members = self.facts.set.members();
        let (mut voters, mut power) = (BTreeSet::new(), 0u128);
        for ballot in votes {
            let Some(member) = members.get(ballot.voter.position()) else {
                return Err(format!("{} voted for {target:?}, but is nobody", ballot.voter));
            };
            if !voters.insert(ballot.voter) {
                return Err(format!("{} voted twice for {target:?}", ballot.voter));
            }
            if !is_signed(&Check { key: member.public_key, digest, signature: ballot.signature }) {
                return Err(format!("{} never signed a vote for {target:?}", ballot.voter));
            }
            power += u128::from(member.power.get());
        }
        let total: u128 = members.iter().map(|member| u128::from(member.power.get())).sum();
        if power * 3 > total * 2 { Ok(()) } else { Err(format!("{target:?} has {power} of {total} behind it")) }
    }
}

impl Checker for CertificateSoundness {
    fn id(&self) -> &'static str {
        "certificate"
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        let Sight::Executed { node, instance, block, .. } = sight else { return Ok(()) };
        let bytes = crate::types::codec::encode(*block);
        let key = Transcript::new("proven").digest(instance).bytes(&bytes).finish();
        if !self.proven.contains(&key) {
            let checked = self.check(instance, block);
            checked.map_err(|what| format!("node {node} executed height {} without proof: {what}", block.height))?;
            self.proven.insert(key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::checkers::planted::{decided, facts};

    fn check(block: &Block) -> Result<(), String> {
        CertificateSoundness::new(facts()).check(&Digest::new([9; 32]), block)
    }

    #[test]
    fn a_certificate_with_a_flaw_is_noticed() {
        check(&decided([0, 1], 3)).unwrap();
        check(&decided([0, 1], 2)).unwrap_err();
        check(&decided([0, 2], 3)).unwrap_err();
        check(&decided([1, 2], 3)).unwrap_err();
        let mut block = decided([0, 1], 3);
        block.payload = bytes::Bytes::from_static(b"other");
        check(&block).unwrap_err();
        let block = decided([0, 1], 3);
        CertificateSoundness::new(facts()).check(&Digest::new([8; 32]), &block).unwrap_err();
    }
}
