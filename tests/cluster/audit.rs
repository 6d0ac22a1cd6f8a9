//! What must hold after every load, whatever was done to the cluster meanwhile.
//!
//! | what | how it is seen |
//! |---|---|
//! | clients saw one register for each key | [`crate::history`], final reads from every node included |
//! | nothing answered is lost | every node tells the same fate of a sample of answered writes |
//! | replicas agree | equal headers and state roots at equal heights, on every node |
//! | nobody contradicts itself | no pair of votes was seen by anyone, and none stands in any journal |

use std::{collections::BTreeMap, path::Path};

use thalweg::{
    config::Genesis,
    journal::{self, Entry, FileDisk, Journal},
    protocol::{Record, pbft, streamlette},
    types::{Digest, Height},
};

use crate::{
    cluster::{Cluster, PATIENCE},
    load::{Client, Outcome, Written},
};

/// How many heights are compared between all nodes, spread evenly up to the last one.
const HEIGHTS: u64 = 60;

/// How many answered writes are looked for.
const FATES: usize = 60;

/// Checks everything, stops the cluster, and checks the journals. Returns how many operations were looked at.
#[track_caller]
pub fn audit(mut cluster: Cluster, outcome: Outcome) -> u64 {
    let everyone: Vec<_> = (0..cluster.nodes.len()).collect();
    audit_running(&cluster, &everyone, &outcome);
    assert_none_was_seen(&cluster, &everyone, &["equivocations_total", "fatal_total", "state_root_mismatch"]);
    cluster.halt();
    assert_no_journal_contradicts_itself(&cluster);
    outcome.operations
}

/// As [`audit`], where the last node has lied: what the others show. Of the liar only the journal is looked at, in which
/// its brains wrote what they would have said.
#[track_caller]
pub fn audit_but_the_last(mut cluster: Cluster, outcome: Outcome) {
    let honest: Vec<_> = (0..cluster.nodes.len() - 1).collect();
    audit_running(&cluster, &honest, &outcome);
    assert_none_was_seen(&cluster, &honest, &["fatal_total"]);
    cluster.halt();
    assert_no_journal_contradicts_itself(&cluster);
}

#[track_caller]
fn audit_running(cluster: &Cluster, nodes: &[usize], outcome: &Outcome) {
    outcome.history.assert_linearizable();
    assert!(outcome.operations > 0, "a load without an answer shows nothing");
    let height = nodes.iter().map(|node| cluster.height(*node)).max().unwrap_or(0);
    cluster.wait_until_at(nodes, height);
    assert_answered_is_there(cluster, nodes, &outcome.sample);
    assert_equal_chains(cluster, nodes, height);
}

#[track_caller]
fn assert_answered_is_there(cluster: &Cluster, nodes: &[usize], sample: &[Written]) {
    let client = Client::new(PATIENCE);
    let stride = sample.len().div_ceil(FATES).max(1);
    for written in sample.iter().step_by(stride) {
        for node in nodes.iter().map(|node| &cluster.nodes[*node]) {
            let reply = client.get(&format!("{}/v1/commands/{}", node.http, written.id)).expect("the node answers");
            let fate = reply.json();
            assert_eq!(fate["status"], "committed", "{written:?} was answered; {} says {fate}", node.http);
            assert_eq!(fate["height"], written.height, "{written:?} was answered; {} says {fate}", node.http);
            assert_eq!(fate["result"]["existed"], written.existed, "{written:?}; {} says {fate}", node.http);
        }
    }
}

/// Fails unless these nodes show the same header and state root at heights spread over the chain up to `height`.
#[track_caller]
pub fn assert_equal_chains(cluster: &Cluster, nodes: &[usize], height: u64) {
    let stride = height.div_ceil(HEIGHTS).max(1);
    for at in (0..height).map(|below| height - below).step_by(usize::try_from(stride).expect("it is small")) {
        let of = |node| {
            let block = cluster.json(node, &format!("/v1/blocks/{at}?limit=0")).expect("a committed block is shown");
            (block["hash"].clone(), block["state_root"].clone())
        };
        let first = of(nodes[0]);
        assert!(first.1.is_string(), "a block shows its state root: {first:?}");
        for &node in &nodes[1..] {
            // One whose state was restored has no blocks below: the hashes above say that they were the same.
            if cluster.nodes[node].base < at {
                assert_eq!(of(node), first, "node {node} differs at height {at}");
            }
        }
    }
}

#[track_caller]
fn assert_none_was_seen(cluster: &Cluster, nodes: &[usize], metrics: &[&str]) {
    for &node in nodes {
        for name in metrics {
            let seen = cluster.metric(node, name).expect("the metric has a sample");
            assert!(seen == 0.0, "node {node}: thalweg_{name} is {seen}");
        }
    }
}

/// Reads every journal as a restart would, and fails when a replica voted twice in a tick or went back in time, or
/// accepted two values for one height of a view.
#[track_caller]
fn assert_no_journal_contradicts_itself(cluster: &Cluster) {
    let genesis = Genesis::load(&cluster.genesis()).expect("the genesis of this chain");
    let votes: usize = cluster.nodes.iter().map(|node| votes_in(&node.dir.join("data"), genesis.chain_id())).sum();
    assert!(votes > 0, "no vote stands in any journal");
}

#[track_caller]
fn votes_in(data: &Path, chain: Digest) -> usize {
    let (_, found) = Journal::open(FileDisk::new(journal::directory(data)), chain).expect("the journal opens");
    let mut last: BTreeMap<Digest, streamlette::Vote> = BTreeMap::new();
    let mut accepted: BTreeMap<(pbft::ViewNumber, Height), Digest> = BTreeMap::new();
    let mut votes = 0;
    let place = data.display();
    for entry in found.entries {
        match entry {
            Entry::Instance {
                height,
                instance,
                record: Record::Streamlette(streamlette::Record::Vote { vote, .. }),
            } => {
                votes += 1;
                if let Some(before) = last.insert(instance, vote) {
                    assert!(vote.tick > before.tick, "{place}: at height {height} {vote:?} follows {before:?}");
                }
            }
            Entry::Instance { record: Record::Pbft(pbft::Record::Accepted { proposal, .. }), .. } => {
                votes += 1;
                let before = accepted.insert((proposal.view, proposal.height), proposal.payload_root);
                let is_same = before.is_none_or(|before| before == proposal.payload_root);
                assert!(is_same, "{place}: {proposal:?} follows {before:?}");
            }
            _ => {}
        }
    }
    votes
}

mod tests {
    use thalweg::journal::Salt;

    use super::*;

    fn journal(ticks: &[(u64, u8)]) -> tempfile::TempDir {
        let (data, chain) = (tempfile::tempdir().unwrap(), Digest::new([1; 32]));
        journal::create_in(data.path(), chain, Salt::new([2; 16])).unwrap();
        let (mut journal, _) = Journal::open(FileDisk::new(journal::directory(data.path())), chain).unwrap();
        for (tick, target) in ticks {
            let vote = streamlette::Vote { tick: streamlette::Tick::new(*tick), target: Digest::new([*target; 32]) };
            let record = streamlette::Record::Vote { vote, lock_depth: None, items: Vec::new() };
            let (height, instance) = (Height::FIRST, Digest::new([3; 32]));
            journal.append(&Entry::Instance { height, instance, record: Record::Streamlette(record) });
            journal.flush().unwrap();
        }
        data
    }

    #[test]
    fn votes_in_later_and_later_ticks_are_counted() {
        assert_eq!(votes_in(journal(&[(0, 1), (1, 2), (7, 1)]).path(), Digest::new([1; 32])), 3);
    }

    #[test]
    #[should_panic(expected = "follows")]
    fn two_votes_in_one_tick_are_found() {
        votes_in(journal(&[(0, 1), (1, 2), (1, 3)]).path(), Digest::new([1; 32]));
    }

    #[test]
    #[should_panic(expected = "follows")]
    fn a_vote_that_goes_back_in_time_is_found() {
        votes_in(journal(&[(4, 1), (3, 2)]).path(), Digest::new([1; 32]));
    }
}
