//! `thalweg import`: every line of a file becomes one command, exactly once and in the order of equal keys.
//!
//! The Idempotency-Key of a line is made of the file's digest and the line's number. So an import that is repeated,
//! after an interruption or for no reason, submits the same commands again, and replicas answer what they have
//! executed from memory (`OB-4`). Where clients sign, the command's number is made of the same, and it never expires. They remember for the number of heights that genesis gives (`retention_heights`);
//! an import that goes on later than that writes its lines again.
//!
//! A line waits until all earlier ones of its key have ended ([`lane`]); lines of different keys travel together, in
//! batches over several connections ([`courier`]). Lines that make no sense, or that a node refuses, are reported with
//! their numbers and do not hold up the others.
//!
//! Limits: batches of 1,000 commands and 1 MiB; lines that wait for their key are bounded in number and bytes, beyond
//! that reading waits.

mod courier;
mod lane;
mod line;
mod progress;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use courier::{Courier, Delivery, Fate};
use lane::Lanes;
use line::{Author, Entry, Format, Line};
use progress::Progress;
use serde::Serialize;

use super::{
    Failure,
    client::{Client, KeyArguments, NodeArguments, Patience},
    output,
};
use crate::types::Digest;

/// The most rejected lines that the JSON report lists; people see all of them while they happen.
const REJECTIONS_MAX: usize = 1_000;

/// Commit every line of a CSV or JSON-lines file of key and value, exactly once though interrupted and repeated.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  thalweg import pairs.csv
  thalweg import --format jsonl --node http://127.0.0.1:8700,http://127.0.0.1:8701 pairs.txt

CSV has two fields in each record, key,value; a first record that reads just that is a heading. JSON lines are objects
{\"key\":\"…\",\"value\":\"…\"} or arrays [\"key\",\"value\"]. When it was interrupted, run the same command again.")]
pub(super) struct Arguments {
    /// The file.
    file: PathBuf,
    /// What the file holds [default: by its extension, .csv, .jsonl, .ndjson or .json].
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// How many batches travel at once.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    in_flight: u16,
    /// For how many seconds to ask again while no node takes anything.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    timeout: u64,
    #[command(flatten)]
    key: KeyArguments,
    #[command(flatten)]
    nodes: NodeArguments,
}

/// How an import ended.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
struct Report {
    lines: u64,
    committed: u64,
    rejected: u64,
    rejections: Vec<Rejection>,
    seconds: f64,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Rejection {
    line: u64,
    reason: String,
}

/// Imports the file and says how that went.
pub(super) fn run(arguments: &Arguments, json: bool) -> Result<ExitCode, Failure> {
    let Some(format) = arguments.format.or_else(|| Format::of(&arguments.file)) else {
        let file = arguments.file.display();
        return Err(Failure::Usage(format!("{file}: cannot tell its format; give --format csv or jsonl")));
    };
    let survey = Survey::of(&arguments.file).map_err(|error| Failure::failed(arguments.file.display(), error))?;
    let mut progress = Progress::new(survey.lines);
    let report = import(arguments, format, survey.digest, &mut progress);
    progress.finish();
    let report = report?;
    if json {
        output::line(&report)?;
    } else {
        let Report { committed, rejected, seconds, .. } = &report;
        let lines = if *committed == 1 { "line" } else { "lines" };
        output::say(format_args!("{committed} {lines} committed, {rejected} rejected, in {seconds:.1} s"));
    }
    Ok(if report.rejected == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is learnt from reading the file once before the import.
struct Survey {
    digest: Digest,
    /// Line breaks, about as many as commands.
    lines: u64,
}

impl Survey {
    fn of(file: &Path) -> io::Result<Self> {
        let mut reader = BufReader::with_capacity(1 << 20, File::open(file)?);
        let mut hasher = blake3::Hasher::new();
        let mut lines = 0;
        loop {
            let chunk = reader.fill_buf()?;
            if chunk.is_empty() {
                return Ok(Self { digest: Digest::new(*hasher.finalize().as_bytes()), lines });
            }
            hasher.update(chunk);
            lines += chunk.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
            let read = chunk.len();
            reader.consume(read);
        }
    }
}

fn import(arguments: &Arguments, format: Format, digest: Digest, progress: &mut Progress) -> Result<Report, Failure> {
    let client = Client::new(arguments.nodes.node.clone());
    let patience = Duration::from_secs(arguments.timeout);
    let signer = arguments.key.signer(&client, Patience { unreachable: patience, busy: patience })?;
    let entries = line::entries(format, &arguments.file, Author { digest, signer });
    let entries = entries.map_err(|error| Failure::failed(arguments.file.display(), error))?;
    let stopped = AtomicBool::new(false);
    let began = Instant::now();
    let mut report = thread::scope(|scope| {
        // Room for one delivery of each courier: none ever waits to hand one in.
        let (deliveries, delivered) = mpsc::sync_channel(usize::from(arguments.in_flight));
        let mut desks = Vec::new();
        for index in 0..usize::from(arguments.in_flight) {
            let (desk, batches) = mpsc::sync_channel(1);
            desks.push(desk);
            let deliveries = deliveries.clone();
            let courier = Courier::new(client.clone().rotated(index), patience, &stopped);
            scope.spawn(move || courier.work(index, &batches, &deliveries));
        }
        let import = Import {
            entries,
            lanes: Lanes::default(),
            idle: (0..desks.len()).collect(),
            desks,
            delivered,
            progress,
            report: Report::default(),
        };
        let report = import.run();
        // Couriers that still try give up, so that the scope can end.
        stopped.store(true, Ordering::SeqCst);
        report
    })?;
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

/// An import on its way: reads lines, keeps the couriers busy, and counts what they bring back.
struct Import<'a> {
    entries: Box<dyn Iterator<Item = io::Result<Entry>>>,
    lanes: Lanes,
    desks: Vec<mpsc::SyncSender<Vec<Line>>>,
    /// Couriers without a batch.
    idle: Vec<usize>,
    delivered: mpsc::Receiver<Delivery>,
    progress: &'a mut Progress,
    report: Report,
}

impl Import<'_> {
    fn run(mut self) -> Result<Report, Failure> {
        let mut is_read = false;
        loop {
            while !is_read && !self.idle.is_empty() && self.lanes.wants_more() {
                match self.entries.next() {
                    None => is_read = true,
                    Some(Err(error)) => return Err(Failure::failed("reading the file", error)),
                    Some(Ok(Entry::Line(line))) => self.lanes.admit(line),
                    Some(Ok(Entry::Senseless { number, why })) => self.reject(number, why),
                }
            }
            if let Some(courier) = self.next_idle()
                && let Some(batch) = self.lanes.take_batch()
            {
                // A courier holds its end until its desk is dropped, and has room for one batch when it is idle.
                if self.desks[courier].try_send(batch).is_err() {
                    return Err(Failure::Failed("a courier is gone".to_owned()));
                }
                self.idle.pop();
                continue;
            }
            if self.idle.len() == self.desks.len() {
                return Ok(self.report);
            }
            let Ok(delivery) = self.delivered.recv() else {
                return Err(Failure::Failed("all couriers are gone".to_owned()));
            };
            self.take(delivery)?;
        }
    }

    fn next_idle(&self) -> Option<usize> {
        self.idle.last().copied()
    }

    fn take(&mut self, delivery: Delivery) -> Result<(), Failure> {
        let fates = delivery.fates.map_err(|trouble| {
            let advice = "run the same command again to go on: nothing is executed twice";
            Failure::Failed(format!("import stopped: {trouble}; {advice}"))
        })?;
        self.idle.push(delivery.courier);
        for (line, fate) in fates {
            self.lanes.finish(&line);
            match fate {
                Fate::Committed => {
                    self.report.lines += 1;
                    self.report.committed += 1;
                    self.progress.advance();
                }
                Fate::Rejected(reason) => self.reject(line.number, reason),
            }
        }
        Ok(())
    }

    fn reject(&mut self, line: u64, reason: String) {
        self.progress.complain(format_args!("line {line}: {reason}"));
        self.progress.advance();
        self.report.lines += 1;
        self.report.rejected += 1;
        if self.report.rejections.len() < REJECTIONS_MAX {
            self.report.rejections.push(Rejection { line, reason });
        }
    }
}
