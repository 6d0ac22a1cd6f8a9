//! A state that is taken from one node and restored into another: by URL after a disk was lost, and from a file.

use std::{fs, time::Duration};

use crate::{
    audit::audit,
    cluster::{Cluster, PATIENCE, eventually, thalweg},
    load::Load,
};

/// More heights than twice the window.
const FORGOTTEN_MAX: u64 = 64;

#[test]
fn a_node_that_lost_its_disk_goes_on_from_another_ones_checkpoint() {
    let mut cluster = Cluster::start(&["--checkpoint-interval", "16"]);
    let load = Load::start(&cluster.https(), 8);
    load.more(200, PATIENCE);
    let written = cluster.put(3, "before", "the loss").unwrap();
    cluster.wait_for_height(written + 16);
    let file = cluster.dir().join("state.snapshot");
    let file = file.to_str().unwrap();
    let stable = eventually("a checkpoint above the write", PATIENCE, || match cluster.json(0, "/v1/status")? {
        status if status["stable_height"].as_u64() >= Some(written) => Ok(status["stable_height"].as_u64()),
        status => Err(status.to_string()),
    });
    run(&["backup", file, "--node", &cluster.https()[0]]);

    cluster.kill(&[3]);
    let data = cluster.nodes[3].dir.join("data");
    fs::remove_dir_all(&data).unwrap();
    fs::create_dir(&data).unwrap();
    let config = cluster.nodes[3].dir.join("node.toml");
    let config = config.to_str().unwrap();
    let mut forged = fs::read(file).unwrap();
    let middle = forged.len() / 2;
    forged[middle] ^= 1;
    let forgery = cluster.dir().join("forged.snapshot");
    fs::write(&forgery, forged).unwrap();
    let refused = thalweg().args(["restore", "--config", config]).arg(&forgery).output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let restored = run(&["restore", "--json", "--config", config, file]);
    let restored: serde_json::Value = serde_json::from_str(&restored).unwrap();
    assert!(restored["height"].as_u64() >= stable, "{restored}");
    assert_eq!(restored["has_journal"], false);
    let again = thalweg().args(["restore", "--config", config, &cluster.https()[1]]).output().unwrap();
    assert!(String::from_utf8_lossy(&again.stderr).contains("--replace"), "{again:?}");
    let restored = run(&["restore", "--json", "--replace", "--config", config, &cluster.https()[1]]);
    let restored: serde_json::Value = serde_json::from_str(&restored).unwrap();
    cluster.nodes[3].base = restored["height"].as_u64().unwrap();

    // Its memory of votes is gone as well.
    cluster.spawn_with(&[3], &["--rejoin"], &[]);
    cluster.wait_until_ready(&[3]);
    assert_eq!(cluster.get(3, "/v1/kv/before").unwrap(), "the loss");
    let below = cluster.get(3, "/v1/blocks/1").unwrap_err();
    assert!(below.contains("404"), "a block that it never had: {below}");
    eventually("its vote", PATIENCE, || match cluster.json(3, "/v1/status")? {
        status if status["role"] == "validator" => Ok(()),
        status => Err(status.to_string()),
    });
    // In a long instance it is silent on views as well until all that it may have forgotten lies below a checkpoint
    // (`PB-D3`).
    let beyond = cluster.height(3) + FORGOTTEN_MAX;
    eventually("a checkpoint beyond what is forgotten", PATIENCE, || match cluster.json(3, "/v1/status")? {
        status if status["stable_height"].as_u64() > Some(beyond) => Ok(()),
        status => Err(status.to_string()),
    });
    // Without it there is no quorum.
    cluster.kill(&[0]);
    load.more(50, PATIENCE);
    cluster.restart(0);
    load.more(50, Duration::from_secs(30));
    audit(cluster, load.finish());
}

/// Runs a command that must succeed, and returns what it prints.
#[track_caller]
fn run(arguments: &[&str]) -> String {
    let output = thalweg().args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
