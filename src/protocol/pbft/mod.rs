//! PBFT: many decisions in one long instance, led by one primary as long as it does its work.

mod certificate;
mod change;
mod evidence;
mod journal;
mod message;
mod number;
mod summary;
mod vote;

pub use certificate::Certificate;
pub use change::{CLAIMS_MAX, Change, NewView, Opening, Plan, ViewChange};
pub use evidence::Evidence;
pub use journal::Record;
pub use message::{Account, Diff, Draft, ITEMS_MAX, Message, PrePrepare, Unsigned, VOTES_MAX};
pub use number::ViewNumber;
pub use summary::{Known, Summary};
pub use vote::{Phase, Proof, Proposal, Vote};

use super::{Input, Instance, Outbox, Setup, View};
use crate::types::Time;

/// An instance of PBFT.
pub struct Pbft {
    setup: Setup,
}

impl Pbft {
    /// A new instance, before its first input.
    pub fn new(setup: Setup) -> Self {
        Self { setup }
    }
}

impl Instance for Pbft {
    fn step(&mut self, _now: Time, _input: Input, _out: &mut Outbox) {}

    fn deadline(&self) -> Option<Time> {
        None
    }

    fn view(&self) -> View {
        View { leader: Some(ViewNumber::ZERO.primary(&self.setup.set)), ..View::default() }
    }

    fn graphviz(&self) -> String {
        String::new()
    }
}
