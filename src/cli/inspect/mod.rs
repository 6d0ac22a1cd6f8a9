//! `thalweg inspect`: what a stopped node has on disk, read without changing a byte of it.
//!
//! Holds the directory's lock while it reads, so that no node starts meanwhile, and refuses a directory that a running
//! node has locked. Without the feature `node` all but the store is read.

mod identity;
mod journal;
#[cfg(feature = "node")]
mod store;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use serde::Serialize;

use self::{identity::IdentityReport, journal::JournalReport};
use super::{Failure, cluster::CONFIG_FILE, output};
use crate::{
    config::{Genesis, NodeConfig},
    journal::DirectoryLock,
};

/// Show what a stopped node has on disk: identity, journal with votes and locks, store. Changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  thalweg inspect chain/node0
  thalweg inspect chain/node0 --heights 100 --json
  thalweg inspect copy-of-data --genesis chain/genesis.json")]
pub(super) struct Arguments {
    /// The node's directory, with its node.toml, or its data directory.
    dir: PathBuf,
    /// The chain's genesis, for a data directory that stands alone.
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// The votes of how many heights to show, from the highest down.
    #[arg(long, value_name = "N", default_value_t = 10)]
    heights: usize,
}

/// Everything that is told. What cannot be read says why instead.
#[derive(Debug, Serialize)]
struct Report {
    data: PathBuf,
    identity: IdentityReport,
    journal: Told<JournalReport>,
    #[cfg(feature = "node")]
    store: Told<store::StoreReport>,
}

/// A part of the report.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Told<T> {
    Found(T),
    Unreadable { error: String },
}

impl<T> Told<T> {
    fn of<E: std::fmt::Display>(read: Result<T, E>) -> Self {
        read.map_or_else(|error| Self::Unreadable { error: error.to_string() }, Self::Found)
    }

    fn is_found(&self) -> bool {
        matches!(self, Self::Found(_))
    }
}

/// Reads everything that is there and shows it. Fails when a part cannot be read, after the others are shown.
pub(super) fn run(arguments: &Arguments, json: bool) -> Result<ExitCode, Failure> {
    let place = Place::find(arguments)?;
    let _lock = lock(&place.data)?;
    let chain = place.genesis.chain_id();
    let report = Report {
        identity: IdentityReport::of(&place.genesis, place.config.as_ref()),
        journal: Told::of(JournalReport::read(&place.data, &chain, arguments.heights)),
        #[cfg(feature = "node")]
        store: Told::of(store::StoreReport::read(&place.data, &chain)),
        data: place.data,
    };
    if json {
        output::line(&report)?;
    } else {
        output::bytes(report.text().as_bytes())?;
    }
    Ok(if report.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Report {
    fn is_whole(&self) -> bool {
        #[cfg(feature = "node")]
        let is_store_read = self.store.is_found();
        #[cfg(not(feature = "node"))]
        let is_store_read = true;
        self.journal.is_found() && is_store_read
    }

    fn text(&self) -> String {
        let mut text = self.identity.text();
        text.push_str(&format!("\ndata in {}\n", self.data.display()));
        text.push_str(&match &self.journal {
            Told::Found(journal) => journal.text(),
            Told::Unreadable { error } => format!("journal: {error}\n"),
        });
        #[cfg(feature = "node")]
        text.push_str(&match &self.store {
            Told::Found(store) => store.text(),
            Told::Unreadable { error } => format!("store: {error}\n"),
        });
        #[cfg(not(feature = "node"))]
        text.push_str("store: not readable in this build, which is without feature `node`\n");
        text
    }
}

/// What is to be read.
struct Place {
    data: PathBuf,
    genesis: Genesis,
    config: Option<NodeConfig>,
}

impl Place {
    /// Takes a node's directory as well as its data directory.
    fn find(arguments: &Arguments) -> Result<Self, Failure> {
        let dir = &arguments.dir;
        if !dir.is_dir() {
            return Err(Failure::Failed(format!("{}: there is no such directory", dir.display())));
        }
        let canonical = fs::canonicalize(dir).map_err(|error| Failure::failed(dir.display(), error))?;
        let above = canonical.parent().map(|parent| parent.join(CONFIG_FILE));
        let file = [Some(dir.join(CONFIG_FILE)), above].into_iter().flatten().find(|file| file.is_file());
        let config = file.map(|file| NodeConfig::load(&file, &[])).transpose()?;
        // A data directory that lies beside somebody else's node.toml is not that one's.
        let is_data = dir.join("journal").exists();
        let config = config.filter(|config| !is_data || is_same(&config.node.data, dir));
        let genesis = match (&arguments.genesis, &config) {
            (Some(file), _) => file,
            (None, Some(config)) => &config.node.genesis,
            (None, None) => {
                let what = format!(
                    "{}: has neither a {CONFIG_FILE} nor one above it; give a node's directory, or --genesis FILE",
                    dir.display()
                );
                return Err(Failure::Usage(what));
            }
        };
        let genesis = Genesis::load(genesis).map_err(|error| Failure::Failed(error.to_string()))?;
        let data = match &config {
            Some(config) if !is_data => config.node.data.clone(),
            _ => dir.clone(),
        };
        Ok(Self { data, genesis, config })
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}

/// The directory's lock; `None` where no node has ever run, which a lock file would only hide.
fn lock(data: &Path) -> Result<Option<DirectoryLock>, Failure> {
    if !data.join("LOCK").exists() {
        return Ok(None);
    }
    match DirectoryLock::try_take(data) {
        Ok(Some(lock)) => Ok(Some(lock)),
        Ok(None) => {
            let advice = "a running node has locked it; stop that one first, or ask it with `thalweg status`";
            Err(Failure::Failed(format!("{}: {advice}", data.display())))
        }
        Err(error) => Err(Failure::failed(data.display(), error)),
    }
}

/// The bytes of all files in a directory and below.
fn bytes_below(path: &Path) -> u64 {
    let Ok(listing) = fs::read_dir(path) else { return fs::metadata(path).map_or(0, |file| file.len()) };
    listing.flatten().map(|entry| bytes_below(&entry.path())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::cluster::{Cluster, Place as Address},
        journal::{Entry, FileDisk, Journal, directory},
        protocol::{Record, streamlette},
        types::{Digest, Height},
    };

    /// The files of one validator that has voted once at height 3.
    fn cluster(dir: &Path) -> Cluster {
        let genesis = Genesis::new("test", 0, Vec::new());
        let place = Address {
            listen: vec!["/ip4/127.0.0.1/tcp/4700".into()],
            address: "/ip4/127.0.0.1/tcp/4700".into(),
            http: ([127, 0, 0, 1], 8700).into(),
        };
        let cluster = Cluster::create(dir, genesis, 1, &[place]).unwrap();
        let place = directory(&cluster.members[0].dir.join("data"));
        let (mut journal, _) = Journal::open(FileDisk::new(place), cluster.genesis.chain_id()).unwrap();
        let vote = streamlette::Vote { tick: streamlette::Tick::new(2), target: Digest::new([7; 32]) };
        let lock_depth = Some(streamlette::Depth::new(1));
        let record = Record::Streamlette(streamlette::Record::Vote { vote, lock_depth, items: Vec::new() });
        journal.append(&Entry::Instance { height: Height::new(3), instance: Digest::new([9; 32]), record });
        journal.seal().unwrap();
        cluster
    }

    fn arguments(dir: &Path) -> Arguments {
        Arguments { dir: dir.to_owned(), genesis: None, heights: 10 }
    }

    #[test]
    fn a_node_directory_and_its_data_directory_are_the_same_node() {
        let dir = tempfile::tempdir().unwrap();
        let net = dir.path().join("net");
        let cluster = cluster(&net);
        for dir in [net.join("node0"), net.join("node0/data")] {
            let place = Place::find(&arguments(&dir)).unwrap();
            assert!(is_same(&place.data, &net.join("node0/data")));
            let identity = IdentityReport::of(&place.genesis, place.config.as_ref());
            assert!(identity.text().contains(&cluster.members[0].peer_id), "{}", identity.text());
        }
    }

    #[test]
    fn votes_and_locks_are_shown() {
        let dir = tempfile::tempdir().unwrap();
        let net = dir.path().join("net");
        let cluster = cluster(&net);
        let data = net.join("node0/data");
        let report = JournalReport::read(&data, &cluster.genesis.chain_id(), 10).unwrap();
        let text = report.text();
        assert!(text.contains("3       0909090909090909  1      2           0707070707070707  1"), "{text}");
        let none = JournalReport::read(&data, &cluster.genesis.chain_id(), 0).unwrap();
        assert!(serde_json::to_value(none).unwrap()["votes"].as_array().unwrap().is_empty());
    }

    #[test]
    fn a_running_nodes_directory_is_refused_and_a_lone_one_needs_a_genesis() {
        let dir = tempfile::tempdir().unwrap();
        let net = dir.path().join("net");
        cluster(&net);
        let data = net.join("node0/data");
        let running = DirectoryLock::try_take(&data).unwrap().unwrap();
        let refused = run(&arguments(&net.join("node0")), true).unwrap_err();
        assert!(refused.to_string().contains("a running node has locked it"), "{refused}");
        drop(running);

        let lone = dir.path().join("lone");
        fs::rename(&data, &lone).unwrap();
        assert!(matches!(Place::find(&arguments(&lone)), Err(Failure::Usage(_))));
        let genesis = Some(net.join("genesis.json"));
        assert!(Place::find(&Arguments { genesis, ..arguments(&lone) }).unwrap().config.is_none());
        assert!(matches!(Place::find(&arguments(&dir.path().join("gone"))), Err(Failure::Failed(_))));
    }
}
