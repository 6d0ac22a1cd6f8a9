//! The admin side: what changes a node, on a listener of its own.
//!
//! Started by the node's assembly when it is given an [`Admin`]; called by operators. Off unless `node.toml` says where
//! it listens, so that nothing of it is in reach of clients: the public side has none of these routes.
//!
//! # Routes
//! | route | does |
//! |---|---|
//! | `GET` `PUT /v1/admin/log` | shows or replaces the filter of the log, until the node ends |
//! | `POST /v1/admin/peers` | stays connected to one more address, until the node ends |
//! | `POST /v1/admin/drain` | not ready from now on; a clean stop after so many seconds |
//! | `GET /healthz` `/readyz` `/metrics` | as on the public side, without a token |
//!
//! # Promises
//! * Below `/v1/admin` nothing is answered without the token: 401, whatever the path and method.
//! * Tries are limited for each address *before* the token is looked at; see [`access`].
//! * It has its own thread, connections and places: a public side that is full does not keep an operator out.
//!
//! # Limits
//! It speaks plain HTTP as the public side does: whoever can read along reads the token. Let it listen on a loopback
//! address or a network of the operators' own.

mod access;
mod order;

use std::{fmt, net::SocketAddr, sync::Arc};

use actix_web::{
    middleware::from_fn,
    web::{self, ServiceConfig},
};

use super::{
    allowance::Allowance,
    port::LogFilter,
    server::{read, readable, resource},
    status,
};
use crate::config::Token;

/// The most bytes of a body.
const BODY_BYTES_MAX: usize = 4096;
/// The most connections at once.
pub(super) const CONNECTIONS_MAX: usize = 64;
/// The most requests in progress.
pub(super) const REQUESTS_MAX: usize = 64;

/// What an admin side needs.
#[derive(Clone)]
pub struct Admin {
    /// Where it listens; port 0 picks a free one.
    pub listen: SocketAddr,
    /// What its callers must know.
    pub token: Token,
    /// The log of the process.
    pub log: Arc<dyn LogFilter>,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("listen", &self.listen).finish_non_exhaustive()
    }
}

/// What its requests share beside what all servers share.
pub(super) struct Desk {
    token: Token,
    log: Arc<dyn LogFilter>,
    tries: Allowance,
}

impl Desk {
    pub(super) fn new(admin: &Admin) -> Self {
        let tries = Allowance::new(access::tries());
        Self { token: admin.token.clone(), log: Arc::clone(&admin.log), tries }
    }
}

/// Adds every route.
pub(super) fn routes(config: &mut ServiceConfig) {
    let log = resource("/log", "GET, HEAD, PUT").route(read().to(order::log)).route(web::put().to(order::set_log));
    let changes = web::scope("/v1/admin")
        .wrap(from_fn(access::authorize))
        .service(log)
        .service(resource("/peers", "POST").route(web::post().to(order::dial)))
        .service(resource("/drain", "POST").route(web::post().to(order::drain)));
    config
        .service(changes)
        .service(readable("/healthz", read().to(status::healthz)))
        .service(readable("/readyz", read().to(status::readyz)))
        .service(readable("/metrics", read().to(status::metrics)))
        .default_service(web::to(super::server::no_route));
}
