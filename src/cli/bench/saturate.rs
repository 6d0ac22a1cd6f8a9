//! How much a cluster can take: growing rates, each measured, until it no longer keeps up.

use super::{
    measure::{Figures, Load, Plan},
    report::{Report, Step},
    run::Bench,
};
use crate::cli::Failure;

/// It keeps up when it commits at least this part of what is offered …
const COMMITTED_MIN: f64 = 0.97;
/// … with a median below this.
const P50_MS_MAX: f64 = 500.0;
/// From one rate to the next, as a quotient.
const GROWTH: (u32, u32) = (3, 2);
/// More rates are not tried.
const STEPS_MAX: usize = 24;

/// Measures at growing rates, then once between the last that was sustained and the first that was not, and returns
/// the highest that was. With `kill_one` the crash comes at that rate.
///
/// # Errors
/// [`Failure`] when not even the first rate is sustained, or a measurement fails.
pub(super) async fn run(bench: &mut Bench, plan: &Plan) -> Result<Report, Failure> {
    let mut steps = Vec::new();
    let mut best: Option<Report> = None;
    let mut next = plan.rate();
    while let Some(rate) = next.filter(|_| steps.len() < STEPS_MAX) {
        let report = measure(bench, plan, rate, false).await?;
        let is_sustained = is_sustained(rate, &report.figures);
        steps.push(Step { rate_offered: rate, is_sustained, figures: report.figures.clone() });
        next = match (is_sustained, best.as_ref().and_then(|best| best.rate_offered)) {
            (true, _) if steps.iter().all(|step| step.is_sustained) => Some(rate.saturating_mul(GROWTH.0) / GROWTH.1),
            (false, Some(good)) if steps.iter().filter(|step| !step.is_sustained).count() == 1 => {
                Some(good.midpoint(rate))
            }
            _ => None,
        };
        if is_sustained {
            best = Some(report);
        }
    }
    let Some(mut best) = best else {
        return Err(Failure::Failed("not even the first rate is sustained; begin with a smaller --rate".to_owned()));
    };
    if plan.kill_one
        && let Some(rate) = best.rate_offered
    {
        best = measure(bench, plan, rate, true).await?;
    }
    best.steps = steps;
    Ok(best)
}

async fn measure(bench: &mut Bench, plan: &Plan, rate: u32, kill_one: bool) -> Result<Report, Failure> {
    let load = match plan.load {
        Load::Open { batch, .. } => Load::Open { rate, batch },
        closed @ Load::Closed { .. } => closed,
    };
    let plan = Plan { load, kill_one, ..plan.clone() };
    Ok(Report::of(&plan, bench.measure(&plan).await?))
}

fn is_sustained(rate: u32, figures: &Figures) -> bool {
    figures.committed_per_second >= COMMITTED_MIN * f64::from(rate)
        && figures.p50_ms <= P50_MS_MAX
        && figures.errors == 0
}
