//! A validator whose memory is gone (`OB-10`): it is not started again unless it is told that this is so, then follows
//! without a vote, and votes again where it cannot have voted before.

use std::{fs, time::Duration};

use thalweg::{
    config::Genesis,
    journal::{self, Entry, FileDisk, Journal},
    protocol::{Abstention, Record, streamlette},
    types::Height,
};

use crate::{
    audit::audit,
    cluster::{Cluster, PATIENCE, eventually},
    load::Load,
};

#[test]
fn a_validator_without_its_journal_rejoins_and_votes_only_beyond() {
    let mut cluster = Cluster::start(&[]);
    let load = Load::start(&cluster.https(), 8);
    load.more(200, PATIENCE);
    cluster.kill(&[3]);
    let data = cluster.nodes[3].dir.join("data");
    fs::remove_dir_all(journal::directory(&data)).unwrap();

    cluster.spawn(&[3], &[]);
    let status = cluster.wait_for_end(3, Duration::from_secs(10));
    let log = cluster.log(3);
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("there is no journal") && log.contains("--rejoin"), "its log does not say what to do:\n{log}");

    let before = cluster.highest();
    cluster.spawn_with(&[3], &["--rejoin"], &[]);
    wait_for_role(&cluster, "rejoining");
    wait_for_role(&cluster, "validator");
    cluster.wait_until_ready(&[3]);
    // Without it there is no quorum: its votes are needed, and come.
    cluster.kill(&[0]);
    load.more(100, PATIENCE);
    cluster.restart(0);

    cluster.kill(&[3]);
    let (through, first) = abstention_and_first_vote(&cluster, 3);
    assert!(through > Height::new(before), "it may have voted up to {before}, and votes above {through}");
    assert!(first > through, "it voted at {first}, which is not above {through}");
    // What it made in the place of what is lost is a journal like any other.
    cluster.restart(3);
    let outcome = load.finish();
    audit(cluster, outcome);
}

#[track_caller]
fn wait_for_role(cluster: &Cluster, role: &str) {
    eventually(role, PATIENCE, || match cluster.json(3, "/v1/status")? {
        status if status["role"] == role => Ok(()),
        status => Err(status.to_string()),
    });
}

/// Up to where a journal says that nothing may be voted for, and the lowest height that it has a vote at.
fn abstention_and_first_vote(cluster: &Cluster, node: usize) -> (Height, Height) {
    let chain = Genesis::load(&cluster.genesis()).unwrap().chain_id();
    let disk = FileDisk::new(journal::directory(&cluster.nodes[node].dir.join("data")));
    let (_, found) = Journal::open(disk, chain).unwrap();
    let through = found.entries.iter().rev().find_map(|entry| match entry {
        Entry::Abstention(Abstention::Through(height)) => Some(*height),
        _ => None,
    });
    let voted = found.entries.iter().filter_map(|entry| match entry {
        Entry::Instance { height, record: Record::Streamlette(streamlette::Record::Vote { .. }), .. } => Some(*height),
        _ => None,
    });
    (through.expect("where it votes again is written down"), voted.min().expect("it voted"))
}
