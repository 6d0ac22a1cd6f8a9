//! `justified`: the record of a vote is on disk together with what it stands on, so that it can be explained to others
//! after every crash (`SL-V3`): the message voted for, and its parent with a quorum of votes. What that is under PBFT
//! says [`super::pbft`].

use std::collections::{BTreeMap, BTreeSet};

use super::{Checker, Facts, Sight, pbft::Justified};
use crate::{
    journal::Entry,
    protocol::{
        Record,
        streamlette::{self as sl, Header, Vote},
    },
    types::{Digest, ValidatorIndex},
};

/// What a journal holds of a message.
#[derive(Debug, Default)]
struct Kept {
    header: Option<Header>,
    voters: BTreeSet<ValidatorIndex>,
}

/// See the file's header.
#[derive(Debug)]
pub struct JustifiedVotes {
    facts: Facts,
    /// By validator, instance and id.
    kept: BTreeMap<(usize, Digest, Digest), Kept>,
    pbft: Justified,
}

impl JustifiedVotes {
    /// For a world of these facts.
    pub fn new(facts: Facts) -> Self {
        Self { facts, kept: BTreeMap::new(), pbft: Justified::default() }
    }

    fn keep(&mut self, node: usize, instance: Digest, items: &[sl::Item]) {
        for item in items {
            let kept = self.kept.entry((node, instance, item.vote(&instance).target)).or_default();
            kept.header = kept.header.or(item.header());
            kept.voters.extend(item.votes().iter().map(|ballot| ballot.voter));
        }
    }

    fn judge(&self, node: usize, instance: Digest, vote: Vote) -> Result<(), String> {
        let header = |id| self.kept.get(&(node, instance, id)).and_then(|kept| kept.header);
        let Some(target) = header(vote.target) else {
            return Err(format!("node {node} journals a vote for {:?}, but not what that is", vote.target));
        };
        let Some(parent) = target.parent() else { return Ok(()) };
        if header(parent).is_none() {
            return Err(format!("node {node} journals a vote on {parent:?}, but not what that is"));
        }
        let power = |voter: &ValidatorIndex| self.facts.set.members().get(voter.position()).map(|member| member.power);
        let voters = self.kept.get(&(node, instance, parent)).into_iter().flat_map(|kept| &kept.voters);
        let behind: u128 = voters.filter_map(power).map(|power| u128::from(power.get())).sum();
        let total: u128 = self.facts.set.members().iter().map(|member| u128::from(member.power.get())).sum();
        if behind * 3 > total * 2 {
            Ok(())
        } else {
            Err(format!("node {node} journals a vote on {parent:?} with {behind} of {total} behind it"))
        }
    }
}

impl Checker for JustifiedVotes {
    fn id(&self) -> &'static str {
        "justified"
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        // What a crash left of a write that was under way is on disk as well, though nobody was told.
        let (Sight::Persisted { node, entries } | Sight::Remembered { node, entries, .. }) = sight else {
            return Ok(());
        };
        for entry in *entries {
            let Entry::Instance { instance, record, .. } = entry else { continue };
            match record {
                Record::Streamlette(sl::Record::Vote { vote, items, .. }) => {
                    self.keep(*node, *instance, items);
                    self.judge(*node, *instance, *vote)?;
                }
                Record::Streamlette(sl::Record::Want { .. }) => {}
                Record::Pbft(record) => self.pbft.on_record(&self.facts, *node, *instance, record)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        protocol::{Certificate, streamlette::Item},
        sim::checkers::planted::{decided, facts},
    };

    #[test]
    fn a_vote_without_what_it_stands_on_is_noticed() {
        let instance = Digest::new([9; 32]);
        let judge = |quorum: usize, with_parent: bool, with_target: bool| {
            let block = decided([0, 1], quorum);
            let Certificate::Streamlette(certificate) = block.certificate else {
                unreachable!("decided by Streamlette")
            };
            let header = certificate.steps[0].header;
            let vote = Vote { tick: header.tick, target: Header::Solicit(header).id(&instance) };
            let parent =
                Item::Proposal { header: certificate.proposal, payload: block.payload, votes: certificate.votes };
            let target = Item::Solicit { header, votes: Default::default() };
            let items: Vec<Item> =
                [with_parent.then_some(parent), with_target.then_some(target)].into_iter().flatten().collect();
            let mut checker = JustifiedVotes::new(facts());
            checker.keep(0, instance, &items);
            checker.judge(0, instance, vote)
        };
        judge(3, true, true).unwrap();
        judge(2, true, true).unwrap_err();
        judge(3, false, true).unwrap_err();
        judge(3, true, false).unwrap_err();
    }
}
