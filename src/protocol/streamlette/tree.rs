//! The messages of an instance, their votes, and what follows from them. Counting is incremental: a vote costs one
//! look-up, a notarization a walk up to the first ancestor that was anchored before.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    message::{Header, Item, NODES_MAX, Vote},
    tick::Tick,
};
use crate::protocol::votes::{Ballot, Votes};
use crate::{
    protocol::Rejection,
    types::{Bitmap, Digest, Signature, Tally, ValidatorIndex, ValidatorSet, planted},
};

/// How far from the current tick messages are kept that nobody has notarized.
pub const WINDOW: u64 = 8;
/// Messages of one tick that are kept whoever voted for them (`SL-I4`).
const TWINS_FREE: usize = 2;

/// What the application thinks of a Proposal's payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Validity {
    /// It has not been asked.
    Unknown,
    /// It could not tell yet.
    Undecided,
    /// It has been asked.
    Asked,
    /// May be voted for.
    Valid,
    /// Must not be voted for.
    Invalid,
}

/// A message with its votes.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub header: Header,
    /// The Proposal it stands on, itself for a Proposal.
    pub root: Digest,
    /// The application's word, for a Proposal.
    pub validity: Validity,
    /// Whether a record holds it (`SL-V3`).
    pub is_journaled: bool,
    /// Whether a record holds votes that notarize it (`SL-V3`).
    pub is_quorum_journaled: bool,
    payload: Option<Bytes>,
    votes: BTreeMap<ValidatorIndex, Signature>,
    power: Tally,
    is_notarized: bool,
    is_anchored: bool,
}

impl Node {
    /// Whether a quorum voted for it.
    pub fn is_notarized(&self) -> bool {
        self.is_notarized
    }

    /// Whether it or something above it is notarized: then it stays.
    pub fn is_anchored(&self) -> bool {
        self.is_anchored
    }

    /// The value, for a Proposal.
    pub fn payload(&self) -> Option<&Bytes> {
        self.payload.as_ref()
    }

    /// The power of its voters.
    pub fn power(&self) -> Tally {
        self.power
    }

    /// Whether someone's vote for it is here.
    pub fn has_vote(&self, voter: ValidatorIndex) -> bool {
        self.votes.contains_key(&voter)
    }

    /// Someone's signature over the vote for it.
    pub fn signature(&self, voter: ValidatorIndex) -> Option<Signature> {
        self.votes.get(&voter).copied()
    }

    /// Whose votes are here.
    pub fn voters(&self) -> Bitmap {
        self.votes.keys().copied().collect()
    }

    /// All votes, by ascending voter.
    pub fn ballots(&self) -> impl Iterator<Item = Ballot> {
        self.votes.iter().map(|(voter, signature)| Ballot { voter: *voter, signature: *signature })
    }

    /// The first votes that make a quorum of `set`; all of them if there is none.
    pub fn quorum(&self, set: &ValidatorSet) -> Votes {
        self.quorum_with(set, None)
    }

    /// As [`Self::quorum`], with the leader's vote, without which nobody takes the message.
    pub fn quorum_with_leader(&self, set: &ValidatorSet) -> Votes {
        self.quorum_with(set, Some(self.header.leader()))
    }

    /// The leader's vote alone.
    pub fn leader_vote(&self) -> Votes {
        let leader = self.header.leader();
        self.signature(leader).map_or_else(Votes::default, |signature| Votes::one(leader, signature))
    }

    fn quorum_with(&self, set: &ValidatorSet, always: Option<ValidatorIndex>) -> Votes {
        let always = always.filter(|voter| self.has_vote(*voter));
        let mut power = always.map_or(Tally::ZERO, |voter| Tally::ZERO.plus(set.power(voter)));
        let chosen = self.ballots().filter(|ballot| {
            if Some(ballot.voter) == always {
                return true;
            }
            let needed = !set.is_quorum(power);
            if needed {
                power = power.plus(set.power(ballot.voter));
            }
            needed
        });
        chosen.collect()
    }

    /// The message with some of its votes, as it travels.
    ///
    /// # Panics
    /// Never: a Proposal enters the tree only with its payload.
    pub fn item(&self, votes: Votes) -> Item {
        match self.header {
            Header::Proposal(header) => {
                let payload = self.payload.clone().expect("a Proposal enters the tree only with its payload");
                Item::Proposal { header, payload, votes }
            }
            Header::Solicit(header) => Item::Solicit { header, votes },
        }
    }
}

/// What became of a vote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counted {
    /// Its target is not here.
    Unknown,
    /// It was here already.
    Again,
    /// It counts.
    Added,
    /// It counts and completes a quorum.
    Notarized,
}

/// Three adjacent notarized messages of successive ticks; the virtual genesis may be the first of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deciding {
    /// `None`: the virtual genesis, at the tick before the first.
    pub first: Option<Digest>,
    /// The one in the middle: the only one of its depth that can ever be notarized.
    pub middle: Digest,
    /// The last.
    pub last: Digest,
}

/// The tree of an instance.
#[derive(Clone, Debug)]
pub struct Tree {
    set: Arc<ValidatorSet>,
    nodes: BTreeMap<Digest, Node>,
    ticks: BTreeMap<Tick, Vec<Digest>>,
    tips: Vec<Digest>,
    notarized_tick: Option<Tick>,
}

impl Tree {
    /// An empty tree: nothing but the virtual genesis.
    pub fn new(set: Arc<ValidatorSet>) -> Self {
        Self { set, nodes: BTreeMap::new(), ticks: BTreeMap::new(), tips: Vec::new(), notarized_tick: None }
    }

    /// The node with an id.
    pub fn get(&self, id: &Digest) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// The node with an id, to be marked.
    pub fn get_mut(&mut self, id: &Digest) -> Option<&mut Node> {
        self.nodes.get_mut(id)
    }

    /// The messages of a tick in the order of their arrival.
    pub fn of_tick(&self, tick: Tick) -> &[Digest] {
        self.ticks.get(&tick).map_or(&[], Vec::as_slice)
    }

    /// Whether anything is here of the ticks from `first` up to, without, `end`.
    pub fn has_any_between(&self, first: Tick, end: Tick) -> bool {
        self.ticks.range(first..end).next().is_some()
    }

    /// All messages, parents before children.
    pub fn iter(&self) -> impl Iterator<Item = (&Digest, &Node)> {
        let ids = self.ticks.values().flatten();
        ids.filter_map(|id| self.nodes.get(id).map(|node| (id, node)))
    }

    /// The highest tick with a notarized message.
    pub fn notarized_tick(&self) -> Option<Tick> {
        self.notarized_tick
    }

    /// The notarized messages of the greatest depth.
    pub fn tips(&self) -> &[Digest] {
        &self.tips
    }

    /// The tip to extend: of the highest tick, ties by id (`SL-L1`). `None`: the virtual genesis.
    pub fn best_tip(&self) -> Option<&Digest> {
        self.tips.iter().max_by_key(|id| (self.nodes.get(*id).map(|node| node.header.tick()), **id))
    }

    /// Whether `parent` ends a longest notarized chain (`None`: the virtual genesis, which does while nothing is
    /// notarized).
    pub fn is_tip(&self, parent: Option<Digest>) -> bool {
        match parent {
            None => self.tips.is_empty(),
            Some(id) => self.tips.contains(&id),
        }
    }

    /// Whether one more message fits into a tick, given the power of the verified votes that come with it.
    ///
    /// # Errors
    /// [`Rejection::TooManyTwins`]: beyond two, a message needs an honest voter (`SL-I4`); [`Rejection::OverRate`]
    /// when the tree holds [`NODES_MAX`].
    pub fn admit(&self, tick: Tick, power: Tally) -> Result<(), Rejection> {
        if self.nodes.len() >= NODES_MAX {
            return Err(Rejection::OverRate);
        }
        if self.of_tick(tick).len() >= TWINS_FREE && !self.set.is_blocking(power) {
            return Err(Rejection::TooManyTwins);
        }
        Ok(())
    }

    /// Adds a message. What is known already stays as it is.
    ///
    /// # Errors
    /// [`Rejection::UnknownParent`], or [`Rejection::WrongAncestry`] when tick, depth or root contradict the parent.
    pub fn insert(&mut self, id: Digest, header: Header, payload: Option<Bytes>) -> Result<(), Rejection> {
        let root = match header {
            Header::Proposal(_) => id,
            Header::Solicit(solicit) => {
                let parent = self.get(&solicit.parent).ok_or(Rejection::UnknownParent)?;
                fits(&header, &parent.header, parent.root)?;
                solicit.root
            }
        };
        if let Entry::Vacant(slot) = self.nodes.entry(id) {
            self.ticks.entry(header.tick()).or_default().push(id);
            slot.insert(Node {
                header,
                root,
                validity: Validity::Unknown,
                is_journaled: false,
                is_quorum_journaled: false,
                payload,
                votes: BTreeMap::new(),
                power: Tally::ZERO,
                is_notarized: false,
                is_anchored: false,
            });
        }
        Ok(())
    }

    /// Counts a verified vote. A stored signature is never replaced.
    pub fn count(&mut self, target: &Digest, voter: ValidatorIndex, signature: Signature) -> Counted {
        let Some(node) = self.nodes.get_mut(target) else { return Counted::Unknown };
        let Entry::Vacant(slot) = node.votes.entry(voter) else { return Counted::Again };
        slot.insert(signature);
        node.power = node.power.plus(self.set.power(voter));
        if node.is_notarized || !self.set.is_quorum(node.power) {
            return Counted::Added;
        }
        node.is_notarized = true;
        self.on_notarized(*target);
        Counted::Notarized
    }

    fn on_notarized(&mut self, id: Digest) {
        let Some(node) = self.nodes.get(&id) else { return };
        let (tick, depth) = (node.header.tick(), node.header.depth());
        self.notarized_tick = self.notarized_tick.max(Some(tick));
        let longest = self.tips.first().and_then(|tip| self.nodes.get(tip)).map(|tip| tip.header.depth());
        if Some(depth) > longest {
            self.tips.clear();
        }
        if Some(depth) >= longest {
            self.tips.push(id);
        }
        let mut at = Some(id);
        while let Some(node) = at.and_then(|id| self.nodes.get_mut(&id)) {
            if std::mem::replace(&mut node.is_anchored, true) {
                break;
            }
            at = node.header.parent();
        }
    }

    /// The decision that became possible when `id` was notarized: `id` may be any of the three, because quorums
    /// arrive in any order.
    pub fn deciding_with(&self, id: &Digest) -> Option<Deciding> {
        let tick = self.get(id)?.header.tick();
        let later = [tick, tick.next(), tick.plus(2)];
        later.into_iter().flat_map(|tick| self.of_tick(tick)).find_map(|last| {
            let deciding = self.deciding(last)?;
            let takes_part = deciding.first == Some(*id) || deciding.middle == *id || deciding.last == *id;
            takes_part.then_some(deciding)
        })
    }

    fn deciding(&self, last: &Digest) -> Option<Deciding> {
        let notarized = |id: &Digest| self.get(id).filter(|node| node.is_notarized);
        let third = notarized(last)?;
        let middle = third.header.parent()?;
        let second = notarized(&middle)?;
        if !second.header.tick().is_followed_by(third.header.tick()) {
            return None;
        }
        let first = match second.header.parent() {
            // The virtual genesis stands at the tick before the first, and nothing else has its depth (`SL-S2`).
            None if second.header.tick() == Tick::ZERO || planted::is("shortcut-anywhere") => None,
            _ if planted::is("two-in-a-row") => None,
            None => return None,
            Some(first) => {
                let before = notarized(&first)?.header.tick();
                Some(first).filter(|_| before.is_followed_by(second.header.tick()))?.into()
            }
        };
        Some(Deciding { first, middle, last: *last })
    }

    /// Another notarized message of the same tick: impossible while less than a third lies (`SL-F1`).
    pub fn notarized_twin(&self, id: &Digest) -> Option<Digest> {
        let tick = self.get(id)?.header.tick();
        self.of_tick(tick).iter().find(|twin| *twin != id && self.get(twin).is_some_and(Node::is_notarized)).copied()
    }

    /// Another notarized message at the depth of `middle`: impossible once that is the middle of three (`SL-F1`).
    pub fn notarized_rival(&self, middle: &Digest) -> Option<Digest> {
        let depth = self.get(middle)?.header.depth();
        let mut rivals = self.iter().filter(|(_, node)| node.is_notarized && node.header.depth() == depth);
        rivals.find(|(id, _)| *id != middle).map(|(id, _)| *id)
    }

    /// Two votes of one validator in a tick, if `voter` voted for `target` and for a twin of it.
    pub fn other_vote(&self, voter: ValidatorIndex, target: &Digest) -> Option<(Vote, Signature)> {
        let tick = self.get(target)?.header.tick();
        self.of_tick(tick).iter().filter(|twin| *twin != target || planted::is("accuse-anyone")).find_map(|twin| {
            let signature = self.get(twin)?.signature(voter)?;
            Some((Vote { tick, target: *twin }, signature))
        })
    }

    /// Drops what is older than the window and under no notarized message, except `keep` and what it stands on;
    /// then what has lost its parent.
    pub fn prune(&mut self, current: Tick, keep: Option<Digest>) {
        let is_old = |tick: Tick| tick.plus(WINDOW) < current;
        if !self.ticks.keys().next().copied().is_some_and(is_old) {
            return;
        }
        let ids: Vec<Digest> = self.ticks.values().flatten().copied().collect();
        for id in ids {
            let Some(node) = self.nodes.get(&id) else { continue };
            let is_stale = is_old(node.header.tick()) && !node.is_anchored && Some(id) != keep;
            let is_orphan = node.header.parent().is_some_and(|parent| !self.nodes.contains_key(&parent));
            if is_stale || is_orphan {
                self.nodes.remove(&id);
            }
        }
        let nodes = &self.nodes;
        self.ticks.retain(|_, ids| {
            ids.retain(|id| nodes.contains_key(id));
            !ids.is_empty()
        });
    }

    /// How many messages are held.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }
}

/// Whether a header may stand on a parent: later tick, next depth, same root. Depth and root are in the id, so that
/// certificates need no path (`SL-W1`).
///
/// # Errors
/// [`Rejection::WrongAncestry`].
pub fn fits(header: &Header, parent: &Header, parent_root: Digest) -> Result<(), Rejection> {
    let Header::Solicit(solicit) = header else { return Ok(()) };
    let is_right =
        solicit.tick > parent.tick() && solicit.depth == parent.depth().below() && solicit.root == parent_root;
    if is_right { Ok(()) } else { Err(Rejection::WrongAncestry) }
}
