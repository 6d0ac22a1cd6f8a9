//! A client of running nodes: single writes and reads, and where the nodes stand.

mod doctor;
mod events;
mod http;
mod kv;
mod look;
mod problem;
mod replies;
mod signer;
mod status;
mod submit;
#[cfg(test)]
pub(super) mod testing;

pub(super) use doctor::{DoctorArguments, doctor};
pub(super) use events::{EventsArguments, events};
pub(super) use http::{
    Backoff, Client, Method, NodeArguments, Patience, Reply, Request, Stream, TokenHeader, Trouble, base_url,
    is_retryable, reason,
};
pub(super) use kv::{DeleteArguments, GetArguments, PutArguments, delete, get, kv_path, put};
pub(super) use look::{
    BlockArguments, CertificateArguments, CheckpointArguments, CommandArguments, PeersArguments, ValidatorsArguments,
    block, certificate, checkpoint, command, peers, validators,
};
pub(super) use problem::Problem;
use replies::Agreement;
pub(super) use signer::{KeyArguments, Signer, Term};
pub(super) use status::{StatusArguments, status};
pub(super) use submit::{SubmitArguments, submit};
