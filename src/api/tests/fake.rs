//! A node in memory: one command a height, committed at once, unless it is told to misbehave.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::FutureExt as _;
use tokio::sync::{broadcast, mpsc, watch};

use crate::{
    api::port::{
        Answer, Backend, BlockView, CommandState, Examination, Operation, PeerView, Pending, ProvenAnswer, Refusal,
        SnapshotStream, Status, Until, ValidatorView,
    },
    app::{self, CheckError, Command, Header, Identified, Payload, Receipt},
    metrics::Limit,
    protocol::{Abstention, Certificate, Counted, Drawing, Evidence, Picture, PictureKind, PictureMessage},
    replica::{Attestation, CertificateDocument, CheckpointDocument, Fate, Notice, View},
    types::{Digest, Height, Power, PublicKey, ValidatorIndex, codec},
};

/// What the node does with commands.
#[derive(Clone, Debug, Default)]
pub enum Mood {
    /// Commits them.
    #[default]
    Working,
    /// Commits them, and never attests a state.
    Unattested,
    /// Never says a word.
    Silent,
    /// Takes them and never decides.
    Stuck,
    /// Answers all of them with this.
    Answering(Result<Fate, Refusal>),
}

#[derive(Default)]
struct State {
    mood: Mood,
    trouble: Option<String>,
    warning: Option<String>,
    abstention: Option<Abstention>,
    rows: BTreeMap<Bytes, Bytes>,
    executed: Vec<(Command, Receipt)>,
    by_slot: HashMap<(Digest, u64), Digest>,
    submitted: Vec<Command>,
    examination: Examination,
    limited: Vec<Limit>,
    dialled: Vec<String>,
    drained: Option<Duration>,
}

pub struct Fake {
    state: Mutex<State>,
    heights: watch::Sender<Height>,
    notices: broadcast::Sender<Notice>,
    waiting: Arc<AtomicUsize>,
    /// Told whenever the number of waiting clients changes.
    waiting_changed: watch::Sender<usize>,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            heights: watch::Sender::new(Height::ZERO),
            notices: broadcast::channel(2).0,
            waiting: Arc::default(),
            waiting_changed: watch::Sender::new(0),
        }
    }
}

/// A client that waits for ever, counted while it does.
struct Waiter(Arc<AtomicUsize>, watch::Sender<usize>);

impl Waiter {
    fn new(node: &Fake) -> Self {
        node.waiting.fetch_add(1, Ordering::SeqCst);
        let waiter = Self(Arc::clone(&node.waiting), node.waiting_changed.clone());
        waiter.1.send_replace(waiter.0.load(Ordering::SeqCst));
        waiter
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
        self.1.send_replace(self.0.load(Ordering::SeqCst));
    }
}

impl Fake {
    pub fn set_mood(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// Lets it vote nowhere, or nowhere at first.
    pub fn set_abstention(&self, abstention: Abstention) {
        self.state.lock().unwrap().abstention = Some(abstention);
    }

    /// Lets the probe of its health warn.
    pub fn set_warning(&self, warning: &str) {
        self.state.lock().unwrap().warning = Some(warning.to_owned());
    }

    pub fn set_examination(&self, examination: Examination) {
        self.state.lock().unwrap().examination = examination;
    }

    /// Tells those who follow the event stream.
    pub fn notice(&self, notice: Notice) {
        let _ = self.notices.send(notice);
    }

    pub fn set_trouble(&self, trouble: &str) {
        self.state.lock().unwrap().trouble = Some(trouble.to_owned());
    }

    /// Whom it was told to stay connected to, in order.
    pub fn dialled(&self) -> Vec<String> {
        self.state.lock().unwrap().dialled.clone()
    }

    /// After how long it was told to stop.
    pub fn drained(&self) -> Option<Duration> {
        self.state.lock().unwrap().drained
    }

    /// Which limits clients have passed, in order.
    pub fn limited(&self) -> Vec<Limit> {
        self.state.lock().unwrap().limited.clone()
    }

    /// Everything that was ever handed over, in order.
    pub fn submitted(&self) -> Vec<Command> {
        self.state.lock().unwrap().submitted.clone()
    }

    /// Blocks until so many clients wait.
    pub fn until_waiting(&self, count: usize) {
        let mut waiting = self.waiting_changed.subscribe();
        let reached = async { waiting.wait_for(|now| *now == count).await.map(|_| ()) };
        let limit = std::time::Duration::from_secs(20);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let reached = runtime.block_on(async { tokio::time::timeout(limit, reached).await });
        let now = self.waiting.load(Ordering::SeqCst);
        reached.unwrap_or_else(|_| panic!("{now} clients wait, not {count}")).unwrap();
    }

    pub fn header(&self, height: Height) -> Header {
        let payload_root = crate::protocol::payload_root(&self.payload(height));
        Header { height, parent: Digest::new([0; 32]), payload_root, time_ms: 5, state_root: Digest::new([1; 32]) }
    }

    fn payload(&self, height: Height) -> Bytes {
        let state = self.state.lock().unwrap();
        let mut payload = Payload::default();
        payload.commands.push(state.executed[usize::try_from(height.get()).unwrap() - 1].0.clone());
        codec::encode(&payload).into()
    }

    fn execute(&self, state: &mut State, command: Command) -> Fate {
        let id = command.id();
        if let Some(at) = state.executed.iter().position(|(known, _)| known.id() == id) {
            return Fate::Committed { height: height_at(at), receipt: state.executed[at].1.clone() };
        }
        if *state.by_slot.entry((command.client, command.sequence)).or_insert(id) != id {
            return Fate::Conflict;
        }
        let existed = match codec::decode::<(Bytes, Option<Bytes>)>(&command.body).unwrap() {
            (key, _) if key.is_empty() => false,
            (key, Some(value)) => state.rows.insert(key, value).is_some(),
            (key, None) => state.rows.remove(&key).is_some(),
        };
        let receipt = Receipt { status: app::Status::Applied, result: existed.to_string().into() };
        state.executed.push((command, receipt.clone()));
        let height = height_at(state.executed.len() - 1);
        self.heights.send_replace(height);
        Fate::Committed { height, receipt }
    }
}

fn height_at(position: usize) -> Height {
    Height::FIRST.plus(position.try_into().unwrap())
}

fn ready<T: Send + 'static>(value: T) -> Pending<T> {
    std::future::ready(value).boxed()
}

impl Fake {
    /// A decided height with one proposal, for which two have voted.
    fn sketch(height: Height) -> Drawing {
        let vote = |index| Counted { validator: ValidatorIndex::new(index), round: 0, after_ms: 1 + u64::from(index) };
        let message = PictureMessage {
            id: Digest::new([4; 32]),
            kind: PictureKind::Proposal,
            round: 0,
            leader: ValidatorIndex::new(0),
            parent: None,
            votes: vec![ValidatorIndex::new(0), ValidatorIndex::new(1)],
            commits: Vec::new(),
            is_notarized: true,
            is_decided: true,
        };
        let picture = Picture { is_decided: true, messages: vec![message], ..Picture::default() };
        let (instance, ballots) = (Digest::new([2; 32]), vec![vote(0), vote(1), Counted { round: 1, ..vote(0) }]);
        Drawing { height, instance, began_at_ms: 5, decided_after_ms: Some(9), ballots, picture }
    }
}

impl Backend for Fake {
    fn heights(&self) -> watch::Receiver<Height> {
        self.heights.subscribe()
    }

    fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    fn encode(&self, operation: &Operation) -> Result<Bytes, CheckError> {
        let row = match operation.clone() {
            Operation::Put { key, value } => (key, Some(value)),
            Operation::Delete { key } => (key, None),
            Operation::Barrier => (Bytes::new(), None),
        };
        if row.0 == "forbidden" {
            return Err(CheckError("not this key".to_owned()));
        }
        Ok(codec::encode(&row).into())
    }

    fn describe(&self, receipt: &Receipt) -> serde_json::Value {
        serde_json::json!({ "existed": receipt.result == "true" })
    }

    fn submit(&self, commands: Vec<Identified>, until: Until) -> Vec<Pending<Result<Fate, Refusal>>> {
        let mut state = self.state.lock().unwrap();
        let answer = |command: Command| {
            state.submitted.push(command.clone());
            let waiter = || {
                let waiter = Waiter::new(self);
                async move {
                    let _waiter = waiter;
                    std::future::pending().await
                }
            };
            match (state.mood.clone(), until) {
                (Mood::Working | Mood::Unattested, Until::Committed) => ready(Ok(self.execute(&mut state, command))),
                (Mood::Working | Mood::Unattested, Until::Accepted) => match self.execute(&mut state, command) {
                    Fate::Committed { .. } => ready(Ok(Fate::Accepted)),
                    fate => ready(Ok(fate)),
                },
                (Mood::Stuck, Until::Accepted) => ready(Ok(Fate::Accepted)),
                (Mood::Silent, _) | (Mood::Stuck, Until::Committed) => waiter().boxed(),
                (Mood::Answering(answer), _) => ready(answer),
            }
        };
        commands.into_iter().map(Identified::into_command).map(answer).collect()
    }

    fn command(&self, id: Digest) -> Pending<Result<CommandState, Refusal>> {
        let state = self.state.lock().unwrap();
        let executed = state.executed.iter().position(|(command, _)| command.id() == id);
        ready(Ok(match executed {
            Some(at) => CommandState::Committed { height: height_at(at), receipt: state.executed[at].1.clone() },
            None if state.submitted.iter().any(|command| command.id() == id) => CommandState::Pending,
            None => CommandState::Unknown,
        }))
    }

    fn read(&self, key: Bytes) -> Pending<Result<Answer, Refusal>> {
        let value = self.state.lock().unwrap().rows.get(&key).cloned();
        ready(Ok(Answer { height: *self.heights.borrow(), value }))
    }

    fn prove(&self, key: Bytes) -> Pending<Result<ProvenAnswer, Refusal>> {
        let value = self.state.lock().unwrap().rows.get(&key).cloned();
        let header = self.header(*self.heights.borrow());
        ready(Ok(ProvenAnswer { header, value, proof: app::Proof::default() }))
    }

    fn attested_at(&self, height: Height) -> Height {
        height.plus(3)
    }

    fn checkpoint(&self) -> Pending<Result<Option<CheckpointDocument>, Refusal>> {
        ready(Ok(None))
    }

    fn snapshot(&self) -> Pending<Result<Option<SnapshotStream>, Refusal>> {
        let height = *self.heights.borrow();
        if height == Height::ZERO {
            return ready(Ok(None));
        }
        let (sender, frames) = mpsc::channel(2);
        for part in ["a ", "state"] {
            sender.try_send(Bytes::from_static(part.as_bytes())).unwrap();
        }
        ready(Ok(Some(SnapshotStream { height, frames })))
    }

    /// The certificate proves nothing; here it matters only which one is given.
    fn attestation(&self, header: Header) -> Pending<Result<Option<Attestation>, Refusal>> {
        let height = header.height.plus(3);
        let is_here = height <= *self.heights.borrow() && !matches!(self.state.lock().unwrap().mood, Mood::Unattested);
        let document = || CertificateDocument {
            chain: Digest::new([9; 32]),
            height,
            instance: Digest::new([2; 32]),
            history: header.hash(),
            payload_root: Digest::new([3; 32]),
            header: self.header(height),
            certificate: Certificate::of_nothing(),
        };
        ready(Ok(is_here.then(|| Attestation::History(document()))))
    }

    fn block(&self, height: Height) -> Pending<Result<Option<BlockView>, Refusal>> {
        let is_here = (Height::FIRST..=*self.heights.borrow()).contains(&height);
        let view = || BlockView {
            header: self.header(height),
            instance: Digest::new([2; 32]),
            payload: self.payload(height),
            receipts: vec![Receipt { status: app::Status::Applied, result: Bytes::new() }],
        };
        ready(Ok(is_here.then(view)))
    }

    fn certificate(&self, _height: Height) -> Pending<Result<Option<CertificateDocument>, Refusal>> {
        ready(Ok(None))
    }

    fn status(&self) -> Status {
        let executed = *self.heights.borrow();
        let state_root = Some(Digest::new([1; 32]));
        let abstention = self.state.lock().unwrap().abstention;
        let view = View {
            executed,
            state_root,
            abstention,
            stable: Some(Height::ZERO),
            in_window: vec![executed.next()],
            ..View::default()
        };
        let (index, leader) = (Some(ValidatorIndex::new(2)), Some(ValidatorIndex::new(3)));
        Status { view, index, round: 1, leader, peers: 3 }
    }

    fn validators(&self) -> Vec<ValidatorView> {
        let (public_key, power) = (PublicKey::new([7; 32]), Power::new(1));
        vec![ValidatorView { index: ValidatorIndex::new(0), public_key, power, is_self: false, is_connected: true }]
    }

    fn peers(&self) -> Pending<Result<Vec<PeerView>, Refusal>> {
        let view = |peer_id: &str| PeerView {
            peer_id: peer_id.to_owned(),
            address: "/ip4/127.0.0.1/tcp/1".to_owned(),
            validator: None,
            height: None,
            last_heard_ms_ago: Some(7),
            round_trip_us: Some(250),
            is_in_mesh: true,
            has_substream: false,
            queued_frames: 0,
            agent: String::new(),
            clock_ahead_ms: None,
        };
        ready(Ok(vec![view("somebody"), view("nobody")]))
    }

    fn drawings(&self, count: usize) -> Pending<Result<Vec<Arc<Drawing>>, Refusal>> {
        let drawings = [2, 1].map(|height| Arc::new(Self::sketch(Height::new(height))));
        ready(Ok(drawings.into_iter().take(count).collect()))
    }

    fn drawing(&self, height: Height) -> Pending<Result<Option<Arc<Drawing>>, Refusal>> {
        ready(Ok((height.get() == 1).then(|| Arc::new(Self::sketch(height)))))
    }

    fn examine(&self) -> Pending<Result<Examination, Refusal>> {
        ready(Ok(self.state.lock().unwrap().examination.clone()))
    }

    fn evidence(&self) -> Pending<Result<Vec<Evidence>, Refusal>> {
        ready(Ok(Vec::new()))
    }

    fn readiness(&self) -> Result<(), String> {
        self.state.lock().unwrap().trouble.clone().map_or(Ok(()), Err)
    }

    fn health(&self) -> Result<Option<String>, String> {
        self.readiness().map(|()| self.state.lock().unwrap().warning.clone())
    }

    fn metrics(&self) -> String {
        format!("thalweg_height {}\n", *self.heights.borrow())
    }

    fn limited(&self, limit: Limit) {
        self.state.lock().unwrap().limited.push(limit);
    }

    fn dial(&self, address: &str) -> Result<(), String> {
        self.state.lock().unwrap().dialled.push(address.to_owned());
        Ok(())
    }

    fn drain(&self, after: Duration) {
        self.set_trouble("draining");
        self.state.lock().unwrap().drained = Some(after);
    }
}
