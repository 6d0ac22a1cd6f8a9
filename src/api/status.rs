//! What operators and orchestrators look at: `/v1/status`, `/v1/peers`, `/healthz`, `/readyz` and `/metrics`.

use std::num::NonZeroUsize;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    port::PeerView,
    problem::{Kind, Problem},
    request,
    server::Shared,
};
use crate::{
    config::{ApplicationName, ClientSignatures},
    protocol::ProtocolName,
    replica::Progress,
    types::{Digest, Height, ValidatorIndex},
};

#[derive(Serialize, ToSchema)]
struct StatusDocument<'a> {
    height: Height,
    state_root: Option<Digest>,
    round: u64,
    /// Who leads the lowest undecided height, as far as this node knows.
    leader: Option<ValidatorIndex>,
    /// The height of the last stable checkpoint.
    stable_height: Option<Height>,
    /// The live heights.
    in_window: Vec<Height>,
    syncing: bool,
    /// How far catching up is.
    sync: Option<Sync>,
    target_height: Height,
    role: Role,
    /// Our index among the validators.
    node: Option<ValidatorIndex>,
    peers: usize,
    mempool: Mempool,
    chain: &'a str,
    chain_id: Digest,
    protocol: ProtocolName,
    application: ApplicationName,
    /// Whether clients sign their commands.
    client_signatures: ClientSignatures,
    /// For how many heights the reply to a command is remembered.
    retention_heights: u64,
    version: &'static str,
}

#[derive(Serialize, ToSchema)]
struct Sync {
    from_height: Height,
    percent: u64,
    blocks_per_second: u64,
    seconds_left: Option<u64>,
}

impl From<&Progress> for Sync {
    fn from(progress: &Progress) -> Self {
        Self {
            from_height: progress.from,
            percent: progress.percent(),
            blocks_per_second: progress.blocks_per_second(),
            seconds_left: progress.left().map(|left| left.as_secs()),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Role {
    Validator,
    /// A validator without its memory, which follows without a vote for now (`OB-10`).
    Rejoining,
    Listener,
}

#[derive(Serialize, ToSchema)]
struct Mempool {
    commands: usize,
    bytes: usize,
}

/// Where the node stands.
#[utoipa::path(
    get, path = "/v1/status", tag = "node",
    responses(
        (status = 200, description = "Where it stands", body = StatusDocument)
    )
)]
pub async fn status(shared: web::Data<Shared>) -> HttpResponse {
    let status = shared.backend.status();
    let chain = &shared.settings.chain;
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(StatusDocument {
        height: status.view.executed,
        state_root: status.view.state_root,
        round: status.round,
        leader: status.leader,
        stable_height: status.view.stable,
        in_window: status.view.in_window,
        syncing: status.view.sync.is_some(),
        sync: status.view.sync.as_ref().map(Sync::from),
        target_height: status.view.target.max(status.view.executed),
        role: match (status.index, status.view.abstention) {
            (Some(_), None) => Role::Validator,
            (Some(_), Some(_)) => Role::Rejoining,
            (None, _) => Role::Listener,
        },
        node: status.index,
        peers: status.peers,
        mempool: Mempool { commands: status.view.mempool_commands, bytes: status.view.mempool_bytes },
        chain: &chain.name,
        chain_id: chain.id,
        protocol: chain.protocol,
        application: chain.application,
        client_signatures: chain.client_signatures,
        retention_heights: chain.retention_heights,
        version: crate::VERSION,
    })
}

#[derive(Serialize, ToSchema)]
struct Peers {
    peers: Vec<PeerView>,
    /// The `after` of the next page, if there is more.
    next: Option<String>,
}

/// Which peers to show, ordered by their ids.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
struct PeerPage {
    /// Those above this `peer_id`.
    after: Option<String>,
    /// How many; 1,024 at most are shown.
    #[param(value_type = Option<usize>, minimum = 1)]
    limit: Option<NonZeroUsize>,
}

/// Who is connected.
#[utoipa::path(
    get, path = "/v1/peers", tag = "node",
    params(PeerPage),
    responses(
        (status = 200, description = "The connected peers", body = Peers),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn peers(shared: web::Data<Shared>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let PeerPage { after, limit } = request::parameters(&request)?;
    let _pass = shared.gate.try_enter(0)?;
    let mut all = request::within(&shared, request::deadline(None)?, shared.backend.peers()).await?;
    all.sort_by(|one, other| one.peer_id.cmp(&other.peer_id));
    let limit = limit.map(NonZeroUsize::get);
    let (peers, next) = request::page(all, after.as_ref(), limit, |peer| peer.peer_id.clone());
    Ok(HttpResponse::Ok().json(Peers { peers, next }))
}

#[derive(Serialize, ToSchema)]
struct Probe {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

/// Whether the process should be left running. A disk that fills up is a warning beside the 200: whoever restarts the
/// process for it gains nothing.
#[utoipa::path(
    get, path = "/healthz", tag = "node",
    responses(
        (status = 200, description = "Leave it running", body = Probe),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn healthz(shared: web::Data<Shared>) -> Result<HttpResponse, Problem> {
    let warning = shared.backend.health().map_err(|why| Problem::new(Kind::Unhealthy, why))?;
    Ok(HttpResponse::Ok().json(Probe { status: "alive", warning }))
}

/// Whether clients should be sent here.
#[utoipa::path(
    get, path = "/readyz", tag = "node",
    responses(
        (status = 200, description = "Send clients here", body = Probe),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn readyz(shared: web::Data<Shared>) -> Result<HttpResponse, Problem> {
    shared.backend.readiness().map_err(|why| Problem::new(Kind::NotReady, why))?;
    Ok(HttpResponse::Ok().json(Probe { status: "ready", warning: None }))
}

/// All metrics, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "node",
    responses(
        (status = 200, description = "Prometheus' text format", body = String, content_type = "text/plain")
    )
)]
pub async fn metrics(shared: web::Data<Shared>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(shared.backend.metrics())
}
