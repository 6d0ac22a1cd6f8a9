//! The ends of the nodes' logs, for when a node fails.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
};

const TAIL_BYTES: u64 = 8 << 10;
const TAIL_LINES: usize = 15;

/// The last lines of a log, each indented; or why there are none.
pub(super) fn tail(log: &Path) -> String {
    let lines = match read_end(log) {
        Ok(text) => text,
        Err(error) => return format!("  {}: {error}", log.display()),
    };
    let lines: Vec<&str> = lines.lines().collect();
    let last = lines.iter().skip(lines.len().saturating_sub(TAIL_LINES)).map(|line| format!("  {line}"));
    let last = last.collect::<Vec<_>>().join("\n");
    if last.is_empty() { "  (the log is empty)".to_owned() } else { last }
}

fn read_end(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut end = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut end)?;
    Ok(String::from_utf8_lossy(&end).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_last_lines_only() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("node.log");
        assert!(tail(&log).contains("No such file"));
        std::fs::write(&log, "").unwrap();
        assert_eq!(tail(&log), "  (the log is empty)");
        let text: String = (0..5_000).map(|line| format!("line {line}\n")).collect();
        std::fs::write(&log, text).unwrap();
        let shown = tail(&log);
        assert_eq!(shown.lines().count(), TAIL_LINES);
        assert!(shown.ends_with("  line 4999"));
    }
}
