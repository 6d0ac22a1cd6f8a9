//! The console: a page for people at `/`, and what it asks beyond what programs do.
//!
//! The page, its style and its scripts are in the binary. It loads nothing from elsewhere, asks only its own node, and
//! runs no script that stands in a document: the policy in its headers says so to the browser.
//!
//! Limits: [`INSTANCES_MAX`] heights in a list; a search for the block that wrote a value goes through
//! [`SEARCH_HEIGHTS_MAX`] blocks and [`SEARCH_BYTES_MAX`] bytes.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentType},
    web,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    port::Operation,
    problem::{Kind, Problem},
    request,
    server::Shared,
};
use crate::{
    app::{Payload, Status},
    protocol::{Counted, Drawing},
    types::{Digest, Height, ValidatorIndex, codec},
};

/// The most heights in a list.
const INSTANCES_MAX: usize = 64;
/// How many heights are listed unless the request says otherwise.
const INSTANCES_DEFAULT: usize = 32;
/// The most blocks that are read to find who wrote a value.
const SEARCH_HEIGHTS_MAX: u64 = 256;
/// The most bytes of them.
const SEARCH_BYTES_MAX: usize = 16 << 20;

/// Nothing from elsewhere, no script or style that stands in a document, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE: &str = include_str!("index.html");

/// Name, type and text of each file.
const ASSETS: [(&str, &str, &str); 8] = [
    ("console.css", "text/css; charset=utf-8", include_str!("console.css")),
    ("console.js", "text/javascript; charset=utf-8", include_str!("console.js")),
    ("dom.js", "text/javascript; charset=utf-8", include_str!("dom.js")),
    ("feed.js", "text/javascript; charset=utf-8", include_str!("feed.js")),
    ("grid.js", "text/javascript; charset=utf-8", include_str!("grid.js")),
    ("kv.js", "text/javascript; charset=utf-8", include_str!("kv.js")),
    ("tree.js", "text/javascript; charset=utf-8", include_str!("tree.js")),
    ("icon.svg", "image/svg+xml", include_str!("icon.svg")),
];

/// The console.
#[utoipa::path(
    get, path = "/", tag = "node",
    params(("If-None-Match" = Option<String>, Header, description = "The `ETag` of an earlier answer")),
    responses(
        (status = 200, description = "A page for people", body = String, content_type = "text/html"),
        (status = 304, description = "The page is as `If-None-Match` has it")
    )
)]
pub async fn page(request: HttpRequest) -> HttpResponse {
    embedded(&request, ContentType::html().0.as_ref(), PAGE)
}

/// What the console is made of.
#[utoipa::path(
    get, path = "/console/{file}", tag = "node",
    params(("file" = String, Path, description = "One that the page at `/` names"), ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an earlier answer")),
    responses(
        (status = 200, description = "The file", body = String, content_type = "text/*"),
        (status = 304, description = "The file is as `If-None-Match` has it"),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn asset(request: HttpRequest, file: web::Path<String>) -> Result<HttpResponse, Problem> {
    let found = ASSETS.iter().find(|(name, ..)| *name == *file);
    let (_, kind, text) = found.ok_or_else(|| Problem::new(Kind::NoRoute, "the console has no such file"))?;
    Ok(embedded(&request, kind, text))
}

/// Kept by browsers, and asked for again: another version of the node has another console.
fn embedded(request: &HttpRequest, kind: &str, text: &'static str) -> HttpResponse {
    let (mut response, is_known) = request::tagged(request, text.as_bytes());
    response
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::REFERRER_POLICY, "no-referrer"));
    if is_known { response.finish() } else { response.content_type(kind).body(text) }
}

/// How many heights.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
struct Limit {
    /// 32 unless given; 64 at most are listed.
    limit: Option<usize>,
}

#[derive(Serialize, ToSchema)]
struct Instances {
    instances: Vec<InstanceLine>,
}

/// A height in short.
#[derive(Serialize, ToSchema)]
struct InstanceLine {
    height: Height,
    round: u64,
    leader: Option<ValidatorIndex>,
    is_decided: bool,
    began_at_ms: u64,
    decided_after_ms: Option<u64>,
    /// The first vote of each validator that was counted here.
    votes: Vec<Counted>,
}

impl From<&Drawing> for InstanceLine {
    fn from(drawing: &Drawing) -> Self {
        let mut votes: Vec<Counted> = Vec::new();
        for ballot in &drawing.ballots {
            if votes.iter().all(|vote| vote.validator != ballot.validator) {
                votes.push(*ballot);
            }
        }
        Self {
            height: drawing.height,
            round: drawing.picture.round,
            leader: drawing.picture.leader,
            is_decided: drawing.picture.is_decided,
            began_at_ms: drawing.began_at_ms,
            decided_after_ms: drawing.decided_after_ms,
            votes,
        }
    }
}

/// The last heights that this node took part in, live ones included, the highest first: who voted, and when.
#[utoipa::path(
    get, path = "/v1/instances", tag = "node",
    params(Limit),
    responses(
        (status = 200, description = "Heights since the start of the node, the last 128 at most", body = Instances),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn instances(shared: web::Data<Shared>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let Limit { limit } = request::parameters(&request)?;
    let count = limit.unwrap_or(INSTANCES_DEFAULT).min(INSTANCES_MAX);
    let _pass = shared.gate.try_enter(0)?;
    let drawings = request::within(&shared, request::deadline(None)?, shared.backend.drawings(count)).await?;
    let instances = drawings.iter().map(|drawing| InstanceLine::from(&**drawing)).collect();
    Ok(HttpResponse::Ok().json(Instances { instances }))
}

/// The messages of a height's instance with their voters, as far as they are here.
#[utoipa::path(
    get, path = "/v1/instances/{height}", tag = "node",
    params(("height" = u64, Path, description = "A live height, or one of the last 128")),
    responses(
        (status = 200, description = "What was proposed, who voted for it, and what is decided", body = Drawing),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn instance(shared: web::Data<Shared>, height: web::Path<String>) -> Result<HttpResponse, Problem> {
    let height = request::height(&height).ok_or_else(|| Problem::new(Kind::BadRequest, "a height is a number"))?;
    let _pass = shared.gate.try_enter(0)?;
    let drawing = request::within(&shared, request::deadline(None)?, shared.backend.drawing(height)).await?;
    let none = || Problem::new(Kind::NoBlock, "no instance of this height is remembered here").at(height);
    Ok(HttpResponse::Ok().json(drawing.ok_or_else(none)?))
}

#[derive(Serialize, ToSchema)]
struct Origin {
    /// Whether the key has a value.
    is_present: bool,
    /// The height of the block that wrote the value, or took it away; `None` when none of those searched did.
    height: Option<Height>,
    /// The command that did.
    command: Option<Digest>,
    /// The lowest block that was searched.
    searched_from: Height,
    /// The highest.
    searched_to: Height,
}

/// Which block wrote the value of a key: the last one, among the last 256 blocks.
#[utoipa::path(
    get, path = "/v1/origin/{key}", tag = "kv",
    params(("key" = String, Path, description = "The key, percent-encoded")),
    responses(
        (status = 200, description = "The height, if one of the blocks searched wrote it", body = Origin),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn origin(shared: web::Data<Shared>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let key = request::read_key_below("/v1/origin/", request.uri().path())?;
    let _pass = shared.gate.try_enter(0)?;
    let deadline = request::deadline(None)?;
    let value = request::within(&shared, deadline, shared.backend.read(key.clone())).await?.value;
    let is_present = value.is_some();
    let operation = match value {
        Some(value) => Operation::Put { key, value },
        None => Operation::Delete { key },
    };
    let searched_to = shared.height();
    let mut origin = Origin { is_present, height: None, command: None, searched_from: searched_to.next(), searched_to };
    // What the application would not take was never ordered.
    let Ok(body) = shared.backend.encode(&operation) else { return Ok(HttpResponse::Ok().json(origin)) };
    let mut bytes = 0;
    while origin.searched_from > Height::FIRST
        && searched_to.above(origin.searched_from) < SEARCH_HEIGHTS_MAX
        && bytes < SEARCH_BYTES_MAX
    {
        let height = origin.searched_from.minus(1);
        let Some(view) = request::within(&shared, deadline, shared.backend.block(height)).await? else { break };
        origin.searched_from = height;
        bytes += view.payload.len();
        let payload: Payload = codec::decode(&view.payload).unwrap_or_default();
        let is_applied = |at: usize| view.receipts.get(at).is_none_or(|receipt| receipt.status == Status::Applied);
        let mut writes = payload.commands.iter().enumerate().rev();
        if let Some((_, command)) = writes.find(|(at, command)| command.body == body && is_applied(*at)) {
            (origin.height, origin.command) = (Some(height), Some(command.id()));
            break;
        }
    }
    Ok(HttpResponse::Ok().json(origin))
}
