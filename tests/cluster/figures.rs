//! The figures of a bad day, as the README has them. In the checks they run small, with bounds for a busy machine and a
//! build for tests; what is to be shown, they show when asked, on a quiet machine:
//!
//! ```text
//! THALWEG_HEIGHTS=100000 cargo test --release --test cluster figures -- --nocapture --test-threads 1
//! ```

use std::{
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    cluster::{Cluster, PATIENCE, eventually, hold},
    disks::move_data,
    load::Client,
};

/// Commands of a block, and bytes of a value.
const BATCH: usize = 20;
const VALUE_BYTES: usize = 512;

/// How much is measured, and what it is held to.
struct Scale {
    /// How many heights to leave behind.
    heights: u64,
    /// How long each pace is measured.
    length: Duration,
    /// How many times what is meant to be shown a figure may be.
    slack: u32,
}

impl Scale {
    /// In full when `THALWEG_HEIGHTS` says how many heights.
    fn read() -> Self {
        match std::env::var("THALWEG_HEIGHTS") {
            Ok(heights) => Self {
                heights: heights.parse().expect("THALWEG_HEIGHTS is a number"),
                length: Duration::from_secs(10),
                slack: 1,
            },
            Err(_) => Self { heights: 200, length: Duration::from_secs(4), slack: 4 },
        }
    }
}

/// Has a node commit blocks of [`BATCH`] writes one after the other, up to a height.
fn fill(cluster: &Cluster, node: usize, height: u64) {
    let (client, url) = (Client::new(PATIENCE), format!("{}/v1/commands", cluster.nodes[node].http));
    let value = "x".repeat(VALUE_BYTES);
    let mut number = cluster.height(node) * BATCH as u64;
    loop {
        let put = |key: u64| json!({ "op": "put", "key": format!("key-{}", key % 100_000), "value": value });
        let commands: Vec<_> = (number..number + BATCH as u64).map(put).collect();
        number += BATCH as u64;
        let reply = client.send("POST", &url, None, &json!({ "commands": commands }).to_string());
        let reply = reply.expect("a healthy node answers").json();
        let last = reply["results"].as_array().expect("results").last().expect("of each command").clone();
        if last["height"].as_u64().expect("committed") >= height {
            return;
        }
    }
}

#[test]
fn figures_of_a_restart_and_of_catching_up() {
    let mut cluster = Cluster::start(&[]);
    let scale = Scale::read();
    let away = scale.heights.min(10_000);
    cluster.kill(&[3]);
    let started = Instant::now();
    fill(&cluster, 0, away);
    println!(
        "{away} heights of {BATCH} writes of {VALUE_BYTES} bytes with one of four down: {:.1?}",
        started.elapsed()
    );

    // As on machines of their own: else this would show four processes on two cores and one disk, not what serving
    // blocks costs.
    let disk = tempfile::tempdir_in("/dev/shm").expect("memory as a disk");
    move_data(&cluster, 3, disk.path());
    let others = [0, 1, 2].map(|node| cluster.nodes[node].pid);
    others.iter().chain(&[std::process::id()]).for_each(|pid| pin(&scale, *pid, "0"));
    let before = pace(&cluster, 1, || hold(scale.length));
    let started = Instant::now();
    cluster.spawn(&[3], &[]);
    pin(&scale, cluster.nodes[3].pid, "1");
    let meanwhile = pace(&cluster, 1, || {
        eventually("the node to be back", PATIENCE, || {
            let here = cluster.height(3);
            if here >= away { Ok(()) } else { Err(format!("at {here} of {away}")) }
        });
    });
    println!("a node that was away for {away} heights is back after {:.1?}", started.elapsed());
    let after = pace(&cluster, 1, || hold(scale.length));
    println!("  one client of the others, who have a core:");
    for (when, (rate, median, high)) in [("before", before), ("meanwhile", meanwhile), ("when it was back", after)] {
        println!("    {when}: {rate:.0} writes a second, p50 {median:.2?}, p99 {high:.2?}");
    }
    // Of the writes a second less is asked: now and then whoever is away has a turn, and everyone waits for it.
    let ((rate, median, _), (rate_meanwhile, median_meanwhile, _)) = (before, meanwhile);
    assert!(median_meanwhile <= median * 5 / 4 * scale.slack, "whoever catches up holds up the others");
    assert!(rate_meanwhile * 2.0 * f64::from(scale.slack) >= rate, "whoever catches up takes the others' time");
    let all = cluster.nodes.iter().map(|node| node.pid).chain([std::process::id()]);
    all.for_each(|pid| pin(&scale, pid, "0-1"));

    fill(&cluster, 0, scale.heights);
    cluster.kill(&[0]);
    let started = Instant::now();
    cluster.restart(0);
    let took = started.elapsed();
    let store = cluster.nodes[0].dir.join("data/store.redb").metadata().expect("its store").len() >> 20;
    println!("ready {took:.2?} after it was started again with {} heights ({store} MiB) behind it", scale.heights);
    assert!(took < Duration::from_secs(1) * scale.slack, "it took {took:?}");
    cluster.stop();
    drop(disk);
}

/// Lets a process run on these cores alone, when it is measured in full.
fn pin(scale: &Scale, pid: u32, cores: &str) {
    if scale.slack == 1 {
        let taskset = Command::new("taskset").args(["-apc", cores, &pid.to_string()]).stdout(Stdio::null()).status();
        assert!(taskset.is_ok_and(|status| status.success()), "taskset {cores} {pid}: cores 0 and 1 are needed");
    }
}

/// Stops the clients when it is dropped, also by a panic: they would be waited for.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Single writes in a closed loop to the first three nodes: how many a second, and the median and the 99th percentile of
/// their latencies, until `wait` is over.
fn pace(cluster: &Cluster, clients: usize, wait: impl FnOnce()) -> (f64, Duration, Duration) {
    let (stop, latencies) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let started = Instant::now();
    std::thread::scope(|scope| {
        for client in 0..clients {
            let (stop, latencies) = (&stop, &latencies);
            scope.spawn(move || {
                let (http, mut own) = (Client::new(PATIENCE), Vec::new());
                for number in 0.. {
                    let url = format!("{}/v1/kv/pace-{client}-{}", cluster.nodes[client % 3].http, number % 1_000);
                    let began = Instant::now();
                    let reply = http.send("PUT", &url, None, "a value").expect("a healthy node answers");
                    assert_eq!(reply.status, 200, "{:?}", reply.json());
                    own.push(began.elapsed());
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
                latencies.lock().unwrap().extend(own);
            });
        }
        let _ends = Ends(&stop);
        wait();
    });
    let mut latencies = latencies.into_inner().unwrap();
    latencies.sort();
    let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
    (latencies.len() as f64 / started.elapsed().as_secs_f64(), at(50), at(99))
}

#[test]
fn figures_with_one_of_four_dead() {
    let Scale { length, slack, .. } = Scale::read();
    for clients in [1, 16] {
        let cluster = Cluster::start(&[]);
        pace(&cluster, clients, || hold(length / 4));
        let (healthy, median, high) = pace(&cluster, clients, || hold(length));
        println!("{clients} clients, healthy: {healthy:.0} writes a second, p50 {median:.1?}, p99 {high:.1?}");
        cluster.kill(&[3]);
        let (first, median_first, high_first) = pace(&cluster, clients, || hold(length));
        println!(
            "  the first {length:?} with one dead: {first:.0} writes a second, p50 {median_first:.1?}, p99 {high_first:.1?}"
        );
        let (later, median_later, high_later) = pace(&cluster, clients, || hold(length));
        println!("  from then on: {later:.0} writes a second, p50 {median_later:.1?}, p99 {high_later:.1?}");
        assert!(later * 2.0 * f64::from(slack) >= healthy, "less than half of the throughput");
        assert!(median_later <= median * 2 * slack, "more than twice the latency");
        cluster.stop();
    }
}
