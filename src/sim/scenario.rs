//! What is played in a world, and how it went.

use std::{collections::BTreeSet, time::Duration};

use super::{Faults, liar::Lie};
use crate::{
    config::ClientSignatures,
    protocol::ProtocolName,
    types::{Digest, Height, Time},
};

/// What is played.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Which protocol decides.
    pub protocol: ProtocolName,
    /// How many validators of equal power.
    pub validators: usize,
    /// How many of them never come up.
    pub absent: usize,
    /// How many of them lie. Up to [`Scenario::tolerated`] nothing may come of it; beyond, the checkers must notice.
    pub liars: usize,
    /// What all liars do; `None`: the seed draws something for each.
    pub lie: Option<Lie>,
    /// How many commands clients submit.
    pub commands: usize,
    /// Instead of a number of commands: clients submit until that many heights are executed.
    pub heights: Option<u64>,
    /// How many bytes the value of a command has: a payload of a few thousand is a body of its own in the journal.
    pub value_bytes: usize,
    /// How many heights are live at once.
    pub window: u64,
    /// After how many heights checkpoints are signed; `None`: as genesis has it.
    pub checkpoint_interval: Option<u64>,
    /// Whether clients sign their commands (`OB-11`).
    pub client_signatures: ClientSignatures,
    /// What goes wrong.
    pub faults: Faults,
    /// Whether the seed draws which of the faults exist and how strong they are, with `faults` as the most.
    pub is_swarm: bool,
    /// What becomes of the first validator's memory when it crashes.
    pub amnesia: Amnesia,
    /// From the end of the faults to the demand that everything is answered.
    pub patience: Duration,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            protocol: ProtocolName::Streamlette,
            validators: 4,
            absent: 0,
            liars: 0,
            lie: None,
            commands: 20,
            heights: None,
            value_bytes: 8,
            window: 1,
            checkpoint_interval: None,
            client_signatures: ClientSignatures::Off,
            faults: Faults::LIGHT,
            is_swarm: false,
            amnesia: Amnesia::Never,
            patience: Duration::from_secs(120),
        }
    }
}

impl Scenario {
    /// How many of the validators may be faulty: less than a third.
    pub fn tolerated(&self) -> usize {
        self.validators.saturating_sub(1) / 3
    }
}

/// Whether a validator that crashes loses its disk, journal and store (`OB-10`). Only the first one does: it is one of
/// the faulty then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Amnesia {
    /// It does not.
    Never,
    /// Always, and it rejoins.
    Rejoins,
    /// Always, and it goes on as if it had never voted: a planted bug.
    Forgets,
}

/// An invariant that did not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which.
    pub checker: &'static str,
    /// In which world.
    pub seed: u64,
    /// After how many events.
    pub step: u64,
    /// What was wrong.
    pub what: String,
}

/// How a world went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// A digest of every event in order: equal seeds, equal hashes, on every machine.
    pub hash: Digest,
    /// How many events there were.
    pub steps: u64,
    /// The highest height that an honest validator executed.
    pub height: Height,
    /// The highest checkpoint that an honest validator took for stable.
    pub stable: Height,
    /// How long each client waited for its answer, in the order of the answers.
    pub latencies: Vec<Duration>,
    /// Who lied, by its number, and how.
    pub liars: Vec<(usize, Lie)>,
    /// The liars that honest validators have evidence against.
    pub exposed: BTreeSet<usize>,
    /// What liars said, or left unsaid, against what their brains would have said; a disk taken back counts as well.
    pub lies: u64,
    /// What honest validators rejected, or blamed a peer for, that nobody honest sends.
    pub rejected: u64,
    /// When it ended.
    pub ended: Time,
    /// What did not hold.
    pub violation: Option<Violation>,
}
