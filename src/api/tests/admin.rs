//! The admin side: nothing without the token, and what each order does.

use std::{net::SocketAddr, sync::Mutex};

use super::*;
use crate::{
    api::{Admin, port::LogFilter},
    config::Token,
    metrics::Limit,
};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A log that knows no filter but words of lower case.
struct Log(Mutex<String>);

impl LogFilter for Log {
    fn current(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    fn replace(&self, directives: &str) -> Result<(), String> {
        if directives.bytes().any(|byte| !byte.is_ascii_lowercase()) {
            return Err("makes no sense".to_owned());
        }
        directives.clone_into(&mut self.0.lock().unwrap());
        Ok(())
    }
}

/// An admin side and the node behind it.
struct Desk {
    node: Arc<Fake>,
    server: Server,
}

impl Desk {
    fn new() -> Self {
        let node = Arc::new(Fake::default());
        let admin = Admin {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            token: Token::new(TOKEN).unwrap(),
            log: Arc::new(Log(Mutex::new("info".to_owned()))),
        };
        let server = Server::start_admin(Bench::settings().chain, Arc::clone(&node) as _, &admin).unwrap();
        Self { node, server }
    }

    fn call(&self, request: &Request) -> Reply {
        request.call(self.server.address())
    }

    fn order(&self, method: &'static str, target: &str, body: &str) -> Reply {
        let bearer = format!("Bearer {TOKEN}");
        self.call(&Request::new(method, target).header("Authorization", &bearer).body(body.as_bytes()))
    }
}

#[test]
fn nothing_is_answered_without_the_token() {
    let desk = Desk::new();
    let drain = || Request::new("POST", "/v1/admin/drain").body(b"{\"seconds\":1}");
    let wrong = [
        drain(),
        drain().header("Authorization", "Bearer"),
        drain().header("Authorization", &format!("Bearer {TOKEN}x")),
        drain().header("Authorization", &format!("Basic {TOKEN}")),
        drain().header("Authorization", TOKEN),
        Request::new("GET", "/v1/admin/log"),
        Request::new("DELETE", "/v1/admin/log"),
        Request::new("GET", "/v1/admin/nothing"),
    ];
    for request in wrong {
        let refused = desk.call(&request);
        refused.problem(401, "unauthorized");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        assert!(!refused.text().contains(TOKEN));
    }
    assert_eq!(desk.node.drained(), None);
    assert_eq!(desk.order("POST", "/v1/admin/drain", "{\"seconds\":1}").status, 202);
    assert_eq!(desk.node.drained(), Some(Duration::from_secs(1)));
}

#[test]
fn guesses_are_limited_before_they_are_looked_at() {
    let desk = Desk::new();
    let guess = Request::new("GET", "/v1/admin/log").header("Authorization", "Bearer guess");
    let statuses: Vec<u16> = (0..30).map(|_| desk.call(&guess).status).collect();
    assert_eq!(statuses[..10], [401; 10]);
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert!(refused > 0, "{statuses:?}");
    assert_eq!(desk.node.limited(), vec![Limit::Tries; refused]);
    assert_eq!(desk.call(&Request::new("GET", "/readyz")).status, 200, "probes have no limit");
}

#[test]
fn the_filter_of_the_log_is_shown_and_replaced() {
    let desk = Desk::new();
    assert_eq!(desk.order("GET", "/v1/admin/log", "").json(200)["filter"], "info");
    assert_eq!(desk.order("PUT", "/v1/admin/log", "{\"filter\":\"debug\"}").json(200)["filter"], "debug");
    for senseless in ["", "{}", "{\"filter\":1}", "{\"filter\":\"NO\"}", "{\"filter\":\"info\",\"level\":\"info\"}"] {
        desk.order("PUT", "/v1/admin/log", senseless).problem(400, "bad-request");
    }
    assert_eq!(desk.order("GET", "/v1/admin/log", "").json(200)["filter"], "debug");
}

#[test]
fn a_drained_node_is_not_ready() {
    let desk = Desk::new();
    for senseless in ["", "{}", "{\"seconds\":3601}", "{\"seconds\":-1}"] {
        desk.order("POST", "/v1/admin/drain", senseless).problem(400, "bad-request");
    }
    assert_eq!(desk.call(&Request::new("GET", "/readyz")).status, 200);
    let said = desk.order("POST", "/v1/admin/drain", "{\"seconds\":3600}").json(202);
    assert_eq!(said["seconds"], 3_600);
    desk.call(&Request::new("GET", "/readyz")).problem(503, "not-ready");
}

#[test]
fn one_more_peer_is_dialled() {
    let desk = Desk::new();
    let id = crate::config::peer_id(&crate::crypto::SecretKey::from_seed(&[1; 32]).public_key());
    let address = format!("/ip4/192.0.2.7/tcp/4700/p2p/{id}");
    let body = |address: &str| serde_json::json!({ "address": address }).to_string();
    assert_eq!(desk.order("POST", "/v1/admin/peers", &body(&address)).json(202)["address"], *address);
    for senseless in ["", "/ip4/192.0.2.7/tcp/4700", "192.0.2.7:4700"] {
        desk.order("POST", "/v1/admin/peers", &body(senseless)).problem(400, "bad-request");
    }
    assert_eq!(desk.node.dialled(), [address]);
}

#[test]
fn routes_are_where_they_belong_and_nowhere_else() {
    let (desk, bench) = (Desk::new(), Bench::new());
    for probe in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(desk.call(&Request::new("GET", probe)).status, 200, "{probe}");
    }
    for target in ["/v1/status", "/v1/kv/a", "/", "/openapi.json"] {
        desk.call(&Request::new("GET", target)).problem(404, "no-route");
    }
    for target in ["/v1/admin/log", "/v1/admin/drain", "/v1/admin/peers"] {
        bench.get(target).problem(404, "no-route");
    }
    let missing = desk.order("DELETE", "/v1/admin/log", "");
    missing.problem(405, "no-method");
    assert_eq!(missing.header("allow"), Some("GET, HEAD, PUT"));
    desk.order("POST", "/v1/admin/drain", &" ".repeat(4097)).problem(413, "too-large");
}
