//! From the start of all nodes to the end of all.

use std::time::Duration;

use tokio::{process::Command, task::JoinSet, time::sleep};

use super::{
    exec::Exec,
    fleet::{Death, Fleet, log_file},
    interrupt::Interrupts,
    janitor::Whom,
    logtail::tail,
    ready::until_ready,
    report,
};
use crate::cli::{
    Failure,
    cluster::{Cluster, Member},
    output,
};

/// What is to be run.
pub(super) struct Plan<'a> {
    pub(super) cluster: &'a Cluster,
    /// How a node is started.
    pub(super) command: &'a dyn Fn(&Member) -> Command,
    pub(super) ready_timeout: Duration,
    pub(super) exec: Option<&'a str>,
    /// Who else must know whom the command consists of.
    pub(super) on_exec: &'a dyn Fn(Whom),
    pub(super) json: bool,
}

/// Starts all nodes, runs until told to stop or until the command has ended, and stops all nodes. Returns the exit
/// status: the command's; 0 for a stop that was asked for; 128 and the signal's number when that came too early.
///
/// # Errors
/// [`Failure`] when nodes cannot be started or are not ready in time.
pub(super) async fn supervise(plan: &Plan<'_>) -> Result<u8, Failure> {
    // Before anything is started: a signal between the two would leave nodes behind.
    let mut interrupts = Interrupts::install().map_err(|error| Failure::failed("signals", error))?;
    let mut fleet = Fleet::start(plan.cluster, plan.command)?;
    let status = serve(plan, &mut fleet, &mut interrupts).await;
    fleet.stop().await;
    status
}

async fn serve(plan: &Plan<'_>, fleet: &mut Fleet, interrupts: &mut Interrupts) -> Result<u8, Failure> {
    tokio::select! {
        status = interrupts.next() => return Ok(status),
        ready = until_all_ready(plan.cluster, plan.ready_timeout, fleet) => ready?,
    }
    report::tell(plan.cluster, fleet, plan.json)?;
    let Some(command) = plan.exec else {
        output::say(format_args!("all nodes are ready; Ctrl-C stops them"));
        loop {
            tokio::select! {
                _ = interrupts.next() => {
                    output::say(format_args!("stopping all nodes"));
                    return Ok(0);
                }
                death = fleet.next_death() => tell_death(plan.cluster, &death),
            }
        }
    };
    let urls: Vec<String> = plan.cluster.members.iter().map(report::url).collect();
    let mut exec = Exec::start(command, &urls).map_err(|error| Failure::failed("sh", error))?;
    exec.whom().into_iter().for_each(plan.on_exec);
    loop {
        tokio::select! {
            status = exec.wait() => return status.map_err(|error| Failure::failed("sh", error)),
            death = fleet.next_death() => tell_death(plan.cluster, &death),
            status = interrupts.next() => {
                exec.stop().await;
                return Ok(status);
            }
        }
    }
}

/// Waits until every node takes part.
///
/// # Errors
/// [`Failure`] when one ends before, or the time is over; with the ends of the logs.
pub(super) async fn until_all_ready(
    cluster: &Cluster,
    ready_timeout: Duration,
    fleet: &mut Fleet,
) -> Result<(), Failure> {
    let members = &cluster.members;
    let mut probes = JoinSet::new();
    for member in members {
        let (index, url) = (member.index, report::url(member));
        probes.spawn(async move {
            until_ready(url).await;
            index
        });
    }
    let mut is_ready = vec![false; members.len()];
    let deadline = sleep(ready_timeout);
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            ready = probes.join_next() => match ready {
                None => return Ok(()),
                Some(Ok(index)) => {
                    is_ready[index] = true;
                    let count = is_ready.iter().filter(|ready| **ready).count();
                    output::say(format_args!("node {index} is ready, {count} of {}", members.len()));
                }
                Some(Err(error)) => return Err(Failure::failed("asking nodes", error)),
            },
            death = fleet.next_death() => {
                let member = &members[death.index];
                let (index, how, log) = (death.index, death.how(), log_file(member));
                let end = tail(&log);
                let what = format!("node {index} ended before it was ready, by {how}; the end of {}:\n{end}", log.display());
                return Err(Failure::Failed(what));
            }
            () = &mut deadline => {
                let late = members.iter().filter(|member| !is_ready[member.index]);
                let ends = late.map(|member| {
                    let log = log_file(member);
                    format!("node {} is not ready; the end of {}:\n{}", member.index, log.display(), tail(&log))
                });
                let ends = ends.collect::<Vec<_>>().join("\n");
                let seconds = ready_timeout.as_secs();
                return Err(Failure::Failed(format!("not ready within {seconds} s\n{ends}")));
            }
        }
    }
}

fn tell_death(cluster: &Cluster, death: &Death) {
    let member = &cluster.members[death.index];
    let (index, how, log, config) = (death.index, death.how(), log_file(member), member.config_file());
    let (log, config) = (log.display(), config.display());
    output::say(format_args!("node {index} ended by {how}; its log is {log}"));
    output::say(format_args!("  bring it back with: thalweg start --config {config}"));
}
