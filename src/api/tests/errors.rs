//! Whatever goes wrong is a problem document.

use super::{Bench, Request};
use crate::api::problem::Kind;

#[test]
fn unknown_routes_are_problems() {
    let bench = Bench::new();
    for target in ["/v2", "/v1", "/v1/kv", "/v1/status/", "/v1/commands/a/b", "/v1/k%76/a", "/%2e%2e/etc/passwd"] {
        bench.get(target).problem(404, "no-route");
    }
}

#[test]
fn wrong_methods_are_problems_that_list_the_right_ones() {
    let bench = Bench::new();
    for (method, target, allowed) in [
        ("POST", "/v1/kv/a", "GET, HEAD, PUT, DELETE"),
        ("GET", "/v1/commands", "POST"),
        ("DELETE", "/v1/status", "GET, HEAD"),
        ("OPTIONS", "/", "GET, HEAD"),
    ] {
        let reply = bench.call(&Request::new(method, target));
        reply.problem(405, "no-method");
        assert_eq!(reply.header("allow"), Some(allowed));
    }
}

#[test]
fn senseless_parameters_are_problems() {
    let bench = Bench::new();
    for query in [
        "wait=forever",
        "wiat=accepted",
        "timeout_ms=0",
        "timeout_ms=120001",
        "timeout_ms=x",
        "wait=accepted&wait=committed",
    ] {
        bench.put(&format!("/v1/kv/a?{query}"), b"1").problem(400, "bad-request");
    }
    for query in ["at_least=-1", "consistency=some", "wait=accepted"] {
        bench.get(&format!("/v1/kv/a?{query}")).problem(400, "bad-request");
    }
    bench.get("/v1/blocks/1?limit=many").problem(400, "bad-request");
    assert_eq!(bench.node.submitted().len(), 0);
}

#[test]
fn keys_that_cannot_be_are_problems() {
    let bench = Bench::new();
    for key in ["", "%", "%2", "%zz", "a%+1b"] {
        bench.get(&format!("/v1/kv/{key}")).problem(400, "bad-request");
    }
    let longest = format!("/v1/kv/{}", "%41".repeat(1024));
    assert_eq!(bench.put(&longest, b"1").status, 200);
    bench.put(&format!("{longest}A"), b"1").problem(414, "key-too-long");
    bench.get(&format!("{longest}A")).problem(414, "key-too-long");
}

#[test]
fn large_values_are_problems_however_they_are_sent() {
    let bench = Bench::new();
    assert_eq!(bench.put("/v1/kv/a", &[0; 4000]).status, 200);
    bench.put("/v1/kv/a", &[0; 4096]).problem(413, "too-large");
    bench.put("/v1/kv/a", &[0; 4097]).problem(413, "too-large");
    bench.put("/v1/kv/a", &vec![0; 1 << 20]).problem(413, "too-large");
    let chunks = |chunk: &str, count: usize| format!("{:x}\r\n{chunk}\r\n", chunk.len()).repeat(count) + "0\r\n\r\n";
    let chunked = |body: String| {
        // The length would contradict the chunks: these bodies carry their own.
        let request = Request::new("PUT", "/v1/kv/b").header("Transfer-Encoding", "chunked");
        bench.call(&request.raw_body(body.as_bytes()))
    };
    assert_eq!(chunked(chunks("abc", 4)).status, 200);
    assert_eq!(bench.get("/v1/kv/b").body, b"abcabcabcabc");
    chunked(chunks(&"x".repeat(1000), 5)).problem(413, "too-large");
    bench.call(&Request::new("DELETE", "/v1/kv/a").body(b"x")).problem(413, "too-large");
}

#[test]
fn writes_of_foreign_pages_are_refused() {
    let bench = Bench::new();
    let from = |origin| bench.call(&Request::new("PUT", "/v1/kv/a").header("Origin", origin).body(b"1"));
    for origin in ["https://elsewhere.example", "null", "http://node.elsewhere"] {
        from(origin).problem(403, "foreign-origin");
    }
    assert_eq!(from("http://node").status, 200);
    let post = Request::new("POST", "/v1/commands").header("Origin", "http://elsewhere").body(b"{\"commands\":[]}");
    bench.call(&post).problem(403, "foreign-origin");
    assert_eq!(bench.get("/v1/status").header("access-control-allow-origin"), None);
}

#[test]
fn kinds_have_one_uri_each_and_are_errors() {
    let mut uris: Vec<&str> = Kind::ALL.iter().map(|kind| kind.uri()).collect();
    uris.sort_unstable();
    uris.dedup();
    assert_eq!(uris.len(), Kind::ALL.len());
    for kind in Kind::ALL {
        assert!(kind.status().is_client_error() || kind.status().is_server_error());
    }
}
