//! The commands that wait to be executed.
//!
//! Rules: `RP-F1` (fair: [`Quota`] between sources, [`FairQueue`] within one, equal bytes for each source in a
//! payload), `RP-B1` (bounded in commands and bytes; full means refused, nothing accepted is thrown out), `OB-4` (one
//! command for each id, one id for each client and sequence), `OB-5` (nothing expired is proposed; a command leaves
//! when it is executed or expires, not when it is proposed).
//! All operations are O(log n), picking k commands O(k log n).

use std::collections::{BTreeMap, BTreeSet};

use super::{
    fair::{FairQueue, Place},
    flight::Stage,
    quota::{Quota, Source},
};
use crate::{
    app::Command,
    types::{Digest, Height, Time, codec},
};

/// What a client calls a command: two commands with the same key exclude each other (`OB-4`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Key {
    /// Who.
    pub(super) client: Digest,
    /// Its number for it.
    pub(super) sequence: u64,
}

impl Key {
    /// The key of a command.
    pub(super) fn of(command: &Command) -> Self {
        Self { client: command.client, sequence: command.sequence }
    }
}

/// A waiting command.
pub(super) struct Entry {
    /// Its hash.
    pub(super) id: Digest,
    /// What its client calls it.
    pub(super) key: Key,
    /// Itself.
    pub(super) command: Command,
    /// Its encoded size.
    pub(super) bytes: usize,
    /// From whom.
    pub(super) source: Source,
    /// Since when.
    pub(super) since: Time,
    stage: Stage,
    place: Place,
}

impl Entry {
    /// Its arrival number.
    pub(super) fn arrival(&self) -> u64 {
        self.place.1
    }
}

/// What became of a command that wanted in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Admission {
    /// It waits now.
    Admitted,
    /// It waited already.
    Known,
    /// Another one with its client and sequence waits.
    Conflict,
    /// Its source has no room left.
    Full,
}

/// The waiting commands.
pub(super) struct Mempool {
    /// The most commands and bytes of a single client: half of everything.
    client_max: (usize, usize),
    commands: Quota,
    bytes: Quota,
    bytes_held: usize,
    arrivals: u64,
    entries: BTreeMap<u64, Box<Entry>>,
    ids: BTreeMap<Digest, u64>,
    keys: BTreeMap<Key, u64>,
    /// Those that are not decided.
    stages: BTreeSet<(Stage, u64)>,
    /// Our own clients' commands that are not decided.
    local: BTreeSet<u64>,
    expiring: BTreeSet<(Height, u64)>,
    queues: BTreeMap<Source, FairQueue>,
}

impl Mempool {
    /// An empty one for a set of `validators`.
    pub(super) fn new(commands_max: usize, bytes_max: usize, validators: usize) -> Self {
        Self {
            client_max: (commands_max.div_ceil(2), bytes_max.div_ceil(2)),
            commands: Quota::new(commands_max, validators),
            bytes: Quota::new(bytes_max, validators),
            bytes_held: 0,
            arrivals: 0,
            entries: BTreeMap::new(),
            ids: BTreeMap::new(),
            keys: BTreeMap::new(),
            stages: BTreeSet::new(),
            local: BTreeSet::new(),
            expiring: BTreeSet::new(),
            queues: BTreeMap::new(),
        }
    }

    /// Takes a command in, if there is room. One that another validator forwarded becomes our client's own when the
    /// client submits it here too, so that it is also forwarded from here.
    pub(super) fn admit(&mut self, now: Time, source: Source, stage: Stage, id: Digest, command: Command) -> Admission {
        let key = Key::of(&command);
        if let Some(arrival) = self.keys.get(&key).copied() {
            return match self.entries.get(&arrival) {
                Some(entry) if entry.id == id => {
                    if source == Source::Clients && entry.source != source {
                        self.adopt(now, arrival);
                    }
                    Admission::Known
                }
                _ => Admission::Conflict,
            };
        }
        let bytes = codec::encoded_len(&command);
        if !self.has_room(source, &key.client, bytes) {
            return Admission::Full;
        }
        self.insert(Box::new(Entry { id, key, command, bytes, source, since: now, stage, place: Place::default() }));
        Admission::Admitted
    }

    /// Whether a command waits.
    pub(super) fn contains(&self, id: &Digest) -> bool {
        self.ids.contains_key(id)
    }

    /// Takes out what waits under a key, if it is meant.
    pub(super) fn remove(&mut self, key: Key, is_meant: impl FnOnce(&Entry) -> bool) -> Option<Box<Entry>> {
        let arrival = self.keys.get(&key).copied()?;
        let entry = self.entries.get(&arrival)?;
        if is_meant(entry) { self.take(arrival) } else { None }
    }

    /// Takes out what may not be executed above `executed` any more; returns the ids.
    pub(super) fn expire(&mut self, executed: Height) -> Vec<Digest> {
        let mut expired = Vec::new();
        while let Some((last, arrival)) = self.expiring.first().copied() {
            if last > executed {
                break;
            }
            expired.extend(self.take(arrival).map(|entry| entry.id));
        }
        expired
    }

    /// Notes how far a command is, if it is here.
    pub(super) fn set_stage(&mut self, key: Key, stage: impl FnOnce() -> Stage) {
        let Some(arrival) = self.keys.get(&key).copied() else { return };
        let Some(entry) = self.entries.get_mut(&arrival) else { return };
        let before = std::mem::replace(&mut entry.stage, stage());
        if before == entry.stage {
            return;
        }
        self.stages.remove(&(before, arrival));
        if entry.stage == Stage::Decided {
            self.local.remove(&arrival);
            return;
        }
        self.stages.insert((entry.stage, arrival));
        if entry.source == Source::Clients {
            self.local.insert(arrival);
        }
    }

    /// Since when the oldest command of a stage has waited; `None` for those that are decided.
    pub(super) fn oldest(&self, stage: Stage) -> Option<Time> {
        let (_, arrival) = self.stages.range((stage, 0)..=(stage, u64::MAX)).next()?;
        self.entries.get(arrival).map(|entry| entry.since)
    }

    /// Chooses commands of at most `room` encoded bytes together: the same bytes from each source as far as they
    /// have any, `turn` breaking ties. `may` leaves commands out. A command that does not fit ends its source's part,
    /// so that nothing overtakes an earlier command of the same client.
    pub(super) fn pick(&self, mut room: usize, turn: u64, may: impl Fn(&Entry) -> bool) -> Vec<&Entry> {
        let mut queues: Vec<_> = self.queues.values().map(FairQueue::iter).collect();
        let count = queues.len();
        let first = usize::try_from(turn % (count as u64).max(1)).unwrap_or(0);
        let mut next: BTreeSet<(usize, usize)> = (0..count).map(|rank| (0, rank)).collect();
        let mut picked = Vec::new();
        while let Some((taken, rank)) = next.pop_first() {
            let queue = &mut queues[(rank + first) % count];
            let Some(entry) = queue.filter_map(|arrival| self.entry(arrival)).find(|entry| may(entry)) else {
                continue;
            };
            if entry.bytes <= room {
                room -= entry.bytes;
                next.insert((taken + entry.bytes, rank));
                picked.push(entry);
            }
        }
        picked
    }

    /// Our own clients' undecided commands in fair order.
    pub(super) fn local(&self) -> impl Iterator<Item = &Entry> {
        let arrivals = self.queues.get(&Source::Clients).into_iter().flat_map(FairQueue::iter);
        arrivals.filter_map(|arrival| self.entry(arrival)).filter(|entry| entry.stage != Stage::Decided)
    }

    /// Our own clients' undecided commands that came after the one with the arrival number `after`, oldest first.
    pub(super) fn local_after(&self, after: u64) -> impl Iterator<Item = &Entry> {
        let arrivals = self.local.range(after.saturating_add(1)..);
        arrivals.filter_map(|arrival| self.entry(*arrival))
    }

    /// The last arrival number given.
    pub(super) fn arrivals(&self) -> u64 {
        self.arrivals
    }

    /// How many commands wait.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Their encoded bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes_held
    }

    fn entry(&self, arrival: u64) -> Option<&Entry> {
        self.entries.get(&arrival).map(Box::as_ref)
    }

    fn has_room(&self, source: Source, client: &Digest, bytes: usize) -> bool {
        let (commands_held, bytes_held) = self.queues.get(&source).map_or((0, 0), |queue| queue.held(client));
        let (commands_max, bytes_max) = self.client_max;
        commands_held < commands_max
            && bytes_held + bytes <= bytes_max
            && self.commands.fits(source, 1)
            && self.bytes.fits(source, bytes)
    }

    /// Makes a forwarded command our clients' own, if they have room for it.
    fn adopt(&mut self, now: Time, arrival: u64) {
        let Some(entry) = self.entries.get(&arrival) else { return };
        if !self.has_room(Source::Clients, &entry.key.client, entry.bytes) {
            return;
        }
        if let Some(mut entry) = self.take(arrival) {
            (entry.source, entry.since) = (Source::Clients, now);
            self.insert(entry);
        }
    }

    fn insert(&mut self, mut entry: Box<Entry>) {
        self.arrivals += 1;
        let arrival = self.arrivals;
        self.commands.take(entry.source, 1);
        self.bytes.take(entry.source, entry.bytes);
        self.bytes_held += entry.bytes;
        entry.place = self.queues.entry(entry.source).or_default().push(entry.key.client, arrival, entry.bytes);
        self.ids.insert(entry.id, arrival);
        self.keys.insert(entry.key, arrival);
        if entry.stage != Stage::Decided {
            self.stages.insert((entry.stage, arrival));
            if entry.source == Source::Clients {
                self.local.insert(arrival);
            }
        }
        if let Some(last) = entry.command.expires_at_height {
            self.expiring.insert((last, arrival));
        }
        self.entries.insert(arrival, entry);
    }

    fn take(&mut self, arrival: u64) -> Option<Box<Entry>> {
        let entry = self.entries.remove(&arrival)?;
        self.commands.give(entry.source, 1);
        self.bytes.give(entry.source, entry.bytes);
        self.bytes_held -= entry.bytes;
        if let Some(queue) = self.queues.get_mut(&entry.source) {
            queue.remove(&entry.key.client, entry.place, entry.bytes);
            if queue.is_empty() {
                self.queues.remove(&entry.source);
            }
        }
        self.ids.remove(&entry.id);
        self.keys.remove(&entry.key);
        self.stages.remove(&(entry.stage, arrival));
        self.local.remove(&arrival);
        if let Some(last) = entry.command.expires_at_height {
            self.expiring.remove(&(last, arrival));
        }
        Some(entry)
    }
}
