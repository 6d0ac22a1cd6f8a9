//! What happened in a world, for people: a line an event in fixed columns, and the trees of its live instances as they
//! were when an invariant did not hold.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use crate::sim::{Scenario, Told, planted, trace, watch};

/// Plays a seed once more and writes down what happens: lines to `path`, pictures to `path` with `.dot` behind it.
pub(super) fn write(scenario: &Scenario, seed: u64, bug: Option<&'static str>, path: &Path) -> io::Result<()> {
    let mut lines = BufWriter::new(File::create(path)?);
    writeln!(lines, "{}", trace::HEADER)?;
    let mut graphs = String::new();
    let mut written = Ok(());
    planted::with(bug, || {
        watch(scenario, seed, &mut |told| match told {
            Told::Line(line) if written.is_ok() => written = writeln!(lines, "{line}"),
            Told::Line(_) => {}
            Told::Graph { node, height, dot } => {
                graphs.push_str(&format!("// node {node}, height {height}\n{dot}"));
            }
        })
    });
    written?;
    lines.flush()?;
    if graphs.is_empty() { Ok(()) } else { std::fs::write(beside(path), graphs) }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".dot");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Faults, Lie};

    #[test]
    fn a_failure_is_written_in_columns_and_drawn_beside_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trace");
        let conspiracy =
            Scenario { liars: 2, lie: Some(Lie::Conspirator), faults: Faults::NONE, ..Scenario::default() };
        let fails = |seed: &u64| crate::sim::run(&conspiracy, *seed).violation.is_some();
        let seed = (0..20).find(fails).expect("two of four break it");
        write(&conspiracy, seed, None, &path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let column = text.lines().next().unwrap().find("where").unwrap();
        assert!(text.lines().all(|line| line.is_char_boundary(column) && line.as_bytes()[column - 1] == b' '));
        assert!(text.lines().last().unwrap().contains("checker"));
        let drawn = std::fs::read_to_string(beside(&path)).unwrap();
        assert!(drawn.starts_with("// node ") && drawn.contains("digraph streamlette"));
    }
}
