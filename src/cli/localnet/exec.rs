//! The command of `--exec`.

use std::{
    io::{self, IsTerminal as _},
    os::unix::process::ExitStatusExt as _,
    process::ExitStatus,
    time::Duration,
};

use rustix::process::{Pid, Signal};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use super::janitor::Whom;

const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// The running command.
pub(super) struct Exec {
    child: Child,
    /// A process group of its own, so that what it started can be stopped with it. On a terminal it shares ours:
    /// in a group of its own it could not read from the terminal, and Ctrl-C reaches it as it is.
    whom: Option<Whom>,
}

impl Exec {
    /// Starts the command by the shell, with the nodes' URLs in its environment.
    pub(super) fn start(command: &str, urls: &[String]) -> io::Result<Self> {
        let leads_group = !io::stdin().is_terminal();
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(command).env("THALWEG_NODES", urls.join(",")).kill_on_drop(true);
        if leads_group {
            shell.process_group(0);
        }
        let child = shell.spawn()?;
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Self { child, whom: pid.map(if leads_group { Whom::Group } else { Whom::Process }) })
    }

    /// Whom it consists of.
    pub(super) fn whom(&self) -> Option<Whom> {
        self.whom
    }

    /// Waits for its end, and returns its exit status as shells do: 128 and the number of a signal that ended it.
    pub(super) async fn wait(&mut self) -> io::Result<u8> {
        self.child.wait().await.map(exit_code)
    }

    /// Stops it: SIGTERM, and SIGKILL when it has not ended two seconds later.
    pub(super) async fn stop(mut self) {
        self.signal(Signal::TERM);
        if timeout(STOP_TIMEOUT, self.child.wait()).await.is_err() {
            self.signal(Signal::KILL);
            let _ = timeout(STOP_TIMEOUT, self.child.wait()).await;
        }
    }

    fn signal(&self, signal: Signal) {
        // Nobody to signal when it has ended.
        let _ = self.whom.map(|whom| whom.signal(signal));
    }
}

fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
