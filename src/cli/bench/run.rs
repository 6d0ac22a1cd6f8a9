//! Making a measurement: the cluster, the load on it, the crash in the middle, and what it all costs.

use std::{collections::BTreeMap, path::PathBuf};

use tokio::time::{Instant, sleep_until};

use super::{
    load::{self, Targets},
    measure::{Measurement, Plan},
    nodes::{Cost, NodeCost, cost, disk_bytes},
    progress::Progress,
    tally::Tally,
};
use crate::cli::{Failure, genesis::ChainArguments, localnet::Trial, output};

/// Nodes that can be measured, one measurement after the other.
pub(super) struct Bench {
    targets: Targets,
    /// Ours to be killed and stopped; `None`: they run already.
    trial: Option<Trial>,
}

/// What is done at a moment of a measurement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Begin,
    Kill,
    End,
}

/// What is known of the nodes at one moment.
struct Costs {
    at: Instant,
    client: Option<Cost>,
    nodes: Vec<(Option<Cost>, u64)>,
}

impl Bench {
    /// Starts a cluster.
    ///
    /// # Errors
    /// [`Failure`] when that does not come about.
    pub(super) async fn start(plan: &Plan, chain: &ChainArguments) -> Result<Self, Failure> {
        let trial = Trial::start(chain, plan.validators).await?;
        Ok(Self { targets: Targets::new(&trial.urls())?, trial: Some(trial) })
    }

    /// Nodes that run already.
    ///
    /// # Errors
    /// [`Failure`] when one has no address.
    pub(super) fn of(urls: &[String]) -> Result<Self, Failure> {
        Ok(Self { targets: Targets::new(urls)?, trial: None })
    }

    /// Stops what was started.
    pub(super) async fn stop(self) {
        if let Some(trial) = self.trial {
            trial.stop().await;
        }
    }

    /// Measures.
    ///
    /// # Errors
    /// [`Failure`] when nothing was committed, or a node died that should not have.
    pub(super) async fn measure(&mut self, plan: &Plan) -> Result<Measurement, Failure> {
        let began = Instant::now() + plan.warm_up;
        let (middle, end) = (began + plan.duration / 2, began + plan.duration);
        let tally = Tally::new(if plan.kill_one { vec![began, middle, end] } else { vec![began, end] });
        let victim = plan.kill_one.then(|| usize::from(plan.validators) - 1);
        let mut progress = Progress::new(plan);
        let Self { targets, trial } = self;
        let load = load::run(plan, targets, &tally, end);
        tokio::pin!(load);
        let processes = trial.as_ref().map(Trial::processes).unwrap_or_default();
        let script = [(began, Act::Begin), (middle, Act::Kill), (end, Act::End)];
        let mut script = script.into_iter().filter(|(_, act)| *act != Act::Kill || victim.is_some()).peekable();
        let (mut before, mut after, mut is_killed) = (None, None, false);
        loop {
            let next = script.peek().map(|(at, _)| *at);
            tokio::select! {
                () = &mut load => break,
                death = next_death(trial), if !is_killed => {
                    return Err(Failure::Failed(format!("node {} ended by {}", death.0, death.1)));
                }
                () = progress.tick() => progress.tell(&tally),
                () = sleep_until(next.unwrap_or(end)), if next.is_some() => match script.next() {
                    Some((_, Act::Begin)) => before = Some(Costs::take(&processes)),
                    Some((_, Act::Kill)) => {
                        is_killed = true;
                        trial.iter_mut().zip(victim).for_each(|(trial, victim)| trial.kill(victim));
                    }
                    Some((_, Act::End)) => after = Some(Costs::take(&processes)),
                    None => {}
                },
            }
        }
        progress.finish();
        let before = before.unwrap_or_else(|| Costs::take(&processes));
        let after = after.unwrap_or_else(|| Costs::take(&processes));
        let parts: Vec<_> = tally.lengths().into_iter().zip(tally.parts()).collect();
        let mut errors = BTreeMap::<_, u64>::new();
        for (what, commands) in parts.iter().flat_map(|(_, part)| &part.errors) {
            *errors.entry(what).or_default() += commands;
        }
        for (what, commands) in errors {
            output::say(format_args!("{commands} commands ended with: {what}"));
        }
        if parts.iter().all(|(_, part)| part.committed == 0) {
            return Err(Failure::Failed("nothing was committed".to_owned()));
        }
        Ok(Measurement {
            parts,
            nodes: node_costs(&before, &after, victim),
            client_cpu_percent: percent(before.client, after.client, &before, &after).unwrap_or_default(),
        })
    }
}

/// The next node that ends, and how; for ever when none does, or none is ours.
async fn next_death(trial: &mut Option<Trial>) -> (usize, String) {
    match trial {
        Some(trial) => {
            let death = trial.next_death().await;
            (death.index, death.how())
        }
        None => std::future::pending().await,
    }
}

impl Costs {
    fn take(processes: &[(i32, PathBuf)]) -> Self {
        let nodes = processes.iter().map(|(pid, data)| (cost(&pid.to_string()), disk_bytes(data))).collect();
        Self { at: Instant::now(), client: cost("self"), nodes }
    }
}

fn percent(before: Option<Cost>, after: Option<Cost>, from: &Costs, to: &Costs) -> Option<f64> {
    Some(100.0 * (after?.cpu_seconds - before?.cpu_seconds) / (to.at - from.at).as_secs_f64().max(0.001))
}

fn node_costs(before: &Costs, after: &Costs, victim: Option<usize>) -> Vec<NodeCost> {
    let cost = |index: usize| {
        let ((early, disk_before), (late, disk_after)) = (before.nodes[index], after.nodes[index]);
        let is_killed = victim == Some(index);
        let late = late.filter(|_| !is_killed);
        let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        NodeCost {
            index,
            is_killed,
            cpu_percent: percent(early, late, before, after),
            memory_bytes: late.map(|cost| cost.memory_bytes),
            disk_bytes: disk_after,
            disk_growth_bytes: signed(disk_after) - signed(disk_before),
        }
    };
    (0..before.nodes.len().min(after.nodes.len())).map(cost).collect()
}
