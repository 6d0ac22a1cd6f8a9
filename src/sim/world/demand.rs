//! The clients' side of a world: commands are submitted, asked for again elsewhere, and answered.

use std::time::Duration;

use super::{Event, World};
use crate::{
    replica::{Fate, Input, Ticket},
    sim::{checkers::Sight, letter::Letter},
    types::Digest,
};

/// When a client that has heard nothing asks another validator.
const PATIENCE_OF_CLIENTS: Duration = Duration::from_secs(3);

impl World<'_> {
    /// Whether no client will come any more.
    pub(super) fn are_all_submitted(&self) -> bool {
        match self.scenario.heights {
            Some(heights) => self.height.get() >= heights,
            None => self.clients.len() == self.scenario.commands,
        }
    }

    pub(super) fn submit(&mut self) {
        if self.are_all_submitted() {
            return;
        }
        let command = self.clients.arrive(self.scenario.value_bytes, &mut self.dice);
        self.submitted.insert(command, self.now);
        self.see(&Sight::Submitted { command });
        self.ask(command);
        let pause = self.faults.stabilisation / u32::try_from(self.scenario.commands).unwrap_or(1);
        let next = self.dice.span(Duration::from_millis(1), pause.max(Duration::from_millis(10)));
        self.schedule(next, Event::Submit);
    }

    /// A client asks a random validator, and another one if it hears nothing. Like the HTTP server, the validator looks
    /// into its store before it asks its brain.
    pub(super) fn ask(&mut self, id: Digest) {
        if !self.clients.waits(&id) {
            return;
        }
        let node = self.someone();
        if let Some(brain) = &self.places[node].node {
            let (ticket, command) = self.clients.ask(node, id);
            match brain.reply(&id) {
                Some(fate) => self.on_fate(node, ticket, &fate),
                None => {
                    let commands = vec![(Some(ticket), command.into())];
                    self.post(node, Letter::Replica(Input::Submit { commands }));
                }
            }
        }
        self.schedule(PATIENCE_OF_CLIENTS, Event::Impatient(id));
    }

    /// What liars answer is not heard: the client asks again, elsewhere.
    pub(super) fn on_fate(&mut self, node: usize, ticket: Ticket, fate: &Fate) {
        let Some(command) = self.clients.asked(node, ticket) else { return };
        if !self.places[node].is_honest() {
            return;
        }
        match fate {
            // A full mempool refuses; the client tries again.
            Fate::Accepted | Fate::Full => {}
            Fate::Committed { height, .. } => {
                self.clients.answered(&command);
                self.latencies.extend(self.submitted.remove(&command).map(|since| self.now.since(since)));
                self.see(&Sight::Answered { node, command, height: *height });
            }
            Fate::Conflict | Fate::Expired => self.see(&Sight::Refused { command, fate }),
        }
    }
}
