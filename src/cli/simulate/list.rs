//! What can be simulated, by name; and what it takes to find each planted bug.

use std::process::ExitCode;

use serde::Serialize;

use crate::{
    cli::{Failure, output},
    protocol::ProtocolName,
    sim::{Lie, checkers, planted},
};

#[derive(Serialize)]
struct List {
    protocols: Vec<&'static str>,
    adversaries: Vec<&'static str>,
    checkers: Vec<&'static str>,
    planted: Vec<Planted>,
}

#[derive(Serialize)]
struct Planted {
    name: &'static str,
    found_by: &'static str,
    seeds_max: u64,
}

/// Prints the list: JSON on standard output, or text.
pub(super) fn print(json: bool) -> Result<(), Failure> {
    let bug = |bug: &planted::Bug| Planted { name: bug.name, found_by: bug.found_by, seeds_max: bug.seeds_max };
    let list = List {
        protocols: ProtocolName::ALL.map(ProtocolName::as_str).to_vec(),
        adversaries: Lie::ALL.map(Lie::as_str).to_vec(),
        checkers: checkers::IDS.to_vec(),
        planted: planted::BUGS.iter().map(bug).collect(),
    };
    if json { output::line(&list) } else { output::bytes(list.text().as_bytes()) }
}

#[derive(Serialize)]
struct Hunts {
    ok: bool,
    planted: Vec<Hunt>,
}

#[derive(Serialize)]
struct Hunt {
    name: &'static str,
    found_by: Option<&'static str>,
    /// How many it took; all of them, when nothing was found.
    seeds: u64,
    seeds_max: u64,
}

/// Plants one bug after another and plays seeds until it is found. Fails when one is not, or not by its checker.
pub(super) fn hunt(json: bool) -> Result<ExitCode, Failure> {
    if !cfg!(feature = "planted") {
        return Err(Failure::Usage(planted::PlantError::NoFeature.to_string()));
    }
    let mut hunts = Hunts { ok: true, planted: Vec::new() };
    output::say(format_args!("{:<24} {:<14} {:>5}  {:>5}", "planted", "found by", "seeds", "most"));
    for bug in planted::BUGS {
        let found = bug.hunt();
        let (seeds, found_by) = found.map_or((bug.seeds_max, None), |(seeds, found)| (seeds, Some(found.checker)));
        hunts.ok &= found_by == Some(bug.found_by);
        let by = found_by.unwrap_or("nothing");
        output::say(format_args!("{:<24} {by:<14} {seeds:>5}  {:>5}", bug.name, bug.seeds_max));
        hunts.planted.push(Hunt { name: bug.name, found_by, seeds, seeds_max: bug.seeds_max });
    }
    if json {
        output::line(&hunts)?;
    }
    Ok(if hunts.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl List {
    fn text(&self) -> String {
        let adversaries = Lie::ALL.map(|lie| format!("  {:<20} {}", lie.as_str(), lie.describe()));
        let planted = planted::BUGS.iter().map(|bug| {
            let (checker, seeds) = (bug.found_by, bug.seeds_max);
            let within = format!("{checker} within {seeds} seed{}", if seeds == 1 { "" } else { "s" });
            format!("  {:<28} {within:<34} {}", bug.name, bug.what)
        });
        let parts = [
            format!("protocols: {}", self.protocols.join(", ")),
            format!("checkers: {}", self.checkers.join(", ")),
            "adversaries:".into(),
            adversaries.join("\n"),
            "planted bugs, and what finds each:".into(),
            planted.collect::<Vec<_>>().join("\n"),
        ];
        parts.join("\n") + "\n"
    }
}
