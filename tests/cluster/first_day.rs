//! What must work on the first day: write, read everywhere, import, lose a node and get it back.

use std::{
    io::Write as _,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use crate::{
    audit::assert_equal_chains,
    cluster::{Cluster, eventually, is_running, thalweg},
};

#[test]
fn fifty_writes_through_four_nodes_are_read_from_every_node() {
    let script = r#"
        set -e
        nodes=$(echo "$THALWEG_NODES" | tr , ' ')
        i=0
        while [ $i -lt 50 ]; do
            for node in $nodes; do
                [ $i -lt 50 ] || break
                "$THALWEG" put --node "$node" "key-$i" "value-$i" > /dev/null
                i=$((i + 1))
            done
        done
        for node in $nodes; do
            i=0
            while [ $i -lt 50 ]; do
                value=$("$THALWEG" get --node "$node" --consistency linearizable "key-$i")
                [ "$value" = "value-$i" ] || { echo "$node has '$value' under key-$i" >&2; exit 3; }
                i=$((i + 1))
            done
        done
    "#;
    let dir = tempfile::tempdir().unwrap();
    let output = thalweg()
        .args(["localnet", "--json", "--http-port", "0", "--p2p-port", "0", "--exec", script, "--dir"])
        .arg(dir.path().join("net"))
        .env("THALWEG", env!("CARGO_BIN_EXE_thalweg"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table: serde_json::Value =
        serde_json::from_slice(output.stdout.split(|b| *b == b'\n').next().unwrap()).unwrap();
    for node in table["nodes"].as_array().unwrap() {
        let pid = u32::try_from(node["pid"].as_u64().unwrap()).unwrap();
        assert!(!is_running(pid), "a node is left running: {node}");
    }
}

#[test]
fn exec_passes_its_status_on() {
    let arguments = ["localnet", "--http-port", "0", "--p2p-port", "0", "--exec", "exit 7"];
    let status = thalweg().args(arguments).stderr(std::process::Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(7));
}

#[test]
fn equal_heights_have_equal_state_roots() {
    let cluster = Cluster::start(&[]);
    let height = (0..20).map(|i| cluster.put(i % 4, &format!("key-{i}"), "value").unwrap()).max().unwrap();
    cluster.wait_for_height(height);
    assert_equal_chains(&cluster, &[0, 1, 2, 3], height);
    cluster.stop();
}

#[test]
fn import_of_fifty_thousand_lines_ends_on_every_node() {
    let cluster = Cluster::start(&[]);
    let file = cluster.dir().join("lines.csv");
    let mut lines = std::io::BufWriter::new(std::fs::File::create(&file).unwrap());
    for line in 0..50_000 {
        writeln!(lines, "import-{line},value of line {line}").unwrap();
    }
    drop(lines);
    for run in 0..2 {
        let output = thalweg().args(["import", "--node", &cluster.urls()]).arg(&file).output().unwrap();
        assert!(output.status.success(), "run {run}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let height = (0..4).map(|node| cluster.height(node)).max().unwrap();
    cluster.wait_for_height(height);
    for node in 0..4 {
        for line in (0..50_000).step_by(4_999).chain([49_999]) {
            let value = cluster.get(node, &format!("/v1/kv/import-{line}")).unwrap();
            assert_eq!(value, format!("value of line {line}"));
        }
    }
    // Equal roots cover every line on every node; the samples above show that the root is over the lines.
    let root = |node| cluster.json(node, &format!("/v1/blocks/{height}")).unwrap()["state_root"].clone();
    assert!((1..4).all(|node| root(node) == root(0)));
    cluster.stop();
}

#[test]
fn a_killed_node_is_not_missed_and_catches_up() {
    let mut cluster = Cluster::start(&[]);
    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for node in 0..3 {
            let (cluster, stop, written) = (&cluster, &stop, &written);
            scope.spawn(move || {
                let mut i = 0;
                while !stop.load(Ordering::Relaxed) {
                    // A request that fails while the cluster loses a node is tried again by a client.
                    if cluster.put(node, &format!("load-{node}-{i}"), "value").is_ok() {
                        i += 1;
                        written.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let more = |count: u64| {
            let goal = written.load(Ordering::Relaxed) + count;
            eventually("writes under load", Duration::from_secs(60), || match written.load(Ordering::Relaxed) {
                done if done >= goal => Ok(()),
                done => Err(format!("{done} of {goal} written")),
            });
        };
        more(50);
        cluster.kill(&[3]);
        more(50);
        stop.store(true, Ordering::Relaxed);
    });
    cluster.restart(3);
    // It takes part: with another one gone, nothing can be decided without it.
    let height = (0..3).map(|node| cluster.height(node)).max().unwrap();
    eventually("the node to catch up", Duration::from_secs(30), || match cluster.height(3) {
        here if here >= height => Ok(()),
        here => Err(format!("at {here} of {height}")),
    });
    cluster.kill(&[0]);
    cluster.put(3, "after", "value").expect("a quorum that needs the restarted node");
    cluster.restart(0);
    let height = (0..4).map(|node| cluster.height(node)).max().unwrap();
    cluster.wait_for_height(height);
    assert_equal_chains(&cluster, &[0, 1, 2, 3], height);
    cluster.stop();
}

#[test]
fn a_certificate_is_checked_without_any_node() {
    let cluster = Cluster::start(&[]);
    let height = cluster.put(0, "proven", "value").unwrap().to_string();
    let certificate = thalweg().args(["certificate", &height, "--node", &cluster.urls()]).output().unwrap();
    assert!(certificate.status.success(), "{}", String::from_utf8_lossy(&certificate.stderr));
    let (file, genesis) = (cluster.dir().join("certificate.json"), cluster.genesis());
    let verify = |text: &str| {
        std::fs::write(&file, text).unwrap();
        thalweg().args(["verify", "--json", "--genesis"]).arg(&genesis).arg(&file).output().unwrap()
    };
    let text = String::from_utf8(certificate.stdout).unwrap();
    let proven = verify(&text);
    assert!(proven.status.success(), "{}", String::from_utf8_lossy(&proven.stderr));
    let said: serde_json::Value = serde_json::from_slice(&proven.stdout).unwrap();
    assert_eq!(said["height"].as_u64().unwrap().to_string(), height);

    let root = said["payload_root"].as_str().unwrap();
    let forged = verify(&text.replace(root, &"ab".repeat(32)));
    assert_eq!(forged.status.code(), Some(1), "another payload is not proven");
    cluster.stop();
}
