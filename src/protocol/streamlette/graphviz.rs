//! The tree as a picture, for people.

use std::fmt::Write as _;

use super::{message::Header, tree::Tree};

/// Draws Proposals as diamonds and Solicits as boxes, each with its leader, tick and voters; bold is notarized, and
/// the ends of the longest notarized chains are filled.
pub fn draw(tree: &Tree) -> String {
    let mut dot = String::from("digraph streamlette {\n  rankdir=BT;\n  genesis [shape=point];\n");
    for (id, node) in tree.iter() {
        let shape = if let Header::Proposal(_) = node.header { "diamond" } else { "box" };
        let style = match (tree.is_tip(Some(*id)), node.is_notarized()) {
            (true, _) => "\"bold,filled\"",
            (false, true) => "bold",
            (false, false) => "dashed",
        };
        let (tick, leader) = (node.header.tick(), node.header.leader());
        let votes = node.voters().len();
        let parent = node.header.parent().map_or_else(|| "genesis".to_owned(), |parent| format!("\"{parent:?}\""));
        // Writing to a string cannot fail.
        let _ = writeln!(
            dot,
            "  \"{id:?}\" [shape={shape} style={style} label=\"{id:?}\\ntick {tick:?} by {leader}\\n{votes} votes\"];"
        );
        let _ = writeln!(dot, "  \"{id:?}\" -> {parent};");
    }
    dot.push_str("}\n");
    dot
}
