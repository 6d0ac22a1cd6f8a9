//! The whole table: every combination that is asked about, each with a cluster of its own.

use super::{
    measure::{Load, Plan},
    report::{HEADINGS, Report, mebibytes, row},
    run::Bench,
    saturate,
};
use crate::{
    cli::{Failure, genesis::ChainArguments, output, table::table},
    config::ApplicationName,
};

const VALIDATORS: [u16; 2] = [4, 7];
const CLIENTS: [u16; 3] = [1, 16, 256];
/// Where the way to saturation begins.
const RATE_MIN: u32 = 2_000;

/// Measures all of it. A combination that fails is told and left out.
///
/// # Errors
/// [`Failure`] when nobody reads what comes out.
pub(super) async fn run(plan: &Plan, batch: u16, json: bool) -> Result<(), Failure> {
    let mut rows = vec![headings()];
    // Window 1, and the default where that is another one.
    let mut windows = vec![1, ChainArguments::default().genesis("").window];
    windows.dedup();
    for application in ApplicationName::ALL {
        for validators in VALIDATORS {
            for &window in &windows {
                let loads = CLIENTS.map(|clients| Load::Closed { clients });
                for load in loads.into_iter().chain([Load::Open { rate: RATE_MIN, batch }]) {
                    for kill_one in [false, true] {
                        let plan = Plan { validators, window, application, load, kill_one, ..plan.clone() };
                        match measure(&plan).await {
                            Ok(report) if json => output::line(&report)?,
                            Ok(report) => rows.extend(lines(&report)),
                            Err(failure) => output::say(format_args!("{plan:?}: {failure}")),
                        }
                    }
                }
            }
        }
    }
    if json { Ok(()) } else { output::bytes(format!("{}\n", table(&rows)).as_bytes()) }
}

async fn measure(plan: &Plan) -> Result<Report, Failure> {
    let chain = ChainArguments {
        protocol: Some(plan.protocol.as_str().to_owned()),
        application: Some(plan.application.as_str().to_owned()),
        window: Some(plan.window),
        ..ChainArguments::default()
    };
    let mut bench = Bench::start(plan, &chain).await?;
    let report = match plan.load {
        Load::Open { .. } => saturate::run(&mut bench, plan).await,
        Load::Closed { .. } => bench.measure(plan).await.map(|measurement| Report::of(plan, measurement)),
    };
    bench.stop().await;
    report
}

fn headings() -> Vec<String> {
    let before = ["APPLICATION", "N", "WINDOW", "LOAD"].into_iter();
    before.chain(HEADINGS).chain(["CPU %", "MEMORY MIB", "DISK MIB"]).map(str::to_owned).collect()
}

/// A line for the healthy cluster, or one for each half when a validator was killed: costs are of a node, on average.
fn lines(report: &Report) -> Vec<Vec<String>> {
    let Plan { application, validators, window, .. } = &report.configuration;
    let alive: Vec<_> = report.nodes.iter().filter(|node| !node.is_killed).collect();
    let count = alive.len().max(1) as f64;
    let cpu = alive.iter().filter_map(|node| node.cpu_percent).sum::<f64>() / count;
    let memory = alive.iter().filter_map(|node| node.memory_bytes).sum::<u64>() / alive.len().max(1) as u64;
    let disk = report.disk_bytes / report.nodes.len().max(1) as u64;
    let costs = vec![format!("{cpu:.0}"), mebibytes(memory), mebibytes(disk)];
    let lead = |load: String| vec![application.as_str().to_owned(), validators.to_string(), window.to_string(), load];
    let (load, figures) = match &report.after_kill {
        Some(after_kill) => (format!("{}, one killed", report.load()), after_kill),
        None => (report.load(), &report.figures),
    };
    vec![[lead(load), row(figures), costs].concat()]
}
