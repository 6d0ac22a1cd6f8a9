//! Clients of the key-value application over HTTP, each in a closed loop, all recorded in one [`History`].
//!
//! A write carries an `Idempotency-Key`. When its answer does not come (a timeout, a lost connection, a node that
//! stops), the client asks another node for the command's fate by its id, if it was told one, and otherwise sends the
//! same write with the same key to another node, until it knows. So every write is answered once the cluster works
//! again, and a write that were executed twice would show.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use serde_json::Value as Json;

use crate::history::{History, Value};

/// How long a node may take before the client looks elsewhere.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long clients go on asking for open fates once they were told to stop.
const LAST_PATIENCE: Duration = Duration::from_secs(40);

/// How many operations go to a set of keys before the next one is used: what is checked together stays small.
const GENERATION: u64 = 3_000;

/// Keys in a set.
const KEYS: u64 = 8;

/// An answer of a node.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub retry_after: Option<String>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as JSON; `null` when it is none.
    pub fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A connection to nodes, which stays open between requests.
#[derive(Clone, Debug)]
pub struct Client(ureq::Agent);

impl Client {
    /// A client that gives up on a request after `timeout`.
    pub fn new(timeout: Duration) -> Self {
        Self(ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(timeout)).build().into())
    }

    /// Sends a request, and returns whatever was answered.
    pub fn send(&self, method: &str, url: &str, idempotency_key: Option<&str>, body: &str) -> Result<Reply, String> {
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        if let Some(key) = idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        let failed = |error: ureq::Error| format!("{url}: {error}");
        let mut response = match method {
            "PUT" | "POST" => self.0.run(request.body(body.to_owned()).expect("a request")),
            _ => self.0.run(request.body(()).expect("a request")),
        }
        .map_err(failed)?;
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let retry_after = retry_after.map(str::to_owned);
        let body = response.body_mut().read_to_vec().map_err(failed)?;
        Ok(Reply { status: response.status().as_u16(), retry_after, body })
    }

    /// Sends a GET.
    pub fn get(&self, url: &str) -> Result<Reply, String> {
        self.send("GET", url, None, "")
    }
}

/// A write that was answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    pub id: String,
    pub height: u64,
    pub existed: bool,
}

impl Written {
    fn of(answer: &Json) -> Option<Self> {
        Some(Self {
            id: answer["id"].as_str()?.to_owned(),
            height: answer["height"].as_u64()?,
            existed: answer["result"]["existed"].as_bool()?,
        })
    }
}

/// What all clients of a load share.
#[derive(Debug, Default)]
struct Shared {
    history: History,
    nodes: Vec<String>,
    operations: AtomicU64,
    /// Answered operations.
    done: AtomicU64,
    is_over: AtomicBool,
    /// Answered writes, a sample of them: their fates are asked for at the end.
    sample: Mutex<Vec<Written>>,
    unexpected: Mutex<Vec<String>>,
}

/// Clients at work on all nodes.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

/// What a load leaves behind.
#[derive(Debug)]
pub struct Outcome {
    pub history: History,
    pub sample: Vec<Written>,
    pub operations: u64,
}

impl Load {
    /// Starts so many clients on the nodes at these base URLs.
    pub fn start(nodes: &[String], clients: u64) -> Self {
        let shared = Arc::new(Shared { nodes: nodes.to_vec(), ..Shared::default() });
        let client = |number| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || Worker::new(number, shared).run())
        };
        Self { clients: (0..clients).map(client).collect(), shared }
    }

    /// How many operations were answered.
    pub fn done(&self) -> u64 {
        self.shared.done.load(Ordering::Relaxed)
    }

    /// Checks the keys that are no longer used and forgets them. Returns how many operations were checked.
    pub fn settle(&self) -> usize {
        let now = self.shared.operations.load(Ordering::Relaxed) / GENERATION;
        self.shared.history.settle(|key| generation_of(key) + 1 < now)
    }

    /// Waits until so many more operations are answered.
    #[track_caller]
    pub fn more(&self, count: u64, within: Duration) {
        let goal = self.done() + count;
        let state = || match self.done() {
            done if done >= goal => Ok(()),
            done => Err(format!("{done} of {goal} operations are answered")),
        };
        crate::cluster::eventually("operations under load", within, state);
    }

    /// Ends the load once every open write is answered, then reads each key of the last set from every node.
    #[track_caller]
    pub fn finish(self) -> Outcome {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().expect("a client's loop ends");
        }
        let shared = Arc::into_inner(self.shared).expect("all clients have ended");
        let unexpected = shared.unexpected.into_inner().unwrap();
        assert!(unexpected.is_empty(), "answers that make no sense: {unexpected:#?}");
        let client = Client::new(Duration::from_secs(12));
        let last = shared.operations.load(Ordering::Relaxed) / GENERATION;
        for key in shared.history.keys().iter().filter(|key| generation_of(key) == last) {
            for node in &shared.nodes {
                let ticket = shared.history.call_read(key);
                let value = read(&client, node, key).unwrap_or_else(|why| panic!("{node}, {key}: {why}"));
                shared.history.read(&ticket, value);
            }
        }
        assert_eq!(shared.history.open_writes(), 0, "the cluster works again, and writes are not answered");
        Outcome {
            history: shared.history,
            sample: shared.sample.into_inner().unwrap(),
            operations: shared.done.load(Ordering::Relaxed),
        }
    }
}

fn generation_of(key: &str) -> u64 {
    key.split('-').nth(1).and_then(|number| number.parse().ok()).expect("keys are named by a worker")
}

/// A linearizable read.
fn read(client: &Client, node: &str, key: &str) -> Result<Value, String> {
    let reply = client.get(&format!("{node}/v1/kv/{key}?consistency=linearizable&timeout_ms=2000"))?;
    match reply.status {
        200 => Ok(Some(String::from_utf8_lossy(&reply.body).parse().map_err(|_| format!("{reply:?}"))?)),
        404 if reply.json()["type"] == "urn:thalweg:problem:no-key" => Ok(None),
        _ => Err(format!("{} {}", reply.status, String::from_utf8_lossy(&reply.body))),
    }
}

/// One client.
struct Worker {
    number: u64,
    shared: Arc<Shared>,
    client: Client,
    random: ChaCha8Rng,
    writes: u64,
}

impl Worker {
    fn new(number: u64, shared: Arc<Shared>) -> Self {
        // A little more than the node itself waits, so that its answer with the id arrives.
        let client = Client::new(PATIENCE + Duration::from_millis(500));
        Self { number, shared, client, random: ChaCha8Rng::seed_from_u64(number), writes: 0 }
    }

    fn pick(&mut self, below: usize) -> usize {
        usize::try_from(self.random.next_u64()).unwrap_or(usize::MAX) % below
    }

    fn run(mut self) {
        while !self.shared.is_over.load(Ordering::Relaxed) {
            let generation = self.shared.operations.fetch_add(1, Ordering::Relaxed) / GENERATION;
            let key = format!("key-{generation}-{}", self.random.next_u64() % KEYS);
            match self.pick(10) {
                0 => self.write(&key, None),
                1..=5 => {
                    let value = self.number << 40 | self.writes;
                    self.write(&key, Some(value));
                }
                _ => self.read(&key),
            }
        }
    }

    fn read(&mut self, key: &str) {
        let node = self.pick(self.shared.nodes.len());
        let ticket = self.shared.history.call_read(key);
        match read(&self.client, &self.shared.nodes[node], key) {
            Ok(value) => {
                self.shared.history.read(&ticket, value);
                self.shared.done.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => self.pause(),
        }
    }

    fn write(&mut self, key: &str, value: Value) {
        let ticket = self.shared.history.call(key, value);
        self.writes += 1;
        let idempotency_key = format!("{}-{}", self.number, self.writes);
        let mut node = self.pick(self.shared.nodes.len());
        let mut over_since = None;
        loop {
            if let Some(written) = self.try_write(node, key, value, &idempotency_key) {
                self.shared.history.written(&ticket, written.existed);
                if self.shared.done.fetch_add(1, Ordering::Relaxed).is_multiple_of(16) {
                    self.shared.sample.lock().unwrap().push(written);
                }
                return;
            }
            if self.shared.is_over.load(Ordering::Relaxed) {
                let since = over_since.get_or_insert_with(Instant::now);
                if since.elapsed() > LAST_PATIENCE {
                    return;
                }
            }
            self.pause();
            node = (node + 1) % self.shared.nodes.len();
        }
    }

    fn try_write(&self, node: usize, key: &str, value: Value, idempotency_key: &str) -> Option<Written> {
        let url = format!("{}/v1/kv/{key}?timeout_ms={}", self.shared.nodes[node], PATIENCE.as_millis());
        let body = value.map(|value| value.to_string()).unwrap_or_default();
        let method = if value.is_some() { "PUT" } else { "DELETE" };
        let reply = self.client.send(method, &url, Some(idempotency_key), &body).ok()?;
        let answer = reply.json();
        match reply.status {
            200 => Written::of(&answer),
            504 => self.ask(node + 1, answer["id"].as_str()?),
            // A node that stood still in the middle of a request has not read it in time.
            408 | 429 | 503 => None,
            _ => {
                let what = format!("{method} {url}: {} {}", reply.status, String::from_utf8_lossy(&reply.body));
                self.shared.unexpected.lock().unwrap().push(what);
                None
            }
        }
    }

    /// Asks a node for the fate of a command.
    fn ask(&self, node: usize, id: &str) -> Option<Written> {
        let node = &self.shared.nodes[node % self.shared.nodes.len()];
        let answer = self.client.get(&format!("{node}/v1/commands/{id}")).ok()?.json();
        if answer["status"] == "committed" { Written::of(&answer) } else { None }
    }

    /// A client that was turned away does not come back at once.
    fn pause(&self) {
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
