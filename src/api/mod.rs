//! HTTP: the outside of a node.
//!
//! Started by the node's assembly with a [`Backend`], the port behind which the node works; called by clients,
//! operators, Prometheus and orchestrators. It knows nothing of actors, storage or network, and decides nothing: it
//! reads requests within bounds, turns them into commands and questions, waits, and writes answers.
//!
//! # Routes
//! | route | answer |
//! |---|---|
//! | `PUT` `DELETE /v1/kv/{key}` `?wait&timeout_ms`, `Idempotency-Key` or `Thalweg-Signed` | 200 committed, 202 accepted, 504 fate unknown |
//! | `GET /v1/kv/{key}` `?consistency&at_least&timeout_ms` | the value with `Thalweg-Height`, or 404 |
//! | `POST /v1/commands` `?wait&timeout_ms` | a result for each command, in order |
//! | … `?proof=true` | the value or `null`, with what proves it from genesis on; 501 where nothing can |
//! | `GET /v1/commands/{id}` | how far it came |
//! | `GET /v1/blocks/{height or latest}` `?offset&limit`, `…/certificate`, `If-None-Match` | a block with up to 1,000 commands; its proof |
//! | `GET /v1/checkpoint` | the last stable checkpoint with its proof |
//! | `GET /v1/status` `/v1/validators` `/v1/peers` | where the node stands, who votes, who is connected |
//! | `GET /v1/events` `?from`, `Last-Event-ID` | server-sent events: blocks from a height on, and what happens between them |
//! | `GET /v1/doctor` `/v1/evidence` | why nothing is being decided; who was caught lying |
//! | `GET /healthz` `/readyz` `/metrics` `/` | probes (the first with a `warning` beside its 200 when the disk fills up), metrics, the console |
//! | `GET /v1/instances` `?limit`, `/v1/instances/{height}` | who voted when at the last heights; the messages of one with their voters |
//! | `GET /v1/origin/{key}` | which block wrote the value |
//! | `GET /console/{file}` | what the console is made of |
//! | `GET /openapi.json` | all of this, for programs |
//!
//! What changes a node is no route of these: [`Admin`] has a listener of its own.
//!
//! Every route with `GET` has `HEAD`, but the endless `/v1/events`.
//!
//! # Promises
//! * Every error is an RFC 9457 problem document ([`problem::Kind`] lists them), except for bytes that are no HTTP at
//!   all, which are answered with a bare status before any route is known.
//! * The same `Idempotency-Key` and operation make the same command on every node, in single writes and in batches.
//! * A request that ends early, by time or because its client hung up, gives back everything it held.
//!
//! # Limits
//! Keys have 1 to [`KEY_BYTES_MAX`] bytes (414 above), values what genesis allows for a command (413), batches
//! [`BATCH_COMMANDS_MAX`] commands and [`BATCH_BYTES_MAX`] bytes (413). A head has at most 128 KiB and its target 64 KiB;
//! more is answered with a bare 431 or 400. Requests in progress and the
//! bytes of their bodies are bounded by [`Settings`], for all clients together and for each; beyond that the answer is
//! 429 with `Retry-After`. A head and a
//! body each have to arrive within [`Settings::client_timeout`]. Writes that a browser sends for a page of another
//! origin are refused, and reads cannot be read by it, unless [`Settings::cors_origins`] names it.

mod admin;
mod allowance;
mod batch;
mod browser;
mod chain;
mod command;
mod console;
mod doctor;
mod events;
mod finding;
mod gate;
mod kv;
mod openapi;
pub mod port;
pub mod problem;
mod request;
mod schema;
mod server;
mod settings;
mod status;
#[cfg(test)]
mod tests;

pub use admin::Admin;
pub use batch::{Entry as BatchEntry, read as read_batch};
pub use port::Backend;
pub use request::read_key;
pub use server::Server;
pub use settings::*;
