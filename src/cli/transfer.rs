//! How far a transfer is whose end nobody knows: on a terminal only, where it leaves nothing behind.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressStyle};

const LINE: &str = "{spinner} {binary_bytes}  {binary_bytes_per_sec}  {elapsed_precise}";

/// Tells a person.
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    /// Begins.
    pub(super) fn new() -> Self {
        let style = ProgressStyle::with_template(LINE).unwrap_or_else(|_| ProgressStyle::default_spinner());
        Self(io::stderr().is_terminal().then(|| ProgressBar::new_spinner().with_style(style)))
    }

    /// So many bytes more.
    pub(super) fn advance(&self, bytes: usize) {
        if let Self(Some(bar)) = self {
            bar.inc(bytes as u64);
        }
    }

    /// Leaves the terminal clean.
    pub(super) fn finish(&self) {
        if let Self(Some(bar)) = self {
            bar.finish_and_clear();
        }
    }
}
