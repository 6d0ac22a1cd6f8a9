//! What clients are promised: retries execute once wherever they go, a fate that was not told in time can be asked for,
//! reads are fresh or refused, and a node that is full says so and when to come back.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    cluster::{Cluster, PATIENCE, eventually},
    load::{Client, Reply},
};

fn put(cluster: &Cluster, node: usize, target: &str, idempotency_key: Option<&str>, body: &str) -> Reply {
    let url = format!("{}{target}", cluster.nodes[node].http);
    Client::new(PATIENCE).send("PUT", &url, idempotency_key, body).expect("the node answers")
}

fn committed(cluster: &Cluster, node: usize, id: &str) -> Result<u64, String> {
    let fate = cluster.json(node, &format!("/v1/commands/{id}"))?;
    let height = fate["height"].as_u64().filter(|_| fate["status"] == "committed");
    height.ok_or(fate.to_string())
}

#[test]
fn duplicates_on_all_nodes_at_once_execute_once() {
    let mut cluster = Cluster::start(&[]);
    let mut told = Vec::new();
    for round in 0..25 {
        let (target, key) = (format!("/v1/kv/key-{round}"), format!("retry-{round}"));
        let replies: Vec<Reply> = std::thread::scope(|scope| {
            let (cluster, target, key) = (&cluster, &target, &key);
            // Two on each node: also those of one node must find each other.
            let send = |at: usize| scope.spawn(move || put(cluster, at % 4, target, Some(key), "value"));
            let threads: Vec<_> = (0..8).map(send).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let answers: BTreeSet<String> = replies.iter().map(|reply| reply.json().to_string()).collect();
        assert!(replies.iter().all(|reply| reply.status == 200), "{replies:?}");
        assert_eq!(answers.len(), 1, "one command has one id, one height and one result: {answers:?}");
        let answer = replies[0].json();
        assert_eq!(answer["result"]["existed"], false, "it was executed twice: {answer}");
        told.push(answer);
    }
    let other = put(&cluster, 2, "/v1/kv/key-0", Some("retry-0"), "another value");
    assert_eq!((other.status, other.json()["type"].as_str()), (422, Some("urn:thalweg:problem:key-reused")));

    // The memory of it is the chain's, not a process's.
    cluster.kill(&[0, 1, 2, 3]);
    cluster.spawn(&[0, 1, 2, 3], &[]);
    cluster.wait_until_ready(&[0, 1, 2, 3]);
    for (round, answer) in told.iter().enumerate() {
        let again =
            put(&cluster, (round + 1) % 4, &format!("/v1/kv/key-{round}"), Some(&format!("retry-{round}")), "value");
        assert_eq!(again.json(), *answer, "a retry after a restart has another answer");
        assert_eq!(cluster.get(round % 4, &format!("/v1/kv/key-{round}")).unwrap(), "value");
    }
    assert_eq!(executed(&cluster), told.len(), "commands of clients in all blocks");
    cluster.stop();
}

/// How many commands of `PUT`s with a key stand in the blocks of node 0, executed or not.
fn executed(cluster: &Cluster) -> usize {
    let blocks = (1..=cluster.height(0)).map(|height| cluster.json(0, &format!("/v1/blocks/{height}")).unwrap());
    let applied = |block: serde_json::Value| {
        let commands = block["commands"].as_array().cloned().unwrap_or_default();
        commands.iter().filter(|command| command["status"] == "applied").count()
    };
    blocks.map(applied).sum()
}

#[test]
fn without_a_quorum_fates_stay_open_and_reads_are_refused_or_old() {
    let cluster = Cluster::start(&[]);
    cluster.put(0, "river", "to the sea").unwrap();
    cluster.wait_for_height(1);
    [2, 3].iter().for_each(|node| cluster.signal(*node, Signal::STOP));

    let late = put(&cluster, 0, "/v1/kv/late?timeout_ms=1500", Some("late"), "value");
    assert_eq!((late.status, late.json()["type"].as_str()), (504, Some("urn:thalweg:problem:fate-unknown")));
    let id = late.json()["id"].as_str().expect("a 504 names the command").to_owned();
    assert_eq!(cluster.json(0, &format!("/v1/commands/{id}")).unwrap()["status"], "pending");
    let read = |node: usize, query: &str| {
        Client::new(PATIENCE).get(&format!("{}/v1/kv/river?{query}", cluster.nodes[node].http)).unwrap()
    };
    let linearizable = read(1, "consistency=linearizable&timeout_ms=1500");
    assert_eq!((linearizable.status, linearizable.json()["type"].as_str()), (504, Some("urn:thalweg:problem:timeout")));
    let local = read(1, "consistency=local");
    assert_eq!((local.status, local.body.as_slice()), (200, &b"to the sea"[..]));
    assert_eq!(read(1, "at_least=1000000&timeout_ms=300").status, 504);

    [2, 3].iter().for_each(|node| cluster.signal(*node, Signal::CONT));
    let height = eventually("the open write to be committed", PATIENCE, || committed(&cluster, 3, &id));
    for node in 0..4 {
        assert_eq!(eventually("its fate on every node", PATIENCE, || committed(&cluster, node, &id)), height);
    }
    let again = put(&cluster, 1, "/v1/kv/late", Some("late"), "value").json();
    assert_eq!((again["id"].as_str(), again["height"].as_u64()), (Some(id.as_str()), Some(height)));
    cluster.stop();
}

#[test]
fn a_full_node_refuses_and_says_when_to_come_back_and_keeps_what_it_took() {
    let capacity = 40;
    let cluster = Cluster::start_with(&[], &[("THALWEG__MEMPOOL__COMMANDS_MAX", &capacity.to_string())]);
    cluster.put(0, "before", "value").unwrap();
    [1, 2].iter().for_each(|node| cluster.signal(*node, Signal::STOP));
    let mut accepted = Vec::new();
    let mut refused = None;
    for number in 0..4 * capacity {
        let reply = put(&cluster, 0, &format!("/v1/kv/full-{number}?wait=accepted"), None, "value");
        match reply.status {
            202 => accepted.push((number, reply.json()["id"].as_str().unwrap().to_owned())),
            429 => {
                refused = Some(reply);
                break;
            }
            _ => panic!("{reply:?}"),
        }
    }
    let refused = refused.expect("a mempool without end");
    assert_eq!(refused.json()["type"], "urn:thalweg:problem:full");
    assert!(refused.retry_after.is_some_and(|seconds| seconds.parse::<u32>().is_ok()), "no Retry-After");
    let waiting = put(&cluster, 0, "/v1/kv/full", Some("full"), "value");
    assert_eq!((waiting.status, waiting.json()["type"].as_str()), (429, Some("urn:thalweg:problem:full")));
    assert!(accepted.len() <= capacity, "{} accepted in room for {capacity}", accepted.len());
    assert!(accepted.len() >= capacity / 2, "{} accepted in room for {capacity}", accepted.len());
    assert_eq!(cluster.get(0, "/healthz").map(drop), Ok(()), "a full node is not ill");

    [1, 2].iter().for_each(|node| cluster.signal(*node, Signal::CONT));
    for (number, id) in &accepted {
        eventually("what was accepted to be committed", PATIENCE, || committed(&cluster, 0, id));
        assert_eq!(cluster.get(0, &format!("/v1/kv/full-{number}")).unwrap(), "value");
    }
    eventually("room again", Duration::from_secs(10), || cluster.put(0, "after", "value"));
    cluster.stop();
}

/// `RP-F1`: one node's clients leave room for those of another, and who is turned away gets in by coming back.
#[test]
fn a_greedy_client_does_not_keep_a_modest_one_out() {
    let cluster = Cluster::start_with(&[], &[("THALWEG__MEMPOOL__COMMANDS_MAX", "64")]);
    let (is_over, refused) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    refused.fetch_add(greed(&cluster), Ordering::Relaxed);
                }
            });
        }
        let stop = StopWhenDropped(&is_over);
        let saturated = |after: u64| {
            eventually("the greedy client to be turned away", PATIENCE, || match refused.load(Ordering::Relaxed) {
                refused if refused > after => Ok(refused),
                refused => Err(format!("{refused} of its commands are")),
            })
        };
        let mut seen = saturated(0);
        for number in 0..20 {
            let elsewhere = put(&cluster, 1, &format!("/v1/kv/modest-{number}?timeout_ms=60000"), None, "value");
            assert_eq!(elsewhere.status, 200, "another node is crowded out: {elsewhere:?}");
            eventually("a place on the full node", PATIENCE, || {
                let here = put(&cluster, 0, &format!("/v1/kv/patient-{number}?timeout_ms=60000"), None, "value");
                match here.status {
                    200 => Ok(()),
                    429 if here.retry_after.is_some() => Err("it is full".to_owned()),
                    _ => panic!("{here:?}"),
                }
            });
            seen = saturated(seen);
        }
        drop(stop);
    });
    cluster.stop();
}

/// Ends the greed however a test ends.
struct StopWhenDropped<'a>(&'a AtomicBool);

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Puts more than there is room for at once; returns how much was refused.
fn greed(cluster: &Cluster) -> u64 {
    let put = |key: u64| serde_json::json!({ "op": "put", "key": format!("greedy-{key}"), "value": "more" });
    let body = serde_json::json!({ "commands": (0..100).map(put).collect::<Vec<_>>() }).to_string();
    let url = format!("{}/v1/commands?wait=accepted", cluster.nodes[0].http);
    let reply = Client::new(PATIENCE).send("POST", &url, None, &body).expect("a full node answers");
    let results = reply.json()["results"].as_array().expect("results").clone();
    let refused = results.iter().filter(|result| result["problem"]["type"] == "urn:thalweg:problem:full").count();
    assert_eq!(refused > 0, reply.retry_after.is_some(), "who is turned away is told when to come back");
    refused as u64
}
