//! `GET /openapi.json`: what the server is, for programs. Made from the handlers and their types.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use utoipa::OpenApi;

use super::{batch, chain, console, doctor, events, kv, port::Until, request::Consistency, status};

/// All routes. A test holds them against those that the server has.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Thalweg",
        description = "A validator or listener of a Byzantine fault tolerant chain. Every error is an RFC 9457 problem \
                       document; every GET has a HEAD. Heights and sequences are whole numbers below 2^64.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "kv", description = "The key-value application"),
        (name = "commands", description = "Many writes at once, and the fate of one"),
        (name = "chain", description = "What was decided, and why to believe it"),
        (name = "node", description = "How this node is"),
    ),
    paths(
        kv::get, kv::put, kv::delete, batch::post, batch::get, chain::block, chain::certificate, chain::checkpoint, chain::snapshot, chain::validators,
        events::events, doctor::doctor, doctor::evidence, status::status, status::peers, status::healthz, status::readyz, status::metrics, console::instances, console::instance,
        console::origin, console::asset, console::page, openapi,
    ),
    components(schemas(Until, Consistency))
)]
struct Document;

static TEXT: LazyLock<String> = LazyLock::new(|| serde_json::to_string(&Document::openapi()).unwrap_or_default());

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "node",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value))
)]
pub async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(TEXT.as_str())
}
