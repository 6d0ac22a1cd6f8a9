//! Whose rules the honest follow, what they may vote for, and what is decided.

use thalweg::protocol::streamlette::{Depth, Tick};

use crate::state::{Id, Message, State};

/// The rules: ours, or ours with one of them missing (SPEC.md section 1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rules {
    /// `SL-V1` as production has it, `SL-S2`, a quorum of more than two thirds.
    Ours,
    /// Ticks ascend, but nothing is said of depths.
    NoLock,
    /// Once in a tick and not above the lock, but ticks in any order.
    TicksInAnyOrder,
    /// Ticks never descend: two twins of a tick may both be voted for.
    TwiceInATick,
    /// The original's: anything on a longest chain, at any time.
    LateVoting,
    /// A Proposal of any tick decides with one Solicit.
    ShortcutAnywhere,
    /// Half of the votes are a quorum.
    QuorumOfHalf,
}

impl Rules {
    /// All that lack something.
    pub const MUTANTS: [Self; 6] = [
        Self::NoLock,
        Self::TicksInAnyOrder,
        Self::TwiceInATick,
        Self::LateVoting,
        Self::ShortcutAnywhere,
        Self::QuorumOfHalf,
    ];
}

/// A vote: for what, and on which parent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vote {
    pub voter: usize,
    pub id: Id,
    pub parent: Option<Id>,
}

/// What is decided, and by which message in the middle (for the shortcut, the Proposal).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decision {
    pub root: Id,
    pub middle: Id,
    pub is_shortcut: bool,
}

/// A scope, and the rules in it.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    pub rules: Rules,
    /// How many honest validators there are.
    pub honest: usize,
    /// How many more vote for everything.
    pub liars: usize,
    /// How many ticks there are.
    pub ticks: u32,
    /// How many messages of a tick there may be.
    pub twins: u32,
}

impl Model {
    pub fn tick(&self, id: Id) -> u32 {
        id / self.twins
    }

    pub fn is_notarized(&self, state: &State, id: Id) -> bool {
        let all = self.honest + self.liars;
        let votes = state.votes(id) + self.liars;
        if self.rules == Rules::QuorumOfHalf { 2 * votes >= all } else { 3 * votes > 2 * all }
    }

    /// Whether an honest validator may vote so.
    pub fn allows(&self, state: &State, vote: Vote) -> Result<(), &'static str> {
        let Vote { voter, id, parent } = vote;
        let voter = &state.voters[voter];
        if voter.voted.contains(&id) {
            return Err("it has voted for that before");
        }
        if state.get(id).is_some_and(|known| known.parent != parent) {
            return Err("the message stands on another parent");
        }
        let mut depth = None;
        if let Some(parent) = parent {
            let known = state.get(parent).ok_or("nobody honest has voted for the parent")?;
            if self.tick(parent) >= self.tick(id) {
                return Err("the parent is not older");
            }
            if !self.is_notarized(state, parent) {
                return Err("the parent is not notarized");
            }
            depth = Some(known.depth);
        }
        let tick = self.tick(id);
        let ticks = || voter.voted.iter().map(|id| self.tick(*id));
        let is_below_lock = depth >= voter.lock;
        let may = match self.rules {
            Rules::Ours | Rules::ShortcutAnywhere | Rules::QuorumOfHalf => {
                let depth = depth.map(|depth| Depth::new(depth.into()));
                voter.safety.may_vote(Tick::new(tick.into()), depth)
            }
            Rules::NoLock => ticks().all(|voted| voted < tick),
            Rules::TicksInAnyOrder => ticks().all(|voted| voted != tick) && is_below_lock,
            Rules::TwiceInATick => ticks().all(|voted| voted <= tick) && is_below_lock,
            Rules::LateVoting => is_below_lock,
        };
        if may { Ok(()) } else { Err("SL-V1") }
    }

    /// The state after a vote that is allowed.
    pub fn cast(&self, state: &State, vote: Vote) -> State {
        let Vote { voter, id, parent } = vote;
        let mut state = state.clone();
        state.add(id, parent);
        let depth = parent.and_then(|parent| state.get(parent)).map(|parent| parent.depth);
        let voter = &mut state.voters[voter];
        let at = voter.voted.partition_point(|known| *known < id);
        voter.voted.insert(at, id);
        voter.lock = voter.lock.max(depth);
        if !matches!(self.rules, Rules::NoLock | Rules::TicksInAnyOrder | Rules::TwiceInATick | Rules::LateVoting) {
            voter.safety.note(Tick::new(self.tick(id).into()), depth.map(|depth| Depth::new(depth.into())));
        }
        state
    }

    fn notarized<'s>(&self, state: &'s State) -> impl Iterator<Item = &'s Message> {
        state.messages.iter().filter(move |message| self.is_notarized(state, message.id))
    }

    /// What is decided: three adjacent notarized messages of successive ticks; or a Proposal of tick 0 and a Solicit of
    /// tick 1 on it, the genesis being the first of the three.
    pub fn decisions(&self, state: &State) -> Vec<Decision> {
        let follows = |below: Id, above: Id| self.tick(below) + 1 == self.tick(above);
        let decide = |third: &Message| {
            let middle = state.get(third.parent?)?;
            let is_shortcut = middle.parent.is_none();
            let has_first = match middle.parent {
                None => self.tick(middle.id) == 0 || self.rules == Rules::ShortcutAnywhere,
                Some(first) => follows(first, middle.id),
            };
            let decides = has_first && follows(middle.id, third.id);
            decides.then_some(Decision { root: third.root, middle: middle.id, is_shortcut })
        };
        // What stands under something notarized is notarized: nobody honest votes on anything else.
        self.notarized(state).filter_map(decide).collect()
    }

    /// `SL-S1`: no two values are decided.
    pub fn is_agreed(&self, state: &State) -> bool {
        let decisions = self.decisions(state);
        decisions.windows(2).all(|pair| pair[0].root == pair[1].root)
    }

    /// `SL-F1`, first part: no two messages of a tick are notarized.
    pub fn has_no_notarized_twins(&self, state: &State) -> bool {
        let ticks: Vec<u32> = self.notarized(state).map(|message| self.tick(message.id)).collect();
        ticks.windows(2).all(|pair| pair[0] != pair[1])
    }

    /// `SL-F1`, second part: nothing else is notarized at the depth of a middle of three.
    pub fn has_no_rivals(&self, state: &State) -> bool {
        self.decisions(state).iter().all(|decision| !self.has_rival(state, decision.middle))
    }

    /// Whether another message of that depth is notarized.
    pub fn has_rival(&self, state: &State, id: Id) -> bool {
        let depth = state.get(id).map(|message| message.depth);
        self.notarized(state).any(|other| other.id != id && Some(other.depth) == depth)
    }
}
