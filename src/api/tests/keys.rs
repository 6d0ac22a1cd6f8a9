//! Single writes and reads.

use serde_json::json;

use super::{
    Bench,
    fake::Mood,
    wire::{Reply, Request},
};
use crate::{
    app::{self, Receipt, SignatureError},
    config::ClientSignatures,
    crypto::{Check, Signable as _},
    replica::Fate,
    types::{Digest, Height, PublicKey, Signature},
};

#[test]
fn put_is_answered_when_committed_and_get_returns_the_bytes() {
    let bench = Bench::new();
    let put = bench.put("/v1/kv/greeting", b"\x00hello\xff").json(200);
    assert_eq!(put["status"], "committed");
    assert_eq!(put["height"], 1);
    assert_eq!(put["result"], json!({"existed": false}));
    assert_eq!(put["id"].as_str().unwrap().len(), 64);
    assert_eq!(put.as_object().unwrap().len(), 4);
    let get = bench.get("/v1/kv/greeting");
    assert_eq!((get.status, get.body.as_slice()), (200, b"\x00hello\xff".as_slice()));
    assert_eq!(get.header("thalweg-height"), Some("1"));
    assert_eq!(get.header("content-type"), Some("application/octet-stream"));
    assert_eq!(get.header("x-content-type-options"), Some("nosniff"));
}

#[test]
fn empty_value_is_a_value() {
    let bench = Bench::new();
    assert_eq!(bench.put("/v1/kv/a", b"").status, 200);
    let get = bench.get("/v1/kv/a");
    assert_eq!((get.status, get.body.len()), (200, 0));
}

#[test]
fn deleted_key_is_not_found() {
    let bench = Bench::new();
    bench.put("/v1/kv/a", b"1");
    let delete = bench.call(&Request::new("DELETE", "/v1/kv/a")).json(200);
    assert_eq!((&delete["status"], &delete["height"]), (&json!("committed"), &json!(2)));
    assert_eq!(bench.get("/v1/kv/a").problem(404, "no-key")["height"], 2);
}

#[test]
fn accepted_write_points_to_its_command() {
    let bench = Bench::new();
    let reply = bench.put("/v1/kv/a?wait=accepted", b"1");
    let accepted = reply.json(202);
    assert_eq!(accepted["status"], "accepted");
    assert_eq!(accepted["height"], json!(null));
    let location = format!("/v1/commands/{}", accepted["id"].as_str().unwrap());
    assert_eq!(reply.header("location"), Some(location.as_str()));
    let command = bench.get(&location).json(200);
    assert_eq!((&command["status"], &command["height"]), (&json!("committed"), &json!(1)));
    assert_eq!(command["result"], json!({"existed": false}));
}

#[test]
fn undecided_write_is_told_its_id_and_nobody_waits_on() {
    let bench = Bench::new();
    bench.node.set_mood(Mood::Stuck);
    let problem = bench.put("/v1/kv/a?timeout_ms=20", b"1").problem(504, "fate-unknown");
    assert_eq!(problem["id"], bench.node.submitted()[0].id().to_string());
    bench.node.until_waiting(0);
    let command = bench.get(&format!("/v1/commands/{}", problem["id"].as_str().unwrap())).json(200);
    assert_eq!(command["status"], "pending");
    bench.node.set_mood(Mood::Silent);
    bench.put("/v1/kv/a?wait=accepted&timeout_ms=20", b"1").problem(504, "fate-unknown");
}

fn put_with_key(bench: &Bench, idempotency_key: &str, value: &[u8]) -> Reply {
    bench.call(&Request::new("PUT", "/v1/kv/a").header("Idempotency-Key", idempotency_key).body(value))
}

#[test]
fn same_idempotency_key_and_body_give_the_same_answer_on_every_node() {
    let (bench, other) = (Bench::new(), Bench::new());
    let first = put_with_key(&bench, "once", b"1").json(200);
    assert_eq!(put_with_key(&bench, "once", b"1").json(200), first);
    other.put("/v1/kv/elsewhere", b"so that the other node is at another height");
    assert_eq!(put_with_key(&other, "once", b"1").json(200)["id"], first["id"]);
    assert_ne!(put_with_key(&bench, "twice", b"1").json(200)["id"], first["id"]);
    let command = &bench.node.submitted()[0];
    assert_eq!((command.expires_at_height, command.sequence), (None, 0));
}

#[test]
fn same_idempotency_key_with_another_body_is_refused() {
    let bench = Bench::new();
    put_with_key(&bench, "once", b"1").json(200);
    put_with_key(&bench, "once", b"2").problem(422, "key-reused");
    assert_eq!(bench.get("/v1/kv/a").body, b"1");
    put_with_key(&bench, "", b"1").problem(400, "bad-request");
    put_with_key(&bench, &"k".repeat(257), b"1").problem(400, "bad-request");
}

#[test]
fn writes_without_idempotency_key_are_distinct_and_expire() {
    let bench = Bench::new();
    let first = bench.put("/v1/kv/a", b"1").json(200);
    assert_ne!(bench.put("/v1/kv/a", b"1").json(200)["id"], first["id"]);
    let expiries: Vec<_> = bench.node.submitted().iter().map(|command| command.expires_at_height).collect();
    assert_eq!(expiries, [Some(Height::new(100)), Some(Height::new(101))]);
}

#[test]
fn every_fate_has_its_status() {
    let bench = Bench::new();
    let ended = |status| Ok(Fate::Committed { height: Height::new(7), receipt: Receipt { status, result: "".into() } });
    for (answer, status, slug) in [
        (Ok(Fate::Full), 429, "full"),
        (Ok(Fate::Conflict), 422, "key-reused"),
        (Ok(Fate::Expired), 503, "expired"),
        (ended(app::Status::Refused), 409, "refused"),
        (ended(app::Status::Conflict), 422, "key-reused"),
        (ended(app::Status::Expired), 503, "expired"),
        (Err(super::super::port::Refusal::Busy), 429, "full"),
        (Err(super::super::port::Refusal::Stopping), 504, "fate-unknown"),
    ] {
        bench.node.set_mood(Mood::Answering(answer));
        let reply = bench.put("/v1/kv/a", b"1");
        let problem = reply.problem(status, slug);
        assert_eq!(problem["id"].as_str().unwrap().len(), 64);
        let retry = matches!(status, 429 | 503).then_some("1");
        assert_eq!(reply.header("retry-after"), retry, "{slug}");
    }
    bench.put("/v1/kv/forbidden", b"1").problem(422, "invalid");
}

#[test]
fn read_waits_for_the_height_it_asks_for() {
    let bench = Bench::new();
    bench.get("/v1/kv/a?at_least=1&timeout_ms=20").problem(504, "timeout");
    let waiting = Request::new("GET", "/v1/kv/a?at_least=2").send(bench.server.address());
    bench.put("/v1/kv/a", b"1");
    bench.put("/v1/kv/a", b"2");
    let reply = Reply::read(waiting);
    assert_eq!((reply.status, reply.body.as_slice()), (200, b"2".as_slice()));
}

#[test]
fn linearizable_read_is_ordered_with_the_writes() {
    let bench = Bench::new();
    bench.put("/v1/kv/a", b"1");
    let read = bench.get("/v1/kv/a?consistency=linearizable");
    assert_eq!((read.body.as_slice(), read.header("thalweg-height")), (b"1".as_slice(), Some("2")));
    bench.node.set_mood(Mood::Stuck);
    bench.get("/v1/kv/a?consistency=linearizable&timeout_ms=20").problem(504, "timeout");
    bench.node.until_waiting(0);
    assert_eq!(bench.get("/v1/kv/a?consistency=local").status, 200, "local reads go on");
}

/// Percent-encodes some bytes more than needed, as clients do.
fn escape(key: &[u8], more: u8) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(byte);
    key.iter()
        .map(|byte| if plain(byte) && byte % 7 != more { char::from(*byte).into() } else { format!("%{byte:02X}") })
        .collect()
}

#[test]
fn slashes_dots_and_escaped_escapes_are_part_of_the_key() {
    let bench = Bench::new();
    let keys = ["a/b", "/", "a//b/", "..", "a/../b", "%2F", "%252F", "a?b", "a#b", "ü", "\n"];
    for (at, key) in (0u8..).zip(keys) {
        assert_eq!(bench.put(&format!("/v1/kv/{}", escape(key.as_bytes(), 0)), &[at]).status, 200, "{key}");
    }
    for (at, key) in (0u8..).zip(keys) {
        let get = bench.get(&format!("/v1/kv/{}", escape(key.as_bytes(), 3)));
        assert_eq!(get.body, [at], "{key}");
    }
}

#[test]
fn random_keys_come_back() {
    let bench = Bench::new();
    let keys = proptest::collection::vec(0u8.., 1..40);
    proptest::proptest!(proptest::prelude::ProptestConfig::with_cases(200), |(key in keys, more in 0u8..8)| {
        let put = bench.put(&format!("/v1/kv/{}", escape(&key, more)), &key);
        proptest::prop_assert_eq!(put.status, 200);
        let get = bench.get(&format!("/v1/kv/{}", escape(&key, 7)));
        proptest::prop_assert_eq!(get.body, key);
    });
}

/// `OB-11`: what the client signed is the command, and what the node says of its signature is a problem.
#[test]
fn a_signed_write_is_what_its_client_signed() {
    let bench = Bench::new();
    let signed = json!({
        "client": "0a".repeat(32), "sequence": u64::MAX, "expires_at_height": 7, "signature": "0b".repeat(64),
    });
    let put = |signed: &str| Request::new("PUT", "/v1/kv/a").header("Thalweg-Signed", signed).body(b"1");
    bench.call(&put(&signed.to_string())).json(200);
    let command = bench.node.submitted().pop().unwrap();
    assert_eq!((command.client, command.sequence), (Digest::new([10; 32]), u64::MAX));
    assert_eq!((command.expires_at_height, command.signature), (Some(Height::new(7)), Some(Signature::new([11; 64]))));

    bench.call(&put(&signed.to_string()).header("Idempotency-Key", "k")).problem(400, "bad-request");
    bench.call(&put("{}")).problem(400, "bad-request");
    for (error, slug) in [
        (SignatureError::Missing, "unsigned"),
        (SignatureError::Bad, "bad-signature"),
        (SignatureError::Unwanted, "bad-signature"),
    ] {
        bench.node.set_mood(Mood::Answering(Err(error.into())));
        bench.put("/v1/kv/a", b"1").problem(403, slug);
        let batch = json!({ "commands": [{ "op": "delete", "key": "a", "signed": signed }] });
        let results = bench.batch("/v1/commands", &batch).json(200);
        assert_eq!(results["results"][0]["problem"]["type"], format!("urn:thalweg:problem:{slug}"));
    }
}

/// `OB-11`: reads need nobody's key.
#[test]
fn a_linearizable_read_is_ordered_by_a_command_that_the_node_signs() {
    let bench = Bench::with(|settings| settings.chain.client_signatures = ClientSignatures::Required);
    bench.get("/v1/kv/a?consistency=linearizable").problem(404, "no-key");
    let barrier = bench.node.submitted().pop().unwrap();
    let key = PublicKey::new(*barrier.client.as_bytes());
    let check =
        Check { key, digest: barrier.view().digest(&Digest::new([9; 32])), signature: barrier.signature.unwrap() };
    assert!(check.is_valid());
}
