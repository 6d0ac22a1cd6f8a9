//! A disk that fills up, or breaks, under load: the node must end as one that cannot remember, or go on; the others notice nothing;
//! and once there is room, a restart is all it takes.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    audit::audit,
    cluster::{Cluster, PATIENCE, eventually},
    load::Load,
};

/// The exit status of a node that cannot write (`EX_IOERR`).
const EXIT_STORAGE: i32 = 74;

/// A file system in memory of so many bytes, unmounted when dropped.
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// Mounts one. Takes root.
    pub fn mount(bytes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={bytes}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir.path()).status();
        assert!(mounted.is_ok_and(|status| status.success()), "mounting a small file system needs root");
        Self(dir)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes until nothing more fits. Returns the file to be removed.
    fn fill(&self) -> PathBuf {
        self.fill_but(0)
    }

    /// Writes until no more than so many bytes are left. Returns the file to be removed.
    pub fn fill_but(&self, left: u64) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = fs::File::create(&path).unwrap();
        for chunk in [1 << 20, 1 << 12] {
            while self.free() > left && file.write_all(&vec![7; chunk]).is_ok() {}
        }
        path
    }

    fn free(&self) -> u64 {
        let status = rustix::fs::statvfs(self.path()).unwrap();
        status.f_bavail * status.f_frsize
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a test that failed leaves processes that have files open there.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// A file system of its own that the kernel gives up on when it is told to, as it does after an error of the device:
/// every write and sync fails from then on with EIO, and what was synced is there when it is mounted again. (A device
/// that fails by itself would take device-mapper's `error` target, which many kernels lack.)
struct BreakableDisk {
    dir: tempfile::TempDir,
}

impl BreakableDisk {
    fn mount(bytes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::File::create(dir.path().join("image")).unwrap().set_len(bytes).unwrap();
        fs::create_dir(dir.path().join("mounted")).unwrap();
        let disk = Self { dir };
        run(Command::new("mkfs.ext4").arg("-q").arg(disk.image()));
        disk.attach();
        disk
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("mounted")
    }

    fn attach(&self) {
        run(Command::new("mount").args(["-o", "loop"]).args([self.image(), self.path()]));
    }

    /// The ioctl `EXT4_IOC_SHUTDOWN`, without a flush of the file system's own log (2).
    fn break_down(&self) {
        const SHUTDOWN: &str = r#"open(my $disk, "<", $ARGV[0]) or die; my $how = pack("L", 2);
            ioctl($disk, 0x8004587d, $how) or die "cannot shut it down: $!""#;
        run(Command::new("perl").args(["-e", SHUTDOWN]).arg(self.path()));
    }

    fn repair(&self) {
        run(Command::new("umount").arg(self.path()));
        self.attach();
    }
}

impl Drop for BreakableDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {why} (this test needs root and a loop device)");
}

/// Moves a node's data directory to another disk.
pub fn move_data(cluster: &Cluster, node: usize, disk: &Path) {
    let (data, there) = (cluster.nodes[node].dir.join("data"), disk.join("data"));
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
    move_data(&cluster, 3, disk.path());
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

#[test]
fn a_broken_disk_stops_one_node_only_with_a_last_word() {
    // Before the cluster: dropped after it.
    let disk = BreakableDisk::mount(256 << 20);
    let mut cluster = Cluster::start(&[]);
    let load = Load::start(&cluster.https(), 8);
    load.more(100, PATIENCE);
    cluster.kill(&[3]);
    move_data(&cluster, 3, &disk.path());
    cluster.restart(3);
    load.more(100, PATIENCE);

    disk.break_down();
    let status = cluster.wait_for_end(3, PATIENCE);
    let log = cluster.log(3);
    assert_eq!(status.code(), Some(EXIT_STORAGE), "the log ends with:\n{}", tail(&log));
    let last = log.lines().last().unwrap_or_default();
    assert!(last.contains("the disk failed: the node stops") && last.contains("Input/output error"), "{}", tail(&log));
    load.more(200, PATIENCE);

    disk.repair();
    cluster.restart(3);
    // A quorum that needs it.
    cluster.kill(&[0]);
    load.more(100, PATIENCE);
    cluster.restart(0);
    load.more(100, PATIENCE);
    let outcome = load.finish();
    audit(cluster, outcome);
}

fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().rev().take(6).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
