//! Pull: what I have, and what you lack. Pull is the truth, push is the shortcut: whatever an honest replica holds
//! reaches every honest replica that keeps asking.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    message::{BALLOT_BYTES_MAX, Diff, ITEM_BYTES_MAX, Item, NODES_MAX, Vote, WISH_BYTES_MAX},
    tick::Tick,
    tree::{Node, Tree, WINDOW},
    wants::Wants,
};
use crate::protocol::votes::{Ballot, Votes};
use crate::types::{Bitmap, BoundedVec, Digest, Tally, ValidatorSet};

/// Left free for what encloses an answer.
pub const FRAME_BYTES_MAX: usize = 64;

/// A message that is here, and whose votes for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Known {
    /// Its id.
    pub id: Digest,
    /// Whose votes.
    pub voters: Bitmap,
}

/// What a replica has. A lie here only changes what the liar itself is sent.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Summary {
    /// The current tick: what lies far from it would be refused.
    pub tick: Tick,
    /// The messages.
    pub nodes: BoundedVec<Known, NODES_MAX>,
    /// The highest wish of each validator.
    pub wants: BoundedVec<Option<Tick>, { ValidatorSet::MEMBERS_MAX }>,
}

impl Summary {
    /// Sums up a tree and its wishes.
    ///
    /// # Panics
    /// Never: both are bounded alike.
    pub fn of(tick: Tick, tree: &Tree, wants: &Wants) -> Self {
        let nodes = tree.iter().map(|(id, node)| Known { id: *id, voters: node.voters() }).collect::<Vec<_>>();
        Self {
            tick,
            nodes: nodes.try_into().expect("a tree holds at most as many"),
            wants: wants.ticks().try_into().expect("a set has at most as many members"),
        }
    }

    /// What lacks here of a tree, in at most `budget` bytes, with a mark when that was not all. A message goes with
    /// its leader's vote and as many others as make a quorum, all in one item (`SL-I4`).
    ///
    /// A single item larger than the budget is never sent: the budget must exceed the largest payload by some bytes
    /// for each validator.
    pub fn missing(&self, tree: &Tree, wants: &Wants, set: &ValidatorSet, budget: usize) -> Diff {
        let theirs: BTreeMap<&Digest, &Bitmap> = self.nodes.iter().map(|known| (&known.id, &known.voters)).collect();
        let mut room = Room { left: budget.saturating_sub(FRAME_BYTES_MAX), more: false };
        let mut diff = Diff::default();
        for wish in wants.iter() {
            let known = self.wants.get(wish.signer.position()).copied().flatten();
            if known < Some(wish.tick) && room.take(WISH_BYTES_MAX) && diff.wants.try_push(*wish).is_err() {
                break;
            }
        }
        for (id, node) in tree.iter().filter(|(_, node)| self.would_take(node)) {
            let item = match theirs.get(id) {
                None => Some(node.item(node.quorum_with_leader(set))).filter(|item| room.take(item.bytes_max())),
                Some(voters) => votes_beyond(id, node, voters, set, &mut room),
            };
            if item.is_some_and(|item| diff.items.try_push(item).is_err()) || room.more {
                // What stands on something left out would be refused.
                break;
            }
        }
        diff.more = room.more;
        diff
    }

    fn would_take(&self, node: &Node) -> bool {
        let tick = node.header.tick();
        node.is_anchored() || (tick.plus(WINDOW) >= self.tick && self.tick.plus(WINDOW) >= tick)
    }
}

/// What is left of a byte budget.
struct Room {
    left: usize,
    more: bool,
}

impl Room {
    /// Takes bytes if they are there, else notes that something was left out.
    fn take(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                self.more = true;
                false
            }
        }
    }
}

/// Votes that the other side lacks, as far as it needs them for a quorum and they fit.
fn votes_beyond(id: &Digest, node: &Node, theirs: &Bitmap, set: &ValidatorSet, room: &mut Room) -> Option<Item> {
    let mut power = theirs.iter().fold(Tally::ZERO, |sum, voter| sum.plus(set.power(voter)));
    let mut chosen: Vec<Ballot> = Vec::new();
    for ballot in node.ballots().filter(|ballot| !theirs.contains(ballot.voter)) {
        if set.is_quorum(power) {
            break;
        }
        let bytes = BALLOT_BYTES_MAX + if chosen.is_empty() { ITEM_BYTES_MAX } else { 0 };
        if !room.take(bytes) {
            break;
        }
        power = power.plus(set.power(ballot.voter));
        chosen.push(ballot);
    }
    let vote = Vote { tick: node.header.tick(), target: *id };
    let votes: Votes = chosen.into_iter().collect();
    (!votes.is_empty()).then_some(Item::Votes { vote, votes })
}
