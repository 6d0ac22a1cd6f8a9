//! A validator's seat at one instance: the brain together with the key that signs for it.
//!
//! Holds back what must not be seen before it is durable (`SL-V2`), signs it then, sends it, and hands our own
//! message back to the brain as an ordinary verified input. The same seat is used by the decider actor and by the
//! simulator, so that what is tested is what runs.

use super::{Effect, Event, Input, Instance, Message, To};
use crate::{
    crypto::{SecretKey, Verified},
    types::Time,
};

/// What comes out of a seat.
#[derive(Clone, Debug)]
pub enum Errand {
    /// An effect of the brain other than [`Effect::Send`].
    Act(Effect),
    /// A signed message, ready to leave.
    Post {
        /// To whom.
        to: To,
        /// What.
        message: Verified<Message>,
    },
}

/// The brain, its key, and what waits for the disk.
pub struct Seat {
    _instance: Box<dyn Instance>,
    _key: Option<SecretKey>,
}

impl Seat {
    /// Takes one input through the brain, and everything that follows from it at once.
    pub fn step(&mut self, _now: Time, _input: Input, _errands: &mut Vec<Errand>, _events: &mut Vec<Event>) {
        todo!()
    }
}
