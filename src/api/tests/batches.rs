//! `POST /v1/commands`.

use serde_json::{Value, json};

use super::{Bench, fake::Mood};
use crate::replica::Fate;

fn statuses(results: &Value) -> Vec<&str> {
    results["results"].as_array().unwrap().iter().map(|result| result["status"].as_str().unwrap()).collect()
}

#[test]
fn commands_are_committed_in_order_and_answered_in_order() {
    let bench = Bench::new();
    let batch = json!({"commands": [
        {"op": "put", "key": "a", "value": "1"},
        {"op": "put", "key": "a", "value": "Mg==", "encoding": "base64"},
        {"op": "put", "key": "b", "value": "ü", "encoding": "utf8"},
        {"op": "delete", "key": "b"},
        {"op": "put", "key": "a", "value": "3", "idempotency_key": "line 5"},
    ]});
    let results = bench.batch("/v1/commands", &batch).json(200);
    assert_eq!(statuses(&results), ["committed"; 5]);
    let heights: Vec<_> = results["results"].as_array().unwrap().iter().map(|result| &result["height"]).collect();
    assert_eq!(heights, [1, 2, 3, 4, 5]);
    assert_eq!(results["results"][1]["result"], json!({"existed": true}));
    assert_eq!(results["results"][1]["problem"], Value::Null);
    assert_eq!(bench.get("/v1/kv/a").body, b"3");
    assert_eq!(bench.get("/v1/kv/b").status, 404);
}

#[test]
fn idempotency_key_means_the_same_in_batches_and_single_writes() {
    let bench = Bench::new();
    let put = super::Request::new("PUT", "/v1/kv/a").header("Idempotency-Key", "k").body(b"1");
    let single = bench.call(&put).json(200);
    let header = super::Request::new("POST", "/v1/commands").header("Idempotency-Key", "k");
    bench.call(&header.body(b"{\"commands\":[]}")).problem(400, "bad-request");
    let batch = |value| json!({"commands": [{"op": "put", "key": "a", "value": value, "idempotency_key": "k"}]});
    let same = bench.batch("/v1/commands", &batch("1")).json(200);
    assert_eq!((&same["results"][0]["id"], &same["results"][0]["height"]), (&single["id"], &single["height"]));
    let other = bench.batch("/v1/commands", &batch("2")).json(200);
    assert_eq!(other["results"][0]["status"], "rejected");
    assert_eq!(other["results"][0]["problem"]["status"], 422);
}

#[test]
fn wrong_commands_do_not_hold_up_the_others() {
    let bench = Bench::new();
    let batch = json!({"commands": [
        {"op": "put", "key": "", "value": "1"},
        {"op": "put", "key": "a"},
        {"op": "delete", "key": "a", "value": "1"},
        {"op": "put", "key": "a", "value": "§", "encoding": "base64"},
        {"op": "put", "key": "k".repeat(1025), "value": "1"},
        {"op": "put", "key": "a", "value": "v".repeat(4097)},
        {"op": "put", "key": "a", "value": "1", "idempotency_key": ""},
        {"op": "put", "key": "forbidden", "value": "1"},
        {"op": "put", "key": "a", "value": "good"},
    ]});
    let results = bench.batch("/v1/commands", &batch).json(200);
    let problems: Vec<_> =
        results["results"].as_array().unwrap().iter().map(|result| result["problem"]["status"].as_u64()).collect();
    let expected = [Some(400), Some(400), Some(400), Some(400), Some(414), Some(413), Some(400), Some(422), None];
    assert_eq!(problems, expected);
    assert_eq!(results["results"][0]["id"], Value::Null);
    assert_eq!(statuses(&results)[7..], ["rejected", "committed"]);
    assert_eq!(bench.get("/v1/kv/a").body, b"good");
}

#[test]
fn batch_does_not_wait_longer_than_it_says() {
    let bench = Bench::new();
    let batch = json!({"commands": [{"op": "put", "key": "a", "value": "1"}, {"op": "delete", "key": "b"}]});
    bench.node.set_mood(Mood::Stuck);
    let results = bench.batch("/v1/commands?timeout_ms=20", &batch).json(200);
    assert_eq!(statuses(&results), ["pending", "pending"]);
    assert_eq!(results["results"][0]["id"], bench.node.submitted()[0].id().to_string());
    assert_eq!(results["results"][0]["problem"]["status"], 504);
    bench.node.until_waiting(0);
    let results = bench.batch("/v1/commands?wait=accepted", &batch).json(200);
    assert_eq!(statuses(&results), ["accepted", "accepted"]);
}

#[test]
fn full_mempool_asks_the_client_to_come_back() {
    let bench = Bench::new();
    bench.node.set_mood(Mood::Answering(Ok(Fate::Full)));
    let reply = bench.batch("/v1/commands", &json!({"commands": [{"op": "delete", "key": "a"}]}));
    assert_eq!(reply.json(200)["results"][0]["problem"]["status"], 429);
    assert_eq!(reply.header("retry-after"), Some("1"));
}

#[test]
fn batches_beyond_the_limits_are_refused_whole() {
    let bench = Bench::new();
    let batch = |count: usize| json!({"commands": vec![json!({"op": "put", "key": "a", "value": "1"}); count]});
    assert_eq!(bench.batch("/v1/commands", &batch(0)).json(200), json!({"results": []}));
    assert_eq!(statuses(&bench.batch("/v1/commands", &batch(1000)).json(200)).len(), 1000);
    let committed = bench.node.submitted().len();
    bench.batch("/v1/commands", &batch(1001)).problem(413, "too-large");
    let large = json!({"commands": [{"op": "put", "key": "a", "value": "x".repeat(4 << 20)}]});
    bench.batch("/v1/commands", &large).problem(413, "too-large");
    for wrong in
        [json!({}), json!([]), json!({"commands": [{"op": "get", "key": "a"}]}), json!({"commands": [], "x": 1})]
    {
        bench.batch("/v1/commands", &wrong).problem(400, "bad-request");
    }
    assert_eq!(bench.node.submitted().len(), committed);
}

#[test]
fn command_ids_are_looked_up() {
    let bench = Bench::new();
    assert_eq!(bench.get(&format!("/v1/commands/{}", "0".repeat(64))).json(200)["status"], "unknown");
    bench.get("/v1/commands/xyz").problem(400, "bad-request");
    let id = bench.put("/v1/kv/a", b"1").json(200)["id"].as_str().unwrap().to_owned();
    let command = bench.get(&format!("/v1/commands/{id}")).json(200);
    assert_eq!((&command["id"], &command["status"], &command["height"]), (&json!(id), &json!("committed"), &json!(1)));
}
