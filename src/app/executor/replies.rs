//! The memory of executed commands (`OB-4`).
//!
//! Two rows serve it. Under a client and a first sequence: which commands of that client were executed in a *run*, at one
//! height and with sequences in a row, and what they came to, which is all that is read by whoever has the command. A
//! request with many commands makes one such row, not one for each. Under a height: its entries, by which the height is
//! forgotten `retention_heights` later, and of which [`super::by_id`] makes the way from an id to its height. What is
//! forgotten depends on heights alone, so all replicas agree. The digest of each remembered height is in the state root
//! (`OB-8`).
//!
//! No sequence of a client is in two runs: a second command there comes in conflict while the first is remembered. So the
//! run that begins last at or below a sequence is the only one that may have it; keys are made so that it is found first.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    super::{
        CommandView, Identified, Receipt, State, Status,
        chain::height_key,
        run::{self, RUN_MAX},
    },
    by_id,
};
use crate::{
    crypto::Transcript,
    store::{Rows, Table},
    types::{Digest, Height, codec},
};

/// Where the state has the digests of remembered heights.
const NAME: &[u8] = b"receipts/";

/// One command of a height in its row of [`Table::Receipts`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::app) struct Entry {
    pub id: Digest,
    client: Digest,
    sequence: u64,
    pub receipt: Receipt,
}

/// Which command was executed under a client and sequence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Holder {
    pub id: Digest,
    pub height: Height,
    pub receipt: Receipt,
}

/// A row of [`Table::Replies`]: the height of a run, and each command's id and receipt.
type Run = (Height, Vec<(Digest, Receipt)>);

impl Entry {
    pub fn new(id: Digest, command: &CommandView<'_>, receipt: Receipt) -> Self {
        Self { id, client: command.client, sequence: command.sequence, receipt }
    }

    /// Whether it was executed; what came too late or in conflict was not.
    pub fn is_executed(&self) -> bool {
        matches!(self.receipt.status, Status::Applied | Status::Refused)
    }

    pub(super) fn holder(&self, height: Height) -> Holder {
        Holder { id: self.id, height, receipt: self.receipt.clone() }
    }
}

/// A command's client and sequence, and its place among others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Slot {
    client: Digest,
    sequence: u64,
    pub position: usize,
}

/// The clients and sequences of some commands, sorted.
pub(super) struct Slots(Vec<Slot>);

impl Slots {
    pub fn of<'a, 'b: 'a>(commands: impl IntoIterator<Item = &'a CommandView<'b>>) -> Self {
        let slot = |(position, command): (usize, &CommandView<'_>)| {
            let CommandView { client, sequence, .. } = *command;
            Slot { client, sequence, position }
        };
        let mut slots: Vec<Slot> = commands.into_iter().enumerate().map(slot).collect();
        slots.sort();
        Self(slots)
    }

    /// Those that have client and sequence in common, in order.
    pub fn alike(&self) -> impl Iterator<Item = &[Slot]> {
        self.0.chunk_by(|a, b| (&a.client, a.sequence) == (&b.client, b.sequence))
    }

    /// For each command the position of the first that has client and sequence in common with it.
    pub fn firsts(&self) -> Vec<usize> {
        let mut firsts = vec![0; self.0.len()];
        for alike in self.alike() {
            alike.iter().for_each(|slot| firsts[slot.position] = alike[0].position);
        }
        firsts
    }

    /// Which command is remembered as executed under each one's client and sequence, by position. Those of one client with
    /// sequences in a row, as a request brings them, are one look together.
    pub fn holders(&self, rows: &dyn Rows) -> Vec<Option<Holder>> {
        let mut holders = vec![None; self.0.len()];
        for asked in self.0.chunk_by(|a, b| a.client == b.client && b.sequence - a.sequence <= 1) {
            let (Some(lowest), Some(highest)) = (asked.first(), asked.last()) else { continue };
            let from = run_key(&highest.client, highest.sequence);
            // A run that begins earlier ends earlier.
            let until = run_key(&lowest.client, lowest.sequence.saturating_sub(RUN_MAX as u64 - 1));
            rows.range(Table::Replies, &from, Some(&until), &mut |key, row| {
                let Some(first) = first_sequence(key, &lowest.client) else { return false };
                let (height, run): Run = codec::decode_front(row).expect(FOREIGN);
                let below = asked.partition_point(|slot| slot.sequence < first);
                for slot in &asked[below..] {
                    let held = usize::try_from(slot.sequence - first).ok().and_then(|at| run.get(at));
                    let Some((id, receipt)) = held else { break };
                    holders[slot.position] = Some(Holder { id: *id, height, receipt: receipt.clone() });
                }
                first > lowest.sequence
            });
        }
        holders
    }
}

/// Where each of some commands was executed and what it came to, while that is remembered. One look for a request,
/// whoever asks: of a command that came in conflict or too late nothing is known here, and [`super::reply_by_id`] has its
/// receipt.
///
/// # Panics
/// If a row is not ours.
pub fn replies(rows: &dyn Rows, commands: &[Identified]) -> Vec<Option<(Height, Receipt)>> {
    let views: Vec<_> = commands.iter().map(|command| command.command().view()).collect();
    let holders = Slots::of(&views).holders(rows);
    let reply = |(command, holder): (&Identified, Option<Holder>)| {
        holder.filter(|held| held.id == command.id()).map(|held| (held.height, held.receipt))
    };
    commands.iter().zip(holders).map(reply).collect()
}

/// Closes a height: its entries by height, and their digest in the state.
pub(super) fn close(state: &mut State<'_>, height: Height, entries: &[Entry]) {
    let row = codec::encode(entries);
    state.put_system(&name(height), digest(&row).as_bytes());
    put(state, height, entries, row);
}

/// Puts the rows of a height.
fn put(state: &mut State<'_>, height: Height, entries: &[Entry], row: impl Into<Bytes>) {
    for run in runs(entries) {
        let held: Vec<_> = run.iter().map(|entry| (&entry.id, &entry.receipt)).collect();
        state.rows().put(Table::Replies, key_of(&run).to_vec(), codec::encode(&(height, held)));
    }
    state.rows().put(Table::Receipts, height_key(height), row);
    by_id::sort(state, height);
}

/// What was executed of some entries, by client and sequence, in runs.
fn runs(entries: &[Entry]) -> Vec<Vec<&Entry>> {
    let mut executed: Vec<&Entry> = entries.iter().filter(|entry| entry.is_executed()).collect();
    executed.sort_by_key(|entry| (&entry.client, entry.sequence));
    run::runs(executed, |entry| (entry.client, entry.sequence, entry.receipt.result.len()))
}

/// Forgets a height. Its receipts stay with its block, for those who read history.
pub(super) fn forget(state: &mut State<'_>, height: Height) {
    by_id::forget(state, height);
    let Some(row) = state.rows().get(Table::Receipts, &height_key(height)) else { return };
    for run in runs(&decode::<Vec<Entry>>(&row)) {
        state.rows().delete(Table::Replies, key_of(&run).to_vec());
    }
    state.delete_system(&name(height));
}

/// Whether a height has not been forgotten.
pub(super) fn is_remembered(rows: &dyn Rows, height: Height) -> bool {
    State::new(rows).system(&name(height)).is_some()
}

/// Remembers a height that was closed elsewhere: its row of receipts, if it is the one whose digest the state has.
pub(in crate::app) fn restore(state: &mut State<'_>, height: Height, row: Bytes) -> Option<()> {
    if state.system(&name(height))?.as_ref() != digest(&row).as_bytes() {
        return None;
    }
    let entries: Vec<Entry> = codec::decode(&row).ok()?;
    put(state, height, &entries, row);
    Some(())
}

/// The heights whose receipts the state remembers, in order.
pub(in crate::app) fn remembered(rows: &dyn Rows) -> Vec<Height> {
    let mut heights = Vec::new();
    State::new(rows).scan_system(NAME, &mut |name| {
        heights.extend(name.first_chunk().map(|height| Height::new(u64::from_be_bytes(*height))));
    });
    heights
}

fn key_of(run: &[&Entry]) -> [u8; 40] {
    run_key(&run[0].client, run[0].sequence)
}

/// The key of a client's run that begins at a sequence: those that begin later come first.
fn run_key(client: &Digest, first: u64) -> [u8; 40] {
    let mut key = [0; 40];
    key[..32].copy_from_slice(client.as_bytes());
    key[32..].copy_from_slice(&(u64::MAX - first).to_be_bytes());
    key
}

/// Where a run begins, if it is this client's.
fn first_sequence(key: &[u8], client: &Digest) -> Option<u64> {
    let inverse = key.strip_prefix(client.as_bytes())?.first_chunk()?;
    Some(u64::MAX - u64::from_be_bytes(*inverse))
}

/// What the state has of a height's receipts.
fn digest(row: &[u8]) -> Digest {
    Transcript::new("thalweg receipts v1").bytes(row).finish()
}

fn name(height: Height) -> Vec<u8> {
    [NAME, &height.get().to_be_bytes()].concat()
}

fn decode<T: Serialize + serde::de::DeserializeOwned>(row: &[u8]) -> T {
    codec::decode(row).expect(FOREIGN)
}

const FOREIGN: &str = "reply rows are written by this module alone";
