//! What can be simulated, by name.

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

impl List {
    fn text(&self) -> String {
        let adversaries = Lie::ALL.map(|lie| format!("  {:<20} {}", lie.as_str(), lie.describe()));
        let planted = planted::BUGS.iter().map(|bug| {
            let within = format!("{} within {} seeds", bug.found_by, bug.seeds_max);
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
