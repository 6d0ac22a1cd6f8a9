//! What operators order.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{BODY_BYTES_MAX, Desk};
use crate::{
    api::{
        problem::{Kind, Problem},
        request,
        server::Shared,
    },
    config::check_peer_address,
};

/// The longest time until the stop of a node that is drained, seconds.
const DRAIN_MAX_S: u64 = 3_600;

/// The filter of the log.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    filter: String,
}

/// A peer's multiaddress.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Peer {
    address: String,
}

/// How long until the stop.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Drain {
    seconds: u64,
}

/// Shows the filter of the log.
pub async fn log(desk: web::Data<Desk>) -> HttpResponse {
    HttpResponse::Ok().json(Filter { filter: desk.log.current() })
}

/// Replaces it. A filter that makes no sense changes nothing.
pub async fn set_log(
    desk: web::Data<Desk>,
    shared: web::Data<Shared>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let Filter { filter } = read(&shared, &request, payload).await?;
    desk.log.replace(&filter).map_err(|why| Problem::new(Kind::BadRequest, format_args!("filter: {why}")))?;
    Ok(HttpResponse::Ok().json(Filter { filter: desk.log.current() }))
}

/// Stays connected to one more address. 202: whether somebody answers there, `/v1/peers` tells.
pub async fn dial(
    shared: web::Data<Shared>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let peer: Peer = read(&shared, &request, payload).await?;
    let wrong = |why: &dyn std::fmt::Display| Problem::new(Kind::BadRequest, format_args!("address: {why}"));
    check_peer_address(&peer.address).map_err(|error| wrong(&error))?;
    shared.backend.dial(&peer.address).map_err(|error| wrong(&error))?;
    tracing::info!(address = peer.address, "one more address to stay connected to");
    Ok(HttpResponse::Accepted().json(peer))
}

/// Makes the node not ready, and lets it stop after a while. A further order replaces the time.
pub async fn drain(
    shared: web::Data<Shared>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let drain: Drain = read(&shared, &request, payload).await?;
    if drain.seconds > DRAIN_MAX_S {
        return Err(Problem::new(Kind::BadRequest, format_args!("seconds: expected 0 to {DRAIN_MAX_S}")));
    }
    tracing::info!(seconds_left = drain.seconds, "draining: not ready from now on, then the node stops");
    shared.backend.drain(Duration::from_secs(drain.seconds));
    Ok(HttpResponse::Accepted().json(drain))
}

async fn read<T: DeserializeOwned>(
    shared: &Shared,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<T, Problem> {
    let (_pass, body) = request::body(shared, request, payload, BODY_BYTES_MAX).await?;
    serde_json::from_slice(&body).map_err(|error| Problem::new(Kind::BadRequest, error))
}
