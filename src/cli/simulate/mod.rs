//! `thalweg simulate`: whole clusters under virtual time, by seed, until one breaks an invariant.
//!
//! Exit status: 0 when every invariant held on every seed, 1 when one did not, 2 for flags that make no sense. The
//! worlds are single-threaded and know nothing of each other, so several are played at once; what is reported is the
//! lowest seed that fails, whichever came first.

mod list;
mod play;
mod progress;
mod shrink;
mod trace;

use std::{ops::Range, path::PathBuf, process::ExitCode, time::Instant};

use clap::Args;
use serde::Serialize;

use self::{play::play, shrink::Smaller};
use super::{Failure, output};
use crate::{
    config::ClientSignatures,
    protocol::ProtocolName,
    sim::{Faults, Lie, Scenario, Violation, planted},
    types::Digest,
};

/// Play whole clusters under virtual time, with faults and liars, by seed.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  thalweg simulate --validators 4 --seeds 0..200 --liars 1 --faults heavy")]
pub(super) struct Arguments {
    /// Which protocol decides.
    #[arg(long, default_value = "streamlette", value_parser = protocol)]
    protocol: ProtocolName,
    /// How many validators of equal power.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=128))]
    validators: u16,
    /// Which worlds, half open.
    #[arg(long, default_value = "0..100", value_name = "A..B", value_parser = seeds)]
    seeds: Range<u64>,
    /// How many validators lie. From a third on agreement must break, and a checker say so.
    #[arg(long, default_value_t = 0)]
    liars: u16,
    /// What all liars do, by a name of `--list`; without it the seed draws.
    #[arg(long, value_name = "NAME", value_parser = lie)]
    lie: Option<Lie>,
    /// What goes wrong without liars: the most; each seed draws which of it, and how much.
    #[arg(long, default_value = "light", value_parser = ["none", "light", "heavy"])]
    faults: String,
    /// Go on until that many heights are executed; without it, until 20 commands are.
    #[arg(long, value_name = "H")]
    heights: Option<u64>,
    /// How many heights are live at once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    window: u64,
    /// Clients sign their commands.
    #[arg(long)]
    client_signatures: bool,
    /// Break the program on purpose, by a name of `--list`. Needs a build with the feature `planted`.
    #[arg(long, value_name = "BUG")]
    plant: Option<String>,
    /// Write what happened here, one line an event: in the world that failed, or in the first one. What honest
    /// validators knew when it failed goes beside it as Graphviz, into `FILE.dot`.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Look for every planted bug, say how many seeds it took, and play nothing else. Needs the feature `planted`.
    #[arg(long, conflicts_with = "list")]
    hunt: bool,
    /// Name protocols, adversaries, checkers and planted bugs, and play nothing.
    #[arg(long)]
    list: bool,
}

/// What a run says to programs.
#[derive(Debug, Serialize)]
struct Answer {
    ok: bool,
    seeds: u64,
    hash: Digest,
    violation: Option<Found>,
}

/// An invariant that did not hold.
#[derive(Debug, Serialize)]
struct Found {
    checker: &'static str,
    seed: u64,
    step: u64,
    reproduce: String,
    /// A smaller world that fails at the same checker, if one was found.
    smaller: Option<String>,
    what: String,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments, json: bool) -> Result<ExitCode, Failure> {
    if arguments.list {
        list::print(json)?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.hunt {
        return list::hunt(json);
    }
    let (scenario, bug) = arguments.scenario()?;
    let started = Instant::now();
    let played = play(&scenario, arguments.seeds.clone(), bug);
    let millis = started.elapsed().as_millis().max(1);
    let rate = u128::from(played.seeds) * 1000 / millis;
    let smaller = played.violation.as_ref().and_then(|violation| shrink::shrink(arguments, violation, bug));
    if let Some(path) = &arguments.trace {
        let seed = played.violation.as_ref().map_or(arguments.seeds.start, |violation| violation.seed);
        let (arguments, seed) =
            smaller.as_ref().map_or((arguments, seed), |smaller| (&smaller.arguments, smaller.violation.seed));
        trace::write(&arguments.scenario()?.0, seed, bug, path)
            .map_err(|error| Failure::failed(path.display(), error))?;
    }
    let found = played.violation.map(|violation| arguments.found(violation, smaller));
    match &found {
        None => output::say(format_args!("{} seeds, {rate} a second: every invariant held", played.seeds)),
        Some(Found { checker, seed, step, reproduce, smaller, what }) => {
            output::say(format_args!("{checker} did not hold in seed {seed} at step {step}: {what}\n  {reproduce}"));
            if let Some(smaller) = smaller {
                output::say(format_args!("smaller:\n  {smaller}"));
            }
        }
    }
    let is_ok = found.is_none();
    if json {
        output::line(&Answer { ok: is_ok, seeds: played.seeds, hash: played.hash, violation: found })?;
    }
    Ok(if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Arguments {
    fn scenario(&self) -> Result<(Scenario, Option<&'static str>), Failure> {
        if self.liars > self.validators {
            let Self { liars, validators, .. } = self;
            return Err(Failure::Usage(format!("{liars} liars among {validators} validators")));
        }
        let bug = match &self.plant {
            None => None,
            Some(name) => Some(planted::find(name).map_err(|error| Failure::Usage(error.to_string()))?),
        };
        let faults = match self.faults.as_str() {
            "none" => Faults::NONE,
            "heavy" => Faults::HEAVY,
            _ => Faults::LIGHT,
        };
        let scenario = Scenario {
            protocol: self.protocol,
            validators: self.validators.into(),
            liars: self.liars.into(),
            lie: self.lie,
            heights: self.heights,
            window: self.window,
            client_signatures: ClientSignatures::required_if(self.client_signatures),
            faults,
            is_swarm: true,
            ..Scenario::default()
        };
        Ok((scenario, bug))
    }

    /// Whether more lie than may.
    fn is_beyond(&self) -> bool {
        usize::from(self.liars) > usize::from(self.validators).saturating_sub(1) / 3
    }

    fn found(&self, violation: Violation, smaller: Option<Smaller>) -> Found {
        let Violation { checker, seed, step, what } = violation;
        let smaller = smaller.map(|smaller| smaller.arguments.reproduce(smaller.violation.seed));
        Found { checker, seed, step, reproduce: self.reproduce(seed), smaller, what }
    }

    /// The line that plays one seed alone.
    fn reproduce(&self, seed: u64) -> String {
        let Self { validators, liars, faults, window, .. } = self;
        let mut line = format!(
            "thalweg simulate --protocol {} --validators {validators} --seeds {seed}..{} --liars {liars} --faults {faults}",
            self.protocol.as_str(),
            seed.saturating_add(1),
        );
        let lie = self.lie.map(|lie| format!(" --lie {}", lie.as_str()));
        let heights = self.heights.map(|heights| format!(" --heights {heights}"));
        let window = (*window != 1).then(|| format!(" --window {window}"));
        let signatures = self.client_signatures.then(|| " --client-signatures".to_owned());
        let plant = self.plant.as_ref().map(|bug| format!(" --plant {bug}"));
        line.extend([lie, heights, window, signatures, plant].into_iter().flatten());
        line
    }
}

fn protocol(name: &str) -> Result<ProtocolName, String> {
    let names = ProtocolName::ALL.map(ProtocolName::as_str).join(", ");
    ProtocolName::ALL.into_iter().find(|known| known.as_str() == name).ok_or_else(|| format!("one of {names}"))
}

fn lie(name: &str) -> Result<Lie, String> {
    let names = Lie::ALL.map(Lie::as_str).join(", ");
    Lie::ALL.into_iter().find(|known| known.as_str() == name).ok_or_else(|| format!("one of {names}"))
}

fn seeds(range: &str) -> Result<Range<u64>, String> {
    let parse = || {
        let (from, to) = range.split_once("..")?;
        Some(from.trim().parse().ok()?..to.trim().parse().ok()?)
    };
    match parse() {
        Some(range) if range.start < range.end => Ok(range),
        _ => Err("two numbers A..B, A below B: the seeds from A up to, without, B".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Line::try_parse_from(line.split(' ')).map(|line| line.arguments)
    }

    #[test]
    fn the_line_that_reproduces_plays_the_same() {
        let arguments =
            parse("simulate --seeds 3..9 --liars 1 --lie forger --heights 7 --window 2 --client-signatures").unwrap();
        let again = arguments.reproduce(5);
        let again = parse(again.strip_prefix("thalweg ").unwrap()).unwrap();
        assert_eq!(again.seeds, 5..6);
        let [one, other] = [arguments, again].map(|arguments| format!("{:?}", arguments.scenario().unwrap()));
        assert_eq!(one, other);
    }

    #[test]
    fn a_failing_world_is_shrunk_to_one_that_fails_in_the_same_way() {
        let line = "simulate --validators 7 --liars 3 --lie conspirator --faults light --seeds 0..20";
        let arguments = parse(line).unwrap();
        let (scenario, _) = arguments.scenario().unwrap();
        let violation = play(&scenario, 0..20, None).violation.expect("three of seven are more than a third");
        let smaller = shrink::shrink(&arguments, &violation, None).expect("it is larger than it must be");
        let Arguments { validators, liars, faults, .. } = &smaller.arguments;
        assert_eq!((*validators, *liars, faults.as_str()), (4, 2, "none"));
        assert!(smaller.arguments.heights.is_some_and(|heights| heights <= 8));
        // The line that is printed plays what was found.
        let again = smaller.arguments.reproduce(smaller.violation.seed);
        let again = parse(again.strip_prefix("thalweg ").unwrap()).unwrap();
        let report = play(&again.scenario().unwrap().0, again.seeds, None);
        assert_eq!(report.violation, Some(smaller.violation));
    }

    #[test]
    fn seeds_are_half_open_and_never_none() {
        assert_eq!(seeds("0..200").unwrap(), 0..200);
        for nonsense in ["", "5", "5..5", "5..4", "a..b", "0..=4"] {
            seeds(nonsense).unwrap_err();
        }
    }

    #[test]
    fn more_liars_than_validators_and_unknown_bugs_make_no_sense() {
        for line in ["simulate --liars 5", "simulate --plant nonsense"] {
            assert!(matches!(parse(line).unwrap().scenario(), Err(Failure::Usage(_))), "{line}");
        }
    }

    #[cfg(not(feature = "planted"))]
    #[test]
    fn without_the_feature_nothing_is_planted() {
        let Err(Failure::Usage(what)) = parse("simulate --plant late-voting").unwrap().scenario() else { panic!() };
        assert!(what.contains("`planted`"), "{what}");
    }
}
