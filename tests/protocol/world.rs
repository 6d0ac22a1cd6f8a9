//! A few seats in memory. Everything that travels waits in a list until the story delivers it; disks are synced and
//! signatures checked at once, unless the story says otherwise. Validators without a seat are the story's puppets: it
//! signs for them whatever it likes.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use thalweg::{
    crypto::{self, BatchRng, SecretKey, Signed},
    protocol::{
        Certificate, Effect, Electorate, Event, Evidence, Input, Judgement, Message, Origin, ProtocolName, Record,
        Setup, Summary, Timing, To, Token, Verdict, payload_root,
        seat::{Errand, Seat},
        streamlette::{self, Depth, Header, Item, Leaders, Proposal, Solicit, Tick, Vote, Votes, Want},
    },
    types::{CrashModel, Digest, Height, Power, Time, Validator, ValidatorIndex, ValidatorSet},
};

pub const PAYLOAD_BYTES_MAX: usize = 4096;
pub const BUDGET: usize = 1 << 20;

/// Something on its way.
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
    pub fn message(&self) -> Option<&streamlette::Message> {
        match &self.body {
            Body::Message(Message::Streamlette(message)) => Some(message),
            Body::Message(_) | Body::Pull(_) => None,
        }
    }

    pub fn is_vote(&self) -> bool {
        matches!(self.message(), Some(streamlette::Message::Vote(_)))
    }

    pub fn is_want(&self) -> bool {
        matches!(self.message(), Some(streamlette::Message::Want(_)))
    }

    pub fn is_solicit(&self) -> bool {
        matches!(self.message(), Some(streamlette::Message::Solicit { .. }))
    }
}

/// A replica with its disk. What is on the disk survives a crash; the seat does not.
pub struct Replica {
    pub seat: Option<Seat>,
    pub disk: Vec<Record>,
    pub unsynced: Vec<(Token, Record)>,
    /// Whether records are durable at once.
    pub syncs: bool,
    /// Whether signatures are checked at once.
    pub verifies: bool,
    pub unverified: Vec<(Origin, Message)>,
    pub verdict: Verdict,
    pub payload: Option<Bytes>,
    pub decided: Option<(Bytes, streamlette::Certificate)>,
    pub evidence: Vec<streamlette::Evidence>,
    pub events: Vec<Event>,
    pub judgements: Vec<Judgement>,
    /// Signatures given to the verifier.
    pub checks: usize,
    pub validated: Vec<Digest>,
}

impl Replica {
    pub fn rounds(&self) -> Option<u64> {
        self.events
            .iter()
            .find_map(|event| if let Event::Concluded { rounds, .. } = event { Some(*rounds) } else { None })
    }

    pub fn votes(&self) -> Vec<(u64, Digest)> {
        let vote = |event: &Event| {
            if let Event::VoteCast { round, target, .. } = event { Some((*round, *target)) } else { None }
        };
        self.events.iter().filter_map(vote).collect()
    }

    pub fn is_fatal(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Fatal { .. }))
    }

    pub fn seat(&self) -> &Seat {
        self.seat.as_ref().expect("the replica runs")
    }

    pub fn round(&self) -> u64 {
        self.seat().view().round
    }
}

pub struct World {
    pub now: Time,
    pub electorate: Electorate,
    pub keys: Vec<SecretKey>,
    pub replicas: Vec<Replica>,
    pub wire: VecDeque<Letter>,
    pub owner: ValidatorIndex,
    rng: BatchRng,
}

pub fn index(at: usize) -> ValidatorIndex {
    ValidatorIndex::at(at).unwrap()
}

impl World {
    /// `n` replicas of equal power; validator 0 owns the height.
    pub fn new(n: usize) -> Self {
        Self::with_powers(&vec![1; n])
    }

    pub fn with_powers(powers: &[u64]) -> Self {
        let mut keys: Vec<SecretKey> =
            (0..powers.len()).map(|at| SecretKey::from_seed(&[u8::try_from(at + 1).unwrap(); 32])).collect();
        keys.sort_by_key(SecretKey::public_key);
        let member =
            |(key, power): (&SecretKey, &u64)| Validator { public_key: key.public_key(), power: Power::new(*power) };
        let members = keys.iter().zip(powers).map(member).collect();
        let set = Arc::new(ValidatorSet::new(members, CrashModel::Byzantine).unwrap());
        let electorate = Electorate { id: Digest::new([42; 32]), set };
        let mut world = Self {
            now: Time::ZERO,
            electorate,
            replicas: Vec::new(),
            wire: VecDeque::new(),
            owner: index(0),
            rng: crypto::seeded_rng(1),
            keys,
        };
        for at in 0..powers.len() {
            world.replicas.push(Replica {
                seat: None,
                disk: Vec::new(),
                unsynced: Vec::new(),
                syncs: true,
                verifies: true,
                unverified: Vec::new(),
                verdict: Verdict::Valid,
                payload: Some(Bytes::from(format!("value of {at}"))),
                decided: None,
                evidence: Vec::new(),
                events: Vec::new(),
                judgements: Vec::new(),
                checks: 0,
                validated: Vec::new(),
            });
        }
        world
    }

    /// A world in which the given replicas run.
    pub fn running(n: usize, seats: impl IntoIterator<Item = usize>) -> Self {
        let mut world = Self::new(n);
        for at in seats {
            world.start(at);
        }
        world
    }

    /// A world in which one validator owns the height and leads the segment after it too: ticks 0 to 6.
    pub fn led_by(n: usize, liar: usize) -> Self {
        let mut world = Self::new(n);
        world.owner = index(liar);
        let seed = (0..=255).find(|seed| {
            world.electorate.id = Digest::new([*seed; 32]);
            world.leader(2) == liar
        });
        seed.expect("one of so many instances is led by it");
        world
    }

    pub fn setup(&self, me: Option<usize>) -> Setup {
        Setup {
            id: self.electorate.id,
            height: Height::FIRST,
            set: self.electorate.set.clone(),
            me: me.map(index),
            owner: self.owner,
            timing: Timing::default(),
            payload_bytes_max: PAYLOAD_BYTES_MAX,
            forgotten: Height::ZERO,
        }
    }

    /// Starts a replica, with whatever its disk holds.
    pub fn start(&mut self, at: usize) {
        let seat = Seat::open(ProtocolName::Streamlette, self.setup(Some(at)), Some(self.keys[at].clone()));
        let records = self.replicas[at].disk.clone();
        self.replicas[at].seat = Some(seat);
        let restarted = !records.is_empty();
        self.input(at, Input::Begin { records, restarted });
    }

    /// Kills a replica: what was not synced is gone.
    pub fn crash(&mut self, at: usize) {
        let replica = &mut self.replicas[at];
        replica.seat = None;
        replica.unsynced.clear();
        replica.unverified.clear();
    }

    pub fn demand(&mut self, at: usize) {
        let commands_since = Some(self.now);
        self.input(at, Input::Demand { commands_since, waited_on: false });
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
                    Errand::Post { to, message } => self.post(at, &to, message.into_inner()),
                    Errand::Act(effect) => self.act(at, effect, &mut inputs),
                }
            }
        }
    }

    fn act(&mut self, at: usize, effect: Effect, inputs: &mut VecDeque<Input>) {
        let replica = &mut self.replicas[at];
        match effect {
            Effect::Verify { origin, message } => {
                replica.unverified.push((origin, message));
                if replica.verifies {
                    inputs.extend(self.check_signatures(at));
                }
            }
            Effect::Judge { judgement, .. } => replica.judgements.push(judgement),
            Effect::Persist { token, record } => {
                replica.unsynced.push((token, record));
                if replica.syncs {
                    let token = sync_disk(replica);
                    inputs.push_back(Input::Durable(token));
                }
            }
            Effect::Answer { asker, message } => {
                let to = usize::try_from(asker).unwrap();
                self.wire.push_back(Letter { from: at, to, body: Body::Message(message) });
            }
            Effect::Ask { peer, summary } => {
                self.wire.push_back(Letter { from: at, to: peer.position(), body: Body::Pull(summary) });
            }
            Effect::Build { slot, .. } => inputs.push_back(Input::Payload { slot, payload: replica.payload.clone() }),
            Effect::Validate { id, .. } => {
                replica.validated.push(id);
                inputs.push_back(Input::Verdict { id, verdict: replica.verdict });
            }
            Effect::Decided { payload, certificate: Certificate::Streamlette(certificate), .. } => {
                assert!(replica.decided.is_none(), "a height is decided once");
                replica.decided = Some((payload, certificate));
            }
            Effect::Evidence(Evidence::Streamlette(evidence)) => replica.evidence.push(evidence),
            Effect::Measured { .. } | Effect::Finished => {}
            other => panic!("not an effect of Streamlette: {other:?}"),
        }
    }

    fn check_signatures(&mut self, at: usize) -> Vec<Input> {
        let replica = &mut self.replicas[at];
        let mut checks = Vec::new();
        let (origins, messages): (Vec<_>, Vec<_>) = replica.unverified.drain(..).unzip();
        for message in &messages {
            crypto::Claim::checks(message, &self.electorate, &mut checks).expect("members only");
        }
        replica.checks += checks.len();
        let claims = messages.into_iter().map(|message| (message, &self.electorate)).collect();
        let verdicts = crypto::admit(claims, &mut self.rng);
        let input = |(origin, verdict)| match verdict {
            Ok(message) => Input::Message { origin, message },
            Err(message) => Input::Refused { origin, message },
        };
        origins.into_iter().zip(verdicts).map(input).collect()
    }

    /// Checks the signatures that wait at a replica that does not check by itself.
    pub fn verify(&mut self, at: usize) {
        for input in self.check_signatures(at) {
            self.input(at, input);
        }
    }

    fn post(&mut self, from: usize, to: &To, message: Message) {
        let all = 0..self.replicas.len();
        let receivers: Vec<usize> = match to {
            To::One(peer) => vec![peer.position()],
            To::Some(peers) => peers.iter().map(|peer| peer.position()).collect(),
            To::Validators | To::Everyone => all.filter(|to| *to != from).collect(),
        };
        for to in receivers {
            self.wire.push_back(Letter { from, to, body: Body::Message(message.clone()) });
        }
    }

    /// Syncs a disk whose owner does not sync by itself.
    pub fn sync(&mut self, at: usize) {
        let token = sync_disk(&mut self.replicas[at]);
        self.input(at, Input::Durable(token));
    }

    /// Syncs the disk of a replica that runs.
    pub fn sync_if_up(&mut self, at: usize) {
        if self.replicas[at].seat.is_some() && !self.replicas[at].unsynced.is_empty() {
            self.sync(at);
        }
    }

    pub fn hand_over(&mut self, letter: Letter) {
        let Letter { from, to, body } = letter;
        let input = match body {
            Body::Message(message) => {
                Input::Arrived { origin: Origin { validator: Some(index(from)), ticket: None }, message }
            }
            Body::Pull(summary) => Input::Pull { asker: from as u64, summary, budget: BUDGET },
        };
        self.input(to, input);
    }

    /// Delivers everything that is under way and everything that follows, in order.
    pub fn deliver_all(&mut self) {
        self.deliver_if(|_| true);
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

    pub fn lose_if(&mut self, lost: impl Fn(&Letter) -> bool) {
        self.wire.retain(|letter| !lost(letter));
    }

    /// Lets time pass until the next deadline and wakes who is due.
    pub fn next_deadline(&mut self) -> bool {
        let deadline = |replica: &Replica| replica.seat.as_ref().and_then(Seat::deadline);
        let Some(next) = self.replicas.iter().filter_map(deadline).min() else { return false };
        self.now = self.now.max(next);
        for at in 0..self.replicas.len() {
            if deadline(&self.replicas[at]).is_some_and(|due| due <= self.now) {
                self.input(at, Input::Wake);
            }
        }
        true
    }

    /// Lets a span of time pass, delivering everything that `wanted` allows and losing the rest.
    pub fn run(&mut self, span: Duration, wanted: impl Fn(&Letter) -> bool) {
        let end = self.now.plus(span);
        loop {
            self.deliver_if(&wanted);
            self.wire.clear();
            let deadline = |replica: &Replica| replica.seat.as_ref().and_then(Seat::deadline);
            if self.replicas.iter().filter_map(deadline).min().is_none_or(|next| next > end) {
                self.now = end;
                return;
            }
            self.next_deadline();
        }
    }

    /// What everyone decided, if all of them did and agree.
    pub fn agreed(&self, who: impl IntoIterator<Item = usize>) -> Option<Bytes> {
        let mut values =
            who.into_iter().map(|at| self.replicas[at].decided.as_ref().map(|(payload, _)| payload.clone()));
        let first = values.next()??;
        values.all(|value| value.as_ref() == Some(&first)).then_some(first)
    }

    pub fn picture(&self) -> String {
        self.replicas.iter().filter_map(|replica| replica.seat.as_ref()).map(Seat::graphviz).collect()
    }

    // --- puppets --------------------------------------------------------------------------------------------------

    pub fn leader(&self, tick: u64) -> usize {
        Leaders::new(self.electorate.id, self.electorate.set.clone(), self.owner).leader(Tick::new(tick)).position()
    }

    pub fn proposal(&self, tick: u64, value: &str) -> (Header, Bytes) {
        let payload = Bytes::copy_from_slice(value.as_bytes());
        let header = Proposal {
            tick: Tick::new(tick),
            leader: index(self.leader(tick)),
            payload_root: payload_root(&payload),
            payload_len: payload.len() as u64,
        };
        (Header::Proposal(header), payload)
    }

    pub fn solicit(&self, tick: u64, parent: &Header) -> Header {
        let root = if let Header::Solicit(solicit) = parent { solicit.root } else { self.id(parent) };
        Header::Solicit(Solicit {
            tick: Tick::new(tick),
            leader: index(self.leader(tick)),
            parent: self.id(parent),
            root,
            depth: Depth::new(parent.depth().get() + 1),
        })
    }

    pub fn id(&self, header: &Header) -> Digest {
        header.id(&self.electorate.id)
    }

    pub fn ballots(&self, header: &Header, voters: &[usize]) -> Votes {
        let vote = Vote { tick: header.tick(), target: self.id(header) };
        let ballot = |at: &usize| streamlette::Ballot {
            voter: index(*at),
            signature: self.keys[*at].sign(vote, index(*at), &self.electorate.id).signature,
        };
        voters.iter().map(ballot).collect()
    }

    /// The leader's message, signed by the leader.
    pub fn lead(&self, header: &Header, payload: Option<&Bytes>) -> streamlette::Message {
        let leader = header.leader().position();
        let votes = self.ballots(header, &[leader]);
        streamlette::Message::Diff(streamlette::Diff::of(vec![self.item(header, payload, votes)]))
    }

    pub fn item(&self, header: &Header, payload: Option<&Bytes>, votes: Votes) -> Item {
        match header {
            Header::Proposal(header) => Item::Proposal { header: *header, payload: payload.unwrap().clone(), votes },
            Header::Solicit(header) => Item::Solicit { header: *header, votes },
        }
    }

    pub fn votes(&self, header: &Header, voters: &[usize]) -> streamlette::Message {
        let vote = Vote { tick: header.tick(), target: self.id(header) };
        let votes = self.ballots(header, voters);
        streamlette::Message::Diff(streamlette::Diff::of(vec![Item::Votes { vote, votes }]))
    }

    pub fn vote(&self, voter: usize, header: &Header) -> Signed<Vote> {
        let vote = Vote { tick: header.tick(), target: self.id(header) };
        self.keys[voter].sign(vote, index(voter), &self.electorate.id)
    }

    pub fn want(&self, signer: usize, tick: u64) -> streamlette::Message {
        let want = Want { tick: Tick::new(tick) };
        streamlette::Message::Want(self.keys[signer].sign(want, index(signer), &self.electorate.id))
    }

    /// Hands a message to a replica as if `from` had sent it.
    pub fn tell(&mut self, from: usize, to: usize, message: streamlette::Message) {
        let body = Body::Message(Message::Streamlette(message));
        self.hand_over(Letter { from, to, body });
    }

    /// The last judgement that a replica gave.
    pub fn judgement(&self, at: usize) -> Option<Judgement> {
        self.replicas[at].judgements.last().copied()
    }
}

fn sync_disk(replica: &mut Replica) -> Token {
    let token = replica.unsynced.last().map_or(Token::default(), |(token, _)| *token);
    replica.disk.extend(replica.unsynced.drain(..).map(|(_, record)| record));
    token
}
