//! Clusters whose clients sign their commands: nobody else can order, and whoever holds a key can do all that anybody
//! could.

use std::process::Output;

use serde_json::{Value, json};

use crate::cluster::{Cluster, thalweg};

fn run(cluster: &Cluster, line: &[&str]) -> Output {
    thalweg().args(line).args(["--json", "--node", &cluster.urls()]).output().unwrap()
}

#[track_caller]
fn done(cluster: &Cluster, line: &[&str]) -> Value {
    let output = run(cluster, line);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// `OB-11`
#[test]
fn commands_that_no_client_has_signed_are_refused_and_signed_ones_are_executed_once() {
    let cluster = Cluster::start(&["--client-signatures"]);
    let path = |name: &str| cluster.dir().join(name).display().to_string();
    let (key, csv, batch) = (path("client.pem"), path("lines.csv"), path("batch.json"));
    assert!(thalweg().args(["keygen", &key]).output().unwrap().status.success());

    let refused = run(&cluster, &["put", "river", "to the sea"]);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{words}");
    assert!(words.contains("signed commands only") && words.contains("--key FILE"), "{words}");

    let first = done(&cluster, &["put", "river", "to the sea", "--key", &key, "--idempotency-key", "once"]);
    let again = done(&cluster, &["put", "river", "to the sea", "--key", &key, "--idempotency-key", "once"]);
    assert_eq!((&first["status"], &first), (&"committed".into(), &again), "the same command");
    let other = run(&cluster, &["put", "river", "uphill", "--key", &key, "--idempotency-key", "once"]);
    assert_eq!(other.status.code(), Some(1), "{other:?}");

    std::fs::write(&csv, (0..300).map(|line| format!("k{line},v{line}\n")).collect::<String>()).unwrap();
    let unsigned = run(&cluster, &["import", &csv]);
    assert!(String::from_utf8_lossy(&unsigned.stderr).contains("import stopped"), "{unsigned:?}");
    for _ in 0..2 {
        let report = done(&cluster, &["import", &csv, "--key", &key]);
        assert_eq!((&report["committed"], &report["rejected"]), (&300.into(), &0.into()));
    }
    let commands =
        json!([{ "op": "put", "key": "a", "value": "AQ==", "encoding": "base64" }, { "op": "delete", "key": "k1" }]);
    std::fs::write(&batch, commands.to_string()).unwrap();
    done(&cluster, &["submit", &batch, "--key", &key]);
    done(&cluster, &["delete", "k2", "--key", &key]);

    // Reads need no key, linearizable ones included, and say what the writes did.
    let read = |key: &str| run(&cluster, &["get", key, "--consistency", "linearizable"]);
    assert!(String::from_utf8_lossy(&read("k299").stdout).contains("v299"));
    assert_eq!([read("k1"), read("k2")].map(|gone| gone.status.code()), [Some(1); 2]);

    // What one node took another one proposes: a signature of another operation fools none of them.
    let status = cluster.json(0, "/v1/status").unwrap();
    assert_eq!(status["client_signatures"], "required");
    let forged =
        json!({ "client": "0a".repeat(32), "sequence": 1, "expires_at_height": null, "signature": "0b".repeat(64) });
    for node in cluster.https() {
        let forgery = ureq::put(format!("{node}/v1/kv/river")).header("Thalweg-Signed", forged.to_string());
        let answer = forgery.config().http_status_as_error(false).build().send("uphill").unwrap();
        assert_eq!(answer.status(), 403);
    }
    assert_eq!(cluster.get(0, "/v1/kv/river").unwrap(), "to the sea");
    cluster.stop();
}
