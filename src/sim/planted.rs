//! The bugs that can be planted, and which checker finds each within how many seeds.
//!
//! Each is one line in the rules that asks [`crate::types::planted`], which is constant without the feature `planted`.
//! A checker that finds none of them would be worth nothing. `cargo test --features planted --test sim planted` plays
//! them all.

use super::{Amnesia, Faults, Lie, Scenario, Violation, run};
use crate::{config::ClientSignatures, protocol::ProtocolName, types::planted};

/// A bug.
#[derive(Clone, Copy, Debug)]
pub struct Bug {
    /// Its name.
    pub name: &'static str,
    /// What is wrong.
    pub what: &'static str,
    /// The id of the checker that finds it.
    pub found_by: &'static str,
    /// Within how many seeds, from 0 on, of the scenario.
    pub seeds_max: u64,
    /// Where it is looked for.
    place: Where,
}

/// A scenario in a few words.
#[derive(Clone, Copy, Debug)]
struct Where {
    protocol: ProtocolName,
    validators: usize,
    liars: usize,
    lie: Option<Lie>,
    faults: Faults,
    window: u64,
    checkpoint_interval: Option<u64>,
    client_signatures: ClientSignatures,
    value_bytes: usize,
    amnesia: Amnesia,
}

const LIGHT: Faults = Faults::LIGHT;
const HEAVY: Faults = Faults::HEAVY;

const fn bug(name: &'static str, what: &'static str, found_by: &'static str, seeds_max: u64, place: Where) -> Bug {
    Bug { name, what, found_by, seeds_max, place }
}

const fn honest(faults: Faults) -> Where {
    Where {
        protocol: ProtocolName::Streamlette,
        validators: 4,
        liars: 0,
        lie: None,
        faults,
        window: 1,
        checkpoint_interval: None,
        client_signatures: ClientSignatures::Off,
        value_bytes: 8,
        amnesia: Amnesia::Never,
    }
}

/// Disks rot, and payloads are bodies of their own.
const fn rotten(faults: Faults) -> Where {
    Where { value_bytes: 3_000, ..honest(Faults { rot: 1000, ..faults }) }
}

const fn wide(faults: Faults) -> Where {
    Where { window: 4, ..honest(faults) }
}

const fn checkpointed(faults: Faults) -> Where {
    Where { checkpoint_interval: Some(4), ..honest(faults) }
}

const fn with_lie(lie: Lie, faults: Faults) -> Where {
    Where { liars: 1, lie: Some(lie), ..honest(faults) }
}

/// PBFT as it runs: several heights under way, and checkpoints.
const fn pbft(faults: Faults) -> Where {
    Where { protocol: ProtocolName::Pbft, window: 8, checkpoint_interval: Some(8), ..honest(faults) }
}

const fn pbft_with_lie(lie: Lie, faults: Faults) -> Where {
    Where { liars: 1, lie: Some(lie), ..pbft(faults) }
}

const fn pbft_with_amnesia(faults: Faults) -> Where {
    // Narrow, so that the silence at heights is soon over.
    Where { amnesia: Amnesia::Rejoins, window: 1, checkpoint_interval: Some(2), ..pbft(faults) }
}

const fn signed(place: Where) -> Where {
    Where { client_signatures: ClientSignatures::Required, ..place }
}

/// Why a bug cannot be planted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlantError {
    /// The program was built without them.
    #[error("this build has no bugs to plant: build it with the feature `planted`")]
    NoFeature,
    /// There is none of that name.
    #[error("there is no bug {0:?} to plant: `thalweg simulate --list` names them")]
    Unknown(String),
}

/// The name of a bug that this build can plant.
///
/// # Errors
/// [`PlantError`] if the build has none at all, or none of that name.
pub fn find(name: &str) -> Result<&'static str, PlantError> {
    if !cfg!(feature = "planted") {
        return Err(PlantError::NoFeature);
    }
    let bug = BUGS.iter().find(|bug| bug.name == name);
    bug.map(|bug| bug.name).ok_or_else(|| PlantError::Unknown(name.into()))
}

/// Does something while a bug is planted in this thread.
pub fn with<T>(bug: Option<&'static str>, act: impl FnOnce() -> T) -> T {
    planted::plant(bug);
    let done = act();
    planted::plant(None);
    done
}

impl Bug {
    /// What is played to find it.
    pub fn scenario(&self) -> Scenario {
        let Where { protocol, validators, liars, lie, faults, window, value_bytes, amnesia, .. } = self.place;
        let Where { checkpoint_interval, client_signatures, .. } = self.place;
        let drawn = Scenario { protocol, checkpoint_interval, client_signatures, ..Scenario::default() };
        Scenario { validators, liars, lie, faults, window, value_bytes, amnesia, is_swarm: true, ..drawn }
    }

    /// Plays seeds from 0 on until something is found; how many it took, and what.
    pub fn hunt(&self) -> Option<(u64, Violation)> {
        let scenario = self.scenario();
        with(Some(self.name), || (0..self.seeds_max).find_map(|seed| Some((seed + 1, run(&scenario, seed).violation?))))
    }
}

/// All of them.
pub const BUGS: &[Bug] = &[
    bug("quorum-half", "half of the power is a quorum", "justified", 1, honest(LIGHT)),
    bug(
        "late-voting",
        "votes for any message at any time, whatever was voted for before",
        "one-vote",
        20,
        honest(HEAVY),
    ),
    bug("forgotten-vote", "a restart forgets the last vote", "one-vote", 800, honest(HEAVY)),
    bug("forgotten-lock", "a restart forgets the lock and what it stands on", "one-vote", 200, honest(HEAVY)),
    bug("forgotten-body", "a vote is forgotten together with its rotten body", "durable", 500, rotten(HEAVY)),
    bug("send-before-durable", "votes leave before they are on disk", "durable", 1, honest(LIGHT)),
    bug("count-before-durable", "own votes count before they are on disk", "durable", 20, honest(HEAVY)),
    bug("wish-before-durable", "wishes leave before they are on disk", "durable", 20, honest(HEAVY)),
    bug("answer-before-durable", "clients hear of decisions before they are on disk", "durable", 20, honest(HEAVY)),
    bug("any-leader", "messages of others than the leader are taken", "one-vote", 20, with_lie(Lie::Usurper, LIGHT)),
    bug("any-signature", "signatures need not hold", "certificate", 20, with_lie(Lie::Forger, LIGHT)),
    bug("never-validate", "the application is not asked", "validity", 20, with_lie(Lie::Poisoner, LIGHT)),
    bug(
        "unsigned-command",
        "clients' signatures need not hold",
        "validity",
        20,
        signed(with_lie(Lie::Poisoner, LIGHT)),
    ),
    bug("any-payload", "the payload need not be that of the header", "certificate", 20, with_lie(Lie::Poisoner, LIGHT)),
    bug(
        "window-off-by-one",
        "commands executed a window ago may be voted for",
        "validity",
        50,
        with_lie(Lie::Poisoner, LIGHT),
    ),
    bug(
        "repeated-votes",
        "a vote counts as often as it is listed",
        "certificate",
        50,
        with_lie(Lie::FalseBlocks, HEAVY),
    ),
    bug("strangers", "votes of strangers count", "certificate", 50, with_lie(Lie::FalseBlocks, HEAVY)),
    bug("unproven-sync", "blocks of peers need no proof", "certificate", 50, with_lie(Lie::FalseBlocks, HEAVY)),
    bug("two-in-a-row", "two messages in a row decide", "certificate", 20, honest(HEAVY)),
    bug("shortcut-anywhere", "a proposal of any tick decides with one solicit", "certificate", 20, honest(HEAVY)),
    bug("accuse-anyone", "a vote seen again is a second one", "evidence", 5, honest(LIGHT)),
    bug("endless-desk", "unverified votes are held without limit", "bounded", 20, with_lie(Lie::Flooder, HEAVY)),
    bug("forgotten-reply", "a command in a second block is executed again", "exactly-once", 50, wide(HEAVY)),
    bug("forgotten-samples", "a restart forgets the proposers' times", "state-root", 20, honest(HEAVY)),
    bug("no-justification", "a vote's record lacks what it stands on", "justified", 5, honest(LIGHT)),
    bug("stale-checkpoint", "the header below a checkpoint is signed", "checkpoint", 5, checkpointed(LIGHT)),
    bug("never-pull", "nothing is ever asked for", "liveness", 5, with_lie(Lie::Equivocator, LIGHT)),
    bug("pbft-lowest-view", "a new view takes over what was prepared first", "justified", 300, pbft(HEAVY)),
    bug("pbft-null-below", "a new view fills what was prepared with null requests", "justified", 20, pbft(HEAVY)),
    bug(
        "pbft-few-changes",
        "a view is open that no quorum has left for",
        "justified",
        20,
        pbft_with_lie(Lie::Usurper, LIGHT),
    ),
    bug("pbft-untold", "a view change leaves out something prepared", "justified", 20, pbft(HEAVY)),
    bug("pbft-any-view", "votes of another view count in this one", "certificate", 200, pbft(HEAVY)),
    bug("pbft-commit-unprepared", "a commit follows no quorum of prepares", "durable", 5, pbft(LIGHT)),
    bug("pbft-send-before-durable", "votes leave before they are on disk", "durable", 5, pbft(LIGHT)),
    bug("pbft-forgotten-view", "a restart forgets the view", "one-vote", 50, pbft(HEAVY)),
    bug("pbft-forgotten-value", "a restart forgets what was accepted", "one-vote", 50, pbft(HEAVY)),
    bug(
        "pbft-second-life",
        "whoever rejoins changes views as if it never had",
        "one-vote",
        100,
        pbft_with_amnesia(HEAVY),
    ),
    bug("pbft-any-leader", "others than the primary open a view", "justified", 20, pbft_with_lie(Lie::Usurper, HEAVY)),
    bug("pbft-no-watermark", "votes are kept however high they are", "bounded", 20, pbft_with_lie(Lie::Flooder, LIGHT)),
    bug(
        "pbft-lost-evidence",
        "a second vote is noticed by nobody",
        "evidence",
        20,
        pbft_with_lie(Lie::Turncoat, LIGHT),
    ),
];
