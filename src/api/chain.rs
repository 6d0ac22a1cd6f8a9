//! `GET /v1/blocks/{height}`, its certificate, checkpoints, snapshots and `/v1/validators`: what was decided, by whom,
//! and what came of it.

use std::num::NonZeroUsize;

use actix_web::{HttpRequest, HttpResponse, http::header::ContentType, web};
use futures::stream;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    port::{BlockView, SnapshotStream, ValidatorView},
    problem::{Kind, Problem},
    request,
    schema::Raw,
    server::Shared,
};
use crate::{
    app::{Payload, Status},
    replica::{CertificateDocument, CheckpointDocument},
    types::{Digest, Height, ValidatorIndex, codec},
};

/// The name of the last height.
const LATEST: &str = "latest";

/// The most commands of a block in one answer.
const COMMANDS_MAX: usize = 1000;

/// Which of a block's commands to show.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
struct Page {
    /// The first command to show.
    offset: usize,
    /// How many; 1,000 at most are shown.
    limit: usize,
}

impl Default for Page {
    fn default() -> Self {
        Self { offset: 0, limit: COMMANDS_MAX }
    }
}

#[derive(Serialize, ToSchema)]
struct BlockDocument {
    height: Height,
    hash: Digest,
    parent: Digest,
    payload_root: Digest,
    time_ms: u64,
    state_root: Digest,
    instance: Digest,
    proposed_at_ms: u64,
    payload_bytes: usize,
    commands_total: usize,
    commands: Vec<CommandLine>,
}

#[derive(Serialize, ToSchema)]
struct CommandLine {
    id: Digest,
    client: Digest,
    sequence: u64,
    /// `None` once the receipt is forgotten.
    status: Option<Status>,
}

/// A committed block, its commands in pages.
#[utoipa::path(
    get, path = "/v1/blocks/{height}", tag = "chain",
    params(("height" = String, Path, pattern = "^(latest|[0-9]{1,19})$", description = "A height, or `latest`"), Page, ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an earlier answer")),
    responses(
        (status = 200, description = "The block", body = BlockDocument, headers(("ETag" = String, description = "Names this answer; not for `latest`"))),
        (status = 304, description = "The block is as `If-None-Match` has it"),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn block(
    shared: web::Data<Shared>,
    request: HttpRequest,
    height: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let page: Page = request::parameters(&request)?;
    let is_latest = *height == LATEST;
    let height = parse_height(&shared, &height)?;
    let _pass = shared.gate.try_enter(0)?;
    let found = request::within(&shared, request::deadline(None)?, shared.backend.block(height)).await?;
    let document = document(&found.ok_or_else(|| absent(height))?, &page);
    answer(&request, is_latest, &document)
}

/// The proof of a block's decision, as `thalweg verify` reads it.
#[utoipa::path(
    get, path = "/v1/blocks/{height}/certificate", tag = "chain",
    params(("height" = String, Path, pattern = "^(latest|[0-9]{1,19})$", description = "A height, or `latest`"), ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an earlier answer")),
    responses(
        (status = 200, description = "What `thalweg verify` takes", body = CertificateDocument, headers(("ETag" = String, description = "Names this answer; not for `latest`"))),
        (status = 304, description = "The certificate is as `If-None-Match` has it"),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn certificate(
    shared: web::Data<Shared>,
    request: HttpRequest,
    height: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let is_latest = *height == LATEST;
    let height = parse_height(&shared, &height)?;
    let _pass = shared.gate.try_enter(0)?;
    let found = request::within(&shared, request::deadline(None)?, shared.backend.certificate(height)).await?;
    answer(&request, is_latest, &found.ok_or_else(|| absent(height))?)
}

/// The last stable checkpoint with its proof, as `thalweg verify` reads it.
#[utoipa::path(
    get, path = "/v1/checkpoint", tag = "chain",
    responses(
        (status = 200, description = "What `thalweg verify` takes", body = CheckpointDocument),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn checkpoint(shared: web::Data<Shared>) -> Result<HttpResponse, Problem> {
    let _pass = shared.gate.try_enter(0)?;
    let found = request::within(&shared, request::deadline(None)?, shared.backend.checkpoint()).await?;
    let none = || Problem::new(Kind::NoCheckpoint, "validators sign one every checkpoint_interval heights");
    Ok(HttpResponse::Ok().json(found.ok_or_else(none)?))
}

/// The state at the last stable checkpoint, for `thalweg restore`: a node that lacks its blocks goes on from there.
#[utoipa::path(
    get, path = "/v1/snapshot", tag = "chain",
    responses(
        (status = 200, description = "A snapshot, checked by whoever restores it", content((Raw = "application/octet-stream")), headers(("Thalweg-Height" = u64, description = "The height of its state"))),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn snapshot(shared: web::Data<Shared>) -> Result<HttpResponse, Problem> {
    let pass = shared.gate.try_enter(0)?;
    let found = request::within(&shared, request::deadline(None)?, shared.backend.snapshot()).await?;
    let none = || Problem::new(Kind::NoCheckpoint, "none has become stable since this node was started");
    let SnapshotStream { height, frames } = found.ok_or_else(none)?;
    let frames = stream::unfold((frames, pass), |(mut frames, pass)| async move {
        let frame = frames.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(frame), (frames, pass)))
    });
    let mut answer = HttpResponse::Ok();
    answer.content_type(ContentType::octet_stream()).insert_header(("Thalweg-Height", height.get()));
    Ok(answer.streaming(frames))
}

#[derive(Serialize, ToSchema)]
struct Validators {
    height: Height,
    validators: Vec<ValidatorView>,
    /// The `after` of the next page, if there is more.
    next: Option<ValidatorIndex>,
}

/// Which validators to show.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
struct ValidatorPage {
    /// Those above this index.
    after: Option<ValidatorIndex>,
    /// How many; 1,024 at most are shown.
    #[param(value_type = Option<usize>, minimum = 1)]
    limit: Option<NonZeroUsize>,
}

/// The validators of the next height.
#[utoipa::path(
    get, path = "/v1/validators", tag = "chain",
    params(ValidatorPage),
    responses(
        (status = 200, description = "Who votes", body = Validators),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn validators(shared: web::Data<Shared>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let ValidatorPage { after, limit } = request::parameters(&request)?;
    let height = shared.height().next();
    let all = shared.backend.validators();
    let (validators, next) = request::page(all, after.as_ref(), limit.map(NonZeroUsize::get), |each| each.index);
    Ok(HttpResponse::Ok().json(Validators { height, validators, next }))
}

/// What is decided never changes, under its height; `latest` does.
fn answer(request: &HttpRequest, is_latest: bool, document: &impl Serialize) -> Result<HttpResponse, Problem> {
    if is_latest { Ok(HttpResponse::Ok().json(document)) } else { request::immutable(request, document) }
}

/// A number, or `latest`.
fn parse_height(shared: &Shared, text: &str) -> Result<Height, Problem> {
    if text == LATEST {
        return Ok(shared.height());
    }
    request::height(text).ok_or_else(|| Problem::new(Kind::BadRequest, "a height is a number or latest"))
}

fn absent(height: Height) -> Problem {
    Problem::new(Kind::NoBlock, format_args!("height {height} is not decided, or not yet known here")).at(height)
}

fn document(view: &BlockView, page: &Page) -> BlockDocument {
    let header = &view.header;
    // Without a quorum of honest votes against it (`SL-V5`) this could fail; such a payload counts as empty.
    let payload: Payload = codec::decode(&view.payload).unwrap_or_default();
    let shown = payload.commands.iter().enumerate().skip(page.offset).take(page.limit.min(COMMANDS_MAX));
    let commands = shown.map(|(at, command)| CommandLine {
        id: command.id(),
        client: command.client,
        sequence: command.sequence,
        status: view.receipts.get(at).map(|receipt| receipt.status),
    });
    BlockDocument {
        height: header.height,
        hash: header.hash(),
        parent: header.parent,
        payload_root: header.payload_root,
        time_ms: header.time_ms,
        state_root: header.state_root,
        instance: view.instance,
        proposed_at_ms: payload.proposed_at_ms,
        payload_bytes: view.payload.len(),
        commands_total: payload.commands.len(),
        commands: commands.collect(),
    }
}
