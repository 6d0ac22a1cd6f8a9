//! How long a killed node takes to be back where it was: opens a data directory with many heights behind it, after
//! kill -9 in the middle of writing more. Blocks have twenty commands of 512 bytes; keys are uniform over 100,000.
//!
//! `cargo bench --bench restart -- HEIGHTS` (2,000 by default). A process of its own builds the directory and is killed.
//! With debug assertions redb walks its whole tree when it opens, which takes seconds: other builds do not.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command as Process, Stdio},
    time::Instant,
};

use tempfile::TempDir;
use thalweg::{
    actors::storage::{Recovered, Settings, Storage},
    app::{self, Block, Command, Executor, Payload, kv},
    config::{ApplicationName, ClientSignatures, Genesis},
    crypto::{SecretKey, Transcript},
    journal::{self, Entry, Salt},
    protocol::{Certificate, ProtocolName},
    types::{CrashModel, Digest, Height, Power, Validator, ValidatorIndex, codec},
};

const BLOCK_COMMANDS: u64 = 20;
const VALUE_BYTES: usize = 512;
const KEYS: u64 = 100_000;
const HEIGHTS: u64 = 2_000;
/// Names the directory to the process that builds it.
const BUILD: &str = "THALWEG_BENCH_RESTART";

fn genesis() -> Genesis {
    let key = |seed| SecretKey::from_seed(&[seed; 32]).public_key();
    Genesis {
        chain: "bench".into(),
        created_at_ms: 0,
        protocol: ProtocolName::Streamlette,
        application: ApplicationName::Kv,
        crash_model: CrashModel::Byzantine,
        window: 1,
        retention_heights: 1_000,
        payload_bytes_max: 8 << 20,
        command_bytes_max: 1 << 20,
        checkpoint_interval: None,
        validators: (1..=4).map(|seed| Validator { public_key: key(seed), power: Power::new(1) }).collect(),
        client_signatures: ClientSignatures::Off,
    }
}

fn block(height: Height, random: &mut impl Iterator<Item = u64>) -> Block {
    let command = |word: u64| {
        let client = Transcript::new("client").number(height.get()).number(word).finish();
        let body = kv::put(format!("key-{:08}", word % KEYS).as_bytes(), &[1; VALUE_BYTES]);
        Command { client, sequence: 1, expires_at_height: None, body, signature: None }
    };
    let commands = (0..BLOCK_COMMANDS).zip(random).map(|(_, word)| command(word)).collect();
    let payload = Payload { proposer: ValidatorIndex::ZERO, proposed_at_ms: 0, commands };
    Block { height, payload: codec::encode(&payload).into(), certificate: Certificate::of_nothing() }
}

/// A node's storage and executor at their tip, and what the journal has above it.
fn open(directory: &Path) -> (Storage, Executor, Recovered) {
    let genesis = genesis();
    let (storage, recovered) = Storage::open(Settings::new(directory, genesis.chain_id())).expect("opens");
    let (executor, changes) =
        Executor::open(app::open(ApplicationName::Kv).expect("it is ours"), &genesis, &storage.reader());
    if let Some(changes) = changes {
        storage.port().commit(executor.tip().height, changes);
    }
    (storage, executor, recovered)
}

fn execute(storage: &Storage, executor: &mut Executor, block: &Block) {
    let executed = executor.execute(&storage.reader(), block, Digest::new([0; 32]));
    storage.port().commit(block.height, executed.changes);
}

/// Writes heights until killed, and says when there are enough.
fn build(directory: &Path, heights: u64) {
    journal::create_in(directory, genesis().chain_id(), Salt::new([9; 16])).expect("creates");
    let (storage, mut executor, _) = open(directory);
    let mut random = Transcript::new("thalweg bench v1").stream();
    loop {
        let block = block(executor.tip().height.next(), &mut random);
        storage.port().append(vec![Entry::Decided { block: block.clone() }], || {});
        execute(&storage, &mut executor, &block);
        if block.height.get() == heights {
            writeln!(std::io::stdout(), "built").expect("somebody reads");
        }
    }
}

fn main() {
    let heights = env::args().find_map(|argument| argument.parse().ok()).unwrap_or(HEIGHTS);
    if let Some(directory) = env::var_os(BUILD) {
        return build(Path::new(&directory), heights);
    }
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("the target directory is writable");
    let started = Instant::now();
    let mut builder = Process::new(env::current_exe().expect("this program is a file"))
        .arg(heights.to_string())
        .env(BUILD, directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut said = String::new();
    BufReader::new(builder.stdout.take().expect("is piped")).read_line(&mut said).expect("reads");
    assert_eq!(said, "built\n");
    builder.kill().expect("is still there");
    builder.wait().expect("has ended");
    let built = started.elapsed();

    let started = Instant::now();
    let (storage, mut executor, recovered) = open(directory.path());
    let (opened, stored) = (started.elapsed(), executor.tip().height);
    for block in recovered.decided.values().skip_while(|block| block.height <= stored) {
        execute(&storage, &mut executor, block);
    }
    let replayed = started.elapsed();
    let store = std::fs::metadata(directory.path().join("store.redb")).expect("is there").len();
    eprintln!(
        "{} heights behind it, built in {:.1} s, store {} MiB: open after {:.0} ms, {} heights replayed after {:.0} ms",
        executor.tip().height,
        built.as_secs_f64(),
        store >> 20,
        opened.as_secs_f64() * 1e3,
        executor.tip().height.above(stored),
        replayed.as_secs_f64() * 1e3,
    );
}
