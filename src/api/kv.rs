//! `PUT|GET|DELETE /v1/kv/{key}`: single writes and reads of the key-value application.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentType},
    web,
};
use bytes::Bytes;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    command::{Outcome, Progress, Submitted},
    port::{Operation, Until},
    problem::{Kind, Problem},
    request::{self, Consistency, ReadParameters, WriteParameters},
    server::Shared,
};
use crate::{
    app::Identified,
    types::{Digest, Height},
};

/// The answer to a write.
#[derive(Serialize)]
struct Written {
    id: Option<Digest>,
    status: Progress,
    height: Option<Height>,
    result: Option<serde_json::Value>,
}

/// Gives a key a value: the request's body.
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
    request::refuse_foreign_origin(request)?;
    let WriteParameters { wait, timeout_ms } = request::parameters(request)?;
    let deadline = request::deadline(timeout_ms)?;
    let idempotency_key = request::idempotency_key(request)?;
    let (_pass, body) = request::body(shared, request, payload, body_bytes_max).await?;
    written(submit(shared, &operation(body), idempotency_key, wait, deadline).await?)
}

/// Submits one operation and waits.
async fn submit(
    shared: &Shared,
    operation: &Operation,
    idempotency_key: Option<&[u8]>,
    until: Until,
    deadline: Instant,
) -> Result<Outcome, Problem> {
    let command = Identified::from(shared.command(operation, idempotency_key)?);
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
pub async fn get(shared: web::Data<Shared>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let key = request::key(&request)?;
    let ReadParameters { consistency, at_least, timeout_ms } = request::parameters(&request)?;
    let deadline = request::deadline(timeout_ms)?;
    let _pass = shared.gate.try_enter(0)?;
    let mut height = at_least.unwrap_or(Height::ZERO);
    if consistency == Consistency::Linearizable {
        height = height.max(barrier(&shared, deadline).await?);
    }
    shared.reached(height, deadline).await?;
    let answer = request::within(&shared, deadline, shared.backend.read(key)).await?;
    let value = answer.value.ok_or_else(|| Problem::new(Kind::NoKey, "absent").at(answer.height));
    let mut response = HttpResponse::Ok();
    response.insert_header(("Thalweg-Height", answer.height.get())).insert_header(ContentType::octet_stream());
    Ok(response.insert_header((header::CACHE_CONTROL, "no-store")).body(value?))
}

/// Has a command without effect ordered after everything that was answered before, and returns its height. The state
/// at that height or above is what a linearizable read may see: it lies between the read's beginning and its end.
async fn barrier(shared: &Shared, deadline: Instant) -> Result<Height, Problem> {
    let outcome = submit(shared, &Operation::Barrier, None, Until::Committed, deadline).await?;
    match outcome {
        Outcome { height: Some(height), problem: None, .. } => Ok(height),
        Outcome { problem: Some(problem), .. } if problem.kind() != Kind::FateUnknown => Err(problem),
        _ => Err(Problem::new(Kind::Timeout, "nothing can be decided at present")),
    }
}
