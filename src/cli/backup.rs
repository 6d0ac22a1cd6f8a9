//! `thalweg backup`: the state of a running cluster into a file, from which `thalweg restore` makes a node's store.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use serde_json::json;

use super::{
    Failure,
    client::{Client, NodeArguments, Stream},
    output,
    transfer::Progress,
};
use crate::replica::snapshot::{self, SnapshotError};

/// Where a node serves it.
pub(super) const PATH: &str = "/v1/snapshot";

/// Write the state at the last stable checkpoint into a file, with the proof of it. Never a vote journal: whoever
/// restores it has no memory of votes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  thalweg backup monday.snapshot
  thalweg backup - --node http://10.0.0.7:8700 | zstd > monday.snapshot.zst")]
pub(super) struct Arguments {
    /// Where to; `-` is standard output. Appears under its name when it is whole.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    nodes: NodeArguments,
}

/// Takes the snapshot of the first node that has one.
pub(super) fn run(arguments: &Arguments, json: bool) -> Result<ExitCode, Failure> {
    let Stream { height, body, node } = Client::new(arguments.nodes.node.clone()).stream(PATH)?;
    let progress = Progress::new();
    let count = |bytes| progress.advance(bytes);
    let cut_off = |error: SnapshotError| Failure::failed(&node, error);
    if arguments.file == Path::new("-") {
        snapshot::copy(body, BufWriter::new(io::stdout().lock()), count).map_err(cut_off)?;
        return Ok(ExitCode::SUCCESS);
    }
    let part = arguments.file.with_added_extension("part");
    let written = |error: io::Error| Failure::failed(part.display(), error);
    let mut file = BufWriter::new(File::create(&part).map_err(written)?);
    let copied = snapshot::copy(body, &mut file, count);
    progress.finish();
    if let Err(error) = copied {
        // What is not whole is of no use to anybody; that it stays does no harm.
        let _ = fs::remove_file(&part);
        return Err(cut_off(error));
    }
    file.flush().and_then(|()| file.get_ref().sync_all()).map_err(written)?;
    fs::rename(&part, &arguments.file).map_err(|error| Failure::failed(arguments.file.display(), error))?;
    let bytes = fs::metadata(&arguments.file).map(|file| file.len()).unwrap_or_default();
    if json {
        output::line(&json!({ "height": height, "bytes": bytes, "node": node }))?;
    } else {
        output::say(format_args!("{node}: the state at height {}, {bytes} bytes", height.unwrap_or_default()));
    }
    Ok(ExitCode::SUCCESS)
}
