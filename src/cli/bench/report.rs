//! What is told of a measurement: to programs as JSON, to people as a table.

use std::fmt;

use serde::Serialize;

use super::{
    measure::{Figures, Load, Measurement, Plan},
    nodes::NodeCost,
};
use crate::cli::table::table;

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    pub(super) configuration: Plan,
    /// Commands a second; `None` in a closed loop.
    pub(super) rate_offered: Option<u32>,
    #[serde(flatten)]
    pub(super) figures: Figures,
    /// The second half, when a validator was killed before it.
    pub(super) after_kill: Option<Figures>,
    pub(super) nodes: Vec<NodeCost>,
    /// Of all nodes.
    pub(super) disk_bytes: u64,
    pub(super) client_cpu_percent: f64,
    /// CPU of all nodes together for one committed command.
    pub(super) cpu_micros_per_command: Option<f64>,
    /// When saturation was looked for: each rate that was tried, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) steps: Vec<Step>,
}

/// One rate on the way to saturation.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Step {
    pub(super) rate_offered: u32,
    /// Whether the cluster kept up.
    pub(super) is_sustained: bool,
    #[serde(flatten)]
    pub(super) figures: Figures,
}

impl Report {
    /// Of a measurement.
    pub(super) fn of(plan: &Plan, measurement: Measurement) -> Self {
        let Measurement { parts, nodes, client_cpu_percent } = measurement;
        let figures = Figures::of(&parts);
        let cpu = nodes.iter().map(|node| node.cpu_percent).sum::<Option<f64>>().filter(|_| !nodes.is_empty());
        Self {
            configuration: plan.clone(),
            rate_offered: plan.rate(),
            cpu_micros_per_command: cpu.map(|percent| percent * 10_000.0 / figures.committed_per_second),
            after_kill: plan.kill_one.then(|| Figures::of(&parts[1..])),
            figures,
            disk_bytes: nodes.iter().map(|node| node.disk_bytes).sum(),
            nodes,
            client_cpu_percent,
            steps: Vec::new(),
        }
    }

    /// The load in a word.
    pub(super) fn load(&self) -> String {
        match self.configuration.load {
            Load::Open { rate, .. } => format!("{rate}/s"),
            Load::Closed { clients: 1 } => "1 client".to_owned(),
            Load::Closed { clients } => format!("{clients} clients"),
        }
    }
}

/// Headings of [`row`].
pub(super) const HEADINGS: [&str; 6] = ["COMMITTED/S", "P50 MS", "P90 MS", "P99 MS", "MAX MS", "ERRORS"];

/// Figures as cells under [`HEADINGS`].
pub(super) fn row(figures: &Figures) -> Vec<String> {
    let Figures { committed_per_second, p50_ms, p90_ms, p99_ms, max_ms, errors } = figures;
    let latencies = [p50_ms, p90_ms, p99_ms, max_ms].map(|ms| format!("{ms:.1}"));
    [format!("{committed_per_second:.0}")].into_iter().chain(latencies).chain([errors.to_string()]).collect()
}

fn cells(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// Bytes for people.
pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{:.0}", bytes as f64 / f64::from(1 << 20))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lead = |text: &str, figures| [vec![text.to_owned()], row(figures)].concat();
        let mut rows = vec![[cells(&["LOAD"]), cells(&HEADINGS)].concat()];
        rows.extend(self.steps.iter().map(|step| lead(&format!("{}/s tried", step.rate_offered), &step.figures)));
        rows.push(lead(&self.load(), &self.figures));
        rows.extend(self.after_kill.as_ref().map(|figures| lead("one killed", figures)));
        writeln!(f, "{}", table(&rows))?;
        if self.nodes.is_empty() {
            return write!(f, "client: {:.0} % of a core", self.client_cpu_percent);
        }
        let mut rows = vec![cells(&["NODE", "CPU %", "MEMORY MIB", "DISK MIB"])];
        rows.extend(self.nodes.iter().map(|node| {
            let cpu = node.cpu_percent.map_or_else(|| "killed".to_owned(), |percent| format!("{percent:.0}"));
            let memory = node.memory_bytes.map(mebibytes).unwrap_or_default();
            vec![node.index.to_string(), cpu, memory, mebibytes(node.disk_bytes)]
        }));
        writeln!(f, "\n{}", table(&rows))?;
        let micros = self.cpu_micros_per_command.unwrap_or_default();
        write!(f, "client: {:.0} % of a core; nodes: {micros:.0} µs of CPU for each command", self.client_cpu_percent)
    }
}
