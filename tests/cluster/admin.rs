//! The admin side of a running node, by the command line: the log at work, and an end in order.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    process::Output,
};

use crate::cluster::{Cluster, PATIENCE, eventually, thalweg};

const TOKEN: &str = "a-token-that-must-not-be-in-any-log";

#[test]
fn an_operator_turns_the_log_up_and_drains_the_node() {
    let mut cluster = Cluster::start(&["--validators", "1"]);
    cluster.kill(&[0]);
    let token_file = cluster.nodes[0].dir.join("admin.token");
    fs::write(&token_file, TOKEN).unwrap();
    fs::set_permissions(&token_file, Permissions::from_mode(0o600)).unwrap();
    let settings = ["--set", "admin.listen=127.0.0.1:0", "--set", "admin.token_file=admin.token"];
    cluster.spawn_with(&[0], &settings, &[]);
    cluster.wait_until_ready(&[0]);
    let url = eventually("the node to say where its admin side is", PATIENCE, || {
        let log = cluster.log(0);
        let (_, rest) = log.rsplit_once("\"admin\":\"").ok_or("no such line")?;
        Ok(format!("http://{}", rest.split('"').next().unwrap_or_default()))
    });
    let order = |words: &[&str]| -> Output {
        thalweg().arg("admin").args(words).args(["--node", &url, "--token-file"]).arg(&token_file).output().unwrap()
    };

    let refused = ureq::put(format!("{url}/v1/admin/log")).send("{\"filter\":\"debug\"}").unwrap_err();
    assert!(matches!(refused, ureq::Error::StatusCode(401)), "{refused}");
    assert!(!cluster.log(0).contains("\"level\":\"DEBUG\""));
    let output = order(&["log", "debug"]);
    assert!(output.status.success(), "{output:?}");
    cluster.put(0, "river", "to the sea").unwrap();
    eventually("a line that only debug has", PATIENCE, || match cluster.log(0) {
        log if log.contains("\"level\":\"DEBUG\"") => Ok(()),
        log => Err(log),
    });

    let output = order(&["drain", "--seconds", "3600"]);
    assert!(output.status.success(), "{output:?}");
    let not_ready = cluster.get(0, "/readyz").unwrap_err();
    assert!(not_ready.contains("503"), "{not_ready}");
    assert_eq!(cluster.get(0, "/v1/kv/river").unwrap(), "to the sea", "it serves those who are still there");
    let output = order(&["drain", "--seconds", "0"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(cluster.wait_for_end(0, PATIENCE).code(), Some(0), "{}", cluster.log(0));
    assert!(!cluster.log(0).contains(TOKEN));
}
