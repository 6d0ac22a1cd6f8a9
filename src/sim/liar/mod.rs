//! The liars of a world: validators that say what they like.
//!
//! A liar sits on a validator's place with that validator's key. Honest brains run there as everywhere, and whatever
//! they would send passes through the liar's hands: it sends something else, or nothing, or more. So a liar knows all
//! that an honest replica knows, speaks only the real wire types, and can sign only for itself and for those it
//! conspires with.
//!
//! Called by [`super::world`], and in builds with the feature `planted` by a process that lies on a real network
//! (`thalweg start --lie`). One lie a file; [`Lie`] lists them.

mod amnesiac;
mod conspirator;
mod equivocator;
mod false_blocks;
mod false_checkpoints;
mod false_diffs;
mod flooder;
mod forger;
mod misleader;
mod partial;
mod perjurer;
mod poisoner;
mod replayer;
mod silent;
mod turncoat;
mod twin;
mod usurper;
mod wire;
mod withholder;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{Dice, letter::Mail};
use crate::{
    crypto::SecretKey,
    protocol::{ProtocolName, pbft::Proposal, streamlette},
    types::{Digest, Height, ValidatorIndex},
};

/// One way of lying. Called for everything that the place would send, and before everything that reaches it.
pub trait Liar: Send {
    /// The honest brains would send this; sends something instead, through `hand`.
    fn speak(&mut self, to: usize, mail: Mail, hand: &mut Hand<'_>);

    /// This is about to reach the brains.
    fn hear(&mut self, _mail: &Mail, _hand: &mut Hand<'_>) {}
}

/// The lies that there are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Lie {
    /// Never says anything.
    Silent,
    /// As a leader, shows different values to different validators.
    Equivocator,
    /// Votes for different things in one place.
    Turncoat,
    /// Speaks to some validators only.
    Partial,
    /// Says everything late.
    Withholder,
    /// Says again what was said long ago.
    Replayer,
    /// Signs for others, for other instances, as a stranger, or not at all.
    Forger,
    /// Leads when others do.
    Usurper,
    /// Proposes what nobody may vote for.
    Poisoner,
    /// Sends as much as it can of what must be kept for a while.
    Flooder,
    /// Crashes again and again, and comes back with an old disk.
    Amnesiac,
    /// Answers pulls with nonsense.
    FalseDiffs,
    /// Serves blocks that were never decided, and claims to have many more.
    FalseBlocks,
    /// Signs checkpoints of states that nobody has.
    FalseCheckpoints,
    /// Gives different and false accounts of what it has prepared (PBFT).
    Perjurer,
    /// Opens its views with what suits it, and with something else for others (PBFT).
    Misleader,
    /// Runs twice with one key; each copy speaks to its own half.
    Twins,
    /// Shares a plan with all of its kind: two values are shown to two halves, and each is voted for in its half.
    Conspirator,
}

impl Lie {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Silent,
        Self::Equivocator,
        Self::Turncoat,
        Self::Partial,
        Self::Withholder,
        Self::Replayer,
        Self::Forger,
        Self::Usurper,
        Self::Poisoner,
        Self::Flooder,
        Self::Amnesiac,
        Self::FalseDiffs,
        Self::FalseBlocks,
        Self::FalseCheckpoints,
        Self::Perjurer,
        Self::Misleader,
        Self::Twins,
        Self::Conspirator,
    ];

    /// Whether one process can tell it: without a second one of its kind, and without another hand on its disk.
    pub const fn is_told_alone(self) -> bool {
        !matches!(self, Self::Amnesiac | Self::Twins | Self::Conspirator)
    }

    /// The name in lists and traces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Equivocator => "equivocator",
            Self::Turncoat => "turncoat",
            Self::Partial => "partial",
            Self::Withholder => "withholder",
            Self::Replayer => "replayer",
            Self::Forger => "forger",
            Self::Usurper => "usurper",
            Self::Poisoner => "poisoner",
            Self::Flooder => "flooder",
            Self::Amnesiac => "amnesiac",
            Self::FalseDiffs => "false-diffs",
            Self::FalseBlocks => "false-blocks",
            Self::FalseCheckpoints => "false-checkpoints",
            Self::Perjurer => "perjurer",
            Self::Misleader => "misleader",
            Self::Twins => "twins",
            Self::Conspirator => "conspirator",
        }
    }

    /// What it does, for people.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Silent => "never says anything",
            Self::Equivocator => "leads with different values for different validators",
            Self::Turncoat => "votes for different things in one place",
            Self::Partial => "speaks to some validators only",
            Self::Withholder => "says everything late",
            Self::Replayer => "says again what was said long ago",
            Self::Forger => "signs for others, for other instances, as a stranger, or not at all",
            Self::Usurper => "leads when others do",
            Self::Poisoner => "proposes what nobody may vote for",
            Self::Flooder => "sends as much as it can of what must be kept for a while",
            Self::Amnesiac => "comes back with an old disk, again and again",
            Self::FalseDiffs => "answers pulls with nonsense",
            Self::FalseBlocks => "serves blocks that were never decided",
            Self::FalseCheckpoints => "signs checkpoints of states that nobody has",
            Self::Perjurer => "gives false accounts of what it has prepared, where views change",
            Self::Misleader => "opens its views with what suits it, where views change",
            Self::Twins => "runs twice with one key",
            Self::Conspirator => "shares a plan with all of its kind to decide two values",
        }
    }

    /// Whether there is anything to lie about under a protocol. Only one with views has view changes.
    pub fn is_of(self, protocol: ProtocolName) -> bool {
        !matches!(self, Self::Perjurer | Self::Misleader) || protocol == ProtocolName::Pbft
    }

    /// Takes it up. `is_copy` is for the second of two twins.
    pub fn take_up(self, is_copy: bool) -> Box<dyn Liar> {
        match self {
            Self::Silent => Box::new(silent::Silent),
            Self::Equivocator => Box::<equivocator::Equivocator>::default(),
            Self::Turncoat => Box::new(turncoat::Turncoat),
            Self::Partial => Box::new(partial::Partial),
            Self::Withholder => Box::new(withholder::Withholder),
            Self::Replayer => Box::<replayer::Replayer>::default(),
            Self::Forger => Box::new(forger::Forger),
            Self::Usurper => Box::<usurper::Usurper>::default(),
            Self::Poisoner => Box::<poisoner::Poisoner>::default(),
            Self::Flooder => Box::<flooder::Flooder>::default(),
            Self::Amnesiac => Box::new(amnesiac::Amnesiac),
            Self::FalseDiffs => Box::new(false_diffs::FalseDiffs),
            Self::FalseBlocks => Box::<false_blocks::FalseBlocks>::default(),
            Self::FalseCheckpoints => Box::new(false_checkpoints::FalseCheckpoints),
            Self::Perjurer => Box::new(perjurer::Perjurer),
            Self::Misleader => Box::<misleader::Misleader>::default(),
            Self::Twins => Box::new(twin::Twin { camp: !is_copy }),
            Self::Conspirator => Box::new(conspirator::Conspirator),
        }
    }
}

/// What the liars of a world share.
#[derive(Debug)]
pub struct Plan {
    /// The keys of all liars: a coalition signs for each of its members.
    pub keys: BTreeMap<ValidatorIndex, SecretKey>,
    /// Which validator each node is.
    pub peers: Vec<Option<ValidatorIndex>>,
    /// In which of two halves each node is. Liars are in the first, which is shown what their brains believe.
    pub camps: Vec<bool>,
    /// What stands in the second half for a message that is shown to the first, by instance and id.
    twins: BTreeMap<(Digest, Digest), streamlette::Vote>,
    /// The same of PBFT's values, by instance, height and root.
    values: BTreeMap<(Digest, Height, Digest), Digest>,
    /// What checkpoints are signed within.
    pub epoch: Digest,
}

/// The most twins that are remembered: those of the latest instances are what matters, but ids have no order, so
/// everything goes at once.
const TWINS_MAX: usize = 4096;

impl Plan {
    /// A plan of these liars, with the honest validators split in two.
    pub fn new(
        keys: BTreeMap<ValidatorIndex, SecretKey>,
        peers: Vec<Option<ValidatorIndex>>,
        epoch: Digest,
        dice: &mut Dice,
    ) -> Self {
        let is_liar = |node: usize| peers[node].is_some_and(|validator| keys.contains_key(&validator));
        let mut honest: Vec<usize> = (0..peers.len()).filter(|node| !is_liar(*node)).collect();
        let mut camps = vec![true; peers.len()];
        for _ in 0..honest.len() / 2 {
            let drawn = usize::try_from(dice.below(honest.len() as u64)).unwrap_or(0);
            camps[honest.swap_remove(drawn)] = false;
        }
        Self { keys, peers, camps, twins: BTreeMap::new(), values: BTreeMap::new(), epoch }
    }

    fn pair(&mut self, instance: Digest, id: Digest, twin: streamlette::Vote) {
        if self.twins.len() >= TWINS_MAX {
            self.twins.clear();
        }
        self.twins.insert((instance, id), twin);
    }

    fn twin_of(&self, instance: Digest, id: Digest) -> Option<streamlette::Vote> {
        self.twins.get(&(instance, id)).copied()
    }

    fn pair_values(&mut self, instance: Digest, value: Proposal, twin: Digest) {
        if self.values.len() >= TWINS_MAX {
            self.values.clear();
        }
        self.values.insert((instance, value.height, value.payload_root), twin);
    }

    fn twin_value(&self, instance: Digest, value: Proposal) -> Option<Proposal> {
        let twin = *self.values.get(&(instance, value.height, value.payload_root))?;
        Some(Proposal { payload_root: twin, ..value })
    }
}

/// What a liar acts with.
pub struct Hand<'a> {
    /// Its node.
    pub me: usize,
    /// What it shares with the others.
    pub plan: &'a mut Plan,
    /// The world's dice.
    pub dice: &'a mut Dice,
    /// What is sent: after which delay, to whom, what.
    pub sent: Vec<(Duration, usize, Mail)>,
}

impl Hand<'_> {
    /// Sends at once.
    pub fn send(&mut self, to: usize, mail: Mail) {
        self.sent.push((Duration::ZERO, to, mail));
    }

    /// Sends after a while.
    pub fn send_later(&mut self, delay: Duration, to: usize, mail: Mail) {
        self.sent.push((delay, to, mail));
    }

    /// Its own place in the validator set.
    fn index(&self) -> ValidatorIndex {
        self.plan.peers[self.me].unwrap_or_default()
    }

    /// Its own key.
    fn key(&self) -> &SecretKey {
        &self.plan.keys[&self.index()]
    }

    /// Whether a node is in the first half.
    fn camp(&self, node: usize) -> bool {
        self.plan.camps[node]
    }

    /// How many nodes there are.
    fn nodes(&self) -> usize {
        self.plan.peers.len()
    }

    /// How many validators there are: some run twice.
    fn validators(&self) -> usize {
        self.plan.peers.iter().flatten().collect::<BTreeSet<_>>().len()
    }

    /// Some digest that nobody has seen.
    fn noise(&mut self) -> Digest {
        let word = self.dice.below(u64::MAX);
        crate::crypto::Transcript::new("noise").number(word).finish()
    }
}
