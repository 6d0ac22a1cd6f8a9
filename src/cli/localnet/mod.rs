//! `thalweg localnet`: a whole chain on this machine, one process for each node.
//!
//! The parent only starts, watches and stops; nodes know nothing of it but the pipe on their standard input, at whose
//! end they stop, however the parent ended (`start --stop-when-stdin-closes`). A node that dies stays dead until
//! somebody starts it again with `thalweg start --config` of its directory; the others go on. Whatever else would be
//! left behind when the parent is killed, the [`janitor`] clears up.

mod exec;
mod existing;
mod fleet;
mod interrupt;
mod janitor;
mod logtail;
mod place;
mod ready;
mod report;
mod supervise;
mod temporary;
#[cfg(test)]
mod tests;
mod trial;

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
pub(super) use interrupt::Interrupts;
use janitor::Janitor;
pub(super) use janitor::{JanitorArguments, run as clear_up};
use temporary::TemporaryDir;
pub(super) use trial::Trial;

use super::{
    Failure,
    cluster::{Cluster, GENESIS_FILE},
    genesis::ChainArguments,
};
use crate::config::ClientSignatures;

/// How many validators a new chain has unless told otherwise.
const VALIDATORS: u16 = 4;

/// Run a whole chain on this machine, one process for each node; Ctrl-C stops all.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  thalweg localnet
  thalweg localnet --validators 7 --listeners 1 --dir chain --http-port 0 --p2p-port 0 --json
  thalweg localnet --exec 'thalweg put greeting hello && thalweg get greeting'")]
pub(super) struct Arguments {
    /// How many validators [default: 4, or what DIR has].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    validators: Option<u16>,
    /// How many nodes follow without voting [default: 0, or what DIR has].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1024))]
    listeners: Option<u16>,
    /// Where keys, genesis, data and logs are kept; a chain that is there goes on [default: a temporary directory,
    /// removed at the end].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    chain: ChainArguments,
    /// The HTTP port of node 0, node i is on +i; 0 takes free ones [default: 8700, or what DIR has].
    #[arg(long, value_name = "PORT")]
    http_port: Option<u16>,
    /// The peer to peer port of node 0, node i is on +i; 0 takes free ones [default: 4700, or what DIR has].
    #[arg(long, value_name = "PORT")]
    p2p_port: Option<u16>,
    /// Run CMD by the shell with THALWEG_NODES set, then stop the nodes and exit with CMD's status.
    #[arg(long, value_name = "CMD")]
    exec: Option<String>,
    /// For how many seconds to wait until all nodes are ready.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    ready_timeout: u64,
}

/// Makes or opens the chain's files, and runs its nodes until told to stop.
pub(super) fn run(arguments: &Arguments, json: bool) -> Result<ExitCode, Failure> {
    let temporary = match arguments.dir {
        Some(_) => None,
        None => Some(TemporaryDir::create().map_err(|error| Failure::failed("temporary directory", error))?),
    };
    let dir = match (&arguments.dir, &temporary) {
        (Some(dir), _) => std::path::absolute(dir).map_err(|error| Failure::failed(dir.display(), error))?,
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => return Err(Failure::Failed("no directory".to_owned())),
    };
    let cluster = prepare(arguments, &dir)?;
    place::refuse_taken(&cluster)?;
    let program = std::env::current_exe().map_err(|error| Failure::failed("this program's path", error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed("tokio runtime", error))?;
    let janitor = Janitor::start(&program, temporary.as_ref().map(TemporaryDir::path));
    let janitor = RefCell::new(janitor.map_err(|error| Failure::failed("janitor", error))?);
    let status = runtime.block_on(supervise::supervise(&supervise::Plan {
        cluster: &cluster,
        command: &|member| fleet::node_command(&program, member),
        ready_timeout: Duration::from_secs(arguments.ready_timeout),
        exec: arguments.exec.as_deref(),
        on_exec: &|command| janitor.borrow_mut().also_end(command),
        json,
    }));
    // Probes that still wait for an answer are not waited for.
    runtime.shutdown_background();
    drop(temporary);
    janitor.into_inner().dismiss();
    status.map(ExitCode::from)
}

fn prepare(arguments: &Arguments, dir: &Path) -> Result<Cluster, Failure> {
    if dir.join(GENESIS_FILE).exists() {
        let mut cluster = Cluster::open(dir)?;
        refuse_another_chain(arguments, &cluster)?;
        place::relocate(&mut cluster, arguments.p2p_port, arguments.http_port)?;
        return Ok(cluster);
    }
    let validators = usize::from(arguments.validators.unwrap_or(VALIDATORS));
    let nodes = validators + usize::from(arguments.listeners.unwrap_or(0));
    let places = place::places(nodes, arguments.p2p_port, arguments.http_port)?;
    Cluster::create(dir, arguments.chain.genesis("localnet"), validators, &places)
}

/// A chain that exists is what it is: flags that ask for another one are refused, not ignored.
fn refuse_another_chain(arguments: &Arguments, cluster: &Cluster) -> Result<(), Failure> {
    let validators = cluster.validators();
    let listeners = cluster.members.len() - validators;
    let genesis = &cluster.genesis;
    let asks_for_signatures = genesis.client_signatures == ClientSignatures::Required;
    let differs = [
        ("--validators", arguments.validators.is_some_and(|asked| usize::from(asked) != validators)),
        ("--listeners", arguments.listeners.is_some_and(|asked| usize::from(asked) != listeners)),
        ("--protocol", arguments.chain.protocol().is_some_and(|asked| asked != genesis.protocol)),
        ("--application", arguments.chain.application().is_some_and(|asked| asked != genesis.application)),
        ("--client-signatures", arguments.chain.client_signatures && !asks_for_signatures),
        (
            "--checkpoint-interval",
            arguments.chain.checkpoint_interval.is_some_and(|asked| asked != genesis.checkpoint_interval()),
        ),
        ("--window", arguments.chain.window.is_some_and(|asked| asked != genesis.window)),
    ];
    let differing: Vec<_> = differs.into_iter().filter(|(_, differs)| *differs).map(|(flag, _)| flag).collect();
    if differing.is_empty() {
        return Ok(());
    }
    let (file, flags) = (cluster.genesis_file.display(), differing.join(", "));
    Err(Failure::Usage(format!(
        "{file}: this chain exists and is another one than {flags} asks for; give another --dir"
    )))
}
