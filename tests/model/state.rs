//! The state of the model: who voted for what, and what follows from that.
//!
//! The liar is not in it. It leads every tick with as many twins as it likes, and votes for everything at the moment
//! that suits it best: so a message exists once somebody honest votes for it, and is notarized as soon as the honest
//! votes and the liar's make a quorum. Who has seen what does not matter either: the liar shows everyone what it likes.

use thalweg::protocol::streamlette::Safety;

/// A message: its tick times the number of twins, plus which of the twins it is.
pub type Id = u32;

/// A message that somebody honest voted for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Message {
    pub id: Id,
    /// `None`: a Proposal, on the virtual genesis.
    pub parent: Option<Id>,
    pub depth: u32,
    pub root: Id,
}

/// An honest validator.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Voter {
    /// What it voted for, ascending.
    pub voted: Vec<Id>,
    /// The depth of the deepest parent that it voted on.
    pub lock: Option<u32>,
    /// Production's own memory of the same.
    pub safety: Safety,
}

/// All votes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    /// Ascending by id.
    pub messages: Vec<Message>,
    pub voters: Vec<Voter>,
}

impl State {
    /// Nobody has voted yet.
    pub fn of(honest: usize) -> Self {
        Self { messages: Vec::new(), voters: vec![Voter::default(); honest] }
    }

    pub fn get(&self, id: Id) -> Option<&Message> {
        self.messages.binary_search_by_key(&id, |message| message.id).ok().map(|at| &self.messages[at])
    }

    /// Takes note of a message before the first vote for it. Its parent is known.
    pub fn add(&mut self, id: Id, parent: Option<Id>) {
        if let Err(at) = self.messages.binary_search_by_key(&id, |message| message.id) {
            let below = parent.and_then(|parent| self.get(parent));
            let (depth, root) = below.map_or((0, id), |below| (below.depth + 1, below.root));
            self.messages.insert(at, Message { id, parent, depth, root });
        }
    }

    /// How many of the honest voted for a message.
    pub fn votes(&self, id: Id) -> usize {
        self.voters.iter().filter(|voter| voter.voted.binary_search(&id).is_ok()).count()
    }

    /// Honest validators are told apart by nothing but their votes: states that differ only in who is who are one.
    pub fn sort_voters(&mut self) {
        self.voters.sort_by(|one, other| one.voted.cmp(&other.voted));
    }
}
