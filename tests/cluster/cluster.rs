//! A localnet under test: started by the real binary on free ports, stopped when dropped.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal};
use serde_json::Value;

/// How long anything that should happen soon may take on a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The binary under test.
pub fn thalweg() -> Command {
    Command::new(program())
}

fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_thalweg").into()
}

/// Polls until `done` gives a value; a test that waits in vain says what for, and shows `state`.
#[track_caller]
pub fn eventually<T>(what: &str, within: Duration, mut done: impl FnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        match done() {
            Ok(value) => return value,
            Err(state) if started.elapsed() > within => panic!("waited {within:?} for {what}: {state}"),
            Err(_) => std::thread::park_timeout(Duration::from_millis(20)),
        }
    }
}

/// Lets time pass while a fault lasts. Nothing is synchronised by it: what follows waits for what it needs.
pub fn hold(length: Duration) {
    let end = Instant::now() + length;
    while let Some(rest) = end.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()) {
        std::thread::park_timeout(rest);
    }
}

/// A node of the cluster.
#[derive(Clone, Debug)]
pub struct Node {
    pub pid: u32,
    pub http: String,
    pub p2p: String,
    pub dir: PathBuf,
    /// The height whose state was restored; the blocks up to it are elsewhere.
    pub base: u64,
}

/// Has a node on a host of its own serve clients elsewhere.
pub const ON_ALL_ADDRESSES: (&str, &str) = ("THALWEG__HTTP__LISTEN", "0.0.0.0:8700");

/// Where a node runs that has a host of its own.
#[derive(Clone, Debug)]
pub struct Place {
    /// The host's address.
    pub host: String,
    /// What the others call the host.
    pub name: String,
    /// What runs a command there.
    pub prefix: Vec<String>,
}

/// Which protocol decides: that of `THALWEG_TEST_PROTOCOL`, Streamlette without it.
fn protocol() -> String {
    std::env::var("THALWEG_TEST_PROTOCOL").unwrap_or("streamlette".into())
}

/// A running localnet, or nodes on hosts of their own.
pub struct Cluster {
    localnet: Option<(Child, BufReader<ChildStdout>)>,
    pub nodes: Vec<Node>,
    /// Where each node runs; empty for a localnet.
    places: Vec<Place>,
    /// Nodes started again by a test.
    children: BTreeMap<usize, Child>,
    /// What nodes run that a test starts.
    program: PathBuf,
    dir: tempfile::TempDir,
}

impl Cluster {
    /// Starts `localnet` with further arguments and waits until it is ready.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    /// As [`Self::start`], with variables in the environment of all nodes.
    pub fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut localnet = thalweg()
            .args(["localnet", "--json", "--http-port", "0", "--p2p-port", "0", "--dir"])
            .arg(dir.path().join("net"))
            .args(["--protocol", &protocol()])
            .args(arguments)
            .envs(environment.iter().copied())
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
            p2p: node["p2p"].as_str().expect("a multiaddress").to_owned(),
            dir: PathBuf::from(node["dir"].as_str().expect("a directory")),
            base: 0,
        });
        let nodes = nodes.collect();
        Self {
            nodes,
            localnet: Some((localnet, stdout)),
            places: Vec::new(),
            children: BTreeMap::new(),
            program: program(),
            dir,
        }
    }

    /// Starts a validator at each place, and waits until all are ready.
    #[track_caller]
    pub fn start_at(places: &[Place]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let hosts: Vec<_> = places.iter().map(|place| place.name.clone()).collect();
        let made = thalweg()
            .args([
                "genesis",
                "--protocol",
                &protocol(),
                "--validators",
                &places.len().to_string(),
                "--hosts",
                &hosts.join(","),
                "--out",
            ])
            .arg(dir.path().join("net"))
            .output()
            .expect("the binary runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let node = |index: usize| {
            let dir = dir.path().join(format!("net/node{index}"));
            let (http, p2p) = (http_at(&places[index].host), format!("/dns/{}/tcp/4700", hosts[index]));
            Node { pid: 0, http, p2p, dir, base: 0 }
        };
        let nodes: Vec<_> = (0..places.len()).map(node).collect();
        let mut cluster =
            Self { nodes, localnet: None, places: places.to_vec(), children: BTreeMap::new(), program: program(), dir };
        let all: Vec<_> = (0..places.len()).collect();
        cluster.spawn(&all, &[ON_ALL_ADDRESSES]);
        cluster.wait_until_ready(&all);
        cluster
    }

    /// A node's host has another address from now on.
    pub fn move_to(&mut self, node: usize, host: &str) {
        host.clone_into(&mut self.places[node].host);
        self.nodes[node].http = http_at(host);
    }

    /// Nodes that are started from here on run another program.
    pub fn run_from_now_on(&mut self, program: &Path) {
        program.clone_into(&mut self.program);
    }

    /// What starts a node.
    fn command(&self, node: usize) -> Command {
        let Some(place) = self.places.get(node) else { return Command::new(&self.program) };
        let mut command = Command::new(&place.prefix[0]);
        command.args(&place.prefix[1..]).arg(&self.program);
        command
    }

    /// Where the cluster and its logs live.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The chain's genesis file.
    pub fn genesis(&self) -> PathBuf {
        self.dir().join("net/genesis.json")
    }

    /// All base URLs.
    pub fn https(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.http.clone()).collect()
    }

    /// All base URLs, comma-separated, for `--node`.
    pub fn urls(&self) -> String {
        self.https().join(",")
    }

    /// Sends a signal to a node.
    pub fn signal(&self, node: usize, name: Signal) {
        signal(self.nodes[node].pid, name);
    }

    /// Ends nodes without a warning, all at the same moment.
    pub fn kill(&self, nodes: &[usize]) {
        nodes.iter().for_each(|node| self.signal(*node, Signal::KILL));
        nodes.iter().for_each(|node| wait_until_gone(self.nodes[*node].pid));
    }

    /// Starts nodes that have ended again on their directories, with variables in their environment. They stop when
    /// this process is gone, as those of `localnet` do with theirs.
    pub fn spawn(&mut self, nodes: &[usize], environment: &[(&str, &str)]) {
        self.spawn_with(nodes, &[], environment);
    }

    /// As [`Self::spawn`], with further arguments.
    pub fn spawn_with(&mut self, nodes: &[usize], arguments: &[&str], environment: &[(&str, &str)]) {
        for node in nodes {
            let dir = &self.nodes[*node].dir;
            let log =
                std::fs::OpenOptions::new().create(true).append(true).open(dir.join("node.log")).expect("its log");
            let child = self
                .command(*node)
                .args(["start", "--stop-when-stdin-closes", "--config"])
                .arg(dir.join("node.toml"))
                .args(arguments)
                .envs(environment.iter().copied())
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .expect("the binary runs");
            self.nodes[*node].pid = child.id();
            if let Some(mut before) = self.children.insert(*node, child) {
                before.wait().expect("a child of ours");
            }
        }
    }

    /// Starts a node again on its directory, and waits until it is ready.
    pub fn restart(&mut self, node: usize) {
        self.spawn(&[node], &[]);
        self.wait_until_ready(&[node]);
    }

    /// Waits until nodes say that they take part.
    #[track_caller]
    pub fn wait_until_ready(&self, nodes: &[usize]) {
        for node in nodes {
            eventually("a node to be ready", PATIENCE, || self.get(*node, "/readyz").map(drop));
        }
    }

    /// How a node has ended that [`Self::spawn`] started; `None` while it runs.
    pub fn try_end(&mut self, node: usize) -> Option<ExitStatus> {
        let child = self.children.get_mut(&node).expect("a node that was started by the test");
        child.try_wait().expect("a child of ours")
    }

    /// Waits until a node has ended that [`Self::spawn`] started.
    #[track_caller]
    pub fn wait_for_end(&mut self, node: usize, within: Duration) -> ExitStatus {
        eventually("the node to end", within, || self.try_end(node).ok_or_else(|| "it runs".to_owned()))
    }

    /// A node's log.
    pub fn log(&self, node: usize) -> String {
        std::fs::read_to_string(self.nodes[node].dir.join("node.log")).unwrap_or_default()
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

    /// The sum of a metric's samples, by its name without the prefix.
    pub fn metric(&self, node: usize, name: &str) -> Result<f64, String> {
        let text = self.get(node, "/metrics")?;
        let value_of = |line: &str| {
            let rest = line.strip_prefix("thalweg_").unwrap_or(line).strip_prefix(name)?;
            let is_whole = rest.starts_with([' ', '{']);
            is_whole.then(|| rest.rsplit(' ').next()?.parse::<f64>().ok()).flatten()
        };
        text.lines().filter_map(value_of).reduce(|sum, value| sum + value).ok_or(format!("no sample of {name}"))
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

    /// The height of the node that is furthest.
    pub fn highest(&self) -> u64 {
        (0..self.nodes.len()).map(|node| self.height(node)).max().unwrap_or(0)
    }

    /// Waits until all nodes have executed a height.
    #[track_caller]
    pub fn wait_for_height(&self, height: u64) {
        self.wait_until_at(&(0..self.nodes.len()).collect::<Vec<_>>(), height);
    }

    /// Waits until nodes have executed a height.
    #[track_caller]
    pub fn wait_until_at(&self, nodes: &[usize], height: u64) {
        for &node in nodes {
            eventually("a node to catch up", PATIENCE, || match self.height(node) {
                here if here >= height => Ok(()),
                here => Err(format!("node {node} is at {here} of {height}")),
            });
        }
    }

    /// Stops the cluster as Ctrl-C would and fails if anything is left running.
    #[track_caller]
    pub fn halt(&mut self) {
        for child in self.children.values_mut() {
            signal(child.id(), Signal::TERM);
        }
        if let Some((localnet, _)) = &mut self.localnet {
            signal(localnet.id(), Signal::INT);
            let status = eventually("localnet to stop", Duration::from_secs(10), || {
                localnet.try_wait().map_err(|e| e.to_string())?.ok_or_else(|| "still running".to_owned())
            });
            assert_eq!(status.code(), Some(0), "Ctrl-C is an ordinary end");
        }
        for child in self.children.values_mut() {
            assert_eq!(child.wait().expect("a child of ours").code(), Some(0), "SIGTERM is an ordinary end");
        }
        for node in &self.nodes {
            assert!(!is_running(node.pid), "{node:?} is still running");
        }
    }

    /// [`Self::halt`], for the end of a test.
    #[track_caller]
    pub fn stop(mut self) {
        self.halt();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some((localnet, _)) = &mut self.localnet {
            let _ = localnet.kill();
            let _ = localnet.wait();
        }
        for child in self.children.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            for node in 0..self.nodes.len() {
                let log = self.log(node);
                let tail: Vec<_> = log.lines().rev().take(15).collect();
                let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
                eprintln!("{}:\n{tail}", self.nodes[node].dir.display());
            }
        }
    }
}

fn http_at(host: &str) -> String {
    format!("http://{host}:8700")
}

/// Sends a signal; a process that is gone needs none.
pub fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("not zero");
    let _ = rustix::process::kill_process(pid, signal);
}

/// Waits until a process is gone.
#[track_caller]
pub fn wait_until_gone(pid: u32) {
    eventually("the process to be gone", Duration::from_secs(5), || match is_running(pid) {
        true => Err(format!("{pid} is there")),
        false => Ok(()),
    });
}

/// Whether a process has a thread that is no zombie. One that was killed in the middle of a write keeps its files and
/// its locks until the last of its threads is gone, whatever its first one shows.
pub fn is_running(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut states = threads.filter_map(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).ok()?;
        stat.rsplit(") ").next()?.chars().next()
    });
    states.any(|state| !matches!(state, 'Z' | 'X'))
}
