//! The pacemaker: the deadlines of all brains behind one timer.
//!
//! Brains say when they want to be woken at the latest ([`Arm`]); the pacemaker wakes them ([`Wake`]). It is an actor
//! of its own, so that no busy mailbox can starve the timer (nearcore#2983).
//!
//! Policy of the edges: `Arm` supersedes what the same sleeper armed before; a `Wake` that finds a full mailbox is
//! tried again after `RETRY`, and many due wake-ups of one sleeper are one.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use actix::prelude::*;

use super::{Clock, decider::Life, port::Receive};
use crate::types::Time;

/// When a full mailbox is tried again.
const RETRY: Duration = Duration::from_millis(5);

/// Who sleeps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Sleeper {
    /// The ordering brain.
    Replica,
    /// An instance.
    Decider(Life),
}

/// The deadline has passed.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub struct Wake;

/// Sets, moves or clears a sleeper's deadline.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Arm {
    /// Who.
    pub sleeper: Sleeper,
    /// When, and whom to wake; `None` clears.
    pub alarm: Option<(Time, Recipient<Wake>)>,
}

/// The actor.
pub struct Pacemaker {
    clock: Clock,
    due: BTreeSet<(Time, Sleeper)>,
    alarms: BTreeMap<Sleeper, (Time, Recipient<Wake>)>,
    timer: Option<(Time, SpawnHandle)>,
}

impl Pacemaker {
    /// No deadlines yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, due: BTreeSet::new(), alarms: BTreeMap::new(), timer: None }
    }

    fn set(&mut self, sleeper: Sleeper, alarm: Option<(Time, Recipient<Wake>)>) {
        if let Some((before, _)) = self.alarms.remove(&sleeper) {
            self.due.remove(&(before, sleeper));
        }
        if let Some((time, recipient)) = alarm {
            self.due.insert((time, sleeper));
            self.alarms.insert(sleeper, (time, recipient));
        }
    }

    fn fire(&mut self) {
        let now = self.clock.now();
        while let Some(&(time, sleeper)) = self.due.first() {
            if time > now {
                break;
            }
            let Some((_, recipient)) = self.alarms.get(&sleeper).cloned() else { break };
            let retry = match recipient.try_send(Wake) {
                Err(SendError::Full(_)) => Some((now.plus(RETRY), recipient)),
                Ok(()) | Err(SendError::Closed(_)) => None,
            };
            self.set(sleeper, retry);
        }
    }

    /// One timer for the earliest deadline. A timer that is early already is left alone: it fires, finds nothing due
    /// and is set anew, which is cheaper than moving it with each message of a busy instance.
    fn rearm(&mut self, ctx: &mut Context<Self>) {
        let Some(&(first, _)) = self.due.first() else { return };
        if let Some((set, handle)) = self.timer {
            if set <= first {
                return;
            }
            ctx.cancel_future(handle);
        }
        let wait = first.since(self.clock.now());
        let handle = ctx.run_later(wait, |pacemaker, ctx| {
            pacemaker.timer = None;
            pacemaker.fire();
            pacemaker.rearm(ctx);
        });
        self.timer = Some((first, handle));
    }
}

impl Actor for Pacemaker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(super::MAILBOX);
    }
}

impl Receive<Arm> for Pacemaker {
    type Result = ();

    fn receive(&mut self, Arm { sleeper, alarm }: Arm, ctx: &mut Self::Context) {
        self.set(sleeper, alarm);
        self.rearm(ctx);
    }
}
