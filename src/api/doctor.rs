//! `GET /v1/doctor`: why nothing is being decided, and `GET /v1/evidence`: who was caught lying.
//!
//! The doctor knows nothing but what [`super::Backend::examine`] tells, and turns it into findings: sentences for
//! people, the most telling first, each of which follows from the figures beside it. No finding: all is well here.

use actix_web::{HttpResponse, http::header, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    port::{Examination, InstanceView, PeerView, QueueView, ValidatorView},
    problem::Problem,
    request,
    server::Shared,
};
use crate::{
    protocol::{Abstention, Evidence},
    replica::View,
    types::{Height, ValidatorIndex},
};

/// A connected peer that has been silent for longer is worth a finding: statuses come each second.
const SILENT_MS: u64 = 5_000;

#[derive(Serialize, ToSchema)]
struct Diagnosis {
    findings: Vec<String>,
    height: Height,
    target_height: Height,
    /// The lowest live instance.
    instance: Option<InstanceView>,
    /// Whose votes of its round are missing here.
    missing_votes: Vec<ValidatorIndex>,
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
    let findings = findings(view, &examined, &missing_votes);
    let Examination { instance, peers, validators, is_quorum_connected, mesh_peers, queues, .. } = examined;
    let patient = |view: ValidatorView| {
        let peer = peers.iter().find(|peer| peer.validator == Some(view.index));
        Patient {
            height: peer.and_then(|peer| peer.height),
            last_heard_ms_ago: peer.and_then(|peer| peer.last_heard_ms_ago),
            view,
        }
    };
    Diagnosis {
        findings,
        height: view.executed,
        target_height: view.target.max(view.executed),
        instance,
        missing_votes,
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

fn findings(view: &View, examined: &Examination, missing: &[ValidatorIndex]) -> Vec<String> {
    let mut findings = Vec::new();
    if let Some(warning) = &examined.disk_warning {
        findings.push(warning.clone());
    }
    match view.abstention {
        Some(Abstention::Everywhere) => findings.push("rejoining: this node asks the others how far they are".into()),
        Some(Abstention::Through(last)) => {
            findings.push(format!("rejoining: this node votes above height {last} only"));
        }
        None => {}
    }
    if view.sync.is_some() {
        findings
            .push(format!("behind: height {} of {} is executed, blocks are being fetched", view.executed, view.target));
    }
    findings.extend(connections(&examined.validators, examined.is_quorum_connected, &examined.peers));
    if let Some(instance) = examined.instance.as_ref().filter(|instance| instance.view.is_wanted && !missing.is_empty())
    {
        let (height, round) = (instance.height, instance.view.round);
        let leader = instance.view.leader.map(|leader| format!(" under validator {leader}")).unwrap_or_default();
        findings.push(format!("height {height} is in round {round}{leader}; votes missing: {}", list(missing)));
    }
    if examined.mesh_peers == 0 && !examined.peers.is_empty() {
        findings.push("no peer is in the gossip mesh: only substreams between validators carry messages".into());
    }
    for queue in examined.queues.iter().filter(|queue| queue.depth > queue.depth_max / 2) {
        findings.push(format!("{} messages wait for the {}, of {} at most", queue.depth, queue.actor, queue.depth_max));
    }
    if view.mempool_bytes > examined.mempool_bytes_max / 10 * 9 {
        findings.push("the mempool is full: clients are answered 429".into());
    }
    findings
}

/// What is wrong with the ways to the other validators.
fn connections(validators: &[ValidatorView], is_quorum_connected: bool, peers: &[PeerView]) -> Vec<String> {
    let mut findings = Vec::new();
    let gone = validators.iter().filter(|validator| !validator.is_self && !validator.is_connected);
    let gone: Vec<_> = gone.map(|validator| validator.index).collect();
    match (is_quorum_connected, gone.is_empty()) {
        (false, _) => findings.push(format!("the validators in reach are no quorum; not connected: {}", list(&gone))),
        (true, false) => findings.push(format!("not connected, while a quorum is: {}", list(&gone))),
        (true, true) => {}
    }
    for peer in peers {
        if let (Some(validator), Some(ms)) = (peer.validator, peer.last_heard_ms_ago.filter(|ms| *ms > SILENT_MS)) {
            findings.push(format!("validator {validator} is connected, but was last heard {} s ago", ms / 1000));
        }
    }
    findings
}

fn list(validators: &[ValidatorIndex]) -> String {
    let names: Vec<_> = validators.iter().map(|index| format!("validator {index}")).collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}
