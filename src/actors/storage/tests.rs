//! Storage on real files.

use std::{
    fs, io,
    sync::mpsc::{Receiver, sync_channel},
};

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::{
    app::Block,
    journal::{Entry, Salt},
    protocol::{Abstention, Certificate, Lifetime, Record, streamlette},
    sim::disk::SimDisk,
    store::{Changes, MemoryRows, Rows, Table},
};

const CHAIN: Digest = Digest::new([7; 32]);
const SALT: Salt = Salt::new([9; 16]);
const PATIENCE: Duration = Duration::from_secs(30);

/// Any record and any certificate: storage does not look into them.
const RECORD: Record = Record::Streamlette(streamlette::Record::Want { tick: streamlette::Tick::new(1) });

fn created() -> TempDir {
    let directory = TempDir::new().unwrap();
    journal::create_in(directory.path(), CHAIN, SALT).unwrap();
    directory
}

/// Writes state at once, or only at the end.
fn settings(directory: &Path, is_lazy: bool) -> Settings {
    let after = if is_lazy { Duration::from_secs(3600) } else { Duration::ZERO };
    let write_behind = WriteBehind { after, ..WriteBehind::default() };
    Settings { write_behind, ..Settings::new(directory, CHAIN) }
}

fn open(directory: &TempDir) -> (Storage, Recovered) {
    Storage::open(settings(directory.path(), true)).unwrap()
}

/// What a process that is killed now leaves behind, where another one can open it.
fn killed(directory: &TempDir) -> TempDir {
    let copy = TempDir::new().unwrap();
    fs::create_dir(copy.path().join("journal")).unwrap();
    for part in ["", "journal"] {
        for file in fs::read_dir(directory.path().join(part)).unwrap() {
            let file = file.unwrap();
            if file.file_type().unwrap().is_file() {
                fs::copy(file.path(), copy.path().join(part).join(file.file_name())).unwrap();
            }
        }
    }
    copy
}

fn journal(port: &StoragePort, entries: Vec<Entry>) {
    let (told, tells) = sync_channel(1000);
    port.append(entries, move || told.send(()).unwrap());
    wait(&tells);
}

fn wait<T>(tells: &Receiver<T>) -> T {
    tells.recv_timeout(PATIENCE).expect("storage answers")
}

fn record(height: u64) -> Entry {
    Entry::Instance { height: Height::new(height), instance: instance(height), record: RECORD }
}

fn instance(height: u64) -> Digest {
    Digest::new([u8::try_from(height).unwrap(); 32])
}

fn block(height: u64, bytes: usize) -> Block {
    Block { height: Height::new(height), payload: Bytes::from(vec![1; bytes]), certificate: Certificate::of_nothing() }
}

fn changes(key: &str, value: &str) -> Changes {
    let mut changes = Changes::default();
    changes.put(Table::State, key.to_owned(), value.to_owned());
    changes
}

#[test]
fn everything_acknowledged_is_there_after_a_clean_stop() {
    let directory = created();
    let (storage, recovered) = open(&directory);
    assert_eq!(recovered, Recovered::default());
    let port = storage.port();
    journal(&port, vec![record(1), Entry::PeerCounter { counter: 3 }, Entry::Decided { block: block(1, 10) }]);
    journal(&port, vec![record(2), record(2), Entry::Decided { block: block(2, 10) }]);
    port.commit(Height::ZERO, changes("color", "none"));
    port.commit(Height::new(1), changes("color", "blue"));
    storage.shutdown();

    let (storage, recovered) = open(&directory);
    assert_eq!(recovered.height, Some(Height::new(1)));
    assert_eq!(recovered.peer_counter, 3);
    // Height 1 is in the store: nothing of it is needed.
    assert_eq!(recovered.records, [(instance(2), vec![RECORD; 2])].into());
    assert_eq!(recovered.decided, [(Height::new(2), block(2, 10))].into());
    assert_eq!(storage.reader().get(Table::State, b"color").as_deref(), Some(&b"blue"[..]));
    assert_eq!(storage.reader().height(), Some(Height::new(1)));
}

/// Write-behind and replay give the same state as if nothing had happened.
#[test]
fn killed_process_goes_on_from_the_journal() {
    let directory = created();
    let (storage, _) = open(&directory);
    let port = storage.port();
    port.commit(Height::ZERO, changes("genesis", "yes"));
    for height in 1..6 {
        journal(&port, vec![record(height), Entry::Decided { block: block(height, 100) }]);
        port.commit(Height::new(height), changes("latest", &height.to_string()));
    }
    let copy = killed(&directory);
    let (restarted, recovered) = open(&copy);
    assert_eq!(recovered.height, None);
    assert_eq!(recovered.decided.len(), 5);
    assert_eq!(recovered.records.len(), 5);
    let again = restarted.port();
    again.commit(Height::ZERO, changes("genesis", "yes"));
    for height in recovered.decided.keys() {
        again.commit(*height, changes("latest", &height.to_string()));
    }
    let rows = |storage: &Storage| {
        let mut rows = Vec::new();
        storage.reader().scan(Table::State, b"", &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            true
        });
        rows
    };
    assert_eq!(rows(&restarted), rows(&storage));
}

#[test]
fn commits_are_seen_at_once_and_snapshots_stay() {
    let directory = created();
    let (storage, _) = open(&directory);
    let (port, reader) = (storage.port(), storage.reader());
    port.commit(Height::ZERO, changes("count", "0"));
    let before = reader.snapshot();
    std::thread::scope(|scope| {
        for height in 1..=200u64 {
            port.commit(Height::new(height), changes("count", &height.to_string()));
            let reader = reader.clone();
            scope.spawn(move || {
                let snapshot = reader.snapshot();
                let count: u64 =
                    std::str::from_utf8(&snapshot.get(Table::State, b"count").unwrap()).unwrap().parse().unwrap();
                assert!(count >= height);
                assert_eq!(snapshot.height(), Some(Height::new(count)));
            });
        }
    });
    assert_eq!(before.get(Table::State, b"count").as_deref(), Some(&b"0"[..]));
}

/// `JN-7`, over a hundred mebibytes of blocks.
#[test]
fn journal_does_not_grow_over_many_heights() {
    let directory = created();
    let (storage, _) = Storage::open(settings(directory.path(), false)).unwrap();
    let port = storage.port();
    port.commit(Height::ZERO, Changes::default());
    for height in 1..=100 {
        journal(&port, vec![record(height), Entry::Decided { block: block(height, 1 << 20) }]);
        port.commit(Height::new(height), changes("latest", &height.to_string()));
    }
    storage.shutdown();
    let files = fs::read_dir(directory.path().join("journal")).unwrap();
    let lengths: Vec<u64> = files.map(|file| file.unwrap().metadata().unwrap().len()).collect();
    // The one in use, the spare (`JN-8`) and what the next spare is made of.
    assert!(lengths.len() <= 3 && lengths.iter().all(|length| *length <= journal::SEGMENT_BYTES), "{lengths:?}");
    assert_eq!(open(&directory).1.records, std::collections::BTreeMap::new());
}

#[test]
fn appends_that_wait_share_one_sync() {
    let directory = created();
    let (observed, syncs) = sync_channel(1000);
    let observe_sync = Box::new(move |_| observed.send(()).unwrap());
    let (storage, _) = Storage::open(Settings { observe_sync, ..settings(directory.path(), true) }).unwrap();
    let port = storage.port();
    let (entered, enters) = sync_channel(1000);
    let (release, released) = sync_channel::<()>(1);
    port.append(vec![record(1)], move || {
        entered.send(()).unwrap();
        released.recv().unwrap();
    });
    wait(&enters);
    // The journal's thread is held up; all of these are taken at once when it goes on.
    let (told, tells) = sync_channel(1000);
    for height in 1..=100 {
        let told = told.clone();
        port.append(vec![record(height)], move || told.send(height).unwrap());
    }
    assert_eq!(port.gauges().waiting_appends(), 100);
    release.send(()).unwrap();
    let order: Vec<u64> = (0..100).map(|_| wait(&tells)).collect();
    assert!(order.is_sorted());
    storage.shutdown();
    assert_eq!(syncs.iter().count(), 2);
}

#[test]
fn directory_in_use_is_refused() {
    let directory = created();
    let (storage, _) = open(&directory);
    let refused = Storage::open(settings(directory.path(), true)).map(drop);
    assert!(matches!(refused, Err(OpenError::Locked(_))));
    storage.shutdown();
    open(&directory);
}

/// `JN-6`, `OB-10`
#[test]
fn lost_journal_and_lost_store_are_faults() {
    let directory = created();
    let (storage, _) = open(&directory);
    for height in 0..4 {
        storage.port().commit(Height::new(height), changes("latest", &height.to_string()));
    }
    storage.shutdown();
    let refused = |directory: &TempDir| Storage::open(settings(directory.path(), true)).map(drop).unwrap_err();

    let without_store = killed(&directory);
    fs::remove_file(without_store.path().join("store.redb")).unwrap();
    let floor = Height::new(4);
    assert!(matches!(refused(&without_store), OpenError::StoreBehind { stored: None, floor: at } if at == floor));

    let without_journal = killed(&directory);
    fs::remove_dir_all(without_journal.path().join("journal")).unwrap();
    assert!(matches!(refused(&without_journal), OpenError::Journal(journal::OpenError::Missing)));
}

/// `OB-10`: a new journal comes only where it is allowed, says at once that nothing may be voted for, and keeps what is
/// learnt. An intact one is never replaced.
#[test]
fn lost_journal_is_replaced_by_one_that_abstains() {
    let rejoin = |directory: &TempDir| {
        Storage::open(Settings { rejoin: Some(SALT), ..settings(directory.path(), true) }).unwrap()
    };
    let directory = created();
    let (storage, recovered) = rejoin(&directory);
    assert_eq!(recovered.abstention, Abstention::NONE, "an intact journal is used as it is");
    let port = storage.port();
    for height in 0..4 {
        port.commit(Height::new(height), changes("latest", &height.to_string()));
    }
    journal(&port, vec![record(5)]);
    storage.shutdown();

    let without_store = killed(&directory);
    fs::remove_file(without_store.path().join("store.redb")).unwrap();
    let without_journal = killed(&directory);
    fs::remove_dir_all(without_journal.path().join("journal")).unwrap();
    // As a process leaves it that is killed while it makes the new one.
    fs::create_dir(without_journal.path().join("journal.unfinished")).unwrap();
    let rotten = killed(&directory);
    let segment = rotten.path().join("journal/0000000001.journal");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[2 * journal::SECTOR..4 * journal::SECTOR].fill(0xaa);
    fs::write(&segment, bytes).unwrap();

    for damaged in [without_store, without_journal, rotten] {
        let refused = Storage::open(settings(damaged.path(), true)).map(drop).unwrap_err();
        assert!(refused.is_amnesia() && refused.to_string().contains("--rejoin"), "{refused}");
        let (storage, recovered) = rejoin(&damaged);
        assert_eq!((recovered.abstention, recovered.records.len()), (Abstention::Everywhere, 0));
        storage.shutdown();
        let (storage, recovered) = open(&damaged);
        assert_eq!(recovered.abstention, Abstention::Everywhere, "a restart without the flag forgets nothing");
        let learnt = Abstention::Through(Height::new(7));
        journal(&storage.port(), vec![Entry::Abstention(learnt), Entry::PeerCounter { counter: 9 }]);
        drop(storage);
        let (_, recovered) = rejoin(&killed(&damaged));
        assert_eq!((recovered.abstention, recovered.peer_counter), (learnt, 9));
    }
}

#[test]
fn data_of_another_chain_is_refused() {
    let directory = created();
    drop(open(&directory));
    let foreign = Settings { chain: Digest::new([8; 32]), ..settings(directory.path(), true) };
    let refused = Storage::open(foreign).map(drop);
    assert!(matches!(refused, Err(OpenError::Journal(journal::OpenError::Chain { found })) if found == CHAIN));

    // A store that was put beside another chain's journal.
    let mixed = TempDir::new().unwrap();
    let chain = Digest::new([8; 32]);
    journal::create_in(mixed.path(), chain, SALT).unwrap();
    fs::copy(directory.path().join("store.redb"), mixed.path().join("store.redb")).unwrap();
    let refused = Storage::open(Settings { chain, ..settings(mixed.path(), true) }).map(drop);
    assert!(matches!(refused, Err(OpenError::StoreChain { found }) if found == CHAIN.to_string()));
}

#[test]
fn store_of_another_version_is_refused() {
    let directory = created();
    drop(open(&directory));
    let database = redb::Database::open(directory.path().join("store.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta = redb::TableDefinition::<&str, &[u8]>::new("storage");
    transaction.open_table(meta).unwrap().insert("version", &9u64.to_be_bytes()[..]).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let refused = Storage::open(settings(directory.path(), true)).map(drop);
    assert!(matches!(refused, Err(OpenError::StoreVersion { found: 9 })));
}

/// Each says where, and what is to be done about it.
#[test]
fn directories_that_cannot_be_used_are_told_apart() {
    let refused = |path: &Path| Storage::open(settings(path, true)).map(drop).unwrap_err().to_string();
    let directory = TempDir::new().unwrap();
    let absent = directory.path().join("absent");
    assert!(refused(&absent).contains("absent: there is no such directory"), "{}", refused(&absent));

    assert!(refused(directory.path()).contains("start --config FILE --rejoin"), "{}", refused(directory.path()));

    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let message = refused(&file);
    assert!(message.contains("file: ") && message.contains("read and write there"), "{message}");

    fs::write(directory.path().join("journal"), "").unwrap();
    let message = refused(directory.path());
    assert!(message.contains("read and write there"), "{message}");

    let no_store = created();
    fs::create_dir(no_store.path().join("store.redb")).unwrap();
    assert!(refused(no_store.path()).starts_with("the store: "), "{}", refused(no_store.path()));

    // What cannot be written, whoever runs this.
    let no_lock = created();
    fs::create_dir(no_lock.path().join("LOCK")).unwrap();
    let message = refused(no_lock.path());
    assert!(message.contains("read and write there"), "{message}");
}

#[test]
fn fault_of_the_disk_is_reported_and_nothing_is_acknowledged() {
    let mut journal = Journal::create(SimDisk::default(), CHAIN, SALT).unwrap();
    journal.disk_mut().fail_after(1);
    let inbox = Arc::new(Inbox::new(1 << 20, Lifetime::Height));
    let (told, tells) = sync_channel(1000);
    let journaler = Journaler {
        journal,
        inbox: inbox.clone(),
        gauges: Arc::new(StorageGauges::new(PathBuf::new())),
        observe_sync: Box::new(|_| {}),
        on_fault: OnFault::new(move |fault| told.send(fault.to_string()).unwrap()),
    };
    let done = Box::new(|| panic!("acknowledged though the sync failed"));
    inbox.appends.push(journaler::Append { items: record(1).into_items(), done }, 1);
    journaler.run();
    assert_eq!(wait(&tells), "sync segment 1 of the journal: the simulated disk fails");
}

#[test]
fn full_disk_is_told_from_a_broken_one() {
    let journal = |kind: io::ErrorKind| {
        StorageFault::Journal(journal::Fault::Disk { doing: "write to", segment: 1, source: kind.into() })
    };
    let store = |kind: io::ErrorKind| StorageFault::Store(Box::new(redb::Error::Io(kind.into())));
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
        assert!(journal(kind).is_disk_full() && store(kind).is_disk_full());
    }
    assert!(!journal(io::ErrorKind::Other).is_disk_full() && !store(io::ErrorKind::Other).is_disk_full());
    // At the start as well, a disk that fails is not a directory that is refused.
    let source = io::ErrorKind::StorageFull.into();
    let at_start = journal::OpenError::Fault(journal::Fault::Disk { doing: "sync", segment: 1, source });
    assert!(OpenError::Journal(at_start).fault().is_ok_and(|fault| fault.is_disk_full()));
    assert!(OpenError::Journal(journal::OpenError::Missing).fault().is_err());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

    /// Wherever a row is (on disk, being written, or only in memory), readers see what a plain map would hold.
    #[test]
    fn reads_as_if_everything_were_in_one_map(
        commits in proptest::collection::vec(
            (proptest::collection::btree_map(0u8..40, proptest::option::of(0u8..), 0..12), 0u8..4), 0..20),
        from in 0u8..40,
        length in proptest::option::of(0u8..40),
        stop in 1usize..12,
    ) {
        let directory = TempDir::new().unwrap();
        let store = Store::open(&directory.path().join("store"), &CHAIN, 1 << 20, OnFault::default()).unwrap();
        let gauges = Arc::new(StorageGauges::new(PathBuf::new()));
        let eager = WriteBehind { after: Duration::ZERO, ..WriteBehind::default() };
        let shared = Shared::new(store.base().unwrap(), None, gauges, eager);
        let mut model = MemoryRows::default();
        let mut being_written = None;
        for (height, (rows, then)) in (0..).zip(commits) {
            let mut changes = Changes::default();
            for (key, value) in rows {
                match value {
                    Some(value) => changes.put(Table::State, vec![key], vec![value]),
                    None => changes.delete(Table::State, vec![key]),
                };
            }
            model.apply(changes.clone());
            shared.commit(Height::new(height), changes);
            match (then, being_written.take()) {
                (0, None) => being_written = shared.freeze(),
                (1, Some((layers, height))) => {
                    store.apply(&layers, height).unwrap();
                    shared.thaw(store.base().unwrap());
                }
                (_, same) => being_written = same,
            }
            let snapshot = shared.snapshot();
            let read = |rows: &dyn Rows| {
                let mut seen = Vec::new();
                let until = length.map(|length| [from + length]);
                rows.range(Table::State, &[from], until.as_ref().map(<[u8; 1]>::as_slice), &mut |key, value| {
                    seen.push((key.to_vec(), value.to_vec()));
                    seen.len() < stop
                });
                seen
            };
            proptest::prop_assert_eq!(read(&*snapshot), read(&model));
            for key in 0..40 {
                proptest::prop_assert_eq!(snapshot.get(Table::State, &[key]), model.get(Table::State, &[key]));
            }
        }
    }
}
