//! What one client may ask for, by the address that its connection comes from.

use actix_web::{
    App,
    dev::ServiceResponse,
    http::{Method, header},
    middleware::from_fn,
    test::{TestRequest, call_service, init_service, read_body_json},
    web,
};
use tokio::sync::watch;

use super::*;
use crate::{
    api::{
        allowance::admit,
        server::{Shared, Stage, routes},
    },
    metrics::Limit,
};

const STRANGER: &str = "192.0.2.1:4711";
const OTHER: &str = "198.51.100.7:4711";

/// Sends requests, each from an address, and returns the answers with the limits that were counted.
async fn ask(
    adjust: impl FnOnce(&mut Settings),
    requests: impl IntoIterator<Item = (&str, TestRequest)>,
) -> (Vec<ServiceResponse<impl actix_web::body::MessageBody>>, Vec<Limit>) {
    let mut settings = Bench::settings();
    adjust(&mut settings);
    let (node, (_stage, stages)) = (Arc::new(Fake::default()), watch::channel(Stage::Serving));
    let shared = web::Data::new(Shared::new(settings, Arc::clone(&node) as _, stages));
    let app = init_service(App::new().app_data(shared).wrap(from_fn(admit)).configure(routes)).await;
    let mut answers = Vec::new();
    for (from, request) in requests {
        answers.push(call_service(&app, request.peer_addr(from.parse().unwrap()).to_request()).await);
    }
    (answers, node.limited())
}

fn get(target: &str) -> TestRequest {
    TestRequest::with_uri(target)
}

fn put(bytes: usize) -> TestRequest {
    let length = (header::CONTENT_LENGTH, bytes.to_string());
    TestRequest::with_uri("/v1/kv/a").method(Method::PUT).insert_header(length).set_payload(vec![0; bytes])
}

#[actix_web::test]
async fn one_client_is_refused_beyond_its_requests_and_others_are_not() {
    let one_a_second = |settings: &mut Settings| settings.client_requests_per_second_max = 1;
    let status = "/v1/status";
    let asked = [STRANGER, STRANGER, OTHER, "127.0.0.1:1", "127.0.0.1:1", "[::1]:1", "[::1]:1"];
    let (mut answers, limited) = ask(one_a_second, asked.map(|from| (from, get(status)))).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    // Once in 65,536 times the other one shares the stranger's slot.
    assert!(statuses == [200, 429, 200, 200, 200, 200, 200], "{statuses:?}");
    assert_eq!(limited, [Limit::Requests]);
    let refused = answers.swap_remove(1);
    assert_eq!(refused.headers().get(header::RETRY_AFTER).unwrap(), "1");
    assert_eq!(refused.headers().get(header::CONTENT_TYPE).unwrap(), "application/problem+json");
    let problem: Value = read_body_json(refused).await;
    assert_eq!(problem["type"], "urn:thalweg:problem:limited");
    assert!(problem["detail"].as_str().unwrap().contains("http.client_requests_per_second_max"), "{problem}");
}

#[actix_web::test]
async fn probes_and_metrics_are_always_answered() {
    let one_a_second = |settings: &mut Settings| settings.client_requests_per_second_max = 1;
    let targets = ["/v1/status", "/v1/status", "/healthz", "/readyz", "/metrics", "/healthz", "/readyz", "/metrics"];
    let (answers, _) = ask(one_a_second, targets.map(|target| (STRANGER, get(target)))).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    assert_eq!(statuses, [200, 429, 200, 200, 200, 200, 200, 200]);
}

#[actix_web::test]
async fn one_client_is_refused_beyond_its_bytes_before_they_are_read() {
    let limit = |settings: &mut Settings| {
        settings.client_bytes_per_second_max = 64 << 10;
        settings.chain.command_bytes_max = 8 << 20;
    };
    // Almost the largest body, with room for its key: it passes and takes what there is.
    let (answers, limited) = ask(limit, [(STRANGER, put((8 << 20) - 1024)), (STRANGER, put(256 << 10))]).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    assert_eq!((statuses, limited), (vec![200, 429], vec![Limit::Bytes]));
}
