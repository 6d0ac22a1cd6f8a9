//! `POST /v1/commands` and `GET /v1/commands/{id}`: many writes at once, and what became of one.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    browser,
    command::{Author, Outcome, Progress, Signed, Submitted, random},
    port::{CommandState, Operation},
    problem::{Kind, Problem},
    request::{self, WriteParameters},
    server::Shared,
    settings::{BATCH_BYTES_MAX, BATCH_COMMANDS_MAX},
};
use crate::{app::Identified, types::Digest};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Batch {
    #[schema(max_items = 1000)]
    commands: Vec<Item>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Item {
    #[schema(min_length = 1, max_length = 256)]
    idempotency_key: Option<String>,
    /// Where the chain's clients sign.
    signed: Option<Signed>,
    op: Op,
    #[schema(min_length = 1, max_length = 1024)]
    key: String,
    value: Option<String>,
    /// Of the value. Keys are text; other keys have the routes of single writes.
    #[serde(default)]
    encoding: Encoding,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Op {
    Put,
    Delete,
}

#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    Utf8,
    Base64,
}

#[derive(Serialize, ToSchema)]
struct Results {
    results: Vec<Outcome>,
}

/// Submits up to [`BATCH_COMMANDS_MAX`] commands in order, and answers each on its own.
///
/// Commands of one batch keep their order; what is wrong with one does not hold up the others.
#[utoipa::path(
    post, path = "/v1/commands", tag = "commands",
    params(WriteParameters),
    request_body(content = Batch, content_type = "application/json", description = "Up to 1,000 commands and 4 MiB"),
    responses(
        (status = 200, description = "A result for each command, in order", body = Results),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn post(
    shared: web::Data<Shared>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    browser::refuse_foreign_origin(&shared, &request)?;
    if request::idempotency_key(&request)?.is_some() || request::signed(&request)?.is_some() {
        // Ignored, it would make a retry of the whole batch look safe.
        let why = "in a batch each command carries its own idempotency_key or signature";
        return Err(Problem::new(Kind::BadRequest, why));
    }
    let WriteParameters { wait, timeout_ms } = request::parameters(&request)?;
    let deadline = request::deadline(timeout_ms)?;
    let (_pass, body) = request::body(&shared, &request, payload, BATCH_BYTES_MAX).await?;
    let prepared = prepare(&shared, &body)?;
    drop(body);

    let mut ids = Vec::with_capacity(prepared.len());
    let mut commands = Vec::with_capacity(prepared.len());
    for item in prepared {
        ids.push(item.as_ref().map(Identified::id).map_err(Clone::clone));
        commands.extend(item);
    }
    let mut fates = shared.backend.submit(commands, wait).into_iter();
    let mut results = Vec::with_capacity(ids.len());
    for id in ids {
        let submitted = id.map(|id| fates.next().map(|fate| Submitted { id, fate }));
        results.push(match submitted {
            Ok(Some(submitted)) => submitted.outcome(&shared, deadline).await,
            Ok(None) => Outcome::rejected(Problem::new(Kind::Stopping, "the node gave no answer")),
            Err(problem) => Outcome::rejected(problem),
        });
    }
    Ok(answer(results))
}

type Prepared = Result<Identified, Problem>;

fn prepare(shared: &Shared, body: &[u8]) -> Result<Vec<Prepared>, Problem> {
    let batch: Batch = serde_json::from_slice(body).map_err(|error| Problem::new(Kind::BadRequest, error))?;
    if batch.commands.len() > BATCH_COMMANDS_MAX {
        let detail = format_args!("{} commands; at most {BATCH_COMMANDS_MAX}", batch.commands.len());
        return Err(Problem::new(Kind::TooLarge, detail));
    }
    let client = random()?;
    let prepare = |(number, mut item): (u64, Item)| {
        let idempotency_key = item.idempotency_key.take();
        let idempotency_key = idempotency_key.as_deref().map(str::as_bytes);
        if let Some(key) = idempotency_key {
            request::check_idempotency_key(key)?;
        }
        let author = Author::new(idempotency_key, item.signed.take(), (client, number))?;
        Ok(shared.command(&operation(item)?, author)?.into())
    };
    Ok((0..).zip(batch.commands).map(prepare).collect())
}

fn operation(item: Item) -> Result<Operation, Problem> {
    request::check_key(item.key.as_bytes())?;
    let key = Bytes::from(item.key);
    match (item.op, item.value) {
        (Op::Put, Some(value)) => Ok(Operation::Put { key, value: decode(value, item.encoding)? }),
        (Op::Put, None) => Err(Problem::new(Kind::BadRequest, "a put has a value")),
        (Op::Delete, None) => Ok(Operation::Delete { key }),
        (Op::Delete, Some(_)) => Err(Problem::new(Kind::BadRequest, "a delete has no value")),
    }
}

fn decode(value: String, encoding: Encoding) -> Result<Bytes, Problem> {
    let wrong = |error| Problem::new(Kind::BadRequest, format_args!("value: {error}"));
    match encoding {
        Encoding::Utf8 => Ok(value.into()),
        Encoding::Base64 => Ok(BASE64_STANDARD.decode(value).map_err(wrong)?.into()),
    }
}

fn answer(results: Vec<Outcome>) -> HttpResponse {
    let is_full = |outcome: &Outcome| outcome.problem.as_ref().is_some_and(|problem| problem.kind() == Kind::Full);
    let mut response = HttpResponse::Ok();
    if results.iter().any(is_full) {
        response.insert_header((header::RETRY_AFTER, 1));
    }
    response.json(Results { results })
}

/// What became of a command.
#[utoipa::path(
    get, path = "/v1/commands/{id}", tag = "commands",
    params(("id" = Digest, Path, description = "As told by the write")),
    responses(
        (status = 200, description = "How far it came", body = Outcome),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn get(shared: web::Data<Shared>, id: web::Path<String>) -> Result<HttpResponse, Problem> {
    let wrong =
        |error| Problem::new(Kind::BadRequest, format_args!("a command's id is 64 hexadecimal digits: {error}"));
    let id: Digest = id.parse().map_err(wrong)?;
    let _pass = shared.gate.try_enter(0)?;
    let state = request::within(&shared, request::deadline(None)?, shared.backend.command(id)).await?;
    Ok(HttpResponse::Ok().json(match state {
        CommandState::Unknown => Outcome::open(id, Progress::Unknown, None),
        CommandState::Pending => Outcome::open(id, Progress::Pending, None),
        CommandState::Decided { height } => Outcome::open(id, Progress::Decided, Some(height)),
        CommandState::Committed { height, receipt } => Outcome::executed(&*shared.backend, id, height, &receipt),
    }))
}
