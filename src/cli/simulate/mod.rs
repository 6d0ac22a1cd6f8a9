//! `thalweg simulate`: whole clusters under virtual time, by seed, until one breaks an invariant.
//!
//! Exit status: 0 when every invariant held on every seed, 1 when one did not, 2 for flags that make no sense. The
//! worlds are single-threaded and know nothing of each other, so several are played at once; what is reported is the
//! lowest seed that fails, whichever came first.

mod list;
mod play;
mod progress;

use std::{fs::File, io::Write as _, ops::Range, path::PathBuf, process::ExitCode, time::Instant};

use clap::Args;
use serde::Serialize;

use self::play::play;
use super::{Failure, output};
use crate::{
    protocol::ProtocolName,
    sim::{Faults, Lie, Scenario, Violation, planted, watch},
    types::Digest,
};

/// Play whole clusters under virtual time, with faults and liars, by seed.
#[derive(Debug, Args)]
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
    /// Break the program on purpose, by a name of `--list`. Needs a build with the feature `planted`.
    #[arg(long, value_name = "BUG")]
    plant: Option<String>,
    /// Write what happened here, one line an event: in the world that failed, or in the first one.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
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
    what: String,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments, json: bool) -> Result<ExitCode, Failure> {
    if arguments.list {
        list::print(json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (scenario, bug) = arguments.scenario()?;
    let started = Instant::now();
    let played = play(&scenario, arguments.seeds.clone(), bug);
    let found = played.violation.map(|violation| arguments.found(violation));
    if let Some(path) = &arguments.trace {
        let seed = found.as_ref().map_or(arguments.seeds.start, |found| found.seed);
        trace(&scenario, seed, bug, path).map_err(|error| Failure::failed(path.display(), error))?;
    }
    let millis = started.elapsed().as_millis().max(1);
    let rate = u128::from(played.seeds) * 1000 / millis;
    match &found {
        None => output::say(format_args!("{} seeds, {rate} a second: every invariant held", played.seeds)),
        Some(Found { checker, seed, step, reproduce, what }) => {
            output::say(format_args!("{checker} did not hold in seed {seed} at step {step}: {what}\n{reproduce}"));
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
            faults,
            is_swarm: true,
            ..Scenario::default()
        };
        Ok((scenario, bug))
    }

    fn found(&self, violation: Violation) -> Found {
        let Violation { checker, seed, step, what } = violation;
        Found { checker, seed, step, reproduce: self.reproduce(seed), what }
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
        let plant = self.plant.as_ref().map(|bug| format!(" --plant {bug}"));
        line.extend([lie, heights, window, plant].into_iter().flatten());
        line
    }
}

/// Plays a seed once more and writes down what happens.
fn trace(scenario: &Scenario, seed: u64, bug: Option<&'static str>, path: &std::path::Path) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(File::create(path)?);
    let mut written = Ok(());
    planted::with(bug, || {
        watch(scenario, seed, &mut |line| {
            if written.is_ok() {
                written = writeln!(file, "{line}");
            }
        })
    });
    written?;
    file.flush()
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
            parse("simulate --seeds 3..9 --liars 1 --lie forger --heights 7 --window 2 --faults heavy").unwrap();
        let again = arguments.reproduce(5);
        let again = parse(again.strip_prefix("thalweg ").unwrap()).unwrap();
        assert_eq!(again.seeds, 5..6);
        let [one, other] = [arguments, again].map(|arguments| format!("{:?}", arguments.scenario().unwrap()));
        assert_eq!(one, other);
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
