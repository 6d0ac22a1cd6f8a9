//! Nodes without a vote: they follow, answer reads and pass writes on, and nobody waits for them.

use crate::{
    audit::audit,
    cluster::{Cluster, PATIENCE, eventually},
    load::Load,
};

#[test]
fn listeners_follow_serve_and_are_not_missed() {
    let mut cluster = Cluster::start(&["--listeners", "2"]);
    assert_eq!(cluster.nodes.len(), 6);
    for listener in [4, 5] {
        assert_eq!(cluster.json(listener, "/v1/status").unwrap()["role"], "listener");
    }
    let load = Load::start(&cluster.https(), 8);
    load.more(300, PATIENCE);
    cluster.kill(&[4, 5]);
    load.more(100, PATIENCE);
    cluster.restart(4);
    // It follows without a validator, too.
    cluster.kill(&[1]);
    load.more(200, PATIENCE);
    cluster.restart(5);
    cluster.restart(1);
    load.more(100, PATIENCE);
    let outcome = load.finish();
    for listener in [4, 5] {
        let votes = cluster.metric(listener, "proposals_total").unwrap();
        assert!(votes == 0.0, "a listener proposed");
    }
    audit(cluster, outcome);
}

#[test]
fn a_listener_shows_what_was_written_before_it_was_asked() {
    let cluster = Cluster::start(&["--validators", "1", "--listeners", "1"]);
    let height = cluster.put(0, "river", "to the sea").unwrap();
    let local = format!("/v1/kv/river?at_least={height}");
    assert_eq!(cluster.get(1, &local).unwrap(), "to the sea");
    assert_eq!(cluster.get(1, "/v1/kv/river?consistency=linearizable").unwrap(), "to the sea");
    let height = cluster.put(1, "river", "by another way").unwrap();
    eventually("the validator to show it", PATIENCE, || {
        let value = cluster.get(0, &format!("/v1/kv/river?at_least={height}"))?;
        if value == "by another way" { Ok(()) } else { Err(value) }
    });
    cluster.stop();
}
