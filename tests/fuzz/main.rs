//! The fuzz targets as ordinary tests: every seed in `fuzz/seeds` and inputs that lie near them, and what fuzzing has
//! found (`fuzz/found`), by the same entries.
//!
//! `THALWEG_WRITE_SEEDS=1 cargo test --test fuzz` writes the seeds anew after a change of what is encoded.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "../../fuzz/src/lib.rs"]
#[expect(dead_code, reason = "the stories of a protocol use all of its world, the entries a part")]
mod entry;

use std::{
    fs,
    path::{Path, PathBuf},
};

use thalweg::sim::Dice;

type Entry = fn(&[u8]);

const TARGETS: &[(&str, Entry)] = &[
    ("frame", entry::frame),
    ("instance", entry::instance),
    ("journal", entry::journal),
    ("certificate", entry::certificate),
    ("genesis", entry::genesis),
    ("command", entry::command),
    #[cfg(feature = "node")]
    ("http", entry::http),
    ("pbft", entry::pbft),
    ("step", entry::step),
];

/// Inputs near a seed that are played with it.
const NEIGHBOURS: u64 = 40;

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target)
}

/// The files of a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "nothing in {}", folder.display());
    files
}

/// The bytes with a few of them changed, left out or said twice.
fn near(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=dice.below(4) {
        let at = usize::try_from(dice.below(bytes.len() as u64 + 1)).unwrap();
        match dice.below(4) {
            0 => bytes.truncate(at),
            1 => bytes.extend_from_within(at..),
            2 => bytes.insert(at, u8::try_from(dice.below(256)).unwrap()),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << dice.below(8)),
        }
    }
    bytes.truncate(1 << 14);
    bytes
}

#[test]
fn seeds_and_what_lies_near_them_uphold_what_must_hold() {
    for &(target, entry) in TARGETS {
        for file in files(&folder(target)) {
            let bytes = fs::read(&file).unwrap();
            println!("{}", file.display());
            entry(&bytes);
            for seed in 0..NEIGHBOURS {
                entry(&near(&bytes, &mut Dice::new(seed)));
            }
        }
    }
}

#[test]
fn what_fuzzing_has_found_upholds_what_must_hold() {
    for &(target, entry) in TARGETS {
        let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/found").join(target);
        // A new target has only seeds.
        for file in found.exists().then(|| files(&found)).into_iter().flatten() {
            println!("{}", file.display());
            entry(&fs::read(&file).unwrap());
        }
    }
}

/// The seeds are what honest replicas say today: what nothing decodes any more begins nowhere.
#[test]
fn seeds_are_those_of_today() {
    let is_asked_to_write = std::env::var_os("THALWEG_WRITE_SEEDS").is_some();
    for (target, name, bytes) in entry::seeds() {
        let path = folder(target).join(&name);
        if is_asked_to_write {
            fs::create_dir_all(folder(target)).unwrap();
            fs::write(&path, &bytes).unwrap();
        }
        let is_same = fs::read(&path).is_ok_and(|kept| kept == bytes);
        assert!(is_same, "{} is of another day: THALWEG_WRITE_SEEDS=1 cargo test --test fuzz", path.display());
    }
}
