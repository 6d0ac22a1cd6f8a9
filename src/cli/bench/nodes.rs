//! What processes cost: CPU, memory and disk, as Linux tells.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use serde::Serialize;

/// Blocks of `stat` have this many bytes whatever the file system's are.
const STAT_BLOCK_BYTES: u64 = 512;

/// A process's cost at one moment.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Cost {
    /// Seconds of CPU since its start, user and system.
    pub(super) cpu_seconds: f64,
    /// Resident bytes.
    pub(super) memory_bytes: u64,
}

/// Asks for a process; `None` when it is gone.
pub(super) fn cost(pid: &str) -> Option<Cost> {
    let read = |file| fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
    let (user, system) = ticks(&read("stat")?)?;
    let resident: u64 = read("statm")?.split(' ').nth(1)?.parse().ok()?;
    Some(Cost {
        cpu_seconds: (user + system) as f64 / rustix::param::clock_ticks_per_second() as f64,
        memory_bytes: resident * rustix::param::page_size() as u64,
    })
}

/// Ticks of user and system time in `/proc/PID/stat`. The name before them may hold anything but ends with the last
/// parenthesis.
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Bytes that a directory takes on disk. What vanishes meanwhile counts nothing.
pub(super) fn disk_bytes(path: &Path) -> u64 {
    let Ok(metadata) = path.symlink_metadata() else { return 0 };
    let own = metadata.blocks() * STAT_BLOCK_BYTES;
    let entries = fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    own + entries.map(|entry| disk_bytes(&entry.path())).sum::<u64>()
}

/// What a node cost over a measurement.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct NodeCost {
    pub(super) index: usize,
    /// Whether it was killed in the middle; then only its disk is known.
    pub(super) is_killed: bool,
    /// Of one core, while it was measured.
    pub(super) cpu_percent: Option<f64>,
    /// Resident, at the end.
    pub(super) memory_bytes: Option<u64>,
    /// Journal and store, at the end, and how much more than at the beginning.
    pub(super) disk_bytes: u64,
    pub(super) disk_growth_bytes: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_any_name() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 1 0 0 0 31 11 0 0 20 0 1 0 5 9 1";
        assert_eq!(ticks(stat), Some((31, 11)));
        assert_eq!(ticks("7 (a) S 1"), None);
    }

    #[test]
    fn this_process_has_a_cost() {
        let cost = cost("self").unwrap();
        assert!(cost.memory_bytes > 0);
        assert_eq!(super::cost("0"), None);
    }

    #[test]
    fn a_directory_has_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let empty = disk_bytes(dir.path());
        fs::write(dir.path().join("file"), [1; 20_000]).unwrap();
        assert!(disk_bytes(dir.path()) >= empty + 20_000);
    }
}
