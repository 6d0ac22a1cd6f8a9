//! `PUT|GET|DELETE /v1/kv/{key}`: single writes and reads of the key-value application.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentType},
    web,
};
use bytes::Bytes;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::{
    browser,
    command::{Author, Outcome, Progress, Submitted, random},
    port::{Operation, ProvenAnswer, Until},
    problem::{Kind, Problem},
    request::{self, Consistency, ReadParameters, WriteParameters},
    schema::Raw,
    server::Shared,
};
use crate::{
    app::{Command, Identified},
    replica::StateProofDocument,
    types::{Digest, Height, Octets},
};

/// The answer to a write.
#[derive(Serialize, ToSchema)]
struct Written {
    id: Option<Digest>,
    status: Progress,
    height: Option<Height>,
    result: Option<serde_json::Value>,
}

/// Gives a key a value: the request's body.
#[utoipa::path(
    put, path = "/v1/kv/{key}", tag = "kv",
    params(("key" = String, Path, min_length = 1, max_length = 1024, description = "Any bytes, percent-encoded; 414 when longer"), WriteParameters, ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 256, description = "The same key and operation are executed once, whichever nodes they are sent to; 422 with another operation"), ("Thalweg-Signed" = Option<String>, Header, description = "Where the chain's clients sign: the JSON of `Signed`, in place of an Idempotency-Key; 403 without")),
    request_body(content = Raw, content_type = "application/octet-stream", description = "The value; 413 when larger than genesis allows"),
    responses(
        (status = 200, description = "Committed: executed and durable", body = Written),
        (status = 202, description = "In the mempool; `Location` tells what becomes of it", body = Written),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn put(
    shared: web::Data<Shared>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let key = request::key(&request)?;
    let value_bytes_max = shared.settings.chain.command_bytes_max;
    write(&shared, &request, payload, value_bytes_max, |value| Operation::Put { key, value }).await
}

/// Takes a key away.
#[utoipa::path(
    delete, path = "/v1/kv/{key}", tag = "kv",
    params(("key" = String, Path, min_length = 1, max_length = 1024, description = "Any bytes, percent-encoded; 414 when longer"), WriteParameters, ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 256, description = "The same key and operation are executed once, whichever nodes they are sent to; 422 with another operation"), ("Thalweg-Signed" = Option<String>, Header, description = "Where the chain's clients sign: the JSON of `Signed`, in place of an Idempotency-Key; 403 without")),
    responses(
        (status = 200, description = "Committed: executed and durable", body = Written),
        (status = 202, description = "In the mempool; `Location` tells what becomes of it", body = Written),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn delete(
    shared: web::Data<Shared>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let key = request::key(&request)?;
    write(&shared, &request, payload, 0, |_| Operation::Delete { key }).await
}

async fn write(
    shared: &Shared,
    request: &HttpRequest,
    payload: web::Payload,
    body_bytes_max: usize,
    operation: impl FnOnce(Bytes) -> Operation,
) -> Result<HttpResponse, Problem> {
    browser::refuse_foreign_origin(shared, request)?;
    let WriteParameters { wait, timeout_ms } = request::parameters(request)?;
    let deadline = request::deadline(timeout_ms)?;
    let author = Author::new(request::idempotency_key(request)?, request::signed(request)?, (random()?, 0))?;
    let (_pass, body) = request::body(shared, request, payload, body_bytes_max).await?;
    let command = shared.command(&operation(body), author)?;
    written(submit(shared, command, wait, deadline).await?)
}

/// Submits one command and waits.
async fn submit(shared: &Shared, command: Command, until: Until, deadline: Instant) -> Result<Outcome, Problem> {
    let command = Identified::from(command);
    let id = command.id();
    let fate = shared.backend.submit(vec![command], until).pop();
    let fate = fate.ok_or_else(|| Problem::new(Kind::Stopping, "the node gave no answer").about(id))?;
    Ok(Submitted { id, fate }.outcome(shared, deadline).await)
}

fn written(outcome: Outcome) -> Result<HttpResponse, Problem> {
    let Outcome { id, status, height, result, problem } = outcome;
    if let Some(problem) = problem {
        return Err(problem);
    }
    let mut response = HttpResponse::Ok();
    if let (Progress::Accepted, Some(id)) = (status, id) {
        response = HttpResponse::Accepted();
        response.insert_header((header::LOCATION, format!("/v1/commands/{id}")));
    }
    Ok(response.json(Written { id, status, height, result }))
}

/// Reads a key.
#[utoipa::path(
    get, path = "/v1/kv/{key}", tag = "kv",
    params(("key" = String, Path, min_length = 1, max_length = 1024, description = "Any bytes, percent-encoded; 414 when longer"), ReadParameters),
    responses(
        (status = 200, description = "The value, or with `proof` the value or its absence with what proves it", content((Raw = "application/octet-stream"), (StateProofDocument = "application/json")), headers(("Thalweg-Height" = u64, description = "The height of the state that was read"))),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn get(shared: web::Data<Shared>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let key = request::key(&request)?;
    let ReadParameters { consistency, proof, at_least, timeout_ms } = request::parameters(&request)?;
    let deadline = request::deadline(timeout_ms)?;
    let _pass = shared.gate.try_enter(0)?;
    let mut height = at_least.unwrap_or(Height::ZERO);
    if consistency == Consistency::Linearizable {
        height = height.max(barrier(&shared, deadline).await?);
    }
    shared.reached(height, deadline).await?;
    if proof {
        let document = prove(&shared, key, deadline).await?;
        return Ok(HttpResponse::Ok()
            .insert_header(("Thalweg-Height", document.header.height.get()))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .json(document));
    }
    let answer = request::within(&shared, deadline, shared.backend.read(key)).await?;
    let value = answer.value.ok_or_else(|| {
        Problem::new(Kind::NoKey, format_args!("the state at height {} has none", answer.height)).at(answer.height)
    });
    let mut response = HttpResponse::Ok();
    response.insert_header(("Thalweg-Height", answer.height.get())).insert_header(ContentType::octet_stream());
    Ok(response.insert_header((header::CACHE_CONTROL, "no-store")).body(value?))
}

/// Proves what the state says of a key now. A state is attested only by what is signed some heights above it; where
/// nobody else has them decided, commands without effect do.
async fn prove(shared: &Shared, key: Bytes, deadline: Instant) -> Result<StateProofDocument, Problem> {
    let proven = request::within(shared, deadline, shared.backend.prove(key.clone())).await?;
    let ProvenAnswer { header, value, proof } = proven;
    let attested_at = shared.backend.attested_at(header.height);
    while shared.height() < attested_at {
        let height = barrier(shared, deadline).await?;
        shared.reached(height, deadline).await?;
    }
    let attestation = request::within(shared, deadline, shared.backend.attestation(header.clone())).await?;
    let unprovable =
        || Problem::new(Kind::Unprovable, "nothing that validators sign names the state").at(header.height);
    let attestation = attestation.ok_or_else(unprovable)?;
    Ok(StateProofDocument { key: Octets(key), value: value.map(Octets), header, proof, attestation })
}

/// Has a command without effect ordered after everything that was answered before, and returns its height. The state
/// at that height or above is what a linearizable read may see: it lies between the read's beginning and its end.
async fn barrier(shared: &Shared, deadline: Instant) -> Result<Height, Problem> {
    let outcome = submit(shared, shared.barrier()?, Until::Committed, deadline).await?;
    match outcome {
        Outcome { height: Some(height), problem: None, .. } => Ok(height),
        Outcome { problem: Some(problem), .. } if problem.kind() != Kind::FateUnknown => Err(problem),
        _ => Err(Problem::new(Kind::Timeout, "nothing can be decided at present")),
    }
}
