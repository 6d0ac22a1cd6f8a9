//! `thalweg restore`: a node's store out of a snapshot, believing nothing but genesis.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use rand_core::SeedableRng as _;
use serde_json::json;

use super::{
    Failure, backup,
    client::{Client, base_url},
    output,
    transfer::Progress,
};
use crate::{
    app,
    config::{Identity, NodeConfig},
    crypto::BatchRng,
    journal,
    node::{NewStore, StoreView},
    replica::snapshot,
};

/// Put the state of a snapshot into a stopped node's data directory, after checking all of it against genesis. The node
/// goes on from its height; blocks below it are not there. The vote journal stays as it is: without one, start with
/// `--rejoin`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  thalweg restore --config chain/node3/node.toml http://127.0.0.1:8700    # from a running node
  thalweg restore --config chain/node3/node.toml monday.snapshot          # as `thalweg backup` wrote it
  zstdcat monday.snapshot.zst | thalweg restore --config node.toml -")]
pub(super) struct Arguments {
    /// The node's configuration, as `genesis` writes it.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Take the place of a store that is there, of whatever height.
    #[arg(long)]
    replace: bool,
    /// A file, `-` for standard input, or a node's URL.
    #[arg(value_name = "SNAPSHOT")]
    from: String,
}

/// Restores, or leaves everything as it was.
pub(super) fn run(arguments: &Arguments, json: bool) -> Result<ExitCode, Failure> {
    let config = NodeConfig::load(&arguments.config, &[])?;
    let genesis = Identity::load_asking(&config, &mut super::passphrase::ask)?.genesis;
    let data = &config.node.data;
    if !arguments.replace && StoreView::file(data).exists() {
        let words = "there is a store already, and with its blocks it may be worth more; --replace gives it up";
        return Err(Failure::Failed(format!("{}: {words}", data.display())));
    }
    let app = app::open(genesis.application)
        .ok_or_else(|| Failure::Failed("the application of this chain is not in this program".to_owned()))?;
    let failed = |error: &dyn std::error::Error| Failure::failed(&arguments.from, error);
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| Failure::failed("randomness", error))?;
    let (storage, chain) = (&config.storage, genesis.chain_id());
    let mut store = NewStore::create(data, &chain, storage.cache_bytes_max, storage.free_bytes_min)
        .map_err(|error| failed(&error))?;
    let from = open(&arguments.from)?;
    let progress = Progress::new();
    let count = |bytes| progress.advance(bytes);
    let restored = snapshot::restore(from, &mut store, &*app, &genesis, &mut BatchRng::from_seed(seed), count);
    progress.finish();
    let height = restored.map_err(|error| failed(&error))?;
    store.finish(height).map_err(|error| failed(&error))?;
    let has_journal = journal::directory(data).exists();
    if json {
        output::line(&json!({ "height": height, "has_journal": has_journal }))?;
    } else {
        let rejoin = if has_journal { "" } else { " --rejoin" };
        let start = format_args!("thalweg start --config {}{rejoin}", arguments.config.display()).to_string();
        output::say(format_args!("the state at height {height} is checked and stored; go on with: {start}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn open(from: &str) -> Result<Box<dyn Read>, Failure> {
    if from == "-" {
        return Ok(Box::new(io::stdin().lock()));
    }
    if from.starts_with("http://") {
        let url = base_url(from).map_err(|error| Failure::Usage(format!("{from}: {error}")))?;
        return Ok(Client::new(vec![url]).stream(backup::PATH)?.body);
    }
    let file = File::open(Path::new(from)).map_err(|error| Failure::failed(from, error))?;
    Ok(Box::new(BufReader::new(file)))
}
