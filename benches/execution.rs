//! What executing a command costs: blocks of 500 commands of 512 bytes, authentication and replies included, the
//! store's own commit not. Keys are uniform over 100,000, all of them present; replies of 16 heights are remembered,
//! so that each block also forgets one.
//!
//! `cargo bench --no-default-features --bench execution`

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use thalweg::{
    app::{self, Block, Command, Executor, Payload, kv, tip_height},
    config::{ApplicationName, ClientSignatures, Genesis},
    crypto::{SecretKey, Transcript},
    protocol::{Certificate, ProtocolName},
    store::{Changes, MemoryRows, Rows, Table},
    types::{CrashModel, Digest, Height, Power, Validator, ValidatorIndex, codec},
};

const BLOCK_COMMANDS: u32 = 500;
const VALUE_BYTES: usize = 512;
const KEYS: u64 = 100_000;
const RETENTION: u64 = 16;

/// A chain in memory that is fed with blocks of fresh commands.
struct Chain {
    executor: Executor,
    rows: MemoryRows,
    random: Box<dyn Iterator<Item = u64>>,
    sequence: u64,
}

impl Chain {
    fn new(application: ApplicationName) -> Self {
        let key = |seed| SecretKey::from_seed(&[seed; 32]).public_key();
        let genesis = Genesis {
            chain: "bench".into(),
            created_at_ms: 0,
            protocol: ProtocolName::Streamlette,
            application,
            crash_model: CrashModel::Byzantine,
            window: 1,
            retention_heights: RETENTION,
            payload_bytes_max: 8 << 20,
            command_bytes_max: 1 << 20,
            checkpoint_interval: None,
            validators: (1..=4).map(|seed| Validator { public_key: key(seed), power: Power::new(1) }).collect(),
            client_signatures: ClientSignatures::Off,
        };
        let mut rows = MemoryRows::default();
        let (executor, changes) = Executor::open(app::open(application).expect("it is ours"), &genesis, &rows);
        rows.apply(changes.unwrap_or_default());
        let random = Box::new(Transcript::new("thalweg bench v1").stream());
        Self { executor, rows, random, sequence: 0 }
    }

    fn key(number: u64) -> Vec<u8> {
        format!("key-{number:08}").into_bytes()
    }

    fn block(&mut self, keys: impl Iterator<Item = u64>) -> Block {
        let commands = keys.map(|number| {
            self.sequence += 1;
            let value = vec![self.sequence.to_le_bytes()[0]; VALUE_BYTES];
            let client = Transcript::new("client").number(self.sequence).finish();
            Command {
                client,
                sequence: 1,
                expires_at_height: None,
                body: kv::put(&Self::key(number), &value),
                signature: None,
            }
        });
        let payload = Payload { proposer: ValidatorIndex::ZERO, proposed_at_ms: 0, commands: commands.collect() };
        Block {
            height: self.executor.tip().height.next(),
            payload: codec::encode(&payload).into(),
            certificate: Certificate::of_nothing(),
        }
    }

    fn random_block(&mut self) -> Block {
        let keys: Vec<u64> = self.random.by_ref().take(BLOCK_COMMANDS as usize).map(|word| word % KEYS).collect();
        self.block(keys.into_iter())
    }

    /// Executes a block and commits it; the time is of execution alone.
    fn execute(&mut self, block: &Block) -> Duration {
        let start = Instant::now();
        let executed = black_box(self.executor.execute(&self.rows, block, Digest::new([0; 32])));
        let spent = start.elapsed();
        self.rows.apply(executed.changes);
        self.prune();
        spent
    }

    /// Keeps memory bounded: blocks that nothing reads any more. Values go with them, which `kv` does not read either:
    /// it asks only whether a key has one.
    fn prune(&mut self) {
        let old = tip_height(&self.rows).map_or(Height::ZERO, |tip| tip.minus(RETENTION + 1));
        let mut changes = Changes::default();
        let old = old.get().to_be_bytes();
        for table in [Table::Blocks, Table::Receipts] {
            changes.delete(table, Bytes::copy_from_slice(&old));
        }
        self.rows.scan(Table::Payloads, &old, &mut |key, _| {
            let is_old = key.starts_with(&old);
            if is_old {
                changes.delete(Table::Payloads, Bytes::copy_from_slice(key));
            }
            is_old
        });
        self.rows.apply(changes);
    }
}

fn execution(criterion: &mut Criterion) {
    for application in [ApplicationName::Kv, ApplicationName::Noop] {
        let mut chain = Chain::new(application);
        for first in (0..KEYS).step_by(BLOCK_COMMANDS as usize) {
            let block = chain.block(first..first + u64::from(BLOCK_COMMANDS));
            chain.execute(&block);
        }
        let name = application.as_str();
        let mut group = criterion.benchmark_group(name);
        group.sample_size(20).throughput(Throughput::Elements(BLOCK_COMMANDS.into()));
        group.bench_function("execute", |bencher| {
            bencher.iter_custom(|blocks| {
                let mut execute = || {
                    let block = chain.random_block();
                    chain.execute(&block)
                };
                let spent: Vec<Duration> = (0..blocks).map(|_| execute()).collect();
                report(name, "execute", &spent)
            });
        });
        group.bench_function("validate", |bencher| {
            let block = chain.random_block();
            bencher.iter_custom(|blocks| {
                let validate = || {
                    let start = Instant::now();
                    let (height, payload) = (block.height, black_box(&block.payload));
                    black_box(
                        chain.executor.validate(&chain.rows, height, ValidatorIndex::ZERO, payload, &mut |_| true),
                    );
                    start.elapsed()
                };
                let spent: Vec<Duration> = (0..blocks).map(|_| validate()).collect();
                report(name, "validate", &spent)
            });
        });
        group.finish();
    }
}

/// Prints the cost of a command, and returns the sum. The fastest block tells most on a busy machine.
fn report(application: &str, what: &str, spent: &[Duration]) -> Duration {
    let sum: Duration = spent.iter().sum();
    let fastest = spent.iter().min().copied().unwrap_or_default();
    let command = |block: Duration| block.as_secs_f64() * 1e6 / f64::from(BLOCK_COMMANDS);
    let mean = command(sum) / spent.len() as f64;
    eprintln!("{application} {what}: {mean:.2} us a command, {:.2} in the fastest block", command(fastest));
    sum
}

criterion_group!(benches, execution);
criterion_main!(benches);
