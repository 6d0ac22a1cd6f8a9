//! A disk that fills up under load: the node must end as one that cannot remember, or go on; the others notice nothing;
//! and once there is room, a restart is all it takes.

use std::{fs, io::Write as _, path::Path, process::Command};

use crate::{
    audit::audit,
    cluster::{Cluster, PATIENCE, eventually},
    load::Load,
};

/// The exit status of a node that cannot write (`EX_IOERR`).
const EXIT_STORAGE: i32 = 74;

/// A file system in memory of so many bytes, unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(bytes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={bytes}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir.path()).status();
        assert!(mounted.is_ok_and(|status| status.success()), "mounting a small file system needs root");
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes until nothing more fits. Returns the file to be removed.
    fn fill(&self) -> std::path::PathBuf {
        let path = self.path().join("filler");
        let mut file = fs::File::create(&path).unwrap();
        for chunk in [1 << 20, 1 << 12] {
            while file.write_all(&vec![7; chunk]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a test that failed leaves processes that have files open there.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// Moves a node's data directory to another disk.
fn move_data(cluster: &Cluster, node: usize, disk: &SmallDisk) {
    let (data, there) = (cluster.nodes[node].dir.join("data"), disk.path().join("data"));
    let copied = Command::new("cp").arg("-a").args([&data, &there]).status();
    assert!(copied.is_ok_and(|status| status.success()));
    fs::remove_dir_all(&data).unwrap();
    std::os::unix::fs::symlink(&there, &data).unwrap();
}

#[test]
fn a_full_disk_stops_one_node_only_and_room_brings_it_back() {
    // Before the cluster: dropped after it.
    let disk = SmallDisk::mount(48 << 20);
    let mut cluster = Cluster::start(&[]);
    let load = Load::start(&cluster.https(), 8);
    load.more(100, PATIENCE);
    cluster.kill(&[3]);
    move_data(&cluster, 3, &disk);
    cluster.restart(3);
    load.more(100, PATIENCE);

    let mut filler = disk.fill();
    let status = eventually("the node to end, or the others to go on with it", PATIENCE, || {
        load.more(50, PATIENCE);
        // What the node itself frees when it forgets is taken as well.
        filler = disk.fill();
        cluster.try_end(3).ok_or_else(|| "it runs".to_owned())
    });
    assert_eq!(status.code(), Some(EXIT_STORAGE), "the log ends with:\n{}", tail(&cluster.log(3)));
    let log = tail(&cluster.log(3));
    assert!(log.contains("No space left on device"), "the last words do not say why:\n{log}");
    load.more(200, PATIENCE);

    fs::remove_file(filler).unwrap();
    cluster.restart(3);
    // A quorum that needs it.
    cluster.kill(&[0]);
    load.more(100, PATIENCE);
    cluster.restart(0);
    let outcome = load.finish();
    audit(cluster, outcome);
}

fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().rev().take(6).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
