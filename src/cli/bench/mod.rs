//! `thalweg bench`: how many commands a cluster commits a second, how long each takes, and what that costs.
//!
//! Real processes with durable writes, in a temporary directory, or nodes that run already. Commands go over HTTP to
//! all nodes in turn: puts of 100,000 uniform keys. In an *open loop* batches are due at fixed moments whatever becomes
//! of earlier ones, and a latency counts from the moment at which its batch was due, so that a system that stalls is
//! not spared the load that would have come meanwhile (no coordinated omission). In a *closed loop* clients put single
//! keys, each one after the other. A command counts as committed when its node says so: executed and durable.
//!
//! Limits: one thread, whose CPU is reported; [`load::CONNECTIONS`] requests at once to each node, and
//! [`load::DUE_MAX`] batches that wait for one.

mod connection;
mod load;
mod measure;
mod nodes;
mod progress;
mod report;
mod run;
mod saturate;
mod table;
mod tally;
mod workload;

use std::{process::ExitCode, time::Duration};

use clap::Args;

use self::{
    measure::{Load, Plan},
    run::Bench,
};
use super::{Failure, client::base_url, genesis::ChainArguments, localnet::Interrupts, output};

/// Measure how many commands a cluster commits a second and how long each takes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  thalweg bench --rate 10000
  thalweg bench --application noop --saturate
  thalweg bench --closed-loop 16 --validators 7 --kill-one --json
  thalweg bench --every-protocol --rate 3000
  thalweg bench --rate 500 --node http://127.0.0.1:8700,http://127.0.0.1:8701")]
pub(super) struct Arguments {
    /// How many validators, each a process of its own.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=100))]
    validators: u16,
    #[command(flatten)]
    chain: ChainArguments,
    /// Measure nodes that run already instead.
    #[arg(long = "node", value_name = "URL[,URL…]", value_delimiter = ',', value_parser = base_url, conflicts_with_all = ["validators", "protocol", "application", "window", "kill_one", "table", "every_protocol"])]
    nodes: Vec<String>,
    /// Open loop: so many commands a second.
    #[arg(long, value_name = "COMMANDS", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    rate: u32,
    /// Closed loop instead: so many clients that put single keys.
    #[arg(long, value_name = "CLIENTS", conflicts_with_all = ["rate", "saturate", "batch"], value_parser = clap::value_parser!(u16).range(1..=1024))]
    closed_loop: Option<u16>,
    /// Open loop at growing rates, from --rate on, until the cluster no longer keeps up.
    #[arg(long)]
    saturate: bool,
    /// Bytes of each value.
    #[arg(long, value_name = "BYTES", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    payload: u32,
    /// Commands in one request of the open loop.
    #[arg(long, value_name = "COMMANDS", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    batch: u16,
    /// Seconds of load before anything counts.
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u16).range(0..=3600))]
    warm_up: u16,
    /// Seconds that count; with --saturate, for each rate.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=3600))]
    duration: u16,
    /// Kill one validator in the middle.
    #[arg(long)]
    kill_one: bool,
    /// Of keys and values.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Measure a whole table: both applications, closed and open loop, healthy and with one killed, 4 and 7 validators,
    /// window 1 and the default. About 40 minutes.
    #[arg(long, conflicts_with_all = ["validators", "protocol", "application", "window", "rate", "closed_loop", "saturate", "kill_one"])]
    table: bool,
    /// Compare all protocols in one table: one client, 16 clients, and --rate; healthy and with one killed. About four
    /// minutes.
    #[arg(long, conflicts_with_all = ["protocol", "window", "closed_loop", "saturate", "kill_one", "table"])]
    every_protocol: bool,
}

impl Arguments {
    fn plan(&self) -> Plan {
        let load = match self.closed_loop {
            Some(clients) => Load::Closed { clients },
            None => Load::Open { rate: self.rate, batch: self.batch },
        };
        let genesis = self.chain.genesis("");
        Plan {
            validators: self.validators,
            window: genesis.window,
            application: genesis.application,
            protocol: genesis.protocol,
            load,
            payload_bytes: self.payload,
            warm_up: Duration::from_secs(self.warm_up.into()),
            duration: Duration::from_secs(self.duration.into()),
            kill_one: self.kill_one,
            seed: self.seed,
        }
    }
}

/// Measures and tells what came out.
///
/// # Errors
/// [`Failure`] when nodes cannot be started, or nothing at all was committed.
pub(super) fn run(arguments: &Arguments, json: bool) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed("tokio runtime", error))?;
    let done = runtime.block_on(async {
        // Before anything is started: a signal between the two would leave nodes behind.
        let mut interrupts = Interrupts::install().map_err(|error| Failure::failed("signals", error))?;
        tokio::select! {
            biased;
            status = interrupts.next() => Ok(ExitCode::from(status)),
            done = measure(arguments, json) => done,
        }
    });
    // Requests that still wait for an answer are not waited for.
    runtime.shutdown_background();
    done
}

async fn measure(arguments: &Arguments, json: bool) -> Result<ExitCode, Failure> {
    let plan = arguments.plan();
    let entries = match arguments {
        Arguments { table: true, .. } => Some(table::whole(&plan, arguments.batch)),
        Arguments { every_protocol: true, .. } => Some(table::protocols(&plan)),
        _ => None,
    };
    if let Some(entries) = entries {
        table::run(&entries, json).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut bench = if arguments.nodes.is_empty() {
        Bench::start(&plan, &arguments.chain).await?
    } else {
        Bench::of(&arguments.nodes)?
    };
    let measured = if arguments.saturate {
        saturate::run(&mut bench, &plan).await
    } else {
        bench.measure(&plan).await.map(|measurement| report::Report::of(&plan, measurement))
    };
    bench.stop().await;
    let report = measured?;
    match json {
        true => output::line(&report)?,
        false => output::bytes(format!("{report}\n").as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}
