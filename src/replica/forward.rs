//! Commands on their way to whoever can propose them.
//!
//! Rule `OB-2`: a replica with an undecided height of its own in the window proposes its clients' commands there;
//! otherwise it forwards them at once to the owners of the window's heights, and again to the next owners for as long
//! as they wait. When nothing has been decided for `forward_after`, they go to all validators, so that all want the
//! height; that is repeated at growing intervals. Commands that others forwarded are never forwarded on.
//!
//! Nobody owns a height of a long instance: commands go to whoever leads it, once, as much as a payload holds for each
//! payload that is executed; and to the next leader again. That heights are decided says nothing of a command that the
//! leader leaves out or never got: when one has waited for [`PATIENCE`] times `forward_after`, it goes to all as well, so
//! that the request timers of all run.
//!
//! Deviation: forwarding is for few commands, which gain what is left of the time until our own turn. Under load it
//! would cost everyone a multiple of the useful traffic, and votes would stand in line behind it: so a validator forwards
//! at most 1/[`PART`] of a payload's bytes for each height and proposes the rest in its own turn. A listener has no turn,
//! so from it a height's owner gets what was free in the last block and, in any case, an equal part of a payload.
//! Limits: for each height, or for the leader between two payloads, at most one payload's bytes; [`COMMANDS_MAX`] commands
//! in one message.

use std::{collections::BTreeMap, time::Duration};

use super::{
    chain::Chain,
    contract::{Effect, Outbox},
    mempool::Mempool,
};
use crate::{
    app::Command,
    protocol::Lifetime,
    types::{Height, Time, ValidatorIndex},
};

/// The most commands in one message ([`super::wire::Frame::Commands`]).
const COMMANDS_MAX: usize = 4096;
/// A validator forwards at most this part of a payload for one height.
const PART: usize = 16;
/// How far back in the outbox a message is looked for that commands can join.
const JOINED_MAX: usize = 16;
/// How many times `forward_after` a command waits for a leader under whom others are decided.
const PATIENCE: u32 = 10;
/// How often the interval between messages to all doubles at most.
const DOUBLINGS_MAX: u32 = 6;

/// What may still be sent to the owner of a height.
struct Allowance {
    owner: ValidatorIndex,
    bytes_left: usize,
    /// The last arrival number that was considered.
    through: u64,
}

/// What may still be sent to the leader of a long instance.
struct Lead {
    leader: ValidatorIndex,
    bytes_left: usize,
    /// The last arrival number that was sent.
    through: u64,
}

/// When everyone is told.
#[derive(Clone, Copy)]
struct Spread {
    height: Height,
    due: Time,
    doublings: u32,
}

/// What was forwarded to whom.
pub(super) struct Forwarder {
    forward_after: Duration,
    allowances: BTreeMap<Height, Allowance>,
    spread: Option<Spread>,
    lead: Option<Lead>,
    /// When what waits in spite of a leader is next worth telling everyone; never for one-shot instances.
    overdue: Option<Time>,
    /// The bytes of the last payload that was executed.
    last_payload: usize,
}

impl Forwarder {
    /// Nothing was forwarded.
    pub(super) fn new(forward_after: Duration) -> Self {
        Self { forward_after, allowances: BTreeMap::new(), spread: None, lead: None, overdue: None, last_payload: 0 }
    }

    /// A payload of so many bytes is being executed.
    pub(super) fn on_payload(&mut self, bytes: usize) {
        self.last_payload = bytes;
        if let Some(lead) = &mut self.lead {
            lead.bytes_left = usize::MAX;
        }
    }

    /// Forwards what waits, given the open and undecided heights in ascending order, and who leads a long instance.
    pub(super) fn advance(
        &mut self,
        now: Time,
        (undecided, leader): (&[Height], Option<ValidatorIndex>),
        chain: &Chain,
        mempool: &Mempool,
        out: &mut Outbox,
    ) {
        self.allowances.retain(|height, _| undecided.binary_search(height).is_ok());
        if chain.lifetime() == Lifetime::Epoch {
            self.overdue.get_or_insert(now);
            self.send_to_leader(leader, chain, mempool, out);
        } else if !undecided.iter().any(|height| chain.is_own(*height)) {
            for height in undecided {
                self.send_to_owner(*height, chain, mempool, out);
            }
        }
        self.send_to_all(now, undecided.first().copied(), chain, mempool, out);
    }

    /// When everyone is to be told, if anything waits.
    pub(super) fn deadline(&self, mempool: &Mempool) -> Option<Time> {
        let oldest = mempool.local_after(0).next()?;
        let overdue = self.overdue.map(|due| due.max(oldest.since.plus(self.patience())));
        let stalled = self.spread.map(|spread| spread.due.max(oldest.since.plus(self.forward_after)))?;
        overdue.into_iter().chain([stalled]).min()
    }

    /// How many heights are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.allowances.len()
    }

    /// The first time, what fits a payload, in fair order; then what came in since.
    fn send_to_owner(&mut self, height: Height, chain: &Chain, mempool: &Mempool, out: &mut Outbox) {
        let Some(owner) = chain.owner(height) else { return };
        if !self.allowances.contains_key(&height) && self.allowances.values().any(|other| other.owner == owner) {
            return;
        }
        let is_first = !self.allowances.contains_key(&height);
        let bytes_left = self.part_of_payload(height, chain);
        let fresh = || Allowance { owner, bytes_left, through: 0 };
        let allowance = self.allowances.entry(height).or_insert_with(fresh);
        let is_untouched = allowance.bytes_left == bytes_left;
        let mut commands = Vec::new();
        let mut waiting: Box<dyn Iterator<Item = _>> =
            if is_first { Box::new(mempool.local()) } else { Box::new(mempool.local_after(allowance.through)) };
        while let Some(entry) = waiting.next().filter(|_| allowance.bytes_left > 0) {
            match allowance.bytes_left.checked_sub(entry.bytes) {
                Some(left) => {
                    allowance.bytes_left = left;
                    commands.push(entry.command.clone());
                }
                // A large one alone, so that it has a way while our turns are skipped (`OB-3`).
                None if is_untouched && commands.is_empty() => {
                    allowance.bytes_left = 0;
                    commands.push(entry.command.clone());
                }
                None => allowance.bytes_left = 0,
            }
        }
        allowance.through = mempool.arrivals();
        send(&[owner], commands, out);
    }

    fn send_to_leader(&mut self, leader: Option<ValidatorIndex>, chain: &Chain, mempool: &Mempool, out: &mut Outbox) {
        let Some(leader) = leader.filter(|leader| Some(*leader) != chain.own_index()) else {
            self.lead = None;
            return;
        };
        let bytes_max = chain.payload_bytes_max();
        let fresh = Lead { leader, bytes_left: bytes_max, through: 0 };
        let lead = self.lead.take().filter(|lead| lead.leader == leader).unwrap_or(fresh);
        let lead = self.lead.insert(lead);
        lead.bytes_left = lead.bytes_left.min(bytes_max);
        let mut commands = Vec::new();
        for entry in mempool.local_after(lead.through) {
            let Some(left) = lead.bytes_left.checked_sub(entry.bytes) else { break };
            lead.bytes_left = left;
            lead.through = entry.arrival();
            commands.push(entry.command.clone());
        }
        send(&[leader], commands, out);
    }

    fn patience(&self) -> Duration {
        self.forward_after.saturating_mul(PATIENCE)
    }

    fn part_of_payload(&self, height: Height, chain: &Chain) -> usize {
        let whole = chain.payload_bytes_max();
        if chain.me(height).is_some() {
            return whole / PART;
        }
        let free = whole.saturating_sub(self.last_payload);
        whole.min(free + whole / chain.set(height).len())
    }

    fn send_to_all(&mut self, now: Time, lowest: Option<Height>, chain: &Chain, mempool: &Mempool, out: &mut Outbox) {
        let Some(height) = lowest else {
            self.spread = None;
            return;
        };
        if self.spread.is_none_or(|spread| spread.height != height) {
            self.spread = Some(Spread { height, due: now.plus(self.forward_after), doublings: 0 });
        }
        if self.deadline(mempool).is_none_or(|due| due > now) {
            return;
        }
        if let Some(overdue) = &mut self.overdue {
            *overdue = now.plus(self.forward_after.saturating_mul(PATIENCE));
        }
        if let Some(spread) = &mut self.spread {
            spread.due = now.plus(self.forward_after.saturating_mul(1 << spread.doublings));
            spread.doublings = (spread.doublings + 1).min(DOUBLINGS_MAX);
        }
        // Enough to make everyone want the height; a listener has no other way.
        let mut room = self.part_of_payload(height, chain);
        let fitting = mempool.local().map_while(|entry| {
            room = room.checked_sub(entry.bytes)?;
            Some(entry.command.clone())
        });
        let me = chain.own_index();
        let others: Vec<ValidatorIndex> = chain.set(height).indices().filter(|other| Some(*other) != me).collect();
        send(&others, fitting.collect(), out);
    }
}

/// Sends commands in messages of bounded size; joins what goes to the same validators and is still in the outbox.
fn send(to: &[ValidatorIndex], commands: Vec<Command>, out: &mut Outbox) {
    if to.is_empty() || commands.is_empty() {
        return;
    }
    let recent = out.effects.iter_mut().rev().take(JOINED_MAX);
    let batch = recent.filter_map(|effect| match effect {
        Effect::Forward { to: other, commands } if other == to => Some(commands),
        _ => None,
    });
    if let Some(batch) = batch.take(1).find(|batch| batch.len() + commands.len() <= COMMANDS_MAX) {
        batch.extend(commands);
        return;
    }
    for part in commands.chunks(COMMANDS_MAX) {
        out.effects.push(Effect::Forward { to: to.to_vec(), commands: part.to_vec() });
    }
}
