//! How far a simulation is: a bar on a terminal, a line now and then elsewhere.

use std::time::{Duration, Instant};

use crate::cli::output;

/// How often a line is written where no bar can be drawn.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Tells a person how far it is.
pub(super) struct Progress {
    done: u64,
    total: u64,
    started: Instant,
    told: Instant,
    #[cfg(feature = "node")]
    bar: Option<indicatif::ProgressBar>,
}

impl Progress {
    /// Begins.
    pub(super) fn new(total: u64) -> Self {
        let now = Instant::now();
        Self {
            done: 0,
            total,
            started: now,
            told: now,
            #[cfg(feature = "node")]
            bar: bar(total),
        }
    }

    /// One more world has ended.
    pub(super) fn advance(&mut self) {
        self.done += 1;
        #[cfg(feature = "node")]
        if let Some(bar) = &self.bar {
            bar.inc(1);
            return;
        }
        if self.told.elapsed() >= LINE_INTERVAL {
            self.told = Instant::now();
            let rate = u128::from(self.done) * 1000 / self.started.elapsed().as_millis().max(1);
            output::say(format_args!("{} of {} seeds, {rate} a second", self.done, self.total));
        }
    }

    /// Leaves the terminal clean.
    pub(super) fn finish(&mut self) {
        #[cfg(feature = "node")]
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(feature = "node")]
fn bar(total: u64) -> Option<indicatif::ProgressBar> {
    use std::{fmt, io::IsTerminal as _};

    use indicatif::{ProgressBar, ProgressState, ProgressStyle};

    if !std::io::stderr().is_terminal() {
        return None;
    }
    let template = "{wide_bar} {human_pos}/{human_len} seeds  {rate}/s  {elapsed_precise}, {eta} to go";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    // indicatif's own shows four decimals.
    let style = style.with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
        // Nowhere to tell of a failure, which only spoils a word on a terminal.
        let _ = write!(out, "{:.0}", state.per_sec());
    });
    Some(ProgressBar::new(total).with_style(style))
}
