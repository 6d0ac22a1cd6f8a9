//! Bounds, clients that go away, and the server's own life.

use std::{
    io::Write as _,
    net::{Shutdown, TcpStream},
    sync::Arc,
    time::Duration,
};

use super::{
    Bench,
    fake::{Fake, Mood},
    wire::{Reply, Request},
};
use crate::api::Server;

#[test]
fn requests_beyond_the_bound_are_turned_away_until_there_is_room() {
    let bench = Bench::with(|settings| settings.requests_max = 2);
    bench.node.set_mood(Mood::Stuck);
    let put = Request::new("PUT", "/v1/kv/a?timeout_ms=120000").body(b"1");
    let waiting: Vec<TcpStream> = (0..2).map(|_| put.send(bench.server.address())).collect();
    bench.node.until_waiting(2);
    let refused = bench.put("/v1/kv/a", b"1");
    refused.problem(429, "full");
    assert_eq!(refused.header("retry-after"), Some("1"));
    bench.get("/v1/kv/a").problem(429, "full");
    assert_eq!(bench.get("/healthz").status, 200, "operators are always let in");
    drop(waiting);
    bench.node.until_waiting(0);
    bench.node.set_mood(Mood::Working);
    assert_eq!(bench.put("/v1/kv/a", b"1").status, 200);
}

#[test]
fn bodies_beyond_the_bound_are_turned_away() {
    let bench = Bench::with(|settings| settings.body_bytes_total_max = 2048);
    assert_eq!(bench.put("/v1/kv/a", &[0; 2048]).status, 200);
    bench.put("/v1/kv/a", &[0; 2049]).problem(429, "full");
}

#[test]
fn clients_that_hang_up_leave_nothing_behind() {
    let bench = Bench::new();
    bench.node.set_mood(Mood::Stuck);
    let batch = br#"{"commands":[{"op":"delete","key":"a"},{"op":"delete","key":"b"}]}"#;
    // Longer than the test waits: only the hanging up can end these.
    let send = |request: Request| request.send(bench.server.address());
    let batch = send(Request::new("POST", "/v1/commands?timeout_ms=120000").body(batch));
    let put = send(Request::new("PUT", "/v1/kv/a?timeout_ms=120000").body(b"1"));
    let read = send(Request::new("GET", "/v1/kv/a?consistency=linearizable&timeout_ms=120000"));
    bench.node.until_waiting(4);
    drop(batch);
    bench.node.until_waiting(2);
    put.shutdown(Shutdown::Both).unwrap();
    drop(read);
    bench.node.until_waiting(0);
}

#[test]
fn slow_body_is_given_up() {
    let bench = Bench::with(|settings| settings.client_timeout = Duration::from_millis(100));
    let mut slow = Request::new("PUT", "/v1/kv/a").header("Content-Length", "10").send(bench.server.address());
    slow.write_all(b"12345").unwrap();
    Reply::read(slow).problem(408, "slow-body");
    assert_eq!(bench.node.submitted().len(), 0);
}

#[test]
fn slow_head_is_given_up() {
    let bench = Bench::with(|settings| settings.client_timeout = Duration::from_millis(100));
    let mut slow = TcpStream::connect(bench.server.address()).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    slow.write_all(b"PUT /v1/kv/a HT").unwrap();
    assert_eq!(Reply::read(slow).status, 408);
}

#[test]
fn body_that_breaks_off_is_not_submitted() {
    let bench = Bench::new();
    let mut broken = Request::new("PUT", "/v1/kv/a").header("Content-Length", "10").send(bench.server.address());
    broken.write_all(b"12345").unwrap();
    drop(broken);
    assert_eq!(bench.put("/v1/kv/b", b"1").status, 200);
    assert_eq!(bench.node.submitted().len(), 1);
}

#[test]
fn connection_serves_many_requests() {
    let bench = Bench::new();
    let address = bench.server.address();
    let agent = ureq::agent();
    for round in 0u8..20 {
        let url = format!("http://{address}/v1/kv/a");
        assert_eq!(agent.put(&url).send([round].as_slice()).unwrap().status(), 200);
        assert_eq!(agent.get(&url).call().unwrap().body_mut().read_to_vec().unwrap(), [round]);
    }
}

#[test]
fn stop_lets_requests_in_progress_end_and_closes_the_port() {
    let bench = Bench::new();
    let address = bench.server.address();
    bench.node.set_mood(Mood::Stuck);
    let waiting = Request::new("PUT", "/v1/kv/a?timeout_ms=300").body(b"1").send(address);
    bench.node.until_waiting(1);
    let Bench { server, .. } = bench;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(server.stop()).unwrap();
    assert_eq!(Reply::read(waiting).status, 504);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn stop_answers_requests_that_still_wait() {
    let bench = Bench::with(|settings| settings.stop_timeout = Duration::from_millis(50));
    let address = bench.server.address();
    bench.node.set_mood(Mood::Stuck);
    let write = Request::new("PUT", "/v1/kv/a?timeout_ms=120000").body(b"1").send(address);
    let read = Request::new("GET", "/v1/kv/a?at_least=9&timeout_ms=120000").send(address);
    bench.node.until_waiting(1);
    // Connections are taken in order, by each worker in turn: what came before these is being served.
    (0..8).for_each(|_| assert_eq!(bench.get("/healthz").status, 200));
    let Bench { server, .. } = bench;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(server.stop()).unwrap();
    let unknown = Reply::read(write);
    assert!(unknown.problem(504, "fate-unknown")["id"].is_string(), "its fate can be asked elsewhere");
    Reply::read(read).problem(503, "stopping");
}

#[test]
fn taken_port_is_an_error_at_start() {
    let first = Bench::new();
    let settings = super::Settings { bind: first.server.address(), ..Bench::settings() };
    let error = Server::start(settings, Arc::new(Fake::default())).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}
