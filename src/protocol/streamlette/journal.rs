//! What must survive a crash, and how an instance gets it back.
//!
//! A vote's record holds the two numbers of `SL-V1` and what justifies the vote (`SL-V3`): the target, its ancestors
//! and the votes that notarize its parent, as far as earlier records do not hold them. With the numbers alone,
//! replicas that restart together can deadlock: each is locked on something that nobody has any more.

use std::collections::VecDeque;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    message::{Header, Item, Unsigned, Vote},
    tick::{Depth, Tick},
    tree::Tree,
};
use crate::types::{Digest, ValidatorIndex, ValidatorSet, planted};

/// Something to remember.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Record {
    /// A vote, or the message of a leader with its vote. `vote.tick` is the last vote's tick from now on.
    Vote {
        /// The vote.
        vote: Vote,
        /// The lock after it.
        lock_depth: Option<Depth>,
        /// What justifies it, parents first. An own message as a leader has no ballot: it is signed afterwards.
        items: Vec<Item>,
    },
    /// The highest own wish.
    Want {
        /// The tick.
        tick: Tick,
    },
}

impl Record {
    /// The payloads in it, by digest.
    pub fn bodies_mut(&mut self) -> Vec<(Digest, &mut Bytes)> {
        let items = if let Self::Vote { items, .. } = self { items.as_mut_slice() } else { &mut [] };
        let body = |item| match item {
            &mut Item::Proposal { header, ref mut payload, .. } => Some((header.payload_root, payload)),
            &mut (Item::Solicit { .. } | Item::Votes { .. }) => None,
        };
        items.iter_mut().filter_map(body).collect()
    }
}

/// Collects what earlier records do not hold of `parent`: its ancestors and itself, with the votes that notarize them.
/// Marks all of it as journaled. A quorum that is left out below would be missed by others: what is old is taken only
/// with one.
pub fn justify(tree: &mut Tree, set: &ValidatorSet, parent: Option<Digest>) -> Vec<Item> {
    let mut path = Vec::new();
    let mut at = parent;
    while let Some((id, node)) = at.and_then(|id| tree.get(&id).map(|node| (id, node))) {
        if node.is_quorum_journaled || planted::is("no-justification") {
            break;
        }
        path.push(id);
        at = node.header.parent();
    }
    let mut items = Vec::with_capacity(path.len());
    for target in path.into_iter().rev() {
        let Some(node) = tree.get_mut(&target) else { continue };
        let was_journaled = std::mem::replace(&mut node.is_journaled, true);
        node.is_quorum_journaled = node.is_notarized();
        if !was_journaled {
            items.push(node.item(node.quorum_with_leader(set)));
        } else if node.is_quorum_journaled {
            let vote = Vote { tick: node.header.tick(), target };
            items.push(Item::Votes { vote, votes: node.quorum(set) });
        }
    }
    items
}

/// One step of coming back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Things of others, to be verified like anything that arrives.
    Items(Vec<Item>),
    /// A message of our own as a leader, to be signed again: signing is deterministic, so the bytes are the same.
    Lead {
        /// What was led.
        header: Header,
        /// The value, for a Proposal.
        payload: Option<Bytes>,
        /// Whether it is the last thing we voted for.
        is_last: bool,
    },
    /// A vote of our own, to be signed again.
    Vote {
        /// The vote.
        vote: Vote,
        /// Whether it is the last one.
        is_last: bool,
    },
}

/// What is read back from the records of an instance. Steps are taken one after another, because later ones stand
/// on earlier ones.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    /// What remains to be done.
    pub steps: VecDeque<Step>,
    /// Each vote with the lock after it.
    pub votes: Vec<(Vote, Option<Depth>)>,
    /// The highest own wish.
    pub want_tick: Option<Tick>,
}

impl Recovery {
    /// Reads records in the order in which they were written.
    pub fn read(records: Vec<Record>, me: Option<ValidatorIndex>) -> Self {
        let last = records.iter().filter_map(|record| match record {
            Record::Vote { vote, .. } => Some(vote.tick),
            Record::Want { .. } => None,
        });
        let last = last.max();
        let mut recovery = Self::default();
        for record in records {
            match record {
                Record::Vote { vote, lock_depth, items } => {
                    recovery.votes.push((vote, lock_depth));
                    recovery.read_vote(vote, items, me, last == Some(vote.tick));
                }
                Record::Want { tick } => {
                    recovery.want_tick = recovery.want_tick.max(Some(tick));
                }
            }
        }
        recovery
    }

    fn read_vote(&mut self, vote: Vote, items: Vec<Item>, me: Option<ValidatorIndex>, is_last: bool) {
        let mut is_lead = false;
        // Without its body a Proposal is nothing to take in or to lead again: it is pulled from others (`JN-9`).
        for item in items.into_iter().filter(Item::has_right_payload) {
            match item.header() {
                Some(header) if item.votes().is_empty() && Some(header.leader()) == me => {
                    is_lead = true;
                    let payload = if let Item::Proposal { payload, .. } = item { Some(payload) } else { None };
                    self.steps.push_back(Step::Lead { header, payload, is_last });
                }
                _ => match self.steps.back_mut() {
                    Some(Step::Items(items)) => items.push(item),
                    _ => self.steps.push_back(Step::Items(vec![item])),
                },
            }
        }
        if !is_lead {
            self.steps.push_back(Step::Vote { vote, is_last });
        }
    }
}

/// An own message as a leader, ready to be signed; `None` if the parent of a Solicit is not in the tree.
pub fn lead_again(tree: &Tree, set: &ValidatorSet, header: Header, payload: Option<Bytes>) -> Option<Unsigned> {
    Some(match header {
        Header::Proposal(header) => Unsigned::Proposal { header, payload: payload? },
        Header::Solicit(header) => {
            let parent = tree.get(&header.parent)?;
            Unsigned::Solicit { header, parent_tick: parent.header.tick(), quorum: parent.quorum(set) }
        }
    })
}
