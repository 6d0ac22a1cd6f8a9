//! A replica in the hands of a program that embeds it. One validator is a quorum alone, so nothing here waits for peers.

use std::{path::Path, time::Duration};

use super::super::{BuildError, Committed, End, Replica, StartError, SubmitError, create_store};
use crate::{
    app::{Status, kv},
    config::{Genesis, NetworkSection},
    crypto::SecretKey,
    types::{Height, Power, Validator},
};

const PATIENCE: Duration = Duration::from_mins(1);

fn genesis() -> Genesis {
    let validator = Validator { public_key: key(1).public_key(), power: Power::new(1) };
    Genesis::new("embedded", 0, vec![validator])
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

/// Starts the replica of a directory. Each test has an address of its own.
fn start(store: &Path, address: u64) -> Result<Replica, StartError> {
    let network = NetworkSection { listen: vec![format!("/memory/{address}")], ..NetworkSection::default() };
    let parts = Replica::builder().genesis(genesis()).validator_key(key(1)).peer_key(key(2));
    let spec: Result<_, BuildError> = parts.network(network).store(store).build();
    spec.unwrap().start()
}

fn store() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    create_store(&dir.path().join("data"), &genesis()).unwrap();
    dir
}

#[test]
fn a_dropped_replica_gives_its_store_back_and_the_next_one_goes_on() {
    let dir = store();
    let data = dir.path().join("data");
    let put = || kv::put(b"river", b"to the sea");
    let first: Committed = {
        let replica = start(&data, 101).unwrap();
        assert_eq!(replica.http(), None);
        assert!(matches!(start(&data, 102), Err(StartError::Storage(_))), "the directory is in use");
        let committed = replica.submit_once(b"one", put()).unwrap().wait(PATIENCE).unwrap();
        assert_eq!(committed.receipt.status, Status::Applied);
        assert_eq!(replica.query("river").unwrap().value, Some("to the sea".into()));
        committed
    };
    let replica = start(&data, 101).unwrap();
    let again = replica.submit_once(b"one", put()).unwrap();
    assert_eq!(replica.command(&again.id()).as_ref(), Some(&first));
    assert_eq!(again.wait(PATIENCE), Ok(first.clone()), "once, before and after the restart");
    let other = replica.submit_once(b"one", kv::delete(b"river")).unwrap().wait(PATIENCE);
    assert!(other != Ok(first), "another command with the same key: {other:?}");
    assert!(replica.query("river").unwrap().value.is_some());
    assert_eq!(replica.stop(), End::Stopped);
}

#[test]
fn blocks_are_followed_in_order_with_their_receipts() {
    let dir = store();
    let replica = start(&dir.path().join("data"), 103).unwrap();
    let heights: Vec<Height> = std::thread::scope(|scope| {
        let follower = scope.spawn(|| replica.follow(Height::ZERO).find(|block| block.header.height.get() == 3));
        let heights = (0..3).map(|i: u8| {
            let submission = replica.submit(kv::put(&[i + 1], b"value")).unwrap();
            submission.wait(PATIENCE).unwrap().height
        });
        let heights = heights.collect();
        let third = follower.join().unwrap().unwrap();
        let (command, receipt) = &third.commands[0];
        assert_eq!(command.body, kv::put(&[3], b"value"));
        assert_eq!(receipt.as_ref().unwrap().status, Status::Applied);
        heights
    });
    assert_eq!(heights, [1, 2, 3].map(Height::new));
    assert!(replica.block(Height::new(4)).is_none() && replica.block(Height::ZERO).is_none());
    assert!(replica.metrics().contains("thalweg_height 3"));
}

#[test]
fn what_the_application_does_not_take_is_refused_at_once() {
    let dir = store();
    let replica = start(&dir.path().join("data"), 104).unwrap();
    assert!(matches!(replica.submit("no command"), Err(SubmitError::Invalid(_))));
    let large = vec![0; genesis().command_bytes_max as usize + 1];
    assert!(matches!(replica.submit(large), Err(SubmitError::Invalid(error)) if error.0.contains("at most")));
    assert!(!replica.wait_for_height(Height::FIRST, Duration::from_millis(1)));
}
