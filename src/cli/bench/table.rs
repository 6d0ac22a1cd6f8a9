//! Tables: many combinations, each measured with a cluster of its own.

use super::{
    measure::{Load, Plan},
    report::{HEADINGS, Report, mebibytes, row},
    run::Bench,
    saturate,
};
use crate::{
    cli::{Failure, genesis::ChainArguments, output, table::table},
    config::ApplicationName,
    protocol::ProtocolName,
};

const VALIDATORS: [u16; 2] = [4, 7];
const CLIENTS: [u16; 3] = [1, 16, 256];
/// Where the way to saturation begins.
const RATE_MIN: u32 = 2_000;

/// One line to be.
pub(super) struct Entry {
    plan: Plan,
    /// Whether the rate of an open loop is only where it begins.
    saturate: bool,
}

/// Both applications under every load, with 4 and 7 validators.
pub(super) fn whole(plan: &Plan, batch: u16) -> Vec<Entry> {
    // Window 1, and the default where that is another one.
    let mut windows = vec![1, plan.protocol.window_default()];
    windows.dedup();
    let closed = CLIENTS.map(|clients| Load::Closed { clients });
    let mut entries = Vec::new();
    for application in ApplicationName::ALL {
        for validators in VALIDATORS {
            for &window in &windows {
                for load in closed.into_iter().chain([Load::Open { rate: RATE_MIN, batch }]) {
                    let plan = Plan { validators, window, application, load, ..plan.clone() };
                    entries.extend(healthy_and_not(&plan, true));
                }
            }
        }
    }
    entries
}

/// Every protocol under the same loads: one client, some clients, and the plan's rate.
pub(super) fn protocols(plan: &Plan) -> Vec<Entry> {
    let mut entries = Vec::new();
    for load in [Load::Closed { clients: 1 }, Load::Closed { clients: 16 }, plan.load] {
        for protocol in ProtocolName::ALL {
            let plan = Plan { protocol, window: protocol.window_default(), load, ..plan.clone() };
            entries.extend(healthy_and_not(&plan, false));
        }
    }
    entries
}

fn healthy_and_not(plan: &Plan, saturate: bool) -> [Entry; 2] {
    [false, true].map(|kill_one| Entry { plan: Plan { kill_one, ..plan.clone() }, saturate })
}

/// Measures all of them. A combination that fails is told and left out.
///
/// # Errors
/// [`Failure`] when nobody reads what comes out.
pub(super) async fn run(entries: &[Entry], json: bool) -> Result<(), Failure> {
    let mut rows = vec![headings()];
    for Entry { plan, saturate } in entries {
        match measure(plan, *saturate).await {
            Ok(report) if json => output::line(&report)?,
            Ok(report) => rows.extend(lines(&report)),
            Err(failure) => output::say(format_args!("{plan:?}: {failure}")),
        }
    }
    if json { Ok(()) } else { output::bytes(format!("{}\n", table(&rows)).as_bytes()) }
}

async fn measure(plan: &Plan, saturate: bool) -> Result<Report, Failure> {
    let chain = ChainArguments {
        protocol: Some(plan.protocol.as_str().to_owned()),
        application: Some(plan.application.as_str().to_owned()),
        window: Some(plan.window),
        ..ChainArguments::default()
    };
    let mut bench = Bench::start(plan, &chain).await?;
    let report = match plan.load {
        Load::Open { .. } if saturate => saturate::run(&mut bench, plan).await,
        _ => bench.measure(plan).await.map(|measurement| Report::of(plan, measurement)),
    };
    bench.stop().await;
    report
}

fn headings() -> Vec<String> {
    let before = ["PROTOCOL", "APPLICATION", "N", "WINDOW", "LOAD"].into_iter();
    before.chain(HEADINGS).chain(["CPU %", "MEMORY MIB", "DISK MIB"]).map(str::to_owned).collect()
}

/// A line for the healthy cluster, or one for each half when a validator was killed: costs are of a node, on average.
fn lines(report: &Report) -> Vec<Vec<String>> {
    let Plan { protocol, application, validators, window, .. } = &report.configuration;
    let alive: Vec<_> = report.nodes.iter().filter(|node| !node.is_killed).collect();
    let count = alive.len().max(1) as f64;
    let cpu = alive.iter().filter_map(|node| node.cpu_percent).sum::<f64>() / count;
    let memory = alive.iter().filter_map(|node| node.memory_bytes).sum::<u64>() / alive.len().max(1) as u64;
    let disk = report.disk_bytes / report.nodes.len().max(1) as u64;
    let costs = vec![format!("{cpu:.0}"), mebibytes(memory), mebibytes(disk)];
    let names = [protocol.as_str(), application.as_str()].map(str::to_owned);
    let lead = |load: String| [&names[..], &[validators.to_string(), window.to_string(), load]].concat();
    let (load, figures) = match &report.after_kill {
        Some(after_kill) => (format!("{}, one killed", report.load()), after_kill),
        None => (report.load(), &report.figures),
    };
    vec![[lead(load), row(figures), costs].concat()]
}
