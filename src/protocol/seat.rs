//! A validator's seat at one instance: the brain together with the key that signs for it.
//!
//! Holds back what must not be seen before it is durable (`SL-V2`), signs it then, sends it, and hands our own
//! message back to the brain as an ordinary verified input. The same seat is used by the decider actor and by the
//! simulator, so that what is tested is what runs.
//!
//! The caller performs every [`Errand`] in order, and answers [`Effect::Persist`] with [`Input::Durable`] after the
//! record is on disk. Limits: at most [`HELD_MAX`] messages wait for the disk; beyond that the oldest is dropped,
//! which is as if the network had lost it.

use std::collections::VecDeque;

use super::{
    Effect, Event, Input, Instance, Message, Origin, Outbox, Picture, ProtocolName, Setup, To, Token, Unsigned, View,
};
use crate::{
    crypto::{SecretKey, Verified},
    types::{Digest, Height, Time, ValidatorIndex, planted},
};

/// The most messages that wait for the disk.
pub const HELD_MAX: usize = 64;

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

/// A message that waits for its record.
struct Held {
    to: To,
    message: Unsigned,
    after: Token,
}

/// The brain, its key, and what waits for the disk.
pub struct Seat {
    instance: Box<dyn Instance>,
    id: Digest,
    signer: Option<(SecretKey, ValidatorIndex)>,
    durable: Token,
    held: VecDeque<Held>,
    /// The last record that was written, and what may be forgotten once it is on disk.
    written: Token,
    forget: Option<(Token, Height)>,
    outbox: Outbox,
}

impl Seat {
    /// Opens an instance of a protocol and takes a seat at it.
    ///
    /// # Panics
    /// If `key` is not that of the validator `setup.me`: it would sign what nobody accepts.
    pub fn open(protocol: ProtocolName, setup: Setup, key: Option<SecretKey>) -> Self {
        let signer = key.zip(setup.me);
        if let Some((key, me)) = &signer {
            let member = setup.set.get(*me).map(|member| member.public_key);
            assert_eq!(member, Some(key.public_key()), "the key is not the one of validator {me}");
        }
        let id = setup.id;
        Self::new(super::open(protocol, setup), id, signer)
    }

    /// Takes a seat at the instance `id`: with a key and its place in the set as a voter, without as a listener.
    pub fn new(instance: Box<dyn Instance>, id: Digest, signer: Option<(SecretKey, ValidatorIndex)>) -> Self {
        Self {
            instance,
            id,
            signer,
            durable: Token::default(),
            held: VecDeque::new(),
            written: Token::default(),
            forget: None,
            outbox: Outbox::default(),
        }
    }

    /// Takes one input through the brain, and everything that follows from it at once.
    pub fn step(&mut self, now: Time, input: Input, errands: &mut Vec<Errand>, events: &mut Vec<Event>) {
        let mut own = VecDeque::new();
        if let Input::Durable(token) = input {
            self.durable = self.durable.max(token);
            self.release(&mut own, errands);
        }
        let mut next = Some(input);
        while let Some(input) = next {
            self.instance.step(now, input, &mut self.outbox);
            events.append(&mut self.outbox.events);
            for effect in std::mem::take(&mut self.outbox.effects) {
                match effect {
                    Effect::Send { to, message, after } => self.send(to, message, after, &mut own, errands),
                    Effect::Forget { below } => self.forget(below, errands),
                    Effect::Persist { token, record } => {
                        self.written = token;
                        errands.push(Errand::Act(Effect::Persist { token, record }));
                    }
                    effect => errands.push(Errand::Act(effect)),
                }
            }
            next = own.pop_front().map(|message| Input::Message { origin: Origin::OWN, message });
        }
    }

    /// When to send [`Input::Wake`] at the latest.
    pub fn deadline(&self) -> Option<Time> {
        self.instance.deadline()
    }

    /// What an operator may see of the instance.
    pub fn view(&self) -> View {
        self.instance.view()
    }

    /// The state as a Graphviz digraph, for people.
    pub fn graphviz(&self) -> String {
        self.instance.graphviz()
    }

    /// What the instance holds of a height.
    pub fn picture(&self, height: Height) -> Option<Picture> {
        self.instance.picture(height)
    }

    /// The instance's id.
    pub fn id(&self) -> Digest {
        self.id
    }

    fn send(
        &mut self,
        to: To,
        message: Unsigned,
        after: Option<Token>,
        own: &mut VecDeque<Verified<Message>>,
        errands: &mut Vec<Errand>,
    ) {
        match after.filter(|token| *token > self.durable && !planted::is("send-before-durable")) {
            Some(after) => {
                if self.held.len() == HELD_MAX {
                    self.held.pop_front();
                }
                if planted::is("count-before-durable") {
                    own.extend(self.sign(message.clone()));
                }
                self.held.push_back(Held { to, message, after });
            }
            None => self.post(to, message, own, errands),
        }
    }

    /// What stands in place of the forgotten was written before: it must be on disk first.
    fn forget(&mut self, below: Height, errands: &mut Vec<Errand>) {
        if self.written <= self.durable {
            errands.push(Errand::Act(Effect::Forget { below }));
        } else {
            self.forget = Some((self.written, below));
        }
    }

    fn release(&mut self, own: &mut VecDeque<Verified<Message>>, errands: &mut Vec<Errand>) {
        if let Some((_, below)) = self.forget.take_if(|(after, _)| *after <= self.durable) {
            errands.push(Errand::Act(Effect::Forget { below }));
        }
        for held in std::mem::take(&mut self.held) {
            if held.after <= self.durable {
                self.post(held.to, held.message, own, errands);
            } else {
                self.held.push_back(held);
            }
        }
    }

    fn post(&mut self, to: To, message: Unsigned, own: &mut VecDeque<Verified<Message>>, errands: &mut Vec<Errand>) {
        let Some(message) = self.sign(message) else { return };
        own.push_back(message.clone());
        if to != To::Some(Vec::new()) {
            errands.push(Errand::Post { to, message });
        }
    }

    /// Signs for the protocol that asks. A seat without a key has nothing to say.
    fn sign(&self, message: Unsigned) -> Option<Verified<Message>> {
        let signer = self.signer.as_ref();
        match message {
            Unsigned::Streamlette(message) => {
                let signed = message.sign(signer.map(|(key, me)| (key, *me)), &self.id)?;
                Some(signed.map(Message::Streamlette))
            }
            Unsigned::Pbft(message) => {
                let signed = message.sign(signer.map(|(key, me)| (key, *me)), &self.id)?;
                Some(signed.map(Message::Pbft))
            }
        }
    }
}
