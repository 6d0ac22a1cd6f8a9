//! One validator of a world: its brains, its disk, and hands that put every message into a mailbox.
//!
//! The hands do what the actors do and nothing more: they translate errands and effects into [`Letter`]s for other
//! mailboxes of the same validator and [`super::letter::Mail`] for other validators. The world decides when each is delivered.

mod effect;
mod mail;

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};

use super::{
    Dice,
    disk::SimDisk,
    estate::{Estate, sort_entries},
    ledger::Ledger,
    letter::{Execution, Letter, Then, Turn},
};
use crate::{
    app::{self, Block, Executor, Header, Signing},
    config::Genesis,
    crypto::{BatchRng, Check, Memory, SecretKey, seeded_rng},
    journal::{Entry, Journal, OpenError},
    protocol::{
        self, Checkpoint, Effect, Electorate, Event, Lifetime, Message, Origin, Record, Rejection, Summary, Timing,
        seat::{Errand, Seat},
    },
    replica::{
        self, Fate, Peer, Recovered, Replica, Settings, View,
        waiting::Room,
        wire::{PeerStatus, Response},
    },
    store::MemoryRows,
    types::{Digest, Height, Time, ValidatorIndex, ValidatorSet},
};

struct Sitting {
    seat: Seat,
    electorate: Arc<Electorate>,
}

/// A validator.
pub struct Node {
    index: usize,
    ahead: Duration,
    genesis: Arc<Genesis>,
    set: Arc<ValidatorSet>,
    key: SecretKey,
    peers: Vec<Option<ValidatorIndex>>,
    replica: Replica,
    deciders: BTreeMap<Height, Sitting>,
    executor: Executor,
    early: Room,
    status: PeerStatus,
    /// The last height that is executed and durable.
    committed: Height,
    records: BTreeMap<Digest, Vec<Record>>,
    /// What the store shows, and what of it is on disk.
    rows: MemoryRows,
    flushed: MemoryRows,
    since_flush: usize,
    floors: Floors,
    journal: Journal<SimDisk>,
    rng: BatchRng,
    signing: Signing,
    checked: Rc<RefCell<Memory>>,
}

/// What the journal still needs: the lower of the two.
struct Floors {
    /// Below, everything is in the store.
    stored: Height,
    /// Below, the long instance needs nothing.
    instances: Height,
}

/// Commits after which the store is written; until then a crash takes it back and the journal replays.
const FLUSH_EVERY: usize = 5;
/// The most bytes of commands that wait.
pub const MEMPOOL_BYTES_MAX: usize = 1 << 20;
/// The most commands that wait.
pub const MEMPOOL_COMMANDS_MAX: usize = 10_000;
const HAS_GENESIS: &str = "genesis is in the store";
/// The most bytes of an answer to a peer.
const ANSWER_BYTES: usize = 1 << 20;

/// Who a validator is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its number in the world.
    pub index: usize,
    /// Its key.
    pub key: SecretKey,
    /// Which validator each node of the world is.
    pub peers: Vec<Option<ValidatorIndex>>,
    /// How far its wall clock is ahead of the world's.
    pub ahead: Duration,
    /// Signatures that somebody in its world found good. That is the same for everybody, so a world checks each once:
    /// most of its time would go into the same checks again.
    pub checked: Rc<RefCell<Memory>>,
}

/// The most signatures that a world remembers.
pub const CHECKED_MAX: usize = 20_000;

/// How much a validator holds, to be compared with what it may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Size {
    /// Live instances.
    pub instances: usize,
    /// Messages of the largest of their trees.
    pub messages: usize,
    /// Unverified parts of messages that the busiest of them holds.
    pub unverified: usize,
    /// Frames that came before their instance.
    pub early: usize,
    /// Commands that wait.
    pub mempool_commands: usize,
    /// Their bytes.
    pub mempool_bytes: usize,
}

impl Node {
    /// Starts a validator on what it left behind, or on an empty disk; says what it remembers.
    ///
    /// # Errors
    /// What the journal says: a crash must never bring it to that, rot may.
    ///
    /// # Panics
    /// If a simulated disk has no room for an empty journal, or genesis is not valid.
    pub fn start(
        genesis: &Arc<Genesis>,
        identity: &Identity,
        estate: Option<Estate>,
        timing: Timing,
    ) -> Result<(Self, Vec<Entry>), OpenError> {
        let set = genesis.validate().expect("a world's genesis is valid");
        let chain = genesis.chain_id();
        let estate = estate.unwrap_or_else(|| Estate::new(genesis));
        let (journal, recovered) = Journal::open(estate.disk, chain)?;
        let remembered = recovered.entries.clone();
        let mut rows = estate.rows;
        let (executor, initial) = Executor::open(Box::new(Ledger), genesis, &rows);
        if let Some(changes) = initial {
            rows.apply(changes);
        }
        let kept = sort_entries(recovered.entries, executor.tip().height);
        let me = set.index_of(&identity.key.public_key());
        let headers = app::headers(&rows, usize::try_from(genesis.window).unwrap_or(usize::MAX).saturating_add(2));
        let settings = Settings {
            genesis: Arc::clone(genesis),
            me,
            timing,
            mempool_bytes_max: MEMPOOL_BYTES_MAX,
            mempool_commands_max: MEMPOOL_COMMANDS_MAX,
            status_interval: Duration::from_millis(500),
            fetch_timeout: Duration::from_secs(1),
        };
        let recovered = Recovered {
            headers,
            owners: executor.owners(),
            decided: kept.decided,
            oldest: Height::FIRST,
            abstention: kept.abstention,
            origin: app::header(&rows, Height::ZERO).expect(HAS_GENESIS).hash(),
            checkpoint: replica::last_checkpoint(&rows, genesis),
            signed: kept.signed,
            stable: kept.stable,
        };
        let replica = Replica::new(settings, recovered);
        // What is in the store was journaled before, and the journal comes back.
        let committed = executor.tip().height;
        let node = Self {
            index: identity.index,
            ahead: identity.ahead,
            genesis: Arc::clone(genesis),
            set,
            key: identity.key.clone(),
            peers: identity.peers.clone(),
            status: replica.status(),
            replica,
            deciders: BTreeMap::new(),
            executor,
            early: Room::default(),
            committed,
            records: kept.records,
            flushed: rows.clone(),
            rows,
            since_flush: 0,
            floors: Floors { stored: Height::ZERO, instances: Height::ZERO },
            journal,
            rng: seeded_rng(identity.index as u64),
            signing: Signing::new(genesis),
            checked: Rc::clone(&identity.checked),
        };
        Ok((node, remembered))
    }

    /// What a crash leaves: synced bytes of the journal, the store as it was last written, and what the dice say of
    /// the write that was under way.
    pub fn crash(self, under_way: Option<Vec<Entry>>, dice: &mut Dice) -> Estate {
        let mut journal = self.journal;
        if let Some(entries) = under_way {
            for entry in &entries {
                journal.append(entry);
            }
            journal.disk_mut().fail_after(dice.below(3));
            // Whether it failed is for the disk to know: the process is gone.
            let _ = journal.flush();
        }
        let mut disk = journal.into_disk();
        disk.repair();
        disk.crash(dice.source());
        Estate { disk, rows: self.flushed }
    }

    /// From one of the next writes on, the disk is full.
    pub fn fill_disk(&mut self, writes: u64) {
        self.journal.disk_mut().fail_after(writes);
    }

    /// The trees of its live instances, for people.
    pub fn graphs(&self) -> impl Iterator<Item = (Height, String)> {
        self.deciders.iter().map(|(height, sitting)| (*height, sitting.seat.graphviz()))
    }

    /// The id of an instance, and the round in which it is.
    pub fn round(&self, height: Height) -> Option<(Digest, u64)> {
        let sitting = self.deciders.get(&height)?;
        Some((sitting.electorate.id, sitting.seat.view().round))
    }

    /// How much it holds.
    pub fn size(&self) -> Size {
        let views: Vec<_> = self.deciders.values().map(|sitting| sitting.seat.view()).collect();
        let View { mempool_commands, mempool_bytes, .. } = self.replica.view();
        Size {
            instances: views.len(),
            messages: views.iter().map(|view| view.messages).max().unwrap_or(0),
            unverified: views.iter().map(|view| view.unverified).max().unwrap_or(0),
            early: self.early.waiting(),
            mempool_commands,
            mempool_bytes,
        }
    }

    fn wall_ms(&self, now: Time) -> u64 {
        now.plus(self.ahead).as_micros() / 1000
    }

    /// The last executed header.
    pub fn tip(&self) -> &Header {
        self.executor.tip()
    }

    /// What a client is told at once: where its command was committed, if it was.
    pub fn reply(&self, command: &Digest) -> Option<Fate> {
        let (height, receipt) = app::reply_by_id(&self.rows, command)?;
        (height <= self.committed).then_some(Fate::Committed { height, receipt })
    }

    /// The earliest deadline of all its brains, and whose it is (`None`: the ordering brain's).
    pub fn deadline(&self) -> Option<(Time, Option<Height>)> {
        let deciders = self.deciders.iter().filter_map(|(h, sitting)| Some((sitting.seat.deadline()?, Some(*h))));
        deciders.chain(self.replica.deadline().map(|time| (time, None))).min()
    }

    /// Wakes the brain whose deadline has passed.
    pub fn wake(&mut self, now: Time, whose: Option<Height>, turn: &mut Turn) {
        match whose {
            None => self.step_replica(now, replica::Input::Wake, turn),
            Some(height) => self.step_decider(now, height, protocol::Input::Wake, turn),
        }
    }

    /// Delivers a letter.
    pub fn deliver(&mut self, now: Time, letter: Letter, turn: &mut Turn) {
        match letter {
            Letter::Frame(from, frame) => self.frame(now, from, frame, turn),
            Letter::Request(from, question, request) => self.request(now, from, question, request, turn),
            Letter::Response(from, question, response) => self.response(from, question, response, turn),
            Letter::Replica(input) => self.step_replica(now, input, turn),
            Letter::Decider(height, input) => self.step_decider(now, height, input, turn),
            Letter::Execute(block, instance) => self.execute(block, instance, turn),
            Letter::Validate { instance, height, proposer, id, payload } => {
                let mut checked = self.checked.borrow_mut();
                let mut hold = |checks: &[Check]| checked.bad_signatures(checks, &mut self.rng).is_empty();
                let verdict = self.executor.validate(&self.rows, height, proposer, &payload, &mut hold);
                turn.letters.push(Letter::Decider(instance, protocol::Input::Verdict { id, verdict }));
            }
            Letter::Verify(height, origin, message) => self.verify(height, origin, message, turn),
            Letter::CheckBlock(peer, block, electorate) => {
                let proven = block.certificate.verify(block.height, &electorate, &mut self.rng);
                let root = protocol::payload_root(&block.payload);
                let block = if proven == Ok(root) { Ok(block) } else { Err(block.height) };
                turn.letters.push(Letter::Replica(replica::Input::Checked { peer, block }));
            }
            Letter::CheckVote(peer, vote, electorate) => {
                let checked = self.checked.borrow_mut().admit(vec![(vote, &electorate)], &mut self.rng).pop();
                let vote = checked.and_then(Result::ok);
                turn.letters.push(Letter::Replica(replica::Input::VoteChecked { peer, vote }));
            }
            Letter::Append(entries, then) => {
                for entry in &entries {
                    self.journal.append(entry);
                }
                if let Err(fault) = self.journal.flush() {
                    turn.fault = Some(fault.to_string());
                    return;
                }
                turn.persisted.extend(entries);
                turn.letters.extend(match then {
                    Then::Recorded(height) => Some(Letter::Replica(replica::Input::Recorded { height })),
                    Then::Abstained(through) => Some(Letter::Replica(replica::Input::Abstained { through })),
                    Then::Durable(height, token) => Some(Letter::Decider(height, protocol::Input::Durable(token))),
                    Then::Attested(checkpoint, scope) => self.attest(checkpoint, &scope),
                    Then::Kept => None,
                });
            }
        }
    }

    fn execute(&mut self, block: Block, instance: Digest, turn: &mut Turn) {
        let executed = self.executor.execute(&self.rows, &block, instance);
        self.rows.apply(executed.changes);
        self.since_flush += 1;
        if self.since_flush >= FLUSH_EVERY {
            self.since_flush = 0;
            self.flushed = self.rows.clone();
            let stored = executed.header.height.next();
            self.forget_below(|floors| floors.stored = stored);
        }
        let (header, receipts, turns) = (executed.header, executed.receipts, executed.turn);
        let input = replica::Input::Executed { header: header.clone(), receipts: receipts.clone(), turn: turns };
        turn.letters.push(Letter::Replica(input));
        turn.executed.push(Execution { instance, header, block, receipts });
    }

    fn attest(&self, checkpoint: Checkpoint, scope: &Digest) -> Option<Letter> {
        let me = self.set.index_of(&self.key.public_key())?;
        let vote = self.key.sign_own(checkpoint, me, scope);
        Some(Letter::Replica(replica::Input::Attested { vote }))
    }

    /// One-shot instances need nothing below what is stored.
    fn forget_below(&mut self, raise: impl FnOnce(&mut Floors)) {
        raise(&mut self.floors);
        let Floors { stored, instances } = self.floors;
        self.journal.forget_below(match self.genesis.protocol.lifetime() {
            Lifetime::Height => stored,
            Lifetime::Epoch => stored.min(instances),
        });
    }

    fn verify(&mut self, height: Height, origin: Origin, message: Message, turn: &mut Turn) {
        let Some(sitting) = self.deciders.get(&height) else { return };
        let claims = vec![(message, sitting.electorate.as_ref())];
        let checked = self.checked.borrow_mut().admit(claims, &mut self.rng).pop();
        turn.letters.push(match checked.expect("one claim, one verdict") {
            Ok(message) => Letter::Decider(height, protocol::Input::Message { origin, message }),
            Err(message) => Letter::Decider(height, protocol::Input::Refused { origin, message }),
        });
    }

    fn pull(&mut self, now: Time, height: Height, summary: Summary, turn: &mut Turn) -> Response {
        let input = protocol::Input::Pull { asker: 0, summary, budget: ANSWER_BYTES };
        match self.step_seat(now, height, input, turn) {
            Some(diff) => Response::Diff(diff),
            None => Response::Nothing(self.status),
        }
    }

    fn step_decider(&mut self, now: Time, height: Height, input: protocol::Input, turn: &mut Turn) {
        self.step_seat(now, height, input, turn);
    }

    /// Steps an instance; returns its answer to a pull.
    fn step_seat(&mut self, now: Time, height: Height, input: protocol::Input, turn: &mut Turn) -> Option<Message> {
        let sitting = self.deciders.get_mut(&height)?;
        let instance = sitting.electorate.id;
        let (mut errands, mut events) = (Vec::new(), Vec::new());
        sitting.seat.step(now, input, &mut errands, &mut events);
        for event in events {
            match event {
                Event::Fatal { what } => turn.alarms.push(what),
                Event::Rejected { reason } if !is_lateness(reason) => turn.rejected += 1,
                _ => {}
            }
        }
        let (mut answer, mut entries, mut through) = (None, Vec::new(), None);
        for errand in errands {
            match errand {
                Errand::Post { to, message } => self.post(height, instance, &to, message.into_inner(), turn),
                Errand::Act(Effect::Answer { message, .. }) => answer = Some(message),
                Errand::Act(Effect::Persist { token, record }) => {
                    let height = record.height().unwrap_or(height);
                    entries.push(Entry::Instance { height, instance, record });
                    through = Some(token);
                }
                Errand::Act(effect) => self.act(now, height, instance, effect, turn),
            }
        }
        if let Some(token) = through {
            turn.letters.push(Letter::Append(entries, Then::Durable(height, token)));
        }
        answer
    }

    fn step_replica(&mut self, now: Time, input: replica::Input, turn: &mut Turn) {
        // What the live instances must hear of too, once the brain has taken it in.
        let told = match &input {
            replica::Input::Executed { header, .. } => Some(protocol::Input::Executed { height: header.height }),
            replica::Input::PeerUp { validator: Some(validator), .. } => {
                Some(protocol::Input::PeerUp { validator: *validator })
            }
            _ => None,
        };
        let mut out = replica::Outbox::default();
        self.replica.step(now, input, &mut out);
        for event in out.events {
            match event {
                replica::Event::Committed { height, .. } => self.committed = self.committed.max(height),
                replica::Event::StateMismatch { height } => {
                    turn.alarms.push(format!("more than a third signed another state at {height}"));
                }
                _ => {}
            }
        }
        for effect in out.effects {
            self.act_replica(now, effect, turn);
        }
        if let Some(input) = told {
            turn.letters.extend(self.deciders.keys().map(|height| Letter::Decider(*height, input.clone())));
        }
    }

    fn open(&mut self, now: Time, setup: protocol::Setup, turn: &mut Turn) {
        let (instance, height) = (setup.id, setup.height);
        let electorate = Arc::new(Electorate { id: instance, set: Arc::clone(&self.set) });
        let seat = Seat::open(self.genesis.protocol, setup, Some(self.key.clone()));
        self.deciders.insert(height, Sitting { seat, electorate });
        let records = self.records.remove(&instance).unwrap_or_default();
        let restarted = !records.is_empty();
        self.step_decider(now, height, protocol::Input::Begin { records, restarted }, turn);
        let executed = self.replica.view().executed;
        turn.letters.push(Letter::Decider(height, protocol::Input::Executed { height: executed }));
        for early in self.early.take(height).into_iter().filter(|early| early.instance == instance) {
            let origin = self.origin(early.peer);
            let arrived = protocol::Input::Arrived { origin, message: early.message };
            turn.letters.push(Letter::Decider(height, arrived));
        }
    }
}

/// Whether what was rejected may have been sent by somebody honest, to whom we are too early or too late.
fn is_lateness(reason: Rejection) -> bool {
    matches!(reason, Rejection::Late | Rejection::FarFuture | Rejection::UnknownParent | Rejection::Replayed)
}

/// Peers of a world are its nodes.
fn node_of(peer: Peer) -> usize {
    usize::try_from(peer.0).unwrap_or(usize::MAX)
}
