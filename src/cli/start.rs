//! `thalweg start`: one node in the foreground.

use std::{
    env, fs,
    io::{self, Read as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::Args;
use rustix::process::{Signal, getpid, kill_process};

use super::{Failure, cluster::prepare_data_dir, logging, passphrase};
use crate::{
    config::{Genesis, Identity, NodeConfig},
    journal,
    node::{Admin, Replica},
};

/// How old a chain may be for a node to begin with an empty journal because nobody has taken `--first-start` away.
const FIRST_START_MAX: Duration = Duration::from_hours(24);

/// For how many milliseconds the binary's allocator keeps memory that was freed.
const KEEP_FREED: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "10000");

/// Run one node in the foreground; SIGTERM stops it cleanly.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  thalweg start --config chain/node0/node.toml
  THALWEG__HTTP__LISTEN=0.0.0.0:8700 thalweg start --config node.toml --set log.level=debug
  thalweg start --config node.toml --rejoin     # after its vote journal was lost

MIMALLOC_PURGE_DELAY says for how many milliseconds freed memory is kept (10000).")]
pub(super) struct Arguments {
    /// The node's configuration, as `genesis` writes it.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Set one key of the configuration; may be repeated. Stronger than file and environment.
    #[arg(long, value_name = "SECTION.KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
    /// Where the HTTP API listens; the same as --set http.listen=….
    #[arg(long, value_name = "ADDRESS:PORT")]
    http_listen: Option<String>,
    /// Where peers are listened for, a multiaddress; the same as --set network.listen=….
    #[arg(long, value_name = "MULTIADDRESS")]
    p2p_listen: Option<String>,
    /// error, warn, info, debug or trace; the same as --set log.level=….
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// auto, human or json; the same as --set log.format=….
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Replace a vote journal that is missing or damaged beyond repair. The validator follows without a vote until the
    /// others are far beyond everything it may have voted for; one whose journal is intact starts as usual.
    #[arg(long)]
    rejoin: bool,
    /// Make the data directory of a node that has never run, with an empty vote journal; one that is there is left as it
    /// is. For a platform that brings an empty volume. Taken within a day of the chain's beginning and no later: a
    /// validator that lost its volume must not vote as if it never had.
    #[arg(long, env = "THALWEG_FIRST_START", conflicts_with = "rejoin")]
    first_start: bool,
    /// Lie to the other validators, in the way of a liar of the simulator. For tests: only in a build with bugs planted.
    #[cfg(feature = "planted")]
    #[arg(long, value_name = "NAME", value_parser = super::liar::lie)]
    lie: Option<crate::sim::Lie>,
    /// Stop when standard input ends. The starter holds the other end: however it dies, the node does not outlive it.
    #[arg(long, hide = true)]
    stop_when_stdin_closes: bool,
}

impl Arguments {
    fn flags(&self) -> Vec<(String, String)> {
        let named = [
            ("http.listen", &self.http_listen),
            ("network.listen", &self.p2p_listen),
            ("log.level", &self.log_level),
            ("log.format", &self.log_format),
        ];
        let named = named.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?)));
        self.set.iter().cloned().chain(named).collect()
    }
}

/// Reads the configuration, checks it with the files that it names, and runs the node.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    keep_freed_memory();
    let config = NodeConfig::load(&arguments.config, &arguments.flags())?;
    let identity = Identity::load_asking(&config, &mut passphrase::ask)?;
    let admin = config.admin_access()?;
    let log = logging::init(&config.log)?;
    let admin = admin.map(|(listen, token)| Admin { listen, token, log });
    if arguments.stop_when_stdin_closes {
        thread::Builder::new()
            .name("stdin".to_owned())
            .spawn(stop_when_stdin_closes)
            .map_err(|error| Failure::failed("thread", error))?;
    }
    if arguments.first_start {
        first_start(&config.node.data, &identity.genesis, SystemTime::now())?;
    }
    let rejoin = arguments.rejoin.then(super::cluster::fresh_salt).transpose();
    let rejoin = rejoin.map_err(|error| Failure::failed("--rejoin", error))?;
    #[cfg(feature = "planted")]
    let mouthpiece = arguments.lie.map(|lie| super::liar::mouthpiece(lie, &identity)).transpose()?;
    let http = config.http.listen;
    let parts = Replica::builder().identity(identity).configuration(config).http(http).admin(admin).rejoin(rejoin);
    #[cfg(feature = "planted")]
    let parts = parts.mouthpiece(mouthpiece);
    let spec = parts.build().map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(crate::node::run(spec))
}

/// Has the allocator keep freed memory for longer, unless the environment says already for how long.
///
/// What a node commits within a second is freed when it is written a second later. By its default the allocator gives it
/// back to the system just then, and under load a tenth of all processor goes into clearing the pages that come again.
/// It reads its environment before `main` does, so this process begins once more; if it cannot, all works as before.
fn keep_freed_memory() {
    let (name, milliseconds) = KEEP_FREED;
    let mut arguments = env::args_os();
    if env::var_os(name).is_some() {
        return;
    }
    if let (Ok(program), Some(called)) = (env::current_exe(), arguments.next()) {
        let _ = Command::new(program).arg0(called).args(arguments).env(name, milliseconds).exec();
    }
}

/// Makes a data directory that is not there. It has its name only once its journal is whole, so that a crash on the way
/// leaves nothing that a later start would have to refuse.
fn first_start(data: &Path, genesis: &Genesis, now: SystemTime) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::failed(data.display(), error);
    if data.try_exists().map_err(failed)? {
        return Ok(());
    }
    let beginning = UNIX_EPOCH + Duration::from_millis(genesis.created_at_ms);
    if now.duration_since(beginning).is_ok_and(|age| age > FIRST_START_MAX) {
        let what = "the chain is older than a day, too old for --first-start; a validator that has lost its data \
                    starts with --rejoin, a new node gets its directory from genesis";
        return Err(Failure::Failed(format!("{}: is missing, and {what}", data.display())));
    }
    let unfinished = data.with_extension("unfinished");
    let make = || -> io::Result<()> {
        match fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        prepare_data_dir(&unfinished, &genesis.chain_id())?;
        fs::rename(&unfinished, data)?;
        journal::sync_directory(data.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
    };
    make().map_err(failed)?;
    tracing::info!("a data directory with an empty vote journal was made");
    Ok(())
}

fn assignment(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("expected SECTION.KEY=VALUE")?;
    match key.split_once('.') {
        Some((section, name)) if !section.is_empty() && !name.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected SECTION.KEY=VALUE"),
    }
}

/// Waits for the end of standard input, then stops this process as SIGTERM does, which has a deadline of its own.
fn stop_when_stdin_closes() {
    let mut ignored = [0; 64];
    loop {
        match io::stdin().lock().read(&mut ignored) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    tracing::warn!("whoever started this node is gone: stopping");
    if kill_process(getpid(), Signal::TERM).is_ok() {
        return;
    }
    std::process::exit(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_start_makes_what_is_missing_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let key = crate::crypto::SecretKey::from_seed(&[1; 32]).public_key();
        let validators = vec![crate::types::Validator { public_key: key, power: crate::types::Power::new(1) }];
        let genesis = Genesis::new("test", 1_000, validators);
        let at = |hours: u64| UNIX_EPOCH + Duration::from_hours(hours);
        let data = dir.path().join("data");
        assert!(first_start(&data, &genesis, at(25)).unwrap_err().to_string().contains("--rejoin"));
        assert!(!data.exists(), "a chain that is older than a day has lost its volume");
        fs::create_dir(dir.path().join("data.unfinished")).unwrap();
        first_start(&data, &genesis, at(23)).unwrap();
        assert!(journal::directory(&data).is_dir() && !dir.path().join("data.unfinished").exists());
        fs::remove_dir_all(journal::directory(&data)).unwrap();
        first_start(&data, &genesis, at(0)).unwrap();
        assert!(!journal::directory(&data).exists(), "a journal that was lost is not made anew");
    }

    #[test]
    fn assignments_name_section_and_key() {
        assert_eq!(assignment("log.level=a=b"), Ok(("log.level".to_owned(), "a=b".to_owned())));
        for text in ["log.level", "level=debug", ".level=debug", "log.=debug", "=", ""] {
            assert!(assignment(text).is_err(), "{text}");
        }
    }
}
