//! The nodes' processes.

use std::{
    fs::OpenOptions,
    io,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, ChildStdin, Command},
    sync::mpsc,
    time::timeout,
};

use crate::{
    cli::{
        Failure,
        cluster::{Cluster, Member},
    },
    sim::Lie,
};

/// How long a node may take to stop in order before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// What differs between nodes comes from each one's file alone: one variable would hit all of them.
const OWN_VARIABLES: [&str; 4] =
    ["THALWEG__NODE__", "THALWEG__NETWORK__LISTEN", "THALWEG__NETWORK__PEERS", "THALWEG__HTTP__LISTEN"];

/// How a node is started, and as which liar if it is one.
pub(super) fn node_command(program: &Path, member: &Member, lie: Option<Lie>) -> Command {
    let mut command = Command::new(program);
    command.arg("start").arg("--config").arg(member.config_file()).arg("--stop-when-stdin-closes");
    if let Some(lie) = lie {
        command.args(["--lie", lie.as_str()]);
    }
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| OWN_VARIABLES.iter().any(|own| name.starts_with(own))) {
            command.env_remove(name);
        }
    }
    command
}

/// A node's log.
pub(super) fn log_file(member: &Member) -> PathBuf {
    member.dir.join("node.log")
}

/// A node that has ended by itself.
#[derive(Debug)]
pub(in crate::cli) struct Death {
    pub(in crate::cli) index: usize,
    pub(super) status: ExitStatus,
}

impl Death {
    /// How it ended, in words.
    pub(in crate::cli) fn how(&self) -> String {
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "an unknown cause".to_owned(),
        }
    }
}

struct Process {
    pid: Pid,
    is_alive: bool,
    /// The node stops when this end is closed, by us or by our end.
    _stdin: Option<ChildStdin>,
}

/// The running nodes. Dropped without [`Fleet::stop`], it kills them.
pub(super) struct Fleet {
    processes: Vec<Process>,
    deaths: mpsc::Receiver<Death>,
    /// Keeps the channel open when all nodes are dead.
    _open: mpsc::Sender<Death>,
}

impl Fleet {
    /// Starts one process for each member, with its log behind it.
    ///
    /// # Errors
    /// [`Failure`] when one cannot be started; those that were are killed.
    pub(super) fn start(cluster: &Cluster, command: &dyn Fn(&Member) -> Command) -> Result<Self, Failure> {
        let (send, deaths) = mpsc::channel(cluster.members.len());
        let mut processes = Vec::new();
        for member in &cluster.members {
            let started = start(command(member), member);
            let (mut child, pid) = started.map_err(|error| Failure::failed(member.dir.display(), error))?;
            let stdin = child.stdin.take();
            processes.push(Process { pid, is_alive: true, _stdin: stdin });
            let (send, index) = (send.clone(), member.index);
            tokio::spawn(async move {
                if let Ok(status) = child.wait().await {
                    // The fleet may be gone by now.
                    let _ = send.send(Death { index, status }).await;
                }
            });
        }
        Ok(Self { processes, deaths, _open: send })
    }

    /// The process id of a node.
    pub(super) fn pid(&self, index: usize) -> i32 {
        self.processes[index].pid.as_raw_nonzero().get()
    }

    /// Kills a node, as a crash would.
    pub(super) fn kill(&mut self, index: usize) {
        if self.processes[index].is_alive {
            // It may have ended a moment ago; its death is told in any case.
            let _ = kill_process(self.processes[index].pid, Signal::KILL);
        }
    }

    /// Waits until a node ends; for ever when none does.
    pub(super) async fn next_death(&mut self) -> Death {
        loop {
            if let Some(death) = self.deaths.recv().await {
                self.processes[death.index].is_alive = false;
                return death;
            }
        }
    }

    /// Stops all: SIGTERM, and SIGKILL for those that have not ended two seconds later.
    pub(super) async fn stop(mut self) {
        self.signal(Signal::TERM);
        if timeout(STOP_TIMEOUT, self.all_dead()).await.is_err() {
            self.signal(Signal::KILL);
            // The kernel ends them; a process that cannot be killed is stuck in a device, and not waited for.
            let _ = timeout(STOP_TIMEOUT, self.all_dead()).await;
        }
    }

    async fn all_dead(&mut self) {
        while self.processes.iter().any(|process| process.is_alive) {
            self.next_death().await;
        }
    }

    fn signal(&mut self, signal: Signal) {
        // Whoever has ended by now has no process id any more.
        while let Ok(death) = self.deaths.try_recv() {
            self.processes[death.index].is_alive = false;
        }
        for process in self.processes.iter().filter(|process| process.is_alive) {
            // It may have ended between the lines above and this one.
            let _ = kill_process(process.pid, signal);
        }
    }
}

fn start(mut command: Command, member: &Member) -> io::Result<(Child, Pid)> {
    let log = OpenOptions::new().create(true).append(true).open(log_file(member))?;
    let child = command
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        // Ctrl-C is for the parent alone, which stops the nodes in order.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    pid.map(|pid| (child, pid)).ok_or_else(|| io::Error::other("the process has no id"))
}
