//! Who waits for which command, and what recent commands came to.
//!
//! Rules: `OB-4` (a command submitted twice has one fate; another one under the same client and sequence is refused),
//! `RP-O2` (an outcome is told when its height is committed, not before).
//! Limits: `tickets_max` waiting clients; [`RECENT_MAX`] and [`RECENT_BYTES_MAX`] of remembered outcomes, the older half
//! forgotten at once: the hands look older ones up in the store before they submit.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    contract::{Fate, Ticket},
    mempool::Key,
};
use crate::{
    app::{Receipt, Status, run::runs},
    types::{Digest, Height, Time},
};

/// The most outcomes remembered.
pub(super) const RECENT_MAX: usize = 65_536;
/// The most bytes of results remembered.
pub(super) const RECENT_BYTES_MAX: usize = 16 << 20;

/// Commands of one client with sequences in a row ([`runs`]), and what they came to at one height.
struct Run {
    height: Height,
    outcomes: Vec<(Digest, Receipt)>,
    /// Of their results.
    bytes: usize,
}

/// What a command came to.
struct Outcome<'a> {
    id: &'a Digest,
    height: Height,
    receipt: &'a Receipt,
}

/// What is told when a height is committed.
#[derive(Default)]
pub(super) struct Settlement {
    /// To whom what.
    pub(super) answers: Vec<(Ticket, Fate)>,
    /// How many commands the block had.
    pub(super) commands: usize,
    /// When each of our own clients' commands came in.
    pub(super) since: Vec<Time>,
}

/// What is known of a command's fate before it is submitted.
pub(super) enum Past {
    /// Nothing.
    Unknown,
    /// It was executed; the ticket is, or will be, answered.
    Answered,
    /// Another command of that client and sequence was executed.
    Conflict,
    /// It was executed, but there is no room for one more who waits to hear it.
    Full,
}

/// Tickets and outcomes.
pub(super) struct Replies {
    tickets_max: usize,
    tickets: BTreeMap<Ticket, Digest>,
    waiting: BTreeMap<Digest, BTreeSet<Ticket>>,
    pending: BTreeMap<Height, Settlement>,
    pending_answers: usize,
    recent: Generation,
    before: Generation,
}

/// Half of the outcomes that are remembered. A result that would not fit is not: the store has it.
#[derive(Default)]
struct Generation {
    /// By their first commands. A request with many commands is a few of them, and no command is in two.
    runs: BTreeMap<Key, Run>,
    outcomes: usize,
    /// Of their results.
    bytes: usize,
}

impl Generation {
    fn has_room(&self, run: &Run) -> bool {
        self.outcomes + run.outcomes.len() <= RECENT_MAX / 2 && self.bytes + run.bytes <= RECENT_BYTES_MAX / 2
    }

    fn insert(&mut self, first: Key, run: Run) {
        self.outcomes += run.outcomes.len();
        self.bytes += run.bytes;
        self.runs.insert(first, run);
    }

    fn get(&self, key: &Key) -> Option<Outcome<'_>> {
        let (first, run) = self.runs.range(..=key).next_back()?;
        let at = key.sequence.checked_sub(first.sequence).filter(|_| first.client == key.client)?;
        let (id, receipt) = run.outcomes.get(usize::try_from(at).ok()?)?;
        Some(Outcome { id, height: run.height, receipt })
    }
}

impl Replies {
    /// Nobody waits.
    pub(super) fn new(tickets_max: usize) -> Self {
        Self {
            tickets_max,
            tickets: BTreeMap::new(),
            waiting: BTreeMap::new(),
            pending: BTreeMap::new(),
            pending_answers: 0,
            recent: Generation::default(),
            before: Generation::default(),
        }
    }

    /// Whether one more client may wait.
    pub(super) fn has_room(&self) -> bool {
        self.tickets.len() + self.pending_answers < self.tickets_max
    }

    /// Lets a client wait for a command.
    pub(super) fn wait(&mut self, ticket: Ticket, id: Digest) {
        self.tickets.insert(ticket, id);
        self.waiting.entry(id).or_default().insert(ticket);
    }

    /// A client waits no longer.
    pub(super) fn abandon(&mut self, ticket: Ticket) {
        let Some(id) = self.tickets.remove(&ticket) else { return };
        if let Some(tickets) = self.waiting.get_mut(&id) {
            tickets.remove(&ticket);
            if tickets.is_empty() {
                self.waiting.remove(&id);
            }
        }
    }

    /// Looks a command up among the recent outcomes. One whose height is committed is answered through `tell`; one
    /// that is executed only joins those who are answered then (`RP-O2`).
    pub(super) fn recall(
        &mut self,
        key: Key,
        id: Digest,
        ticket: Option<Ticket>,
        tell: impl FnOnce(Ticket, Fate),
    ) -> Past {
        let Some(outcome) = self.outcome(&key) else { return Past::Unknown };
        if *outcome.id != id {
            return Past::Conflict;
        }
        let Some(ticket) = ticket else { return Past::Answered };
        let fate = Fate::Committed { height: outcome.height, receipt: outcome.receipt.clone() };
        let height = outcome.height;
        if !self.pending.contains_key(&height) {
            tell(ticket, fate);
            return Past::Answered;
        }
        if !self.has_room() {
            return Past::Full;
        }
        if let Some(settlement) = self.pending.get_mut(&height) {
            settlement.answers.push((ticket, fate));
            self.pending_answers += 1;
        }
        Past::Answered
    }

    /// Takes everyone who waits for a command that ended otherwise.
    pub(super) fn dismiss(&mut self, id: &Digest) -> BTreeSet<Ticket> {
        let tickets = self.waiting.remove(id).unwrap_or_default();
        for ticket in &tickets {
            self.tickets.remove(ticket);
        }
        tickets
    }

    /// Begins a height that is executed and will be committed.
    pub(super) fn begin(&mut self, height: Height, commands: usize) {
        self.pending.insert(height, Settlement { commands, ..Settlement::default() });
    }

    /// Takes a command's outcome, to be told when its height is committed. `since`: when it came in, if our own client
    /// sent it.
    pub(super) fn executed(&mut self, height: Height, id: Digest, receipt: &Receipt, since: Option<Time>) {
        let tickets = self.dismiss(&id);
        if let Some(settlement) = self.pending.get_mut(&height) {
            let fate = Fate::Committed { height, receipt: receipt.clone() };
            self.pending_answers += tickets.len();
            settlement.answers.extend(tickets.into_iter().map(|ticket| (ticket, fate.clone())));
            settlement.since.extend(since);
        }
    }

    /// Ends a height: it is committed.
    pub(super) fn committed(&mut self, height: Height) -> Settlement {
        let settlement = self.pending.remove(&height).unwrap_or_default();
        self.pending_answers -= settlement.answers.len();
        settlement
    }

    /// Remembers what a height's commands came to. Only what took its key is remembered under it, and only once: a
    /// conflicting or late command took nothing.
    pub(super) fn remember(&mut self, height: Height, mut outcomes: Vec<(Key, Digest, Receipt)>) {
        outcomes.retain(|(key, _, receipt)| {
            !matches!(receipt.status, Status::Conflict | Status::Expired)
                && receipt.result.len() <= RECENT_BYTES_MAX / 2
                && self.outcome(key).is_none()
        });
        outcomes.sort_by_key(|(key, ..)| *key);
        outcomes.dedup_by_key(|(key, ..)| *key);
        for run in runs(outcomes, |(key, _, receipt)| (key.client, key.sequence, receipt.result.len())) {
            let (first, bytes) = (run[0].0, run.iter().map(|(.., receipt)| receipt.result.len()).sum());
            let outcomes = run.into_iter().map(|(_, id, receipt)| (id, receipt)).collect();
            self.keep(first, Run { height, outcomes, bytes });
        }
    }

    fn keep(&mut self, first: Key, run: Run) {
        if !self.recent.has_room(&run) {
            self.before = std::mem::take(&mut self.recent);
        }
        self.recent.insert(first, run);
    }

    fn outcome(&self, key: &Key) -> Option<Outcome<'_>> {
        self.recent.get(key).or_else(|| self.before.get(key))
    }

    /// How much is held: clients and outcomes.
    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.tickets.len() + self.waiting.len() + self.pending_answers, self.recent.outcomes + self.before.outcomes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(client: u8, sequence: u64, status: Status) -> (Key, Digest, Receipt) {
        let key = Key { client: Digest::new([client; 32]), sequence };
        (key, Digest::new([client ^ sequence.to_le_bytes()[0]; 32]), Receipt { status, result: "ok".into() })
    }

    fn heights(replies: &Replies, client: u8, sequences: std::ops::Range<u64>) -> Vec<Option<u64>> {
        let height = |sequence| {
            let (key, id, _) = outcome(client, sequence, Status::Applied);
            replies.outcome(&key).inspect(|found| assert_eq!(*found.id, id)).map(|found| found.height.get())
        };
        sequences.map(height).collect()
    }

    #[test]
    fn recalls_what_took_its_key_once_and_nothing_beside_it() {
        let mut replies = Replies::new(10);
        // Two clients in turn, a gap, one that came in conflict, one twice.
        let first = [(1, 5), (2, 1), (1, 6), (2, 2), (1, 8), (1, 6)];
        let mut outcomes: Vec<_> = first.map(|(client, at)| outcome(client, at, Status::Applied)).into();
        outcomes.push(outcome(2, 3, Status::Conflict));
        replies.remember(Height::new(1), outcomes);
        replies.remember(Height::new(2), (4..9).map(|at| outcome(1, at, Status::Refused)).collect());
        assert_eq!(heights(&replies, 1, 3..10), [None, Some(2), Some(1), Some(1), Some(2), Some(1), None]);
        assert_eq!(heights(&replies, 2, 0..4), [None, Some(1), Some(1), None]);
        assert_eq!(replies.len().1, 7);
    }

    #[test]
    fn runs_of_any_length_are_recalled_until_the_older_half_is_forgotten() {
        let (mut replies, per_height) = (Replies::new(10), 3 * crate::app::run::RUN_MAX as u64 / 2);
        let last = RECENT_MAX as u64 / per_height;
        for height in 0..=last {
            let sequences = height * per_height..(height + 1) * per_height;
            replies.remember(Height::new(height), sequences.map(|at| outcome(1, at, Status::Applied)).collect());
            assert!(replies.len().1 <= RECENT_MAX);
        }
        let known = |sequences| heights(&replies, 1, sequences).iter().flatten().count() as u64;
        let end = (last + 1) * per_height;
        assert_eq!((known(end - 100 * per_height..end), known(end..end + 1)), (100 * per_height, 0));
        assert_eq!(known(0..per_height), 0, "the older half");
    }
}
