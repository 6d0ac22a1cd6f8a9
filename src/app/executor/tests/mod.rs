mod lookup;
mod snapshot;
mod votes;

use std::{collections::BTreeMap, sync::Arc};

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{
    super::{Block, Command, Identified, Payload, Status, headers, kv, receipts, stored_block},
    *,
};
use crate::{
    config::{ApplicationName, ClientSignatures},
    crypto::{Check, SecretKey, Transcript, bad_signatures, seeded_rng},
    protocol::{Certificate, ProtocolName, Verdict, payload_root},
    store::{MemoryRows, Overlay, Table},
    types::{CrashModel, Height, Power, Validator, ValidatorIndex, codec},
};

const CREATED_AT_MS: u64 = 1_000_000;
const RETENTION: u64 = 16;
const PROPOSER: ValidatorIndex = ValidatorIndex::new(0);

fn genesis(window: u64) -> Genesis {
    let validator =
        |seed| Validator { public_key: SecretKey::from_seed(&[seed; 32]).public_key(), power: Power::new(1) };
    Genesis {
        chain: "test".into(),
        created_at_ms: CREATED_AT_MS,
        protocol: ProtocolName::Streamlette,
        application: ApplicationName::Kv,
        crash_model: CrashModel::Byzantine,
        window,
        retention_heights: RETENTION,
        payload_bytes_max: 4096,
        command_bytes_max: 1024,
        checkpoint_interval: None,
        validators: (1..=4).map(validator).collect(),
        client_signatures: ClientSignatures::Off,
    }
}

fn command(client: u8, sequence: u64, body: Bytes) -> Command {
    Command { client: Digest::new([client; 32]), sequence, expires_at_height: None, body, signature: None }
}

fn payload(commands: &[Command]) -> Payload {
    Payload { proposer: PROPOSER, proposed_at_ms: CREATED_AT_MS, commands: commands.to_vec() }
}

/// An executor with its store.
struct Chain {
    genesis: Genesis,
    rows: MemoryRows,
    executor: Executor,
}

impl Chain {
    fn new(window: u64) -> Self {
        Self::with(Box::new(kv::KeyValue), window)
    }

    fn with(app: Box<dyn Application>, window: u64) -> Self {
        Self::of(app, genesis(window))
    }

    fn of(app: Box<dyn Application>, genesis: Genesis) -> Self {
        let mut rows = MemoryRows::default();
        let (executor, changes) = Executor::open(app, &genesis, &rows);
        rows.apply(changes.expect("an empty store gets the genesis state"));
        Self { genesis, rows, executor }
    }

    fn reopen(&mut self) {
        let (executor, changes) = Executor::open(Box::new(kv::KeyValue), &self.genesis, &self.rows);
        assert!(changes.is_none());
        self.executor = executor;
    }

    fn run_bytes(&mut self, payload: impl Into<Bytes>) -> Executed {
        let height = self.executor.tip().height.next();
        let block = Block { height, payload: payload.into(), certificate: Certificate::of_nothing() };
        let executed = self.executor.execute(&self.rows, &block, Digest::new([9; 32]));
        self.rows.apply(executed.changes.clone());
        executed
    }

    fn run(&mut self, commands: &[Command]) -> Vec<Status> {
        let executed = self.run_bytes(codec::encode(&payload(commands)));
        executed.receipts.iter().map(|(_, receipt)| receipt.status).collect()
    }

    /// Executes empty blocks up to a height.
    fn run_to(&mut self, height: u64) {
        while self.executor.tip().height.get() < height {
            self.run(&[]);
        }
    }

    fn validate(&self, height: u64, commands: &[Command]) -> Verdict {
        let (height, bytes) = (Height::new(height), codec::encode(&payload(commands)));
        let mut hold = |checks: &[Check]| bad_signatures(checks, &mut seeded_rng(1)).is_empty();
        self.executor.validate(&self.rows, height, PROPOSER, &bytes, &mut hold)
    }

    fn reply(&self, command: &Command) -> Option<(u64, Status)> {
        let by_command = replies(&self.rows, &[Identified::from(command.clone())]).remove(0);
        let by_id = reply_by_id(&self.rows, &command.id());
        let is_executed = |receipt: &Receipt| matches!(receipt.status, Status::Applied | Status::Refused);
        assert_eq!(by_command, by_id.clone().filter(|(_, receipt)| is_executed(receipt)));
        let (height, receipt) = by_id?;
        Some((height.get(), receipt.status))
    }

    fn value(&self, key: &[u8]) -> Option<Bytes> {
        self.executor.query(&self.rows, key).unwrap()
    }
}

/// How many rows a table has.
fn count(chain: &Chain, table: Table) -> usize {
    let mut rows = 0;
    chain.rows.scan(table, &[], &mut |_, _| {
        rows += 1;
        true
    });
    rows
}

/// `OB-4`.
#[test]
fn executes_a_command_once_whatever_blocks_it_is_in() {
    let mut chain = Chain::new(1);
    let first = command(1, 1, kv::put(b"k", b"1"));
    let second = command(1, 2, kv::put(b"k", b"2"));
    assert_eq!(chain.run(&[first.clone(), second]), [Status::Applied, Status::Applied]);
    let again = chain.run_bytes(codec::encode(&payload(&[first.clone(), first.clone()])));
    assert_eq!(again.receipts.len(), 2, "each has the receipt of its first execution");
    assert!(again.receipts.iter().all(|(_, receipt)| receipt.result.as_ref() == br#"{"existed":false}"#));
    assert_eq!(chain.value(b"k").as_deref(), Some(b"2".as_slice()));
    assert_eq!(chain.reply(&first), Some((1, Status::Applied)));
    assert_eq!(receipts(&chain.rows, Height::new(2)), Some(vec![]), "nothing was executed at 2");
}

#[test]
fn refuses_another_command_in_the_same_slot_while_the_first_is_remembered() {
    let mut chain = Chain::new(1);
    let first = command(1, 1, kv::put(b"k", b"1"));
    let other = command(1, 1, kv::put(b"k", b"2"));
    chain.run(std::slice::from_ref(&first));
    chain.run_to(RETENTION - 1);
    assert_eq!(chain.run(std::slice::from_ref(&other)), [Status::Conflict]);
    assert_eq!(chain.reply(&other), Some((RETENTION, Status::Conflict)));
    assert_eq!(chain.value(b"k").as_deref(), Some(b"1".as_slice()));
    assert_eq!(chain.run(std::slice::from_ref(&other)), [Status::Applied], "the first is forgotten at 1 + retention");
    assert_eq!(chain.reply(&other), Some((RETENTION + 1, Status::Applied)));
    // The conflict's own height is forgotten without harm to the execution that came later.
    chain.run_to(2 * RETENTION);
    assert_eq!(chain.reply(&other), Some((RETENTION + 1, Status::Applied)));
    chain.run(&[]);
    assert_eq!(chain.reply(&other), None);
}

#[test]
fn forgets_replies_exactly_by_height() {
    let mut chain = Chain::new(1);
    let early = command(1, 1, kv::put(b"k", b"1"));
    let late = command(1, 2, kv::put(b"k", b"2"));
    chain.run(std::slice::from_ref(&early));
    chain.run(std::slice::from_ref(&late));
    chain.run_to(RETENTION);
    assert_eq!(chain.reply(&early), Some((1, Status::Applied)));
    chain.run(&[]);
    assert_eq!((chain.reply(&early), chain.reply(&late)), (None, Some((2, Status::Applied))));
    chain.run(&[]);
    assert_eq!(chain.reply(&late), None);
    assert_eq!(count(&chain, Table::Replies), 0, "no slot stays behind");
    assert!(receipts(&chain.rows, Height::new(1)).is_some_and(|receipts| receipts.len() == 1), "history stays");
}

#[test]
fn refuses_what_comes_after_its_last_height() {
    let mut chain = Chain::new(1);
    let expiring =
        |sequence| Command { expires_at_height: Some(Height::new(2)), ..command(1, sequence, kv::delete(b"k")) };
    assert_eq!(chain.run(&[]), []);
    assert_eq!(chain.run(&[expiring(1)]), [Status::Applied]);
    assert_eq!(chain.run(&[expiring(1), expiring(2)]), [Status::Applied, Status::Expired]);
    assert_eq!(chain.reply(&expiring(2)), Some((3, Status::Expired)));
    assert_eq!(chain.run(&[command(1, 2, kv::delete(b"k"))]), [Status::Applied], "what expired holds no slot");
}

/// Writes its body, then refuses it if it starts with `!`.
struct Fickle;

impl Application for Fickle {
    fn name(&self) -> &'static str {
        "fickle"
    }

    fn genesis(&self, state: &mut State<'_>) {
        state.put(b"genesis", "here");
    }

    fn check(&self, _body: &[u8]) -> Result<(), CheckError> {
        Ok(())
    }

    fn execute(&self, state: &mut State<'_>, _height: Height, body: &[u8]) -> Receipt {
        state.delete(b"genesis");
        state.put(b"k", body);
        state.put(body, "seen");
        let status = if body.starts_with(b"!") { Status::Conflict } else { Status::Applied };
        Receipt { status, result: Bytes::copy_from_slice(body) }
    }

    fn query(&self, state: &State<'_>, question: &[u8]) -> Result<Option<Bytes>, CheckError> {
        Ok(state.get(question))
    }
}

/// `OB-5`.
#[test]
fn takes_back_what_a_refused_command_wrote() {
    let mut chain = Chain::with(Box::new(Fickle), 1);
    assert_eq!(chain.value(b"genesis").as_deref(), Some(b"here".as_slice()));
    let bad = command(1, 1, "!no".into());
    let executed = chain.run_bytes(codec::encode(&payload(std::slice::from_ref(&bad))));
    assert_eq!(executed.receipts[0].1, Receipt { status: Status::Refused, result: "!no".into() });
    assert_eq!((chain.value(b"k"), chain.value(b"!no")), (None, None));
    assert!(chain.value(b"genesis").is_some());
    assert_eq!(
        chain.run(&[command(1, 2, "yes".into()), command(1, 3, "!no".into())]),
        [Status::Applied, Status::Refused]
    );
    assert_eq!(chain.value(b"k").as_deref(), Some(b"yes".as_slice()));
    assert_eq!(chain.value(b"genesis"), None);
}

/// `OB-5`.
#[test]
fn executes_an_undecodable_payload_as_an_empty_block() {
    let mut chain = Chain::new(1);
    for bytes in
        ["".into(), Bytes::from_static(b"nonsense"), Bytes::from([codec::encode(&payload(&[])), vec![0]].concat())]
    {
        let executed = chain.run_bytes(bytes.clone());
        assert!(executed.receipts.is_empty());
        assert_eq!(executed.header.payload_root, payload_root(&bytes));
        assert_eq!(executed.header.time_ms, CREATED_AT_MS);
    }
}

/// `OB-7`.
#[test]
fn headers_reach_back_to_genesis_and_chain() {
    let mut chain = Chain::new(1);
    assert_eq!(headers(&chain.rows, 3).len(), 1);
    chain.run_to(5);
    let all = headers(&chain.rows, 100);
    assert_eq!(all.iter().map(|header| header.height.get()).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    assert!(all.windows(2).all(|pair| pair[1].parent == pair[0].hash()));
    assert_eq!(all[0].payload_root, chain.genesis.chain_id());
    assert_eq!(headers(&chain.rows, 3), all[3..]);
    let stored = stored_block(&chain.rows, Height::new(5)).unwrap();
    assert_eq!((&stored.header, stored.instance), (&all[5], Digest::new([9; 32])));
    assert_eq!(payload_root(&stored.block.payload), stored.header.payload_root);
    assert_eq!(stored_block(&chain.rows, Height::ZERO), None);
    assert_eq!(stored_block(&chain.rows, Height::new(6)), None);
}

/// `OB-6`.
#[test]
fn block_time_follows_the_median_and_never_falls() {
    let mut chain = Chain::new(1);
    let mut run = |proposer: u16, proposed_at_ms| {
        let payload = Payload { proposer: ValidatorIndex::new(proposer), proposed_at_ms, commands: vec![] };
        chain.run_bytes(codec::encode(&payload)).header.time_ms - CREATED_AT_MS
    };
    assert_eq!(run(0, u64::MAX), 0, "a liar alone moves nothing");
    assert_eq!(run(1, CREATED_AT_MS + 10), 0);
    assert_eq!(run(2, CREATED_AT_MS + 30), 10);
    assert_eq!(run(3, CREATED_AT_MS + 20), 20);
    assert_eq!(run(0, 0), 20, "10 would be the median");
    assert_eq!(run(9, u64::MAX), 20, "strangers have no sample");
}

#[test]
fn refuses_a_store_of_another_chain() {
    let chain = Chain::new(1);
    assert_eq!(super::super::check_store(&chain.rows, &chain.genesis), Ok(()));
    let other = Genesis { chain: "other".into(), ..chain.genesis.clone() };
    let foreign = super::super::StoreError::Foreign(chain.genesis.chain_id());
    assert_eq!(super::super::check_store(&chain.rows, &other), Err(foreign));
    assert_eq!(super::super::check_store(&MemoryRows::default(), &other), Ok(()));
}

#[test]
fn may_be_sent_to_its_thread() {
    fn is_send<T: Send>() {}
    is_send::<Executor>();
}

/// Few clients, sequences and bodies, so that duplicates and conflicts are frequent.
fn any_command() -> impl Strategy<Value = Command> {
    let body =
        select(vec![kv::put(b"a", b"1"), kv::put(b"a", b"2"), kv::put(b"b", b"3"), kv::delete(b"a"), "bad".into()]);
    (0u8..3, 0u64..4, option::weighted(0.3, 1u64..40), body).prop_map(|(client, sequence, expires, body)| Command {
        expires_at_height: expires.map(Height::new),
        ..command(client, sequence, body)
    })
}

fn any_payload() -> impl Strategy<Value = Bytes> {
    let payload = (0u16..5, 0u64..100, vec(any_command(), 0..6)).prop_map(|(proposer, late, commands)| {
        let proposer = ValidatorIndex::new(proposer);
        Bytes::from(codec::encode(&Payload { proposer, proposed_at_ms: CREATED_AT_MS + late, commands }))
    });
    prop_oneof![9 => payload, 1 => Just(Bytes::from_static(b"nonsense"))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The same blocks with the executor opened again, and the store written behind, at any height.
    #[test]
    fn results_do_not_depend_on_what_is_in_memory(
        blocks in vec((any_payload(), any::<bool>(), any::<bool>()), 1..40),
    ) {
        let (mut steady, mut restless) = (Chain::new(1), Chain::new(1));
        let mut behind = Changes::default();
        for (payload, reopen, flush) in blocks {
            let expected = steady.run_bytes(payload.clone());
            let block = Block { height: expected.header.height, payload, certificate: Certificate::of_nothing() };
            let overlay = Overlay::with(&restless.rows, behind.clone());
            if reopen {
                restless.executor = Executor::open(Box::new(kv::KeyValue), &restless.genesis, &overlay).0;
            }
            let executed = restless.executor.execute(&overlay, &block, Digest::new([9; 32]));
            prop_assert_eq!(&executed.header, &expected.header);
            prop_assert_eq!(&executed.receipts, &expected.receipts);
            prop_assert_eq!(&executed.changes, &expected.changes);
            behind.merge(executed.changes);
            if flush {
                restless.rows.apply(std::mem::take(&mut behind));
            }
        }
        restless.rows.apply(behind);
        prop_assert!(restless.rows == steady.rows);
        restless.reopen();
        prop_assert_eq!(restless.executor.tip(), steady.executor.tip());
    }

    /// Against a model that remembers everything it has ever seen and counts heights.
    #[test]
    fn executes_at_most_once_while_remembered(blocks in vec(vec(any_command(), 0..6), 1..40)) {
        let mut chain = Chain::new(1);
        let mut executed: BTreeMap<(Digest, u64), (u64, Command, Status)> = BTreeMap::new();
        let mut height = 0;
        for commands in blocks {
            height += 1;
            let statuses = chain.run(&commands);
            for (command, status) in commands.into_iter().zip(statuses) {
                let slot = (command.client, command.sequence);
                let before = executed.get(&slot).filter(|(at, ..)| at + RETENTION > height);
                let expected = match before {
                    Some((_, same, status)) if *same == command => *status,
                    Some(_) => Status::Conflict,
                    None if command.expires_at_height.is_some_and(|last| last.get() < height) => Status::Expired,
                    None => {
                        let status = if &command.body[..] == b"bad" { Status::Refused } else { Status::Applied };
                        executed.insert(slot, (height, command, status));
                        status
                    }
                };
                prop_assert_eq!(status, expected);
            }
            for (at, command, status) in executed.values() {
                if at + RETENTION > height {
                    prop_assert_eq!(chain.reply(command), Some((*at, *status)));
                }
            }
        }
    }

    /// `OB-8`: what is remembered is what the receipts of the remembered heights say, whose digests are in the root.
    #[test]
    fn replies_follow_from_receipts_in_the_root(blocks in vec(vec(any_command(), 0..6), 1..40)) {
        let mut chain = Chain::new(1);
        for commands in blocks {
            chain.run(&commands);
        }
        let tip = chain.executor.tip().height;
        let mut state = State::new(&chain.rows);
        let remembered = MemoryRows::default();
        let mut rebuilt = State::new(&remembered);
        for height in tip.minus(RETENTION - 1).get().max(1)..=tip.get() {
            let row = chain.rows.get(Table::Receipts, &height.to_be_bytes()).unwrap();
            let name = [b"receipts/".as_slice(), &height.to_be_bytes()].concat();
            let digest = Transcript::new("thalweg receipts v1").bytes(&row).finish();
            prop_assert!(state.system(&name).is_some_and(|row| row.as_ref() == digest.as_bytes()));
            rebuilt.put_system(&name, digest.as_bytes());
            prop_assert!(replies::restore(&mut rebuilt, Height::new(height), row).is_some());
        }
        let mut same = 0;
        chain.rows.scan(Table::Replies, &[], &mut |key, value| {
            same += usize::from(rebuilt.rows().get(Table::Replies, key).as_deref() == Some(value));
            true
        });
        let expected = rebuilt.rows().changes().range(Table::Replies, &[]).count();
        prop_assert_eq!((same, count(&chain, Table::Replies)), (expected, expected), "the same rows, and no others");
        let mut heights = 0;
        state.rows().scan(Table::State, b"\x01receipts/", &mut |key, _| {
            heights += usize::from(key.starts_with(b"\x01receipts/"));
            true
        });
        prop_assert_eq!(heights as u64, tip.get().min(RETENTION));
    }

    /// `SL-V5`: how far a replica has executed, between settled and just below, does not change its vote.
    #[test]
    fn verdict_depends_on_the_settled_state_alone(
        blocks in vec(vec(any_command(), 0..4), 1..30),
        asked in vec(vec(any_command(), 1..3), 8),
        window in 1u64..5,
    ) {
        let mut chain = Chain::new(window);
        let mut verdicts: BTreeMap<(u64, usize), Verdict> = BTreeMap::new();
        for commands in blocks {
            let tip = chain.executor.tip().height.get();
            for height in tip + 1..=tip + window + 1 {
                for (at, commands) in asked.iter().enumerate() {
                    let verdict = chain.validate(height, commands);
                    prop_assert_ne!(verdict, Verdict::Undecided);
                    prop_assert_eq!(*verdicts.entry((height, at)).or_insert(verdict), verdict);
                }
            }
            chain.run(&commands);
        }
    }
}

#[test]
fn golden_genesis_and_first_block() {
    let mut chain = Chain::new(1);
    let set: Arc<_> = chain.genesis.validate().unwrap();
    assert_eq!(set.len(), 4);
    assert_eq!(
        chain.executor.tip().state_root.to_string(),
        "3bc30f1dc76e6760ef33ba0569861186632d37c43aa4b89830f803aef8f85fcc"
    );
    let executed = chain.run_bytes(codec::encode(&payload(&[command(1, 1, kv::put(b"k", b"1"))])));
    assert_eq!(
        executed.header.state_root.to_string(),
        "61c8e2030c8929e2b25fe123bf1988eee56bd7180a462366b06b5b938dafc718"
    );
    assert_eq!(executed.header.hash().to_string(), "00e4a8727a567e60d1acbd022d3fc0d6e31d8eabb9be6f5d3f41678120e82e0e");
}
