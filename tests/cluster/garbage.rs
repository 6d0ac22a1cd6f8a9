//! A stranger that sends garbage at full speed, by every way there is: it costs itself its connections, and the cluster
//! nothing that anybody notices.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use crate::{
    audit::audit,
    cluster::{Cluster, PATIENCE, hold},
    flooder::flood,
    load::Load,
};

/// How long the flood lasts: two turns of each way of annoying.
const FLOOD: Duration = Duration::from_secs(10);

/// Resident bytes that a node may grow by meanwhile: caches fill under load, garbage must not.
const GROWTH_MAX: u64 = 96 << 20;

/// What a node has used.
struct Used {
    at: Instant,
    cpu: f64,
    resident: u64,
    operations: u64,
}

impl Used {
    fn by(cluster: &Cluster, node: usize, load: &Load) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{}/status", cluster.nodes[node].pid)).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        let kib: u64 = line.split_whitespace().next().expect("a number").parse().expect("a number");
        let cpu = cluster.metric(node, "process_cpu_seconds_total").expect("a metric");
        Self { at: Instant::now(), cpu, resident: kib << 10, operations: load.done() }
    }

    /// CPU in parts of one core, and operations a second of all clients, since `before`.
    fn since(&self, before: &Self) -> (f64, f64) {
        let seconds = (self.at - before.at).as_secs_f64();
        let operations = u32::try_from(self.operations - before.operations).expect("a few thousand");
        ((self.cpu - before.cpu) / seconds, f64::from(operations) / seconds)
    }
}

#[test]
fn a_flood_of_garbage_costs_the_flooder_its_connections() {
    let cluster = Cluster::start(&[]);
    let load = Load::start(&cluster.https(), 4);
    load.more(100, PATIENCE);
    let before = Used::by(&cluster, 0, &load);
    hold(FLOOD / 2);
    let quiet = Used::by(&cluster, 0, &load);

    let (stop, address) = (AtomicBool::new(false), cluster.nodes[0].p2p.clone());
    let (sent, flooded) = std::thread::scope(|scope| {
        let flooder = scope.spawn(|| flood(&address, &stop));
        hold(FLOOD);
        let flooded = Used::by(&cluster, 0, &load);
        stop.store(true, Ordering::Relaxed);
        (flooder.join().expect("a flooder only stops"), flooded)
    });

    let ((cpu_quiet, pace_quiet), (cpu_flooded, pace_flooded)) = (quiet.since(&before), flooded.since(&quiet));
    println!(
        "{} connections ({} more refused), {} messages, {} KiB of garbage in {FLOOD:?}: node 0 uses {cpu_flooded:.2} of a \
         core instead of {cpu_quiet:.2}, clients are answered {pace_flooded:.0} times a second instead of {pace_quiet:.0}",
        sent.connections,
        sent.refused,
        sent.messages,
        sent.bytes >> 10,
    );
    assert!(sent.connections > 0 && sent.messages > 0, "nothing was sent: {sent:?}");
    let rejected = cluster.metric(0, "rejected_messages_total").unwrap();
    let refused = cluster.metric(0, "refused_connections_total").unwrap();
    assert!(rejected > 0.0 && refused > 0.0, "{rejected} messages rejected, {refused} connections refused");
    assert!(pace_flooded * 3.0 > pace_quiet, "clients notice: {pace_flooded:.0} instead of {pace_quiet:.0} a second");
    let growth = flooded.resident.saturating_sub(quiet.resident);
    assert!(growth < GROWTH_MAX, "node 0 grew by {growth} bytes");
    assert_eq!(cluster.json(0, "/v1/validators").unwrap().to_string().matches("\"is_connected\":true").count(), 3);
    audit(cluster, load.finish());
}
