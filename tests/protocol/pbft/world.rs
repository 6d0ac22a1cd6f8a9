//! A few seats of one long instance in memory, with what their hands do: disks that sync at once unless told otherwise,
//! an application that executes in order, checkpoints, blocks from others. Validators without a seat are puppets.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use thalweg::{
    crypto::{self, BatchRng, SecretKey},
    protocol::{
        self, Certificate, Effect, Electorate, Event, Evidence, Input, Judgement, Origin, ProtocolName, Record, Setup,
        StableCheckpoint, Summary, Timing, To, Token, Verdict, payload_root,
        pbft::{Message, Phase, Proposal, ViewNumber},
        seat::{Errand, Seat},
    },
    types::{CrashModel, Digest, Height, Power, Time, Validator, ValidatorIndex, ValidatorSet, codec},
};

pub const BUDGET: usize = 1 << 20;

#[derive(Clone, Debug)]
pub struct Letter {
    pub from: usize,
    pub to: usize,
    pub body: Body,
}

#[derive(Clone, Debug)]
pub enum Body {
    Message(Message),
    Pull(Summary),
}

impl Letter {
    pub fn message(&self) -> Option<&Message> {
        if let Body::Message(message) = &self.body { Some(message) } else { None }
    }

    pub fn is_pre_prepare(&self) -> bool {
        matches!(self.message(), Some(Message::PrePrepare(_)))
    }

    pub fn is_new_view(&self) -> bool {
        matches!(self.message(), Some(Message::NewView(_)))
    }

    pub fn is_view_change(&self) -> bool {
        matches!(self.message(), Some(Message::ViewChange(_)))
    }

    pub fn is_vote(&self, phase: Phase) -> bool {
        matches!(self.message(), Some(Message::Votes(votes)) if votes.iter().any(|vote| vote.message.phase == phase))
    }

    pub fn is_pull(&self) -> bool {
        matches!(self.body, Body::Pull(_) | Body::Message(Message::Diff(_)))
    }
}

/// A replica with its disk. What is on the disk survives a crash; the seat does not.
#[derive(Default)]
pub struct Replica {
    pub seat: Option<Seat>,
    pub disk: Vec<Record>,
    pub unsynced: Vec<(Token, Record)>,
    pub holds_disk: bool,
    /// Decided or fetched, by height: what the hands keep durably.
    pub blocks: BTreeMap<u64, (Bytes, Certificate)>,
    pub executed: u64,
    pub stable: Option<StableCheckpoint>,
    /// Up to here votes of an earlier life are forgotten.
    pub forgotten: u64,
    /// Commands wait here until this height is executed.
    pub target: u64,
    told: Option<bool>,
    pub behind: bool,
    pub evidence: Vec<protocol::pbft::Evidence>,
    pub events: Vec<Event>,
    pub judgements: Vec<Judgement>,
    pub validated: Vec<(u64, Digest)>,
    pub leading: Vec<(u64, usize)>,
    pub refuses: bool,
}

impl Replica {
    pub fn view(&self) -> u64 {
        self.seat.as_ref().map_or(0, |seat| seat.view().round)
    }

    pub fn is_fatal(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Fatal { .. }))
    }

    pub fn time_outs(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::RoundTimedOut { .. })).count()
    }
}

pub struct World {
    pub now: Time,
    pub electorate: Electorate,
    pub keys: Vec<SecretKey>,
    pub replicas: Vec<Replica>,
    pub wire: VecDeque<Letter>,
    pub window: u64,
    pub checkpoint_interval: u64,
    rng: BatchRng,
}

pub fn index(at: usize) -> ValidatorIndex {
    ValidatorIndex::at(at).unwrap()
}

pub fn view(raw: u64) -> ViewNumber {
    ViewNumber::new(raw)
}

/// What the primary of a view proposes in this world.
pub fn value(proposer: usize, height: u64, view: u64) -> Bytes {
    Bytes::from(format!("{proposer} proposes {height} in {view}"))
}

pub fn proposal(view: u64, height: u64, payload: &[u8]) -> Proposal {
    Proposal { view: self::view(view), height: Height::new(height), payload_root: payload_root(payload) }
}

impl World {
    pub fn new(n: usize) -> Self {
        Self::with_powers(&vec![1; n])
    }

    pub fn with_powers(powers: &[u64]) -> Self {
        let mut keys: Vec<SecretKey> =
            (0..powers.len()).map(|at| SecretKey::from_seed(&[u8::try_from(at + 1).unwrap(); 32])).collect();
        keys.sort_by_key(SecretKey::public_key);
        let member =
            |(key, power): (&SecretKey, &u64)| Validator { public_key: key.public_key(), power: Power::new(*power) };
        let set = ValidatorSet::new(keys.iter().zip(powers).map(member).collect(), CrashModel::Byzantine).unwrap();
        let electorate = Electorate { id: Digest::new([42; 32]), set: Arc::new(set) };
        Self {
            now: Time::ZERO,
            electorate,
            replicas: powers.iter().map(|_| Replica::default()).collect(),
            keys,
            wire: VecDeque::new(),
            window: 4,
            checkpoint_interval: 8,
            rng: crypto::seeded_rng(1),
        }
    }

    /// A world in which the given replicas run.
    pub fn running(n: usize, seats: impl IntoIterator<Item = usize>) -> Self {
        let mut world = Self::new(n);
        seats.into_iter().for_each(|at| world.start(at));
        world
    }

    /// Starts a replica, with whatever its disk holds.
    pub fn start(&mut self, at: usize) {
        let setup = Setup {
            id: self.electorate.id,
            height: Height::FIRST,
            set: self.electorate.set.clone(),
            me: Some(index(at)),
            owner: index(0),
            timing: Timing::default(),
            payload_bytes_max: 4096,
            forgotten: Height::new(self.replicas[at].forgotten),
        };
        let replica = &mut self.replicas[at];
        replica.seat = Some(Seat::open(ProtocolName::Pbft, setup, Some(self.keys[at].clone())));
        replica.told = None;
        let records = replica.disk.clone();
        let (height, stable) = (Height::new(replica.executed), replica.stable.clone());
        let restarted = !records.is_empty();
        self.input(at, Input::Begin { records, restarted });
        self.input(at, Input::Executed { height });
        self.input(at, self.horizon(at));
        if let Some(stable) = stable {
            let (height, proof) = (stable.checkpoint.height, codec::encode(&stable).into());
            self.input(at, Input::Stable { height, proof });
        }
        self.demand(at);
    }

    fn horizon(&self, at: usize) -> Input {
        let replica = &self.replicas[at];
        let stable = replica.stable.as_ref().map_or(0, |stable| stable.checkpoint.height.get());
        let last = (replica.executed + self.window).min(stable + 2 * self.checkpoint_interval);
        Input::Horizon { last_height: Height::new(last), epoch_end: None }
    }

    /// Kills a replica: what was not synced is gone, what was decided is kept by its hands.
    pub fn crash(&mut self, at: usize) {
        let replica = &mut self.replicas[at];
        (replica.seat, replica.behind) = (None, false);
        replica.unsynced.clear();
    }

    /// From now on commands wait at these replicas until a height is executed there.
    pub fn want(&mut self, target: u64, who: impl IntoIterator<Item = usize>) {
        for at in who {
            self.replicas[at].target = target;
            self.demand(at);
        }
    }

    fn demand(&mut self, at: usize) {
        let replica = &mut self.replicas[at];
        let waits = replica.executed < replica.target;
        if replica.told != Some(waits) {
            replica.told = Some(waits);
            let commands_since = waits.then_some(self.now);
            self.input(at, Input::Demand { commands_since, waited_on: false });
        }
    }

    /// Takes an input through a seat, and does what it asks for.
    pub fn input(&mut self, at: usize, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let replica = &mut self.replicas[at];
            let Some(seat) = replica.seat.as_mut() else { return };
            let mut errands = Vec::new();
            seat.step(self.now, input, &mut errands, &mut replica.events);
            for errand in errands {
                match errand {
                    Errand::Post { to, message } => self.post(at, &to, message.into_inner().pbft().unwrap()),
                    Errand::Act(effect) => self.act(at, effect, &mut inputs),
                }
            }
        }
    }

    fn act(&mut self, at: usize, effect: Effect, inputs: &mut VecDeque<Input>) {
        let replica = &mut self.replicas[at];
        match effect {
            Effect::Verify { origin, message } => inputs.push_back(self.verify(origin, message)),
            Effect::Judge { judgement, .. } => replica.judgements.push(judgement),
            Effect::Persist { token, record } => {
                replica.unsynced.push((token, record));
                if !replica.holds_disk {
                    inputs.push_back(Input::Durable(sync_disk(replica)));
                }
            }
            Effect::Answer { asker, message } => {
                let body = Body::Message(message.pbft().unwrap());
                self.wire.push_back(Letter { from: at, to: usize::try_from(asker).unwrap(), body });
            }
            Effect::Ask { peer, summary } => {
                self.wire.push_back(Letter { from: at, to: peer.position(), body: Body::Pull(summary) });
            }
            Effect::Build { slot, .. } => {
                let may = slot.height.get() <= replica.target;
                let payload = may.then(|| value(at, slot.height.get(), slot.round));
                inputs.push_back(Input::Payload { slot, payload });
            }
            Effect::Validate { id, height, proposer, payload } => {
                replica.validated.push((height.get(), payload_root(&payload)));
                let own = format!("{} proposes {height} in ", proposer.position());
                let is_valid = payload.starts_with(own.as_bytes()) && !replica.refuses;
                let verdict = if is_valid { Verdict::Valid } else { Verdict::Invalid };
                inputs.push_back(Input::Verdict { id, verdict });
            }
            Effect::Decided { height, payload, certificate } => {
                let proven = certificate.verify(height, &self.electorate, &mut self.rng);
                assert_eq!(proven, Ok(payload_root(&payload)), "a certificate proves its block");
                assert!(height.get() <= replica.executed + self.window, "nothing is decided above the high mark");
                let before = replica.blocks.insert(height.get(), (payload.clone(), certificate));
                assert!(before.is_none_or(|(known, _)| known == payload), "two values are decided at {height}");
                self.execute(at, inputs);
            }
            Effect::Behind { .. } => replica.behind = true,
            Effect::Evidence(Evidence::Pbft(evidence)) => {
                evidence.verify(&self.electorate).expect("evidence proves itself");
                replica.evidence.push(evidence);
            }
            Effect::Leading { round, leader, .. } => replica.leading.push((round, leader.position())),
            Effect::Forget { below } => {
                assert!(
                    replica.unsynced.iter().all(|(_, record)| record.height() >= Some(below)) || replica.holds_disk
                );
                replica.disk.retain(|record| record.height() >= Some(below));
            }
            other => panic!("not an effect of PBFT: {other:?}"),
        }
    }

    /// Executes what is next; when a quorum has reached a checkpoint, it is stable wherever it is executed.
    fn execute(&mut self, at: usize, inputs: &mut VecDeque<Input>) {
        loop {
            let replica = &mut self.replicas[at];
            if !replica.blocks.contains_key(&(replica.executed + 1)) {
                break;
            }
            replica.executed += 1;
            inputs.push_back(Input::Executed { height: Height::new(replica.executed) });
            let checkpoint = replica.executed / self.checkpoint_interval * self.checkpoint_interval;
            let known = replica.stable.as_ref().map_or(0, |stable| stable.checkpoint.height.get());
            if checkpoint > known {
                let stable = self.checkpoint(checkpoint);
                let proof = codec::encode(&stable).into();
                self.replicas[at].stable = Some(stable);
                inputs.push_back(Input::Stable { height: Height::new(checkpoint), proof });
            }
            inputs.push_back(self.horizon(at));
        }
        let replica = &mut self.replicas[at];
        let waits = replica.executed < replica.target;
        if replica.told != Some(waits) {
            replica.told = Some(waits);
            inputs.push_back(Input::Demand { commands_since: waits.then_some(self.now), waited_on: false });
        }
    }

    /// The hands of a replica that is behind fetch blocks from another that has them.
    pub fn catch_up(&mut self, at: usize) {
        while self.replicas[at].seat.is_some() {
            let next = self.replicas[at].executed + 1;
            let others = self.replicas.iter().find_map(|other| other.blocks.get(&next).cloned());
            let Some((payload, certificate)) = others else { break };
            self.replicas[at].blocks.insert(next, (payload, certificate.clone()));
            self.input(at, Input::Closed { height: Height::new(next), certificate });
            let mut inputs = VecDeque::new();
            self.execute(at, &mut inputs);
            inputs.into_iter().for_each(|input| self.input(at, input));
        }
        self.replicas[at].behind = false;
    }

    fn verify(&mut self, origin: Origin, message: protocol::Message) -> Input {
        match crypto::admit(vec![(message, &self.electorate)], &mut self.rng).pop().unwrap() {
            Ok(message) => Input::Message { origin, message },
            Err(message) => Input::Refused { origin, message },
        }
    }

    pub fn post(&mut self, from: usize, to: &To, message: Message) {
        let receivers: Vec<usize> = match to {
            To::One(peer) => vec![peer.position()],
            To::Some(peers) => peers.iter().map(|peer| peer.position()).collect(),
            To::Validators | To::Everyone => (0..self.replicas.len()).filter(|to| *to != from).collect(),
        };
        for to in receivers {
            self.wire.push_back(Letter { from, to, body: Body::Message(message.clone()) });
        }
    }

    /// Syncs a disk that holds back.
    pub fn sync(&mut self, at: usize) {
        let token = sync_disk(&mut self.replicas[at]);
        self.input(at, Input::Durable(token));
    }

    pub fn hand_over(&mut self, letter: Letter) {
        let Letter { from, to, body } = letter;
        let input = match body {
            Body::Message(message) => {
                let origin = Origin { validator: Some(index(from)), ticket: None };
                Input::Arrived { origin, message: protocol::Message::Pbft(message) }
            }
            Body::Pull(summary) => Input::Pull { asker: from as u64, summary, budget: BUDGET },
        };
        self.input(to, input);
    }

    /// Delivers what `wanted` allows until nothing of that is left; the rest stays on the wire.
    pub fn deliver_if(&mut self, wanted: impl Fn(&Letter) -> bool) {
        for _ in 0..100_000 {
            let Some(at) = self.wire.iter().position(&wanted) else { return };
            let letter = self.wire.remove(at).unwrap();
            self.hand_over(letter);
        }
        panic!("messages without end:\n{}", self.picture());
    }

    pub fn deliver_all(&mut self) {
        self.deliver_if(|_| true);
    }

    pub fn next_deadline(&self) -> Option<Time> {
        self.replicas.iter().filter_map(|replica| replica.seat.as_ref().and_then(Seat::deadline)).min()
    }

    /// Wakes who is due.
    pub fn wake(&mut self) {
        for at in 0..self.replicas.len() {
            let deadline = self.replicas[at].seat.as_ref().and_then(Seat::deadline);
            if deadline.is_some_and(|due| due <= self.now) {
                self.input(at, Input::Wake);
            }
        }
    }

    /// Lets a span of time pass, delivering everything that `wanted` allows and losing the rest.
    pub fn run(&mut self, span: Duration, wanted: impl Fn(&Letter) -> bool) {
        let end = self.now.plus(span);
        loop {
            self.deliver_if(&wanted);
            self.wire.clear();
            let behind: Vec<usize> = (0..self.replicas.len()).filter(|at| self.replicas[*at].behind).collect();
            behind.into_iter().for_each(|at| self.catch_up(at));
            match self.next_deadline() {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => break,
            }
            self.wake();
        }
        self.now = end;
    }

    pub fn executed(&self, who: impl IntoIterator<Item = usize>) -> Vec<u64> {
        who.into_iter().map(|at| self.replicas[at].executed).collect()
    }

    pub fn value_at(&self, at: usize, height: u64) -> Option<Bytes> {
        self.replicas[at].blocks.get(&height).map(|(payload, _)| payload.clone())
    }

    /// Asserts that no two replicas have different values anywhere.
    #[track_caller]
    pub fn assert_agreement(&self) {
        let mut values: BTreeMap<u64, &Bytes> = BTreeMap::new();
        for replica in &self.replicas {
            assert!(!replica.is_fatal(), "a replica cries: {:?}", replica.events);
            for (height, (payload, _)) in &replica.blocks {
                assert_eq!(*values.entry(*height).or_insert(payload), payload, "at height {height}");
            }
        }
    }

    pub fn picture(&self) -> String {
        self.replicas.iter().filter_map(|replica| replica.seat.as_ref()).map(Seat::graphviz).collect()
    }
}

fn sync_disk(replica: &mut Replica) -> Token {
    let mut last = Token::default();
    for (token, record) in replica.unsynced.drain(..) {
        last = token;
        replica.disk.push(record);
    }
    last
}
