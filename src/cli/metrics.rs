//! `thalweg metrics`: what a node measures.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::{Failure, output};
use crate::metrics::{
    page,
    table::{PREFIX, TABLE},
};

/// Describe every metric that a node serves at /metrics.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  thalweg metrics
  thalweg metrics --json")]
pub(super) struct Arguments {}

/// Prints the page, or one line of JSON with a list.
pub(super) fn run(json: bool) -> Result<ExitCode, Failure> {
    if !json {
        output::bytes(page().as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let describe = |row: &crate::metrics::table::Row| {
        let labels: Vec<_> = row.labels.iter().map(|axis| axis.name()).collect();
        let (name, kind) = (format!("{PREFIX}{}", row.name), row.shape.as_str());
        json!({ "name": name, "kind": kind, "unit": row.unit, "labels": labels, "help": row.help })
    };
    output::line(&json!({ "metrics": TABLE.iter().map(describe).collect::<Vec<_>>() }))?;
    Ok(ExitCode::SUCCESS)
}
