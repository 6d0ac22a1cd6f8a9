//! Entries in and out.

use super::{CHAIN, SALT};
use crate::{
    journal::{Entry, Fact, Item, Journal, Kind, OpenError, Scope, Sequence},
    sim::disk::SimDisk,
};

fn counter(counter: u64) -> Entry {
    Entry::PeerCounter { counter }
}

#[test]
fn entries_come_back_as_they_went_in() {
    let mut journal = Journal::create(SimDisk::default(), CHAIN, SALT).unwrap();
    assert_eq!(journal.append(&counter(1)), Sequence(1));
    assert_eq!(journal.append(&counter(2)), Sequence(2));
    assert_eq!(journal.flush().unwrap(), Sequence(2));
    let (_, recovered) = Journal::open(journal.into_disk(), CHAIN).unwrap();
    assert_eq!(recovered.entries, [counter(1), counter(2)]);
}

#[test]
fn entry_of_another_version_is_refused_not_skipped() {
    let mut journal = Journal::create(SimDisk::default(), CHAIN, SALT).unwrap();
    journal.append(&counter(1));
    journal.append_item(Item {
        scope: Scope::Standing(Fact::PeerCounter),
        kind: Kind::Record,
        bytes: vec![200, 1, 2].into(),
    });
    journal.flush().unwrap();
    assert!(matches!(Journal::open(journal.into_disk(), CHAIN), Err(OpenError::Unknown { sequence: 2 })));
}
