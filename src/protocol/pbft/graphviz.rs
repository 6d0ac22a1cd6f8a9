//! The window as a picture, for people.

use std::fmt::Write as _;

use super::{Pbft, Phase};

/// Draws each height as a box with its proposal and votes: bold is prepared, filled is decided.
pub fn draw(pbft: &Pbft) -> String {
    let state = if pbft.turn.is_active() { "open" } else { "changing" };
    let mut dot = format!("digraph pbft {{\n  rankdir=LR;\n  label=\"view {} ({state})\";\n", pbft.turn.view);
    let mut before = None;
    for (height, slot) in &pbft.slots {
        let style = match (&slot.certificate, &slot.prepared) {
            (Some(_), _) => "\"bold,filled\"",
            (None, Some(_)) => "bold",
            (None, None) => "dashed",
        };
        let root = slot.offer.map(|offer| offer.proposal.payload_root);
        let root = root.or_else(|| slot.prepared.as_ref().map(|(proposal, _)| proposal.payload_root));
        let (prepares, commits) = (slot.voters(Phase::Prepare).len(), slot.voters(Phase::Commit).len());
        // Writing to a string cannot fail.
        let _ = writeln!(
            dot,
            "  {height} [shape=box style={style} label=\"{height}\\n{root:?}\\n{prepares} prepares, {commits} commits\"];"
        );
        if let Some(before) = before.replace(height) {
            let _ = writeln!(dot, "  {before} -> {height};");
        }
    }
    dot.push_str("}\n");
    dot
}
