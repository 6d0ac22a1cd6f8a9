//! `one-vote`: no honest validator prepares, commits or proposes two values at one place, gives two accounts of itself for
//! one view, opens a view twice, or votes in a view below one that it has left for; all its lives together.

use std::collections::BTreeMap;

use super::{Jury, choose};
use crate::{
    protocol::pbft::{Change, Message, Opening, Phase, Proposal, ViewNumber, Vote},
    sim::checkers::Facts,
    types::{Digest, Height},
};

/// A place that a validator fills once.
type Place = (usize, Digest, Phase, ViewNumber, Height);

/// What honest validators have said.
#[derive(Debug, Default)]
pub struct Said {
    votes: BTreeMap<Place, Digest>,
    changes: BTreeMap<(usize, Digest, ViewNumber), Change>,
    openings: BTreeMap<(usize, Digest, ViewNumber), Opening>,
    /// The highest view that each has left for.
    left_for: BTreeMap<(usize, Digest), ViewNumber>,
}

impl Said {
    /// An honest validator says this, or passes it on.
    pub fn on_message(&mut self, facts: &Facts, node: usize, jury: &Jury<'_>, said: &Message) -> Result<(), String> {
        let Some(me) = facts.peers[node] else { return Ok(()) };
        let instance = jury.instance;
        let diff = said.clone().into_diff();
        for vote in diff.votes.iter().filter(|vote| vote.signer == me) {
            self.vote(node, instance, vote.message)?;
        }
        for proposal in diff.proposals.iter().map(|it| it.proposal).filter(|it| jury.primary(it.view) == me) {
            self.vote(node, instance, Vote { phase: Phase::Prepare, proposal })?;
        }
        for change in diff.changes.iter().map(|it| &it.change).filter(|it| it.signer == me) {
            self.change(node, instance, &change.message)?;
        }
        let Some(new_view) = diff.new_view.filter(|it| it.opening.signer == me) else { return Ok(()) };
        let opening = new_view.opening.message;
        let known = *self.openings.entry((node, instance, opening.view)).or_insert(opening);
        if known != opening {
            return Err(format!("node {node} opens view {} twice", opening.view));
        }
        let again = choose(&new_view.changes).proposals(opening.view);
        again.into_iter().try_for_each(|proposal| self.vote(node, instance, Vote { phase: Phase::Prepare, proposal }))
    }

    fn vote(&mut self, node: usize, instance: Digest, Vote { phase, proposal }: Vote) -> Result<(), String> {
        let Proposal { view, height, payload_root } = proposal;
        let known = *self.votes.entry((node, instance, phase, view, height)).or_insert(payload_root);
        if known != payload_root {
            return Err(format!("node {node} {phase:?} {height} in view {view}: {payload_root:?}, before {known:?}"));
        }
        let left_for = self.left_for.get(&(node, instance)).copied().unwrap_or_default();
        if view < left_for {
            return Err(format!("node {node} {phase:?} {height} in view {view}, but has left for {left_for}"));
        }
        Ok(())
    }

    fn change(&mut self, node: usize, instance: Digest, change: &Change) -> Result<(), String> {
        let known = self.changes.entry((node, instance, change.view)).or_insert_with(|| change.clone());
        if known != change {
            return Err(format!("node {node} leaves for view {} with {change:?}, before {known:?}", change.view));
        }
        let left_for = self.left_for.entry((node, instance)).or_default();
        *left_for = (*left_for).max(change.view);
        Ok(())
    }
}
