//! How far an import is: a bar on a terminal, a line now and then elsewhere.

use std::{
    fmt,
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::cli::output;

/// How often a line is written where no bar can be drawn.
const LINE_INTERVAL: Duration = Duration::from_secs(2);
const BAR: &str = "{wide_bar} {human_pos}/{human_len} lines  {rate}/s  {elapsed_precise}, {eta} to go";

/// Tells a person how far it is.
pub(super) enum Progress {
    /// On a terminal.
    Bar(ProgressBar),
    /// Elsewhere.
    Lines { done: u64, total: u64, told: Instant },
}

impl Progress {
    /// Begins; `total` is about how many lines there are.
    pub(super) fn new(total: u64) -> Self {
        if !io::stderr().is_terminal() {
            return Self::Lines { done: 0, total, told: Instant::now() };
        }
        let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
        // indicatif's own shows four decimals.
        let style = style.with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
            // Nowhere to tell of a failure, which only spoils a word on a terminal.
            let _ = write!(out, "{:.0}", state.per_sec());
        });
        Self::Bar(ProgressBar::new(total).with_style(style))
    }

    /// One more line has ended.
    pub(super) fn advance(&mut self) {
        match self {
            Self::Bar(bar) => {
                bar.inc(1);
                // Headings, empty lines and breaks within values make the total a guess.
                if bar.length().is_some_and(|total| bar.position() > total) {
                    bar.set_length(bar.position());
                }
            }
            Self::Lines { done, total, told } => {
                *done += 1;
                if told.elapsed() >= LINE_INTERVAL {
                    *told = Instant::now();
                    output::say(format_args!("{done} of about {total} lines"));
                }
            }
        }
    }

    /// Says something without disturbing the bar.
    pub(super) fn complain(&self, words: fmt::Arguments<'_>) {
        match self {
            Self::Bar(bar) => bar.suspend(|| output::say(words)),
            Self::Lines { .. } => output::say(words),
        }
    }

    /// Leaves the terminal clean.
    pub(super) fn finish(&mut self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
