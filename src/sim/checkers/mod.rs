//! What must hold in every world, whatever the seed. Each checker recomputes what it needs from what it sees and calls
//! no production predicate.

mod agreement;
mod equivocation;
mod exactly_once;
mod liveness;
#[cfg(test)]
pub(super) mod planted;

pub use agreement::Agreement;
pub use equivocation::Equivocation;
pub use exactly_once::ExactlyOnce;
pub use liveness::Liveness;

use crate::{
    app::{Block, Header, Receipt},
    protocol::Message,
    replica::Fate,
    types::{Digest, Height, Time},
};

/// What a checker sees.
#[derive(Debug)]
pub enum Sight<'a> {
    /// A validator executed a block (again, possibly, after a crash).
    Executed {
        /// Which validator.
        node: usize,
        /// The new tip.
        header: &'a Header,
        /// The block.
        block: &'a Block,
        /// Outcomes.
        receipts: &'a [(Digest, Receipt)],
    },
    /// A client was told that its command is committed.
    Answered {
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
    /// A validator sent a message of an instance.
    Sent {
        /// The instance.
        instance: &'a Digest,
        /// The message.
        message: &'a Message,
    },
    /// A client began to wait for a command.
    Submitted {
        /// The command.
        command: Digest,
    },
    /// The world ends.
    End {
        /// When.
        now: Time,
        /// The headers of the tips of all validators that are up.
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

/// All of them.
pub fn all() -> Vec<Box<dyn Checker>> {
    vec![
        Box::<Agreement>::default(),
        Box::<Equivocation>::default(),
        Box::<ExactlyOnce>::default(),
        Box::<Liveness>::default(),
    ]
}
