//! `GET /v1/doctor`: why nothing is being decided, and `GET /v1/evidence`: who was caught lying.
//!
//! The doctor knows nothing but what [`super::Backend::examine`] tells, and turns it into findings: sentences for
//! people, the most telling first, each of which follows from the figures beside it. No finding: all is well here.

use actix_web::{HttpResponse, http::header, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    finding,
    port::{Examination, InstanceView, QueueView, ValidatorView},
    problem::Problem,
    request,
    server::Shared,
};
use crate::{
    protocol::Evidence,
    replica::View,
    types::{Height, ValidatorIndex},
};

#[derive(Serialize, ToSchema)]
struct Diagnosis {
    findings: Vec<String>,
    /// What to try, in the order of the findings.
    advice: Vec<&'static str>,
    height: Height,
    target_height: Height,
    /// The lowest live instance.
    instance: Option<InstanceView>,
    /// Whose votes of its round are missing here.
    missing_votes: Vec<ValidatorIndex>,
    /// The power of those whose votes of its round are here.
    power_voted: u64,
    /// The least power that decides.
    power_needed: u64,
    /// How long ago a height was executed here, since the start.
    last_executed_ms_ago: Option<u64>,
    is_quorum_connected: bool,
    validators: Vec<Patient>,
    mesh_peers: usize,
    queues: Vec<QueueView>,
    mempool_commands: usize,
    mempool_bytes: usize,
    mempool_bytes_max: usize,
    disk_free_bytes: Option<u64>,
}

/// A validator as seen from here.
#[derive(Serialize, ToSchema)]
struct Patient {
    #[serde(flatten)]
    view: ValidatorView,
    height: Option<Height>,
    last_heard_ms_ago: Option<u64>,
    /// How far its clock is ahead of ours; negative when it is behind.
    clock_ahead_ms: Option<i64>,
    /// Its software, as it says.
    agent: Option<String>,
}

/// Why nothing is being decided, as far as this node can tell.
#[utoipa::path(
    get, path = "/v1/doctor", tag = "node",
    responses(
        (status = 200, description = "What is wrong, most telling first, and the figures it follows from", body = Diagnosis),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn doctor(shared: web::Data<Shared>) -> Result<HttpResponse, Problem> {
    let _pass = shared.gate.try_enter(0)?;
    let view = shared.backend.status().view;
    let examined = request::within(&shared, request::deadline(None)?, shared.backend.examine()).await?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(diagnose(&view, examined)))
}

#[derive(Serialize, ToSchema)]
struct Found {
    evidence: Vec<Evidence>,
}

/// The proofs of lies that this node has found since its start.
#[utoipa::path(
    get, path = "/v1/evidence", tag = "node",
    responses(
        (status = 200, description = "Proofs that verify alone", body = Found),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn evidence(shared: web::Data<Shared>) -> Result<HttpResponse, Problem> {
    let _pass = shared.gate.try_enter(0)?;
    let evidence = request::within(&shared, request::deadline(None)?, shared.backend.evidence()).await?;
    Ok(HttpResponse::Ok().json(Found { evidence }))
}

fn diagnose(view: &View, examined: Examination) -> Diagnosis {
    let missing_votes = missing_votes(&examined);
    let found = finding::findings(view, &examined, &missing_votes);
    let mut advice: Vec<&'static str> = Vec::new();
    for finding in &found {
        if !advice.contains(&finding.advice) {
            advice.push(finding.advice);
        }
    }
    let Examination { instance, peers, validators, is_quorum_connected, mesh_peers, queues, gone_ms_ago, .. } =
        examined;
    let patient = |view: ValidatorView| {
        let peer = peers.iter().find(|peer| peer.validator == Some(view.index));
        Patient {
            height: peer.and_then(|peer| peer.height),
            last_heard_ms_ago: match peer {
                Some(peer) => peer.last_heard_ms_ago,
                None => gone_ms_ago.get(&view.index).copied(),
            },
            clock_ahead_ms: peer.and_then(|peer| peer.clock_ahead_ms),
            agent: peer.map(|peer| peer.agent.clone()),
            view,
        }
    };
    Diagnosis {
        findings: found.into_iter().map(|finding| finding.words).collect(),
        advice,
        height: view.executed,
        target_height: view.target.max(view.executed),
        instance,
        missing_votes,
        power_voted: examined.power_voted,
        power_needed: examined.power_needed,
        last_executed_ms_ago: examined.last_executed_ms_ago,
        is_quorum_connected,
        validators: validators.into_iter().map(patient).collect(),
        mesh_peers,
        queues,
        mempool_commands: view.mempool_commands,
        mempool_bytes: view.mempool_bytes,
        mempool_bytes_max: examined.mempool_bytes_max,
        disk_free_bytes: examined.disk_free_bytes,
    }
}

fn missing_votes(examined: &Examination) -> Vec<ValidatorIndex> {
    let Some(instance) = examined.instance.as_ref().filter(|instance| instance.view.is_wanted) else {
        return Vec::new();
    };
    let has_voted = |index: &ValidatorIndex| instance.view.voters.contains(index);
    examined.validators.iter().map(|validator| validator.index).filter(|index| !has_voted(index)).collect()
}
