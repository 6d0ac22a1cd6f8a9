//! An actor's mailbox as its senders see it: bounded, and watched.
//!
//! Actix does not tell how many messages wait in a mailbox. So each travels in an envelope that is counted from the
//! moment it is made until its handler begins, or until it is thrown away.

use actix::{
    Actor, Addr, Handler, Message,
    dev::{MessageResponse, Request, ToEnvelope},
    prelude::SendError,
};
use prometheus::IntGauge;

use super::{Decider, Executor, Pacemaker, Router, Verifier, replica::Replica};
use crate::metrics::{self, Metrics};

/// Where an actor is reached.
pub struct Port<A: Actor> {
    address: Addr<A>,
    actor: metrics::Actor,
    metrics: Metrics,
}

/// Why a message was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The mailbox is full; counted.
    Full,
    /// The actor has stopped.
    Stopped,
}

impl<A: Actor> Port<A> {
    /// The mailbox behind `address`, counted under `actor`.
    pub fn new(address: Addr<A>, actor: metrics::Actor, metrics: Metrics) -> Self {
        Self { address, actor, metrics }
    }

    /// Sends what may be lost.
    ///
    /// # Errors
    /// [`Refused`], with the message thrown away.
    pub fn offer<M>(&self, message: M) -> Result<(), Refused>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<Mail<M>>,
        A::Context: ToEnvelope<A, Mail<M>>,
    {
        self.address.try_send(self.mail(message)).map_err(|error| match error {
            SendError::Full(_) => {
                self.metrics.mailbox_refused(self.actor);
                Refused::Full
            }
            SendError::Closed(_) => Refused::Stopped,
        })
    }

    /// Sends what must not be lost: when the mailbox is full, a task of its own waits. Only for messages of which
    /// something else bounds the number.
    pub fn insist<M>(&self, message: M)
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<Mail<M>>,
        A::Context: ToEnvelope<A, Mail<M>>,
    {
        if let Err(SendError::Full(mail)) = self.address.try_send(self.mail(message)) {
            self.metrics.mailbox_refused(self.actor);
            let address = self.address.clone();
            actix::spawn(async move {
                let _ = address.send(mail).await;
            });
        }
    }

    /// Sends, waits for room, and gives the answer.
    pub fn ask<M>(&self, message: M) -> Request<A, Mail<M>>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<Mail<M>>,
        A::Context: ToEnvelope<A, Mail<M>>,
    {
        self.address.send(self.mail(message))
    }

    /// Whether the actor runs.
    pub fn is_open(&self) -> bool {
        self.address.connected()
    }

    fn mail<M>(&self, message: M) -> Mail<M> {
        let depth = self.metrics.mailbox(self.actor).clone();
        depth.inc();
        Mail { message, _waiting: Waiting(depth) }
    }
}

impl<A: Actor> Clone for Port<A> {
    fn clone(&self) -> Self {
        Self { address: self.address.clone(), actor: self.actor, metrics: self.metrics.clone() }
    }
}

/// What an actor does with the messages that come by [`Port`]. As actix's `Handler`, in whose place it stands.
pub trait Receive<M: Message>: Actor {
    /// How it answers.
    type Result: MessageResponse<Self, Mail<M>>;

    /// Takes one message.
    fn receive(&mut self, message: M, ctx: &mut Self::Context) -> Self::Result;
}

/// A message in a mailbox.
pub struct Mail<M> {
    message: M,
    _waiting: Waiting,
}

/// Counts as long as it exists.
struct Waiting(IntGauge);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl<M: Message> Message for Mail<M> {
    type Result = M::Result;
}

/// Opens the mail of each actor.
macro_rules! opens_mail {
    ($($actor:ty),+) => {$(
        impl<M: Message> Handler<Mail<M>> for $actor
        where
            Self: Receive<M>,
        {
            type Result = <Self as Receive<M>>::Result;

            fn handle(&mut self, mail: Mail<M>, ctx: &mut Self::Context) -> Self::Result {
                let Mail { message, _waiting: waiting } = mail;
                drop(waiting);
                self.receive(message, ctx)
            }
        }
    )+};
}

opens_mail!(Decider, Executor, Pacemaker, Replica, Router, Verifier);
