//! What must hold in every world, whatever the seed. Each checker recomputes what it needs from what it sees and calls
//! no production predicate: quorums, ancestry, signatures and replays are its own arithmetic.
//!
//! Checkers see what honest validators do. What liars send is shown as well, and marked, for a vote can be judged only
//! by what it was for.

mod agreement;
mod bounded;
mod certificate;
mod checkpoint;
mod durable;
mod evidence;
mod exactly_once;
mod justified;
mod liveness;
mod one_vote;
mod order;
mod pbft;
#[cfg(test)]
pub(super) mod planted;
mod real_time;
mod state_root;
mod validity;

use std::{cell::RefCell, sync::Arc};

pub use agreement::Agreement;
pub use bounded::Bounded;
pub use certificate::CertificateSoundness;
pub use checkpoint::StableCheckpoints;
pub use durable::DurableBeforeVisible;
pub use evidence::{HonestEvidence, accused};
pub use exactly_once::ExactlyOnce;
pub use justified::JustifiedVotes;
pub use liveness::Liveness;
pub use one_vote::OneVote;
pub use order::InOrder;
pub use real_time::RealTime;
pub use state_root::EqualStates;
pub use validity::Validity;

use super::{letter::Mail, node::Size};
use crate::{
    app::{Block, Header, Receipt},
    config::ClientSignatures,
    crypto::{Check, Memory},
    journal::Entry,
    protocol::{Electorate, Evidence, Message, StableCheckpoint},
    replica::Fate,
    types::{Digest, Height, Time, ValidatorIndex, ValidatorSet},
};

/// What is known of a world before it begins.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Who votes.
    pub set: Arc<ValidatorSet>,
    /// Which validator each node is.
    pub peers: Vec<Option<ValidatorIndex>>,
    /// The chain's id.
    pub chain: Digest,
    /// Whether clients sign their commands.
    pub client_signatures: ClientSignatures,
    /// How many heights are live at once.
    pub window: u64,
    /// How many heights a long instance may hold something of; nothing for one-shot instances.
    pub heights_held_max: Option<u64>,
    /// The most bytes of a payload.
    pub payload_bytes_max: usize,
    /// The most commands that wait.
    pub mempool_commands_max: usize,
    /// The most bytes of them.
    pub mempool_bytes_max: usize,
}

/// What a checker sees.
#[derive(Debug)]
pub enum Sight<'a> {
    /// A validator begins another life with what its journal remembers and its store holds.
    Remembered {
        /// Which validator.
        node: usize,
        /// What the journal remembers.
        entries: &'a [Entry],
        /// The last height that is in the store: blocks may get there before they get into the journal.
        stored: Height,
    },
    /// A journal that only crashed cannot be opened.
    Unopened {
        /// Whose.
        node: usize,
        /// Why.
        what: &'a str,
    },
    /// Something is on a validator's disk.
    Persisted {
        /// Whose.
        node: usize,
        /// What.
        entries: &'a [Entry],
    },
    /// Something leaves a node.
    Sent {
        /// Which.
        node: usize,
        /// Whether that node is honest.
        is_honest: bool,
        /// What.
        mail: &'a Mail,
    },
    /// A validator executed a block (again, possibly, after a crash).
    Executed {
        /// Which validator.
        node: usize,
        /// Which instance decided it.
        instance: Digest,
        /// The new tip.
        header: &'a Header,
        /// The block.
        block: &'a Block,
        /// Outcomes.
        receipts: &'a [(Digest, Receipt)],
    },
    /// A validator's instance is handed a message of another one whose signatures hold.
    Verified {
        /// Which validator.
        node: usize,
        /// For which instance.
        instance: Digest,
        /// In which round that is.
        round: u64,
        /// What the validator has executed.
        executed: Height,
        /// What.
        message: &'a Message,
    },
    /// A validator has evidence against another one.
    Accused {
        /// Which validator has.
        node: usize,
        /// Whose signatures it is checked against.
        electorate: &'a Electorate,
        /// The proof.
        evidence: &'a Evidence,
        /// Whether the accused is honest.
        is_honest: bool,
    },
    /// A validator takes a checkpoint for stable.
    Stabilised {
        /// Which validator.
        node: usize,
        /// What its signatures are within.
        epoch: Digest,
        /// The proof.
        stable: &'a StableCheckpoint,
    },
    /// A validator says that more than a third must lie.
    Alarmed {
        /// Which.
        node: usize,
        /// What it saw.
        what: &'a str,
    },
    /// A validator was looked into.
    Measured {
        /// Which.
        node: usize,
        /// How much it holds.
        size: Size,
    },
    /// A client began to wait for a command.
    Submitted {
        /// The command.
        command: Digest,
    },
    /// A client was told by an honest validator that its command is committed.
    Answered {
        /// By which validator.
        node: usize,
        /// The command.
        command: Digest,
        /// At which height.
        height: Height,
    },
    /// A client was told that its command will not be executed. No client of a world asks for what must be refused.
    Refused {
        /// The command.
        command: Digest,
        /// What the client was told.
        fate: &'a Fate,
    },
    /// The world ends.
    End {
        /// When.
        now: Time,
        /// The headers of the tips of all honest validators that are up.
        tips: &'a [Header],
    },
}

/// An invariant.
pub trait Checker {
    /// Its id, stable.
    fn id(&self) -> &'static str;

    /// Looks at one more thing.
    ///
    /// # Errors
    /// What is wrong, for people.
    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String>;
}

/// The ids of all of them.
pub const IDS: [&str; 14] = [
    "certificate",
    "validity",
    "agreement",
    "one-vote",
    "durable",
    "justified",
    "exactly-once",
    "in-order",
    "state-root",
    "checkpoint",
    "real-time",
    "bounded",
    "evidence",
    "liveness",
];

/// All of them, for one world. When several have something to say of one thing, the first is heard: causes come before
/// what follows from them.
pub fn all(facts: &Facts) -> Vec<Box<dyn Checker>> {
    vec![
        Box::new(CertificateSoundness::new(facts.clone())),
        Box::new(Validity::new(facts.clone())),
        Box::<Agreement>::default(),
        Box::new(OneVote::new(facts.clone())),
        Box::new(DurableBeforeVisible::new(facts.clone())),
        Box::new(JustifiedVotes::new(facts.clone())),
        Box::<ExactlyOnce>::default(),
        Box::<InOrder>::default(),
        Box::<EqualStates>::default(),
        Box::new(StableCheckpoints::new(facts.clone())),
        Box::<RealTime>::default(),
        Box::new(Bounded::new(facts.clone())),
        Box::new(HonestEvidence::new(facts.clone())),
        Box::<Liveness>::default(),
    ]
}

thread_local! {
    /// Apart from what validators remember, so that a checker believes no batch of theirs.
    static SIGNED: RefCell<Memory> = RefCell::new(Memory::new(SIGNED_MAX));
}
const SIGNED_MAX: usize = 20_000;

/// Whether a signature holds, checked alone and once: most of what checkers look at they have seen before.
fn is_signed(check: &Check) -> bool {
    SIGNED.with_borrow_mut(|signed| signed.is_valid(check))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_checker_is_listed() {
        let ids: Vec<_> = all(&planted::facts()).iter().map(|checker| checker.id()).collect();
        assert_eq!(ids, IDS);
    }
}
