//! `thalweg start`: one node in the foreground.

use std::{
    io::{self, Read as _},
    path::PathBuf,
    process::ExitCode,
    thread,
};

use clap::Args;
use rustix::process::{Signal, getpid, kill_process};

use super::{Failure, logging};
use crate::{
    config::{Identity, NodeConfig},
    node::Replica,
};

/// Run one node in the foreground; SIGTERM stops it cleanly.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  thalweg start --config chain/node0/node.toml
  THALWEG__HTTP__LISTEN=0.0.0.0:8700 thalweg start --config node.toml --set log.level=debug
  thalweg start --config node.toml --rejoin     # after its vote journal was lost")]
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
    let config = NodeConfig::load(&arguments.config, &arguments.flags())?;
    let identity = Identity::load(&config)?;
    logging::init(&config.log)?;
    if arguments.stop_when_stdin_closes {
        thread::Builder::new()
            .name("stdin".to_owned())
            .spawn(stop_when_stdin_closes)
            .map_err(|error| Failure::failed("thread", error))?;
    }
    let rejoin = arguments.rejoin.then(super::cluster::fresh_salt).transpose();
    let rejoin = rejoin.map_err(|error| Failure::failed("--rejoin", error))?;
    #[cfg(feature = "planted")]
    let mouthpiece = arguments.lie.map(|lie| super::liar::mouthpiece(lie, &identity)).transpose()?;
    let http = config.http.listen;
    let parts = Replica::builder().identity(identity).configuration(config).http(http).rejoin(rejoin);
    #[cfg(feature = "planted")]
    let parts = parts.mouthpiece(mouthpiece);
    let spec = parts.build().map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(crate::node::run(spec))
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
    fn assignments_name_section_and_key() {
        assert_eq!(assignment("log.level=a=b"), Ok(("log.level".to_owned(), "a=b".to_owned())));
        for text in ["log.level", "level=debug", ".level=debug", "log.=debug", "=", ""] {
            assert!(assignment(text).is_err(), "{text}");
        }
    }
}
