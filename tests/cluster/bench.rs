//! `thalweg bench`, as short as it goes: what it promises to programs, and that it leaves nothing behind.

use serde_json::Value;

use crate::cluster::thalweg;

fn bench(arguments: &[&str]) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let output = thalweg().arg("bench").args(arguments).arg("--json").env("TMPDIR", dir.path()).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    let left: Vec<_> = dir.path().read_dir().unwrap().collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |name: &str| report[name].as_f64().unwrap_or_else(|| panic!("{name} is no number: {report}"));
    assert!(number("committed_per_second") > 0.0, "{report}\n{words}");
    let latencies = ["p50_ms", "p90_ms", "p99_ms", "max_ms"].map(number);
    assert!(latencies[0] > 0.0 && latencies.is_sorted(), "{report}");
    assert!(number("disk_bytes") > 0.0 && number("client_cpu_percent") >= 0.0, "{report}");
    report
}

#[test]
fn an_open_loop_offers_its_rate_and_tells_what_it_costs() {
    let report =
        bench(&["--rate", "200", "--batch", "20", "--warm-up", "1", "--duration", "2", "--application", "noop"]);
    assert_eq!((&report["rate_offered"], &report["errors"]), (&200.into(), &0.into()), "{report}");
    let configuration = &report["configuration"];
    assert_eq!(configuration["application"], "noop");
    for (name, value) in [("validators", 4), ("window", 1), ("batch", 20), ("payload_bytes", 512), ("keys", 100_000)] {
        assert_eq!(configuration[name], value, "{name}");
    }
    let nodes = report["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 4);
    for node in nodes {
        assert!(node["memory_bytes"].as_u64().unwrap() > 1 << 20 && node["cpu_percent"].as_f64().unwrap() >= 0.0);
        assert!(node["disk_bytes"].as_u64().unwrap() > 0);
    }
}

#[test]
fn a_closed_loop_goes_on_when_one_validator_is_killed() {
    let report = bench(&["--closed-loop", "4", "--warm-up", "1", "--duration", "4", "--kill-one"]);
    assert_eq!((&report["rate_offered"], &report["configuration"]["clients"]), (&Value::Null, &4.into()));
    assert!(report["after_kill"]["committed_per_second"].as_f64().unwrap() > 0.0, "{report}");
    assert!(report["errors"].as_u64().unwrap() <= 4, "one for each client of the killed one at most: {report}");
    let killed: Vec<_> = report["nodes"].as_array().unwrap().iter().map(|node| node["is_killed"].as_bool()).collect();
    assert_eq!(killed, [Some(false), Some(false), Some(false), Some(true)]);
}
