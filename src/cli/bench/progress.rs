//! How far a measurement is: a bar on a terminal, one line elsewhere.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, sleep_until};

use super::{
    measure::{Load, Plan},
    tally::Tally,
};
use crate::cli::output;

const INTERVAL: Duration = Duration::from_secs(1);
const BAR: &str = "{wide_bar} {pos}/{len} s  {msg}";

/// Tells a person how far it is.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    next: Instant,
}

impl Progress {
    /// Begins.
    pub(super) fn new(plan: &Plan) -> Self {
        let next = Instant::now() + INTERVAL;
        let load = match plan.load {
            Load::Open { rate, batch } => format!("{rate} commands a second in batches of {batch}"),
            Load::Closed { clients } => format!("{clients} clients in a closed loop"),
        };
        let seconds = (plan.warm_up + plan.duration).as_secs();
        if !io::stderr().is_terminal() {
            output::say(format_args!("{load}, {seconds} s"));
            return Self { bar: None, next };
        }
        let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(seconds).with_style(style).with_message(load);
        Self { bar: Some(bar), next }
    }

    /// Waits for a second to pass.
    pub(super) async fn tick(&self) {
        sleep_until(self.next).await;
    }

    /// A second has passed.
    pub(super) fn tell(&mut self, tally: &Tally) {
        self.next += INTERVAL;
        let committed = tally.recently();
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{committed} committed a second"));
            bar.inc(1);
        }
    }

    /// Leaves the terminal clean.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
