//! A localnet under test: started by the real binary on free ports, stopped when dropped.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// The binary under test.
pub fn thalweg() -> Command {
    Command::new(env!("CARGO_BIN_EXE_thalweg"))
}

/// Polls until `done` gives a value; a test that waits in vain says what for, and shows `state`.
pub fn eventually<T>(what: &str, within: Duration, mut done: impl FnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        match done() {
            Ok(value) => return value,
            Err(state) if started.elapsed() > within => panic!("waited {within:?} for {what}: {state}"),
            Err(_) => std::thread::park_timeout(Duration::from_millis(50)),
        }
    }
}

/// A node of the cluster.
#[derive(Clone, Debug)]
pub struct Node {
    pub pid: u32,
    pub http: String,
    pub dir: PathBuf,
}

/// A running localnet.
pub struct Cluster {
    localnet: Child,
    _stdout: BufReader<ChildStdout>,
    pub nodes: Vec<Node>,
    /// Nodes started again by a test.
    restarted: Vec<Child>,
    dir: tempfile::TempDir,
}

impl Cluster {
    /// Starts `localnet` with further arguments and waits until it is ready.
    pub fn start(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut localnet = thalweg()
            .args(["localnet", "--json", "--http-port", "0", "--p2p-port", "0", "--dir"])
            .arg(dir.path().join("net"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(dir.path().join("localnet.log")).expect("a log file"))
            .spawn()
            .expect("the binary runs");
        let mut stdout = BufReader::new(localnet.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("localnet's output is text");
        let table: Value = serde_json::from_str(&line).unwrap_or_else(|error| {
            let log = std::fs::read_to_string(dir.path().join("localnet.log")).unwrap_or_default();
            panic!("localnet printed {line:?} ({error}); its log:\n{log}");
        });
        let nodes = table["nodes"].as_array().expect("a list of nodes").iter().map(|node| Node {
            pid: node["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a pid"),
            http: node["http"].as_str().expect("a URL").to_owned(),
            dir: PathBuf::from(node["dir"].as_str().expect("a directory")),
        });
        Self { nodes: nodes.collect(), localnet, _stdout: stdout, restarted: Vec::new(), dir }
    }

    /// Where the cluster and its logs live.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// All base URLs, comma-separated, for `--node`.
    pub fn urls(&self) -> String {
        self.nodes.iter().map(|node| node.http.clone()).collect::<Vec<_>>().join(",")
    }

    /// Ends a node without a warning.
    pub fn kill(&self, node: usize) {
        signal(self.nodes[node].pid, "KILL");
        eventually("the process to be gone", Duration::from_secs(5), || match is_running(self.nodes[node].pid) {
            true => Err("still there".into()),
            false => Ok(()),
        });
    }

    /// Starts a killed node again on its directory, and waits until it is ready.
    pub fn restart(&mut self, node: usize) {
        let dir = self.nodes[node].dir.clone();
        let log = std::fs::OpenOptions::new().append(true).open(dir.join("node.log")).expect("its log");
        let child = thalweg()
            .args(["start", "--config"])
            .arg(dir.join("node.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the binary runs");
        self.nodes[node].pid = child.id();
        self.restarted.push(child);
        eventually("the node to be ready again", Duration::from_secs(20), || self.get(node, "/readyz").map(drop));
    }

    /// A GET that answers 200, as text.
    pub fn get(&self, node: usize, path: &str) -> Result<String, String> {
        let url = format!("{}{path}", self.nodes[node].http);
        let mut response = ureq::get(&url)
            .config()
            .timeout_global(Some(Duration::from_secs(15)))
            .build()
            .call()
            .map_err(|error| format!("{url}: {error}"))?;
        response.body_mut().read_to_string().map_err(|error| error.to_string())
    }

    /// A GET of JSON.
    pub fn json(&self, node: usize, path: &str) -> Result<Value, String> {
        serde_json::from_str(&self.get(node, path)?).map_err(|error| error.to_string())
    }

    /// A PUT that waits for its commit; returns the height.
    pub fn put(&self, node: usize, key: &str, value: &str) -> Result<u64, String> {
        let url = format!("{}/v1/kv/{key}", self.nodes[node].http);
        let mut response = ureq::put(&url)
            .config()
            .timeout_global(Some(Duration::from_secs(15)))
            .build()
            .send(value)
            .map_err(|error| format!("{url}: {error}"))?;
        let body = response.body_mut().read_to_string().map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
        answer["height"].as_u64().ok_or(body)
    }

    /// The height a node has executed.
    pub fn height(&self, node: usize) -> u64 {
        self.json(node, "/v1/status").ok().and_then(|status| status["height"].as_u64()).unwrap_or(0)
    }

    /// Waits until all nodes have executed a height.
    pub fn wait_for_height(&self, height: u64) {
        for node in 0..self.nodes.len() {
            eventually("a node to catch up", Duration::from_secs(60), || match self.height(node) {
                here if here >= height => Ok(()),
                here => Err(format!("node {node} is at {here} of {height}")),
            });
        }
    }

    /// Fails unless all nodes show the same header and state root at every height up to `height`.
    pub fn assert_equal_chains(&self, height: u64) {
        self.wait_for_height(height);
        for at in 1..=height {
            let of = |node| {
                let block = self.json(node, &format!("/v1/blocks/{at}")).expect("a committed block is shown");
                (block["hash"].clone(), block["state_root"].clone())
            };
            let first = of(0);
            assert!(first.1.is_string(), "a block shows its state root: {first:?}");
            for node in 1..self.nodes.len() {
                assert_eq!(of(node), first, "node {node} differs at height {at}");
            }
        }
    }

    /// Stops the cluster as Ctrl-C would and fails if anything is left running.
    pub fn stop(mut self) {
        signal(self.localnet.id(), "INT");
        let status = eventually("localnet to stop", Duration::from_secs(10), || {
            self.localnet.try_wait().map_err(|e| e.to_string())?.ok_or_else(|| "still running".to_owned())
        });
        assert_eq!(status.code(), Some(0), "Ctrl-C is an ordinary end");
        for child in &mut self.restarted {
            signal(child.id(), "TERM");
            child.wait().expect("a child of ours");
        }
        for node in &self.nodes {
            assert!(!is_running(node.pid), "{node:?} is still running");
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.localnet.kill();
        let _ = self.localnet.wait();
        for child in &mut self.restarted {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            for node in &self.nodes {
                let log = std::fs::read_to_string(node.dir.join("node.log")).unwrap_or_default();
                let tail: Vec<_> = log.lines().rev().take(15).collect();
                eprintln!("{}:\n{}", node.dir.display(), tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
            }
        }
    }
}

/// Sends a signal by name.
pub fn signal(pid: u32, name: &str) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("not zero");
    let signal = match name {
        "KILL" => rustix::process::Signal::KILL,
        "INT" => rustix::process::Signal::INT,
        "TERM" => rustix::process::Signal::TERM,
        other => panic!("no signal {other}"),
    };
    let _ = rustix::process::kill_process(pid, signal);
}

/// Whether a process exists and is no zombie.
pub fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}
