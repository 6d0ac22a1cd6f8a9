//! The server as clients see it: a real one on a free port, in front of a node that lives in memory.

mod admin;
mod allowances;
mod batches;
mod console;
mod doctor;
mod errors;
mod events;
mod fake;
mod keys;
mod limits;
mod openapi;
mod proofs;
mod wire;

use std::{sync::Arc, time::Duration};

use fake::Fake;
use serde_json::Value;
use wire::{Reply, Request};

use super::{ChainFacts, Server, Settings};
use crate::{
    config::{ApplicationName, ClientSignatures},
    protocol::{Abstention, ProtocolName},
    types::{Digest, Height},
};

/// A running server and the node behind it.
struct Bench {
    node: Arc<Fake>,
    server: Server,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn settings() -> Settings {
        let chain = ChainFacts {
            name: "tests".to_owned(),
            id: Digest::new([9; 32]),
            protocol: ProtocolName::Streamlette,
            application: ApplicationName::Kv,
            client_signatures: ClientSignatures::Off,
            window: 2,
            command_bytes_max: 4096,
            retention_heights: 100,
        };
        let mut settings = Settings::new(([127, 0, 0, 1], 0).into(), chain);
        settings.stop_timeout = Duration::from_secs(1);
        settings
    }

    fn with(adjust: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Self::settings();
        adjust(&mut settings);
        let node = Arc::new(Fake::default());
        let server = Server::start(settings, Arc::clone(&node) as _).unwrap();
        Self { node, server }
    }

    fn call(&self, request: &Request) -> Reply {
        request.call(self.server.address())
    }

    fn get(&self, target: &str) -> Reply {
        self.call(&Request::new("GET", target))
    }

    fn put(&self, target: &str, value: &[u8]) -> Reply {
        self.call(&Request::new("PUT", target).body(value))
    }

    fn batch(&self, target: &str, batch: &Value) -> Reply {
        self.call(&Request::new("POST", target).body(batch.to_string().as_bytes()))
    }
}

#[test]
fn status_tells_where_the_node_stands() {
    let bench = Bench::new();
    bench.put("/v1/kv/a", b"1");
    let status = bench.get("/v1/status").json(200);
    for (name, value) in [
        ("height", 1.into()),
        ("protocol", "streamlette".into()),
        ("role", "validator".into()),
        ("round", 1.into()),
        ("leader", 3.into()),
        ("stable_height", 0.into()),
        ("in_window", serde_json::json!([2])),
        ("syncing", false.into()),
        ("state_root", Digest::new([1; 32]).to_string().into()),
        ("chain", "tests".into()),
        ("application", "kv".into()),
        ("version", crate::VERSION.into()),
        ("node", 2.into()),
        ("mempool", serde_json::json!({"commands": 0, "bytes": 0})),
        ("peers", 3.into()),
        ("target_height", 1.into()),
    ] {
        assert_eq!(status[name], value, "{name}");
    }
}

#[test]
fn blocks_show_header_and_commands_in_pages() {
    let bench = Bench::new();
    let id = bench.put("/v1/kv/a", b"1").json(200)["id"].clone();
    bench.put("/v1/kv/b", b"2");
    let block = bench.get("/v1/blocks/1").json(200);
    assert_eq!(block["height"], 1);
    assert_eq!(block["state_root"], Digest::new([1; 32]).to_string());
    assert_eq!(block["hash"], bench.node.header(Height::new(1)).hash().to_string());
    assert_eq!(block["commands"][0]["id"], id);
    assert_eq!(block["commands"][0]["sequence"], 0);
    assert_eq!(block["commands"][0]["status"], "applied");
    assert_eq!(block["commands_total"], 1);
    assert_eq!(bench.get("/v1/blocks/latest").json(200)["height"], 2);
    assert_eq!(bench.get("/v1/blocks/1?offset=1").json(200)["commands"], serde_json::json!([]));
    assert_eq!(bench.get("/v1/blocks/1?limit=0").json(200)["commands_total"], 1);
    bench.get("/v1/blocks/3").problem(404, "no-block");
    bench.get("/v1/blocks/3/certificate").problem(404, "no-block");
    bench.get("/v1/checkpoint").problem(404, "no-checkpoint");
    for height in ["x", "-1", "+1", "18446744073709551616", ""] {
        let status = if height.is_empty() { 404 } else { 400 };
        assert_eq!(bench.get(&format!("/v1/blocks/{height}")).status, status, "{height}");
    }
}

#[test]
fn validators_and_peers_are_listed() {
    let bench = Bench::new();
    let validators = bench.get("/v1/validators").json(200);
    assert_eq!(validators["height"], 1);
    assert_eq!(validators["validators"][0]["index"], 0);
    assert_eq!(validators["validators"][0]["power"], 1);
    assert_eq!(validators["validators"][0]["public_key"], "07".repeat(32));
    assert_eq!(bench.get("/v1/peers").json(200)["peers"][1]["peer_id"], "somebody");
    assert_eq!(bench.get("/v1/peers").json(200)["peers"][0]["last_heard_ms_ago"], 7);
}

#[test]
fn lists_come_in_pages() {
    let bench = Bench::new();
    let page = |target: &str| bench.get(target).json(200);
    let (first, second) = (page("/v1/peers?limit=1"), page("/v1/peers?limit=1&after=nobody"));
    assert_eq!((&first["peers"][0]["peer_id"], &first["next"]), (&"nobody".into(), &"nobody".into()));
    assert_eq!((&second["peers"][0]["peer_id"], &second["next"]), (&"somebody".into(), &Value::Null));
    assert_eq!(page("/v1/peers?limit=9999")["peers"].as_array().unwrap().len(), 2);
    let validators = page("/v1/validators?limit=1");
    assert_eq!((&validators["validators"][0]["index"], &validators["next"]), (&0.into(), &Value::Null));
    assert_eq!(page("/v1/validators?after=0")["validators"], serde_json::json!([]));
    for senseless in ["/v1/peers?limit=0", "/v1/peers?limit=x", "/v1/validators?after=-1", "/v1/validators?offset=1"] {
        bench.get(senseless).problem(400, "bad-request");
    }
}

#[test]
fn what_is_decided_may_be_cached_and_nothing_else() {
    let bench = Bench::new();
    bench.put("/v1/kv/a", b"1");
    let block = bench.get("/v1/blocks/1");
    let tag = block.header("etag").unwrap().to_owned();
    assert_eq!(block.header("cache-control"), Some("public, max-age=31536000, immutable"));
    let again = |tag: &str| bench.call(&Request::new("GET", "/v1/blocks/1").header("If-None-Match", tag));
    for known in [tag.as_str(), "*", &format!("\"x\", W/{tag}")] {
        let reply = again(known);
        assert_eq!((reply.status, reply.body.len(), reply.header("etag")), (304, 0, Some(tag.as_str())), "{known}");
    }
    assert_eq!(again("\"x\"").status, 200);
    assert_ne!(bench.get("/v1/blocks/1?limit=0").header("etag"), Some(tag.as_str()), "another page");
    for target in ["/v1/blocks/latest", "/v1/blocks/9", "/v1/status", "/v1/validators", "/v1/kv/a", "/metrics"] {
        let reply = bench.get(target);
        assert_eq!((reply.header("cache-control"), reply.header("etag")), (Some("no-store"), None), "{target}");
    }
    // A part of the program: asked for each time, sent again when it is another one.
    let page = bench.get("/");
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    let known = Request::new("GET", "/").header("If-None-Match", page.header("etag").unwrap());
    assert_eq!(bench.call(&known).status, 304);
}

/// Without a configured origin there is none of it; a configured one may read and write, and others still may not.
#[test]
fn pages_of_other_origins_may_do_nothing_unless_they_are_named() {
    let named = "https://app.example.org";
    let ask = |bench: &Bench, origin| {
        let question = Request::new("OPTIONS", "/v1/kv/a").header("Access-Control-Request-Method", "PUT");
        bench.call(&question.header("Origin", origin))
    };
    let put = |bench: &Bench, origin| bench.call(&Request::new("PUT", "/v1/kv/a").header("Origin", origin).body(b"1"));
    let closed = Bench::new();
    assert_eq!(ask(&closed, named).status, 405);
    put(&closed, named).problem(403, "foreign-origin");
    assert_eq!(closed.get("/v1/status").header("vary"), None);

    let open = Bench::with(|settings| settings.cors_origins = vec![named.to_owned()]);
    let allowed = ask(&open, named);
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (204, Some(named)));
    assert!(allowed.header("access-control-allow-methods").unwrap().contains("PUT"));
    assert!(allowed.header("access-control-allow-headers").unwrap().contains("idempotency-key"));
    let written = put(&open, named);
    assert_eq!((written.status, written.header("access-control-allow-origin")), (200, Some(named)));
    assert!(written.header("access-control-expose-headers").unwrap().contains("thalweg-height"));
    let problem = open.call(&Request::new("GET", "/v1/kv/b").header("Origin", named));
    assert_eq!((problem.status, problem.header("access-control-allow-origin")), (404, Some(named)), "problems too");
    for stranger in ["https://evil.example.org", "https://app.example.org.evil", "null"] {
        assert_eq!(ask(&open, stranger).header("access-control-allow-origin"), None);
        let refused = put(&open, stranger);
        refused.problem(403, "foreign-origin");
        assert_eq!((refused.header("access-control-allow-origin"), refused.header("vary")), (None, Some("Origin")));
    }
}

/// `OB-10`
#[test]
fn validator_without_its_memory_is_shown_as_rejoining() {
    let bench = Bench::new();
    for abstention in [Abstention::Everywhere, Abstention::Through(Height::new(3))] {
        bench.node.set_abstention(abstention);
        assert_eq!(bench.get("/v1/status").json(200)["role"], "rejoining");
    }
}

#[test]
fn probes_say_why_the_node_is_not_well() {
    let bench = Bench::new();
    let healthy = bench.get("/healthz").json(200);
    assert_eq!((&healthy["status"], healthy.get("warning")), (&"alive".into(), None));
    bench.node.set_warning("the disk is almost full");
    let warned = bench.get("/healthz").json(200);
    assert_eq!((&warned["status"], &warned["warning"]), (&"alive".into(), &"the disk is almost full".into()));
    assert_eq!(bench.get("/readyz").json(200)["status"], "ready");
    bench.node.set_trouble("3 heights behind");
    let reply = bench.get("/readyz");
    assert_eq!(reply.problem(503, "not-ready")["detail"], "3 heights behind");
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(bench.get("/healthz").problem(503, "unhealthy")["detail"], "3 heights behind");
}

#[test]
fn metrics_and_page_have_their_own_types() {
    let bench = Bench::new();
    let metrics = bench.get("/metrics");
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(metrics.body, b"thalweg_height 0\n");
    assert_eq!(bench.get("/").header("content-type"), Some("text/html; charset=utf-8"));
}

#[test]
fn head_gives_the_headers_of_get_without_a_body() {
    let bench = Bench::new();
    bench.put("/v1/kv/a", b"12345");
    let head = bench.call(&Request::new("HEAD", "/v1/kv/a"));
    assert_eq!((head.status, head.header("thalweg-height"), head.body.len()), (200, Some("1"), 0));
    assert_eq!(bench.call(&Request::new("HEAD", "/v1/status")).status, 200);
}
