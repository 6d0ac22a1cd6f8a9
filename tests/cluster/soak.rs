//! A cluster under load for as long as one likes, while nodes are killed, paused and restarted, with a table of what
//! it takes from the machine. Twenty seconds unless `THALWEG_SOAK` says otherwise:
//!
//! ```text
//! THALWEG_SOAK=1h cargo test --test cluster soak -- --nocapture
//! ```
//!
//! The table is printed, and written as CSV to `target/tmp/soak.csv`.

use std::{
    fmt::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use rustix::process::Signal;

use crate::{
    audit::audit,
    cluster::{Cluster, PATIENCE, hold},
    load::Load,
};

/// The most bytes of a journal: three segments of 16 MiB, one of them being written and one about to be removed.
const JOURNAL_BYTES_MAX: u64 = 48 << 20;

/// The most resident bytes of a node: caches of 64 MiB for rows, mempool and changes not yet written, and the rest.
const MEMORY_BYTES_MAX: u64 = 512 << 20;

/// Runs shorter than this say nothing about growth.
const TREND: Duration = Duration::from_mins(5);

fn duration() -> Duration {
    let text = std::env::var("THALWEG_SOAK").unwrap_or("20s".into());
    let split = text.find(|at: char| !at.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => panic!("THALWEG_SOAK={text}: expected a number with s, m or h"),
    };
    Duration::from_secs(seconds * number.parse::<u64>().expect("a number"))
}

/// One line of the table.
#[derive(Clone, Debug)]
struct Sample {
    seconds: u64,
    node: usize,
    height: u64,
    resident: u64,
    journal: u64,
    store: u64,
    files: usize,
}

impl Sample {
    const HEADING: &str = "seconds,node,height,resident_bytes,journal_bytes,store_bytes,open_files";

    /// `None` for a node that is being restarted.
    fn take(cluster: &Cluster, node: usize, seconds: u64) -> Option<Self> {
        let (pid, data) = (cluster.nodes[node].pid, cluster.nodes[node].dir.join("data"));
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let resident = resident.split_whitespace().next()?.parse::<u64>().ok()? << 10;
        let height = cluster.json(node, "/v1/status").ok()?["height"].as_u64()?;
        let store = data.join("store.redb").metadata().ok()?.len();
        let files = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
        Some(Self { seconds, node, height, resident, journal: bytes_in(&data.join("journal")), store, files })
    }

    fn line(&self) -> String {
        let Self { seconds, node, height, resident, journal, store, files } = self;
        format!("{seconds},{node},{height},{resident},{journal},{store},{files}")
    }
}

fn bytes_in(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// What is done to the cluster, drawn from a seed.
fn trouble(cluster: &mut Cluster, load: &Load, random: &mut ChaCha8Rng) -> String {
    let all: Vec<usize> = (0..cluster.nodes.len()).collect();
    let node = usize::try_from(random.next_u64() % 4).expect("small");
    match random.next_u64() % 8 {
        0 => {
            cluster.kill(&all);
            cluster.spawn(&all, &[]);
            cluster.wait_until_ready(&all);
            "all killed".to_owned()
        }
        1..=3 => {
            cluster.kill(&[node]);
            load.more(40, PATIENCE);
            cluster.restart(node);
            format!("{node} killed")
        }
        4 => {
            let two = [node, (node + 1) % 4];
            cluster.kill(&two);
            hold(Duration::from_millis(500));
            cluster.spawn(&two, &[]);
            cluster.wait_until_ready(&two);
            format!("{two:?} killed")
        }
        5 | 6 => {
            cluster.signal(node, Signal::STOP);
            load.more(40, PATIENCE);
            hold(Duration::from_millis(random.next_u64() % 2_000));
            cluster.signal(node, Signal::CONT);
            cluster.wait_until_ready(&[node]);
            format!("{node} paused")
        }
        _ => "left alone".to_owned(),
    }
}

#[test]
fn soak() {
    let length = duration();
    let mut random = ChaCha8Rng::seed_from_u64(length.as_secs());
    let mut cluster = Cluster::start(&[]);
    let load = Load::start(&cluster.https(), 8);
    let started = Instant::now();
    // At most some three hundred lines for each node, however long it takes.
    let between = (length / 300).max(Duration::from_secs(2));
    let mut samples: Vec<Sample> = Vec::new();
    let mut settled = 0;
    while started.elapsed() < length {
        load.more(100, PATIENCE);
        let what = trouble(&mut cluster, &load, &mut random);
        let seconds = started.elapsed().as_secs();
        if samples.last().is_none_or(|last| last.seconds + between.as_secs() <= seconds) {
            eprintln!("{seconds} s: {} operations, {what}", load.done());
            samples.extend((0..cluster.nodes.len()).filter_map(|node| Sample::take(&cluster, node, seconds)));
        }
        settled += load.settle();
    }
    let outcome = load.finish();
    let operations = outcome.operations;
    let table = samples.iter().fold(Sample::HEADING.to_owned(), |mut table, sample| {
        let _ = write!(table, "\n{}", sample.line());
        table
    });
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("soak.csv");
    std::fs::write(&file, format!("{table}\n")).unwrap();
    eprintln!("{table}\n{operations} operations, {settled} of them checked on the way; {}", file.display());
    audit(cluster, outcome);
    assert_bounded(&samples);
    if length >= TREND {
        assert_flat(&samples);
    }
}

fn assert_bounded(samples: &[Sample]) {
    assert!(!samples.is_empty(), "no node was ever looked at");
    for sample in samples {
        assert!(sample.journal <= JOURNAL_BYTES_MAX, "the journal grows: {sample:?}");
        assert!(sample.resident <= MEMORY_BYTES_MAX, "memory grows: {sample:?}");
        assert!(sample.files <= 512, "files are left open: {sample:?}");
    }
}

/// The last quarter needs no more than the second one did, up to noise. The store is left out: blocks are kept.
fn assert_flat(samples: &[Sample]) {
    let quarter = samples.len() / 4;
    for (what, of) in [("memory", (|s| s.resident) as fn(&Sample) -> u64), ("the journal", |s| s.journal)] {
        let median = |samples: &[Sample]| {
            let mut values: Vec<u64> = samples.iter().map(of).collect();
            values.sort_unstable();
            values[values.len() / 2]
        };
        let (early, late) = (median(&samples[quarter..2 * quarter]), median(&samples[3 * quarter..]));
        assert!(late <= early + early / 4 + (16 << 20), "{what} grows: from {early} to {late} bytes");
    }
}

#[test]
#[should_panic(expected = "memory grows")]
fn growth_is_found() {
    let sample = |seconds: u64| Sample {
        seconds,
        node: 0,
        height: seconds,
        resident: seconds << 20,
        journal: 1 << 20,
        store: seconds << 20,
        files: 50,
    };
    assert_flat(&(0..400).map(sample).collect::<Vec<_>>());
}
