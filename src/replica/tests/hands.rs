//! Fake hands: an executor, a journal, deciders and a checker of certificates that do as the story says, and that
//! check on their own what no story may break.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;

use crate::{
    app::{Block, Command, Header, Payload, Receipt, Status, Turn},
    config::{ApplicationName, ClientSignatures, Genesis},
    crypto::{SecretKey, Signed, Verified},
    protocol::{Abstention, Certificate, Checkpoint, Lifetime, ProtocolName, Setup, Slot, Timing, payload_root},
    replica::{Effect, Event, Fate, Input, Outbox, Peer, Recovered, Replica, Settings, Ticket, wire::PeerStatus},
    types::{CrashModel, Digest, Height, Power, PublicKey, Time, Validator, ValidatorIndex, ValidatorSet, codec},
};

pub(super) const VALIDATORS: u16 = 4;

pub(super) fn height(raw: u64) -> Height {
    Height::new(raw)
}

pub(super) fn validator(raw: u16) -> ValidatorIndex {
    ValidatorIndex::new(raw)
}

pub(super) fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A command of a client of its own.
pub(super) fn command(number: u64) -> Command {
    command_of(number, 0)
}

/// The `sequence`th command of a client.
pub(super) fn command_of(client: u64, sequence: u64) -> Command {
    let mut name = [0; 32];
    name[..8].copy_from_slice(&client.to_le_bytes());
    let body = Bytes::from(format!("{client}/{sequence}"));
    Command { client: Digest::new(name), sequence, expires_at_height: None, body, signature: None }
}

pub(super) fn block(at: u64, commands: &[Command]) -> Block {
    let payload = Payload { proposer: validator(0), proposed_at_ms: at, commands: commands.to_vec() };
    Block { height: height(at), payload: codec::encode(&payload).into(), certificate: Certificate::of_nothing() }
}

pub(super) fn settings(window: u64, me: Option<u16>) -> Settings {
    let validators = (1..)
        .take(usize::from(VALIDATORS))
        .map(|at| Validator { public_key: PublicKey::new([at; 32]), power: Power::new(1) });
    let genesis = Genesis {
        chain: "story".into(),
        created_at_ms: 0,
        protocol: ProtocolName::Streamlette,
        application: ApplicationName::Noop,
        crash_model: CrashModel::Byzantine,
        window,
        retention_heights: 16,
        payload_bytes_max: 4096,
        command_bytes_max: 1024,
        checkpoint_interval: None,
        validators: validators.collect(),
        client_signatures: ClientSignatures::Off,
    };
    Settings {
        genesis: Arc::new(genesis),
        me: me.map(validator),
        timing: Timing::default(),
        mempool_bytes_max: 1 << 20,
        mempool_commands_max: 1000,
        status_interval: millis(1000),
        fetch_timeout: millis(500),
    }
}

/// The same for a long instance, with checkpoints.
pub(super) fn long(window: u64, checkpoint_interval: u64, me: Option<u16>) -> Settings {
    let settings = settings(window, me);
    let checkpoint_interval = Some(checkpoint_interval);
    let genesis = Genesis { protocol: ProtocolName::Pbft, checkpoint_interval, ..Genesis::clone(&settings.genesis) };
    Settings { genesis: Arc::new(genesis), ..settings }
}

/// A replica's own tuple of an executed height, as a validator that executed the same signs it.
pub(super) fn checkpoint(header: &Header) -> Checkpoint {
    Checkpoint { height: header.height, header: header.hash(), state_root: header.state_root }
}

/// A validator's signature that was found to hold.
pub(super) fn signed(signer: u16, checkpoint: Checkpoint) -> Verified<Signed<Checkpoint>> {
    SecretKey::from_seed(&[1; 32]).sign_own(checkpoint, validator(signer), &Digest::new([0; 32]))
}

pub(super) fn genesis_header() -> Header {
    let zeros = Digest::new([0; 32]);
    Header { height: Height::ZERO, parent: zeros, payload_root: zeros, time_ms: 0, state_root: zeros }
}

/// Four validators in turn.
pub(super) fn owner(height: Height) -> ValidatorIndex {
    ValidatorIndex::at(usize::try_from(height.get() % 4).unwrap()).unwrap()
}

/// A replica in fake hands.
pub(super) struct Hands {
    pub(super) replica: Replica,
    pub(super) now: Time,
    pub(super) effects: Vec<Effect>,
    pub(super) events: Vec<Event>,
    /// Every header executed, genesis first.
    pub(super) headers: Vec<Header>,
    /// Every command applied, in order.
    pub(super) applied: Vec<Digest>,
    pub(super) open: BTreeMap<Height, Setup>,
    pub(super) recorded: BTreeSet<Height>,
    /// Whose blocks do not hold.
    pub(super) liars: BTreeSet<Peer>,
    pub(super) checks: VecDeque<(Peer, Block)>,
    to_record: VecDeque<Height>,
    to_execute: VecDeque<Block>,
    outcomes: BTreeMap<Digest, Receipt>,
    names: BTreeMap<(Digest, u64), Digest>,
    settings: Settings,
}

impl Hands {
    pub(super) fn new(window: u64, me: u16) -> Self {
        Self::with(settings(window, Some(me)))
    }

    pub(super) fn with(settings: Settings) -> Self {
        Self::restarted(settings, vec![genesis_header()], BTreeMap::new())
    }

    pub(super) fn restarted(settings: Settings, headers: Vec<Header>, decided: BTreeMap<Height, Block>) -> Self {
        Self::returned(settings, headers, decided, Abstention::NONE)
    }

    pub(super) fn returned(
        settings: Settings,
        headers: Vec<Header>,
        decided: BTreeMap<Height, Block>,
        abstention: Abstention,
    ) -> Self {
        Self::recovering(settings, headers, decided, |recovered| recovered.abstention = abstention)
    }

    pub(super) fn recovering(
        settings: Settings,
        headers: Vec<Header>,
        decided: BTreeMap<Height, Block>,
        recover: impl FnOnce(&mut Recovered),
    ) -> Self {
        let kept = headers.len().saturating_sub(usize::try_from(settings.genesis.window).unwrap() + 2);
        let recorded = decided.keys().copied().collect();
        let executed = headers.last().expect("genesis at least").height;
        let owners = (1..=settings.genesis.window + 1).map(|above| owner(executed.plus(above))).collect();
        let headers_kept = headers[kept..].to_vec();
        let mut recovered = Recovered {
            headers: headers_kept,
            owners,
            decided,
            oldest: Height::FIRST,
            abstention: Abstention::NONE,
            origin: headers[0].hash(),
            checkpoint: None,
            signed: Vec::new(),
            stable: None,
        };
        recover(&mut recovered);
        let mut hands = Self {
            replica: Replica::new(settings.clone(), recovered),
            now: Time::from_micros(1_000_000),
            effects: Vec::new(),
            events: Vec::new(),
            headers,
            applied: Vec::new(),
            open: BTreeMap::new(),
            recorded,
            liars: BTreeSet::new(),
            checks: VecDeque::new(),
            to_record: VecDeque::new(),
            to_execute: VecDeque::new(),
            outcomes: BTreeMap::new(),
            names: BTreeMap::new(),
            settings,
        };
        hands.step(Input::Begin);
        hands
    }

    pub(super) fn step(&mut self, input: Input) {
        let mut out = Outbox::default();
        self.replica.step(self.now, input, &mut out);
        assert!(self.replica.deadline().is_none_or(|at| at > self.now), "a deadline that never ends");
        for effect in &out.effects {
            self.obey(effect);
        }
        self.effects.extend(out.effects);
        self.events.extend(out.events);
    }

    fn obey(&mut self, effect: &Effect) {
        let executed = self.executed();
        match effect {
            Effect::Open { setup } => {
                if self.is_long() {
                    assert_eq!(setup.height, Height::FIRST, "a long instance is known by its first height");
                } else {
                    assert!(setup.height > executed && setup.height <= executed.plus(self.settings.genesis.window));
                }
                assert_eq!(setup.id, self.instance(setup.height));
                assert!(self.open.insert(setup.height, setup.clone()).is_none(), "opened twice");
            }
            Effect::Close { height } => assert!(self.open.remove(height).is_some(), "closed what was not open"),
            Effect::Demand { height, .. } => assert!(self.open.contains_key(height), "told a closed instance"),
            Effect::Record { block } => {
                assert!(!self.recorded.contains(&block.height), "recorded twice");
                self.to_record.push_back(block.height);
            }
            Effect::Execute { block, instance } => {
                let under_way = self.to_execute.len() as u64;
                assert_eq!(block.height, executed.plus(under_way + 1), "executed out of order");
                assert!(under_way <= self.settings.genesis.window, "its instance is not known yet");
                assert_eq!(*instance, self.instance(block.height));
                self.to_execute.push_back(block.clone());
            }
            Effect::Check { peer, block, electorate } => {
                assert!(block.height <= executed.plus(self.settings.genesis.window + 1), "cannot be verified yet");
                assert_eq!(electorate.id, self.instance(block.height));
                self.checks.push_back((*peer, block.clone()));
            }
            _ => {}
        }
    }

    /// `OB-7`, computed from all headers.
    fn instance(&self, height: Height) -> Digest {
        let genesis = &self.settings.genesis;
        let set = ValidatorSet::new(genesis.validators.clone(), genesis.crash_model).unwrap();
        let history = if self.is_long() { 0 } else { height.get().saturating_sub(genesis.window + 1) };
        let header = self.headers.iter().rfind(|header| header.height.get() == history).expect("known history");
        genesis.instance_id(height, &set, &header.hash())
    }

    fn is_long(&self) -> bool {
        self.settings.genesis.protocol.lifetime() == Lifetime::Epoch
    }

    pub(super) fn executed(&self) -> Height {
        self.headers.last().unwrap().height
    }

    // --- what the world does -------------------------------------------------------------------------------------

    pub(super) fn pass(&mut self, span: Duration) {
        self.now = self.now.plus(span);
        self.step(Input::Wake);
    }

    pub(super) fn submit(&mut self, ticket: u64, command: &Command) {
        self.step(Input::Submit { commands: vec![(Some(Ticket(ticket)), command.clone().into())] });
    }

    pub(super) fn decide(&mut self, at: u64, commands: &[Command]) {
        self.step(Input::Decided { block: block(at, commands) });
    }

    /// The journal syncs everything it was given.
    pub(super) fn record(&mut self) {
        while let Some(height) = self.to_record.pop_front() {
            self.recorded.insert(height);
            self.step(Input::Recorded { height });
        }
    }

    /// The executor executes the block it was given; false if there is none.
    pub(super) fn execute(&mut self) -> bool {
        let Some(block) = self.to_execute.pop_front() else { return false };
        let payload = codec::decode::<Payload>(&block.payload).unwrap();
        let receipts: Vec<_> =
            payload.commands.iter().map(|command| (command.id(), self.apply(block.height, command))).collect();
        let mut state = self.headers.last().unwrap().state_root.as_bytes().to_vec();
        receipts.iter().for_each(|(id, _)| state.extend(id.as_bytes()));
        let header = Header {
            height: block.height,
            parent: self.headers.last().unwrap().hash(),
            payload_root: payload_root(&block.payload),
            time_ms: 0,
            state_root: payload_root(&state),
        };
        self.headers.push(header.clone());
        let next = owner(header.height.plus(self.settings.genesis.window + 1));
        self.step(Input::Executed { header, receipts, turn: Turn { missed: None, next } });
        true
    }

    fn apply(&mut self, height: Height, command: &Command) -> Receipt {
        let id = command.id();
        if let Some(receipt) = self.outcomes.get(&id) {
            return receipt.clone();
        }
        let receipt = |status| Receipt { status, result: command.body.clone() };
        if command.expires_at_height.is_some_and(|last| last < height) {
            return receipt(Status::Expired);
        }
        if *self.names.entry((command.client, command.sequence)).or_insert(id) != id {
            return receipt(Status::Conflict);
        }
        self.applied.push(id);
        self.outcomes.insert(id, receipt(Status::Applied));
        receipt(Status::Applied)
    }

    /// Certificates are checked: a liar's do not hold.
    pub(super) fn check(&mut self) -> bool {
        let Some((peer, block)) = self.checks.pop_front() else { return false };
        let block = if self.liars.contains(&peer) { Err(block.height) } else { Ok(block) };
        self.step(Input::Checked { peer, block });
        true
    }

    /// Everything under way comes to its end.
    pub(super) fn run(&mut self) {
        loop {
            self.record();
            if !self.execute() && !self.check() && self.to_record.is_empty() {
                return;
            }
        }
    }

    pub(super) fn commit(&mut self, at: u64, commands: &[Command]) {
        self.decide(at, commands);
        self.run();
    }

    pub(super) fn build(&mut self, at: u64) -> Option<Payload> {
        let slot = Slot { height: height(at), round: 0 };
        self.step(Input::Build { slot, wall_ms: 7 });
        let Some(Effect::Offer { payload, .. }) = self.effects.iter().rfind(|e| matches!(e, Effect::Offer { .. }))
        else {
            panic!("a question without an answer");
        };
        payload.as_ref().map(|bytes| {
            assert!(bytes.len() <= self.settings.genesis.payload_bytes_max as usize);
            codec::decode(bytes).unwrap()
        })
    }

    pub(super) fn peer_up(&mut self, peer: u64, at: Option<u16>) {
        self.step(Input::PeerUp { peer: Peer(peer), validator: at.map(validator) });
    }

    pub(super) fn status(&mut self, peer: u64, executed: u64) {
        let status = PeerStatus { executed: height(executed), oldest: Height::FIRST, ..PeerStatus::default() };
        self.step(Input::Status { peer: Peer(peer), status });
    }

    /// Forgets what was seen: the oracle needs no more history than the brain.
    pub(super) fn forget(&mut self) {
        self.effects.clear();
        self.events.clear();
        self.recorded.clear();
        self.headers.drain(..self.headers.len().saturating_sub(20));
    }

    // --- what was seen -------------------------------------------------------------------------------------------

    /// The effects since the last call.
    pub(super) fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The replies since the last call to [`Self::take`].
    pub(super) fn replies(&self) -> Vec<(u64, Fate)> {
        let reply = |effect: &Effect| match effect {
            Effect::Reply { ticket, fate } => Some((ticket.0, fate.clone())),
            _ => None,
        };
        self.effects.iter().filter_map(reply).collect()
    }

    pub(super) fn forwards(&self) -> Vec<(Vec<u16>, Vec<Command>)> {
        let forward = |effect: &Effect| match effect {
            Effect::Forward { to, commands } => Some((to.iter().map(|to| to.get()).collect(), commands.clone())),
            _ => None,
        };
        self.effects.iter().filter_map(forward).collect()
    }

    pub(super) fn fetches(&self) -> Vec<(u64, u64)> {
        let fetch = |effect: &Effect| match effect {
            Effect::Fetch { peer, from } => Some((peer.0, from.get())),
            _ => None,
        };
        self.effects.iter().filter_map(fetch).collect()
    }

    pub(super) fn demands(&self) -> Vec<(u64, bool, bool)> {
        let demand = |effect: &Effect| match effect {
            Effect::Demand { height, commands_since, waited_on } => {
                Some((height.get(), commands_since.is_some(), *waited_on))
            }
            _ => None,
        };
        self.effects.iter().filter_map(demand).collect()
    }

    pub(super) fn blamed(&self) -> Vec<u64> {
        let blame = |effect: &Effect| match effect {
            Effect::Blame { peer, .. } => Some(peer.0),
            _ => None,
        };
        self.effects.iter().filter_map(blame).collect()
    }
}
