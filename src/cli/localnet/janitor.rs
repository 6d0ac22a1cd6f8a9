//! Who clears up when `localnet` is killed without a chance to: ends the command of `--exec`, and removes the temporary
//! directory.
//!
//! A process of its own, in a process group of its own, so that neither Ctrl-C nor the end of `localnet` ends it. It
//! learns on its standard input what there is to clear up; only `localnet` holds the other end. When that closes without
//! the word that all is done, it does it. The nodes stop by themselves at the same moment and for the same reason
//! (`start --stop-when-stdin-closes`).

use std::{
    fs,
    io::{self, BufRead as _, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process, test_kill_process_group};

use crate::{cli::Failure, journal::DirectoryLock};

/// How long the command may take to end before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// How long nodes may keep their directories before these are removed all the same.
const NODES_TIMEOUT: Duration = Duration::from_secs(10);

/// How often it is looked whether something has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// The word that nothing remains to be done.
const DONE: &str = "done";

/// Clear up after a localnet that was killed; started by `localnet` itself.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  thalweg janitor --dir /tmp/thalweg-localnet-0123456789abcdef")]
pub(in crate::cli) struct JanitorArguments {
    /// The directory to remove.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Whom a command consists of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Whom {
    /// One process.
    Process(Pid),
    /// All processes of a group.
    Group(Pid),
}

/// Waits for the end of `localnet`, and clears up unless that is done.
pub(in crate::cli) fn run(arguments: &JanitorArguments) -> Result<ExitCode, Failure> {
    let mut command = None;
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        if line == DONE {
            return Ok(ExitCode::SUCCESS);
        }
        command = Whom::parse(&line).or(command);
    }
    if let Some(command) = command {
        command.end();
    }
    if let Some(dir) = &arguments.dir {
        until(NODES_TIMEOUT, || is_unused(dir));
        fs::remove_dir_all(dir).map_err(|error| Failure::failed(dir.display(), error))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Whom {
    fn parse(line: &str) -> Option<Self> {
        let (kind, id) = line.split_once(' ')?;
        let pid = Pid::from_raw(id.parse().ok()?)?;
        match kind {
            "process" => Some(Self::Process(pid)),
            "group" => Some(Self::Group(pid)),
            _ => None,
        }
    }

    fn line(self) -> String {
        match self {
            Self::Process(pid) => format!("process {}\n", pid.as_raw_nonzero()),
            Self::Group(pid) => format!("group {}\n", pid.as_raw_nonzero()),
        }
    }

    fn end(self) {
        // Whoever is gone needs no signal.
        let _ = self.signal(Signal::TERM);
        if !until(STOP_TIMEOUT, || self.is_gone()) {
            let _ = self.signal(Signal::KILL);
        }
    }

    /// Sends a signal.
    pub(super) fn signal(self, signal: Signal) -> rustix::io::Result<()> {
        match self {
            Self::Process(pid) => kill_process(pid, signal),
            Self::Group(pid) => kill_process_group(pid, signal),
        }
    }

    fn is_gone(self) -> bool {
        match self {
            Self::Process(pid) => test_kill_process(pid).is_err(),
            Self::Group(pid) => test_kill_process_group(pid).is_err(),
        }
    }
}

/// Whether no node uses its directory in `dir` any more.
fn is_unused(dir: &Path) -> bool {
    let nodes = (0..).map(|index| dir.join(format!("node{index}"))).take_while(|node| node.is_dir());
    nodes.map(|node| DirectoryLock::try_take(&node.join("data"))).all(|lock| !matches!(lock, Ok(None)))
}

#[expect(clippy::disallowed_methods, reason = "nothing tells of the end of processes that are not children")]
fn until(timeout: Duration, mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + timeout;
    while !done() {
        if Instant::now() > end {
            return false;
        }
        thread::sleep(LOOK_INTERVAL);
    }
    true
}

/// A janitor at work. Dropped without [`Self::dismiss`], it clears up.
#[derive(Debug)]
pub(super) struct Janitor {
    child: Child,
    orders: ChildStdin,
}

impl Janitor {
    /// Starts one, which will remove `dir`.
    ///
    /// # Errors
    /// When there is no process to be had.
    pub(super) fn start(program: &Path, dir: Option<&Path>) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.arg("janitor");
        if let Some(dir) = dir {
            command.arg("--dir").arg(dir);
        }
        // Not our output: whoever reads it to its end would wait for the janitor.
        let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn()?;
        let orders = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { child, orders })
    }

    /// Has the command of `--exec` ended as well.
    pub(super) fn also_end(&mut self, command: Whom) {
        // A janitor that is gone was killed by somebody who wants to clear up alone.
        let _ = self.orders.write_all(command.line().as_bytes());
    }

    /// All is cleared up.
    pub(super) fn dismiss(mut self) {
        let _ = self.orders.write_all(format!("{DONE}\n").as_bytes());
        drop(self.orders);
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_as_they_are_written() {
        let pid = Pid::from_raw(17).unwrap();
        for whom in [Whom::Process(pid), Whom::Group(pid)] {
            assert_eq!(Whom::parse(whom.line().trim_end()), Some(whom));
        }
        for line in ["", "group", "group x", "group 0", "everybody 17"] {
            assert_eq!(Whom::parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_directory_is_in_use_while_one_node_has_its_lock() {
        let dir = tempfile::tempdir().unwrap();
        for node in ["node0", "node1"] {
            fs::create_dir_all(dir.path().join(node).join("data")).unwrap();
        }
        assert!(is_unused(dir.path()));
        let lock = DirectoryLock::try_take(&dir.path().join("node1/data")).unwrap().unwrap();
        assert!(!is_unused(dir.path()));
        drop(lock);
        assert!(is_unused(dir.path()));
    }
}
