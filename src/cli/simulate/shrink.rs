//! A smaller world that fails in the same way: fewer faults, liars, validators and heights, one after another, as long as
//! the same checker still says no.
//!
//! Other flags make another world of a seed, so some seeds are tried for each. What is printed is what is easiest to
//! read: of the seeds that fail, the one with the fewest events.

use std::time::{Duration, Instant};

use super::{Arguments, Violation};
use crate::sim::{Report, planted, run};

/// The lowest seeds that are tried of a smaller world, beside the one that failed.
const SEEDS: u64 = 12;
/// How long a person is kept waiting for something smaller.
const PATIENCE: Duration = Duration::from_secs(20);

/// The smallest world that was found to fail as this one does, if there is a smaller one at all.
pub(super) fn shrink(arguments: &Arguments, violation: &Violation, bug: Option<&'static str>) -> Option<Smaller> {
    let until = Instant::now() + PATIENCE;
    let mut found: Option<Smaller> = None;
    loop {
        let at = found.as_ref().map_or(arguments, |smaller| &smaller.arguments);
        let next = smaller(at).into_iter().find_map(|candidate| {
            let violation = fails(&candidate, violation, bug, until)?;
            Some(Smaller { arguments: candidate, violation })
        });
        match next {
            Some(next) => found = Some(next),
            None => return found,
        }
    }
}

/// A world that fails.
pub(super) struct Smaller {
    /// What is asked for.
    pub(super) arguments: Arguments,
    /// How it fails.
    pub(super) violation: Violation,
}

/// How a world fails at the same checker: in the seed with the fewest events until then.
fn fails(candidate: &Arguments, violation: &Violation, bug: Option<&'static str>, until: Instant) -> Option<Violation> {
    let (scenario, _) = candidate.scenario().ok()?;
    let seeds = std::iter::once(violation.seed).chain((0..SEEDS).filter(|seed| *seed != violation.seed));
    let play = |seed| planted::with(bug, || run(&scenario, seed));
    let failed = |report: Report| report.violation.filter(|found| found.checker == violation.checker);
    let in_time = seeds.take_while(|_| Instant::now() < until);
    in_time.filter_map(|seed| failed(play(seed))).min_by_key(|found| found.step)
}

/// What is smaller by one step, the greatest relief first.
fn smaller(arguments: &Arguments) -> Vec<Arguments> {
    let with = |change: &dyn Fn(&mut Arguments)| {
        let mut smaller = arguments.clone();
        change(&mut smaller);
        smaller
    };
    let mut candidates = Vec::new();
    let milder: &[&str] = match arguments.faults.as_str() {
        "heavy" => &["none", "light"],
        "light" => &["none"],
        _ => &[],
    };
    candidates.extend(milder.iter().map(|faults| with(&|smaller| smaller.faults = (*faults).into())));
    if arguments.liars > 0 {
        candidates.push(with(&|smaller| smaller.liars -= 1));
    }
    // Below four, nobody may lie and every failure is of another kind.
    let fewer = [4, arguments.validators - 1].into_iter().filter(|fewer| (4..arguments.validators).contains(fewer));
    // With fewer, fewer liars are as good as all.
    let beyond = u16::from(arguments.is_beyond());
    candidates.extend(fewer.map(|validators| {
        let liars = arguments.liars.min((validators - 1) / 3 + beyond);
        with(&|smaller| (smaller.validators, smaller.liars) = (validators, liars))
    }));
    let fewer = match arguments.heights {
        None => &[1, 3, 8][..],
        Some(heights) => &[heights / 4, heights / 2][..],
    };
    let fewer = fewer.iter().filter(|fewer| **fewer > 0);
    candidates.extend(fewer.map(|heights| with(&|smaller| smaller.heights = Some(*heights))));
    if arguments.window > 1 {
        candidates.push(with(&|smaller| smaller.window = 1));
    }
    // Up to a third of liars nothing may happen, beyond it something must: the one is no smaller form of the other.
    candidates.retain(|smaller| smaller.is_beyond() == arguments.is_beyond());
    candidates
}
