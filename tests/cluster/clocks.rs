//! Clocks that are hours off, and that jump while the node runs. Only the calendar is wrong: deadlines run on the
//! monotonic clock, as they would on a machine whose operator or NTP server sets its date.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    audit::audit,
    cluster::{Cluster, PATIENCE, eventually},
    load::Load,
};

/// The library that shifts the calendar of a process (Debian: libfaketime).
fn faketime() -> PathBuf {
    let libraries = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let paths = libraries.map(|folder| PathBuf::from(folder).join("faketime/libfaketimeMT.so.1"));
    let found = paths.iter().find(|path| path.exists());
    found.unwrap_or_else(|| panic!("none of {paths:?} exists: install faketime")).clone()
}

/// A clock that the test sets.
pub struct FakeClock {
    file: PathBuf,
    library: String,
}

impl FakeClock {
    pub fn new(cluster: &Cluster, name: &str, offset: &str) -> Self {
        let clock = Self { file: cluster.dir().join(name), library: faketime().display().to_string() };
        clock.set(offset);
        clock
    }

    /// Jumps to so far from the true time, as `+5h`.
    fn set(&self, offset: &str) {
        std::fs::write(&self.file, offset).unwrap();
    }

    pub fn environment(&self) -> [(&str, &str); 4] {
        [
            ("LD_PRELOAD", &self.library),
            ("FAKETIME_TIMESTAMP_FILE", self.file.to_str().expect("a temporary path")),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ]
    }
}

/// How far the newest block's time is from the true one, in seconds.
fn chain_time_offset(cluster: &Cluster) -> f64 {
    let block = cluster.json(0, "/v1/blocks/latest").expect("a block");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("this machine's clock");
    block["time_ms"].as_f64().expect("a time") / 1_000.0 - now.as_secs_f64()
}

fn assert_offset(cluster: &Cluster, node: usize, seconds: f64) {
    eventually("the node to see its clock's offset", PATIENCE, || {
        let offset = cluster.metric(node, "clock_offset_seconds")?;
        if (offset - seconds).abs() < 120.0 { Ok(()) } else { Err(format!("node {node}: {offset} s")) }
    });
}

#[test]
fn clocks_hours_off_change_nothing_and_are_seen() {
    let mut cluster = Cluster::start(&[]);
    let (fast, slow) = (FakeClock::new(&cluster, "fast", "+5h"), FakeClock::new(&cluster, "slow", "-3h"));
    cluster.kill(&[2, 3]);
    cluster.spawn(&[2], &slow.environment());
    cluster.spawn(&[3], &fast.environment());
    cluster.wait_until_ready(&[2, 3]);
    let load = Load::start(&cluster.https(), 8);
    load.more(300, PATIENCE);
    // Without node 0 there is no quorum but with both of them.
    cluster.kill(&[0]);
    load.more(100, PATIENCE);
    cluster.restart(0);
    load.more(100, PATIENCE);
    let offset = chain_time_offset(&cluster);
    assert!(offset.abs() < 60.0, "the chain's time is {offset} s off");
    assert_offset(&cluster, 0, 0.0);
    assert_offset(&cluster, 2, -3.0 * 3600.0);
    assert_offset(&cluster, 3, 5.0 * 3600.0);
    let outcome = load.finish();
    audit(cluster, outcome);
}

#[test]
fn a_clock_that_jumps_under_load_changes_nothing() {
    let mut cluster = Cluster::start(&[]);
    let clock = FakeClock::new(&cluster, "clock", "+0");
    cluster.kill(&[1]);
    cluster.spawn(&[1], &clock.environment());
    cluster.wait_until_ready(&[1]);
    let load = Load::start(&cluster.https(), 8);
    for offset in ["+2h", "-2d", "+0", "-30m", "+400d"] {
        load.more(100, PATIENCE);
        clock.set(offset);
    }
    load.more(100, Duration::from_secs(20));
    let offset = chain_time_offset(&cluster);
    assert!(offset.abs() < 60.0, "the chain's time is {offset} s off");
    let outcome = load.finish();
    audit(cluster, outcome);
}
