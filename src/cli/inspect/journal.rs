//! What the journal holds: segments, votes and locks, decided blocks, standing facts.

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;

use super::bytes_below;
use crate::{
    cli::table::table,
    journal::{self, Entry, FileDisk, Inspection, OpenError},
    protocol::{Abstention, Record, streamlette},
    types::{Digest, Height},
};

/// A journal, for people and programs.
#[derive(Debug, Serialize)]
pub(super) struct JournalReport {
    bytes_on_disk: u64,
    segments: Vec<SegmentReport>,
    entries: usize,
    floor: Height,
    /// The lowest and the highest height of the decided blocks in it, and how many there are.
    decided: Option<Decided>,
    /// From the highest height down.
    votes: Vec<VoteReport>,
    peer_counter: u64,
    /// Up to where nothing is voted for, since an earlier journal was lost; 0 for nowhere, `null` for everywhere.
    abstains_through: Option<Height>,
    lost: usize,
    bad_copies: usize,
    torn_bytes: u64,
}

#[derive(Debug, Serialize)]
struct SegmentReport {
    number: u64,
    written_bytes: u64,
    highest: Height,
}

#[derive(Debug, Serialize)]
struct Decided {
    lowest: Height,
    highest: Height,
    blocks: u64,
}

/// What restricts the votes of one instance.
#[derive(Debug, Serialize)]
struct VoteReport {
    height: Height,
    instance: Digest,
    /// How many votes.
    votes: u64,
    /// The last one's round.
    round: Option<u64>,
    /// The last one's target.
    target: Option<Digest>,
    lock_depth: Option<u64>,
    /// Records of other kinds.
    other_records: u64,
}

impl JournalReport {
    /// Reads a data directory's journal.
    pub(super) fn read(data: &Path, chain: &Digest, heights: usize) -> Result<Self, OpenError> {
        let place = journal::directory(data);
        let found = Inspection::of(FileDisk::new(&place), chain)?;
        let mut report = Self {
            bytes_on_disk: bytes_below(&place),
            segments: found.segments.iter().map(SegmentReport::from).collect(),
            entries: found.entries.len(),
            floor: found.floor,
            decided: None,
            votes: Vec::new(),
            peer_counter: 0,
            abstains_through: Some(Height::ZERO),
            lost: found.lost,
            bad_copies: found.bad_copies,
            torn_bytes: found.torn_bytes,
        };
        let mut votes = BTreeMap::new();
        for entry in &found.entries {
            report.take(entry, &mut votes);
        }
        report.votes = votes.into_values().rev().take(heights).collect();
        Ok(report)
    }

    fn take(&mut self, entry: &Entry, votes: &mut BTreeMap<(Height, Digest), VoteReport>) {
        match entry {
            Entry::PeerCounter { counter } => self.peer_counter = self.peer_counter.max(*counter),
            Entry::Abstention(Abstention::Everywhere) => self.abstains_through = None,
            Entry::Abstention(Abstention::Through(height)) => self.abstains_through = Some(*height),
            Entry::Decided { block } => {
                let height = block.height;
                let before = self.decided.get_or_insert(Decided { lowest: height, highest: height, blocks: 0 });
                before.lowest = before.lowest.min(height);
                before.highest = before.highest.max(height);
                before.blocks += 1;
            }
            Entry::Instance { height, instance, record } => {
                let blank = || VoteReport::new(*height, *instance);
                votes.entry((*height, *instance)).or_insert_with(blank).take(record);
            }
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        let written: u64 = self.segments.iter().map(|segment| segment.written_bytes).sum();
        let mut rows = vec![
            row(
                "journal",
                format!("{} segments, {written} bytes written of {}", self.segments.len(), self.bytes_on_disk),
            ),
            row("entries", format!("{}, from height {} on", self.entries, self.floor)),
        ];
        if let Some(Decided { lowest, highest, blocks }) = &self.decided {
            rows.push(row("decided", format!("{blocks} blocks of heights {lowest} to {highest}")));
        }
        rows.push(row("peer counter", self.peer_counter.to_string()));
        match self.abstains_through {
            None => rows.push(row("abstains", "everywhere: the others have not been asked yet".to_owned())),
            Some(Height::ZERO) => {}
            Some(through) => rows.push(row("abstains", format!("through height {through}"))),
        }
        if self.lost > 0 || self.bad_copies > 0 {
            let what = format!("{} copies, {} of what peers have; look at the disk", self.bad_copies, self.lost);
            rows.push(row("rotten", what));
        }
        if self.torn_bytes > 0 {
            rows.push(row("torn end", format!("{} bytes, which the next start cuts off", self.torn_bytes)));
        }
        format!("{}\n{}", table(&rows), self.votes_text())
    }

    fn votes_text(&self) -> String {
        if self.votes.is_empty() {
            return String::new();
        }
        let heading = ["HEIGHT", "INSTANCE", "VOTES", "LAST ROUND", "LAST TARGET", "LOCK DEPTH"].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(heading.to_vec()).chain(self.votes.iter().map(VoteReport::row)).collect();
        format!("\n{}\n\n", table(&rows))
    }
}

impl From<&journal::SegmentView> for SegmentReport {
    fn from(view: &journal::SegmentView) -> Self {
        Self { number: view.number, written_bytes: view.written_bytes, highest: view.highest }
    }
}

impl VoteReport {
    fn new(height: Height, instance: Digest) -> Self {
        Self { height, instance, votes: 0, round: None, target: None, lock_depth: None, other_records: 0 }
    }

    fn take(&mut self, record: &Record) {
        match record {
            Record::Streamlette(streamlette::Record::Vote { vote, lock_depth, .. }) => {
                self.votes += 1;
                self.round = Some(vote.tick.get());
                self.target = Some(vote.target);
                self.lock_depth = lock_depth.map(streamlette::Depth::get);
            }
            Record::Streamlette(streamlette::Record::Want { .. }) => self.other_records += 1,
        }
    }

    fn row(&self) -> Vec<String> {
        let short = |digest: Digest| digest.to_string().chars().take(16).collect::<String>();
        let or_none = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
        vec![
            self.height.to_string(),
            short(self.instance),
            self.votes.to_string(),
            or_none(self.round),
            self.target.map_or("-".to_owned(), short),
            or_none(self.lock_depth),
        ]
    }
}
