//! What durability costs: appends to the vote journal, commits to the store, reads of both.
//!
//! The files are in cargo's target directory: figures are those of its disk.

use std::{
    hint::black_box,
    sync::mpsc::sync_channel,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tempfile::TempDir;
use thalweg::{
    actors::storage::{Settings, Storage, WriteBehind},
    journal::{self, Entry, FileDisk, Item, Kind, Log, SEGMENT_BYTES, Salt, Scope},
    store::{Changes, Rows, Table},
    types::{Digest, Height},
};

const CHAIN: Digest = Digest::new([7; 32]);
const SALT: Salt = Salt::new([9; 16]);
/// A vote with a quorum that justifies it.
const VOTE_BYTES: usize = 200;
/// As after a block of 250 puts: a row and its hash each.
const ROWS: u64 = 500;

fn directory() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("the target directory is writable")
}

/// The journal alone: one batch of some votes with their bodies, written and synced, and old heights forgotten. Once with
/// segments that grow, once with segments of zeros that a second thread makes.
fn log(c: &mut Criterion) {
    for is_prepared in [false, true] {
        let name = if is_prepared { "prepared" } else { "growing" };
        let mut group = c.benchmark_group(format!("journal append and flush, {name}"));
        for (count, body_bytes) in [(1, 0), (16, 0), (256, 0), (1, 10_000), (1, 1 << 20)] {
            let directory = directory();
            let path = directory.path().to_owned();
            let (wanted, wants) = sync_channel(1);
            let disk = FileDisk::with_spares(&path, wanted).expect("is empty");
            let spares = std::thread::spawn(move || {
                while wants.recv().is_ok() && is_prepared {
                    journal::make_spare(&path, SEGMENT_BYTES).expect("has room");
                }
            });
            if is_prepared {
                journal::make_spare(directory.path(), SEGMENT_BYTES).expect("has room");
            }
            let mut log = Log::create(disk, CHAIN, SALT, SEGMENT_BYTES).expect("creates");
            let mut height = 0;
            group.throughput(Throughput::Elements(count));
            group.bench_function(BenchmarkId::new(format!("votes, bodies of {body_bytes} B"), count), |b| {
                b.iter(|| {
                    height += 1;
                    for _ in 0..count {
                        let scope = Scope::Height(Height::new(height));
                        if body_bytes > 0 {
                            let kind = Kind::Body(Digest::new([1; 32]));
                            log.append(Item { scope, kind, bytes: vec![1; body_bytes].into() });
                        }
                        log.append(Item { scope, kind: Kind::Record, bytes: vec![1; VOTE_BYTES].into() });
                    }
                    log.forget_below(Height::new(height));
                    log.flush().expect("flushes")
                });
            });
            drop(log);
            spares.join().expect("ends with the disk");
        }
        group.finish();
    }
}

fn start(directory: &TempDir, after: Duration) -> Storage {
    journal::create_in(directory.path(), CHAIN, SALT).expect("creates");
    let write_behind = WriteBehind { after, ..WriteBehind::default() };
    let settings = Settings { write_behind, ..Settings::new(directory.path(), CHAIN) };
    Storage::open(settings).expect("opens").0
}

/// The way of a vote: to the journal's thread, to the disk, and back.
fn port(c: &mut Criterion) {
    let directory = directory();
    let storage = start(&directory, Duration::from_secs(1));
    let port = storage.port();
    c.bench_function("port append until durable", |b| {
        b.iter(|| {
            let (told, tells) = sync_channel(1);
            port.append(vec![Entry::PeerCounter { counter: 1 }], move || {
                told.send(()).expect("waits");
            });
            tells.recv().expect("durable");
        });
    });
}

fn changes(height: u64) -> Changes {
    let mut changes = Changes::default();
    for row in 0..ROWS {
        // Spread over 100,000 keys.
        let key = (height * ROWS + row).wrapping_mul(0x9e37_79b9_7f4a_7c15) % 100_000;
        changes.put(Table::State, key.to_be_bytes().to_vec(), vec![1; 64]);
    }
    changes
}

fn commit(c: &mut Criterion) {
    let mut group = c.benchmark_group("commit of 500 rows");
    group.throughput(Throughput::Elements(ROWS));
    for (name, after) in [("visible, written behind", Duration::from_millis(200)), ("durable", Duration::ZERO)] {
        let directory = directory();
        let storage = start(&directory, after);
        let (port, gauges) = (storage.port(), storage.port().gauges());
        let mut height = 0;
        group.bench_function(name, |b| {
            b.iter_custom(|iterations| {
                let mut spent = Duration::ZERO;
                for _ in 0..iterations {
                    height += 1;
                    let changes = changes(height);
                    let start = Instant::now();
                    port.commit(Height::new(height), changes);
                    while after.is_zero() && gauges.written_height() < height {
                        std::thread::yield_now();
                    }
                    spent += start.elapsed();
                }
                spent
            });
        });
    }
    group.finish();
}

fn read(c: &mut Criterion) {
    let mut group = c.benchmark_group("read");
    for (name, after) in [("in memory", Duration::from_secs(3600)), ("on disk", Duration::ZERO)] {
        let directory = directory();
        let storage = start(&directory, after);
        let (port, gauges, reader) = (storage.port(), storage.port().gauges(), storage.reader());
        for height in 1..=100 {
            port.commit(Height::new(height), changes(height));
        }
        while after.is_zero() && gauges.unwritten_rows() > 0 {
            std::thread::yield_now();
        }
        let mut key = 0u64;
        group.bench_function(BenchmarkId::new("get", name), |b| {
            b.iter(|| {
                key = (key + 7919) % 100_000;
                black_box(reader.get(Table::State, &key.to_be_bytes()))
            });
        });
        group.bench_function(BenchmarkId::new("scan of 100 rows", name), |b| {
            b.iter(|| {
                key = (key + 7919) % 90_000;
                let mut left = 100;
                reader.scan(Table::State, &key.to_be_bytes(), &mut |_, value| {
                    black_box(value);
                    left -= 1;
                    left > 0
                });
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = log, port, commit, read
}
criterion_main!(benches);
