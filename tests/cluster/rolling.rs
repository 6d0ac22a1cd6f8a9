//! A rolling restart, as Kubernetes does it with the manifests in `deploy/kubernetes`: the same probes, the same drain,
//! the same order. In the checks it runs small, with every pause of the manifest divided by five; in full when asked, on
//! a quiet machine:
//!
//! ```text
//! THALWEG_ROLLING_RATE=500 cargo test --release --test cluster rolling:: -- --nocapture
//! ```
//!
//! With `THALWEG_NEXT`, the program of another version (a build with another `THALWEG_VERSION`), it is an upgrade, and
//! the way back.

use std::{
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    cluster::{Cluster, PATIENCE, eventually, hold, wait_until_gone},
    doctor::says,
    load::Client,
};

const MANIFEST: &str = include_str!("../../deploy/kubernetes/base/statefulset.yaml");

/// How long a client goes on trying before it calls it an error.
const RETRIES_END: Duration = Duration::from_secs(30);

/// How many clients share the rate.
const CLIENTS: u64 = 32;

/// The pauses of the manifest, and how fast clients write.
struct Plan {
    rate: u64,
    readiness_period: Duration,
    readiness_failures: u64,
    drain: Duration,
    min_ready: Duration,
}

impl Plan {
    fn read() -> Self {
        let (rate, divisor) = match std::env::var("THALWEG_ROLLING_RATE") {
            Ok(rate) => (rate.parse().expect("THALWEG_ROLLING_RATE is a number"), 1),
            Err(_) => (100, 5),
        };
        let seconds = |above: &str, key: &str| Duration::from_secs(number(above, key)) / divisor;
        assert!(MANIFEST.contains("readinessProbe:\n            httpGet: { path: /readyz, port: http }"));
        Self {
            rate,
            readiness_period: seconds("readinessProbe:", "periodSeconds:"),
            readiness_failures: number("readinessProbe:", "failureThreshold:"),
            drain: seconds("preStop:", "seconds:"),
            min_ready: seconds("spec:", "minReadySeconds:"),
        }
    }
}

/// The number at the first such key below a line of the manifest.
fn number(above: &str, key: &str) -> u64 {
    let (_, below) = MANIFEST.split_once(above).expect("the manifest has it");
    let (_, value) = below.split_once(key).expect("the manifest has it");
    let digits: String = value.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

/// What clients, probes and the rollout share.
struct Stage {
    nodes: Vec<String>,
    /// Whom the service sends clients to: ready, and not about to end.
    in_service: Vec<AtomicBool>,
    is_ending: Vec<AtomicBool>,
    is_over: AtomicBool,
    retries: AtomicU64,
    seen: Mutex<Seen>,
}

/// What clients saw.
#[derive(Default)]
struct Seen {
    answered: Vec<(String, String)>,
    errors: Vec<String>,
    height: u64,
    last_commit: Option<Instant>,
    longest_gap: Duration,
}

impl Seen {
    fn committed(&mut self, height: u64) {
        if height > self.height {
            let now = Instant::now();
            let gap = self.last_commit.map_or(Duration::ZERO, |before| now - before);
            (self.height, self.last_commit, self.longest_gap) = (height, Some(now), self.longest_gap.max(gap));
        }
    }
}

/// Ends clients and probes when it is dropped, also by a panic: they would be waited for.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Stage {
    fn of(cluster: &Cluster) -> Self {
        let flags = |value: bool| cluster.nodes.iter().map(|_| AtomicBool::new(value)).collect();
        Self {
            nodes: cluster.https(),
            in_service: flags(true),
            is_ending: flags(false),
            is_over: AtomicBool::new(false),
            retries: AtomicU64::new(0),
            seen: Mutex::default(),
        }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// The readiness probe of a node, as the kubelet asks.
    fn probe(&self, plan: &Plan, node: usize) {
        let (client, mut failures) = (Client::new(Duration::from_secs(2)), 0);
        while !self.is_over() {
            let reply = client.get(&format!("{}/readyz", self.nodes[node]));
            failures = if reply.is_ok_and(|reply| reply.status == 200) { 0 } else { failures + 1 };
            if failures == 0 && !self.is_ending[node].load(Ordering::Relaxed) {
                self.in_service[node].store(true, Ordering::Relaxed);
            } else if failures >= plan.readiness_failures {
                self.in_service[node].store(false, Ordering::Relaxed);
            }
            hold(plan.readiness_period);
        }
    }

    /// A client that keeps its pace, and tries again elsewhere under the same key.
    fn write(&self, plan: &Plan, client: u64) {
        let http = Client::new(Duration::from_secs(5));
        let (begin, pause) = (Instant::now(), Duration::from_secs(1) * u32::try_from(CLIENTS).unwrap());
        for number in 0.. {
            let due = begin + pause.mul_f64((number * CLIENTS + client) as f64 / (plan.rate * CLIENTS) as f64);
            hold(due.saturating_duration_since(Instant::now()));
            if self.is_over() {
                return;
            }
            let (key, value) = (format!("roll-{client}-{number}"), format!("{number} of {client}"));
            match self.put(&http, &key, &value, usize::try_from(client + number).unwrap()) {
                Ok(height) => {
                    let mut seen = self.seen.lock().unwrap();
                    seen.committed(height);
                    seen.answered.push((key, value));
                }
                Err(why) => self.seen.lock().unwrap().errors.push(why),
            }
        }
    }

    fn put(&self, http: &Client, key: &str, value: &str, first: usize) -> Result<u64, String> {
        let began = Instant::now();
        let mut why = String::new();
        for attempt in 0.. {
            if began.elapsed() > RETRIES_END {
                break;
            }
            let turn = |offset: usize| (first + attempt + offset) % self.nodes.len();
            let in_service = |node: &usize| self.in_service[*node].load(Ordering::Relaxed);
            let node = (0..self.nodes.len()).map(turn).find(in_service).unwrap_or(turn(0));
            let url = format!("{}/v1/kv/{key}?timeout_ms=4000", self.nodes[node]);
            match http.send("PUT", &url, Some(key), value) {
                Ok(reply) if reply.status == 200 => return Ok(reply.json()["height"].as_u64().expect("a height")),
                Ok(reply) if matches!(reply.status, 429 | 503 | 504) => why = format!("{url}: {}", reply.status),
                Ok(reply) => return Err(format!("{url}: {} {}", reply.status, reply.json())),
                Err(error) => why = error,
            }
            self.retries.fetch_add(1, Ordering::Relaxed);
            hold(Duration::from_millis(20));
        }
        Err(format!("given up after {RETRIES_END:?}: {why}"))
    }
}

/// One node after the other, the last one first, as a StatefulSet does.
fn roll(cluster: &mut Cluster, stage: &Stage, plan: &Plan) {
    let everyone: Vec<_> = (0..cluster.nodes.len()).collect();
    for node in everyone.iter().rev().copied() {
        cluster.wait_until_ready(&everyone);
        stage.is_ending[node].store(true, Ordering::Relaxed);
        stage.in_service[node].store(false, Ordering::Relaxed);
        hold(plan.drain);
        cluster.signal(node, Signal::TERM);
        wait_until_gone(cluster.nodes[node].pid);
        cluster.spawn(&[node], &[]);
        stage.is_ending[node].store(false, Ordering::Relaxed);
        eventually("the node to be in service", PATIENCE, || {
            if stage.in_service[node].load(Ordering::Relaxed) { Ok(()) } else { Err("not ready".to_owned()) }
        });
        hold(plan.min_ready);
        assert!(stage.in_service[node].load(Ordering::Relaxed), "node {node} was ready and is not");
    }
}

/// Rolls under load as `rollout` says, and holds what clients saw against what must be.
#[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
fn rehearse(mut cluster: Cluster, rollout: impl FnOnce(&mut Cluster, &Stage, &Plan)) {
    let (plan, stage) = (Plan::read(), Stage::of(&cluster));
    let began = Instant::now();
    std::thread::scope(|scope| {
        let (plan, stage) = (&plan, &stage);
        let _ends = Ends(&stage.is_over);
        (0..stage.nodes.len()).for_each(|node| drop(scope.spawn(move || stage.probe(plan, node))));
        (0..CLIENTS).for_each(|client| drop(scope.spawn(move || stage.write(plan, client))));
        eventually("the first writes", PATIENCE, || match stage.seen.lock().unwrap().answered.len() {
            0..100 => Err("too few".to_owned()),
            _ => Ok(()),
        });
        rollout(&mut cluster, stage, plan);
    });
    let seen = stage.seen.into_inner().unwrap();
    let (count, took) = (seen.answered.len(), began.elapsed());
    println!(
        "{} writes a second asked for: {count} answered in {took:.1?}, {} retries, {} errors, \
         longest gap between commits {:.0?}",
        plan.rate,
        stage.retries.into_inner(),
        seen.errors.len(),
        seen.longest_gap
    );
    assert!(seen.errors.is_empty(), "{:#?}", &seen.errors[..seen.errors.len().min(5)]);
    assert!(count as f64 > plan.rate as f64 * took.as_secs_f64() * 0.8, "clients could not keep their pace");
    assert!(seen.longest_gap < Duration::from_secs(10), "a moment without a quorum");
    cluster.wait_for_height(seen.height);
    std::thread::scope(|scope| {
        for (node, share) in seen.answered.chunks(count.div_ceil(16)).enumerate() {
            let cluster = &cluster;
            scope.spawn(move || {
                for (at, (key, value)) in share.iter().enumerate() {
                    let url = format!("/v1/kv/{key}");
                    let found = cluster.get((node + at) % cluster.nodes.len(), &url);
                    assert_eq!(found.as_deref(), Ok(value.as_str()), "{key} was answered and is lost");
                }
            });
        }
    });
    for name in ["equivocations_total", "fatal_total", "state_root_mismatch"] {
        (0..cluster.nodes.len()).for_each(|node| assert_eq!(cluster.metric(node, name).unwrap_or(0.0), 0.0, "{name}"));
    }
    cluster.stop();
}

/// Of the same program; or, when `THALWEG_NEXT` names one of another version, to that one and back.
#[test]
fn restart_of_all_loses_nothing_and_no_client_sees_an_error() {
    rehearse(Cluster::start(&[]), |cluster, stage, plan| match std::env::var_os("THALWEG_NEXT") {
        None => roll(cluster, stage, plan),
        Some(next) => upgrade_and_back(cluster, stage, plan, next.as_ref()),
    });
}

fn upgrade_and_back(cluster: &mut Cluster, stage: &Stage, plan: &Plan, next: &Path) {
    let version = |cluster: &Cluster, node: usize| {
        cluster.json(node, "/v1/status").unwrap()["version"].as_str().expect("a version").to_owned()
    };
    let before = version(cluster, 0);
    cluster.run_from_now_on(next);
    cluster.kill(&[3]);
    cluster.restart(3);
    says(cluster, 0, &[&format!("validator 3 runs thalweg/{}", version(cluster, 3)), "this node thalweg/"]);
    roll(cluster, stage, plan);
    let after = version(cluster, 0);
    assert_ne!(before, after, "THALWEG_NEXT is the same version");
    assert!((0..4).all(|node| version(cluster, node) == after));
    let peers = cluster.get(0, "/v1/peers").unwrap();
    assert!(peers.contains(&format!("thalweg/{after}")), "{peers}");
    cluster.run_from_now_on(env!("CARGO_BIN_EXE_thalweg").as_ref());
    roll(cluster, stage, plan);
    assert!((0..4).all(|node| version(cluster, node) == before));
}
