//! What leaves the process: data on standard output, words for people on standard error, both flushed at once.

use std::{
    fmt,
    io::{self, Write as _},
};

use serde::Serialize;

use super::Failure;

/// Prints one line of JSON for programs.
///
/// # Errors
/// [`Failure::Unread`] when nobody reads it any more, [`Failure::Failed`] when it cannot be written.
pub(super) fn line(value: &impl Serialize) -> Result<(), Failure> {
    let mut json = serde_json::to_vec(value).map_err(|error| Failure::failed("JSON", error))?;
    json.push(b'\n');
    bytes(&json)
}

/// Prints bytes as they are.
///
/// # Errors
/// As [`line`].
pub(super) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Unread,
        _ => Failure::failed("standard output", error),
    })
}

/// Tells a person something. When nobody listens it is lost, which is no reason to stop.
pub(super) fn say(words: fmt::Arguments<'_>) {
    let mut err = io::stderr().lock();
    let _ = writeln!(err, "{words}").and_then(|()| err.flush());
}
