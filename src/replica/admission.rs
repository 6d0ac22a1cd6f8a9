//! How commands come in.
//!
//! Rules: `OB-4` (a command that waits or was executed is not taken twice; whoever submits it again joins its fate),
//! `RP-B1` (what does not fit is refused at once, and the client is told).

use super::{
    Replica,
    contract::{Effect, Event, Fate, Outbox, Peer, Ticket},
    mempool::{Admission, Key},
    quota::Source,
    replies::Past,
};
use crate::{app::Identified, protocol::Rejection, types::Digest};

impl Replica {
    pub(super) fn on_submit(&mut self, ticket: Option<Ticket>, command: Identified, out: &mut Outbox) {
        let id = command.id();
        let outcome = match self.replies.recall(Key::of(command.command()), id, ticket, |ticket, fate| {
            out.effects.push(Effect::Reply { ticket, fate });
        }) {
            Past::Answered => return,
            Past::Conflict => Err(Fate::Conflict),
            Past::Full => Err(Fate::Full),
            Past::Unknown if ticket.is_some() && !self.replies.has_room() => Err(Fate::Full),
            Past::Unknown => self.admit(Source::Clients, command),
        };
        match (outcome, ticket) {
            (Ok(()), Some(ticket)) => {
                self.replies.wait(ticket, id);
                out.effects.push(Effect::Reply { ticket, fate: Fate::Accepted });
            }
            (Ok(()), None) => {}
            (Err(fate), ticket) => {
                out.effects.extend(ticket.map(|ticket| Effect::Reply { ticket, fate: fate.clone() }));
                out.events.push(Event::Refused { fate });
            }
        }
    }

    pub(super) fn on_forwarded(&mut self, from: Peer, commands: Vec<Identified>, out: &mut Outbox) {
        let source = self.peers.source(from);
        for command in commands {
            if command.command().body.len() > self.chain.command_bytes_max() {
                out.effects.push(Effect::Blame { peer: from, reason: Rejection::TooLarge });
                return;
            }
            let past = self.replies.recall(Key::of(command.command()), command.id(), None, |_, _| {});
            if matches!(past, Past::Unknown)
                && let Err(fate) = self.admit(source, command)
            {
                out.events.push(Event::Refused { fate });
            }
        }
    }

    /// Lets a command wait, unless it is late, too large, or there is no room.
    fn admit(&mut self, source: Source, command: Identified) -> Result<(), Fate> {
        let (id, command) = (command.id(), command.into_command());
        if command.expires_at_height.is_some_and(|last| last <= self.chain.executed()) {
            return Err(Fate::Expired);
        }
        // The hands have checked the size; one that slipped through would block its client's queue for ever.
        if command.body.len() > self.chain.command_bytes_max() {
            return Err(Fate::Full);
        }
        let stage = self.flights.stage(Key::of(&command));
        match self.mempool.admit(self.now, source, stage, id, command) {
            Admission::Admitted | Admission::Known => Ok(()),
            Admission::Conflict => Err(Fate::Conflict),
            Admission::Full => Err(Fate::Full),
        }
    }

    /// Tells everyone who waits for a command that it will not be executed.
    pub(super) fn refuse(&mut self, id: &Digest, fate: &Fate, out: &mut Outbox) {
        let tickets = self.replies.dismiss(id);
        out.effects.extend(tickets.into_iter().map(|ticket| Effect::Reply { ticket, fate: fate.clone() }));
        out.events.push(Event::Refused { fate: fate.clone() });
    }
}
