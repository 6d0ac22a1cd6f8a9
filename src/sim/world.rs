//! Time, events, crashes and clients of a world.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{
    Dice, Faults,
    checkers::{self, Checker, Sight},
    client::Clients,
    estate::Estate,
    founding::{genesis, key},
    letter::{Execution, Letter, Mail, Mailbox, Turn},
    network::Network,
    node::{Identity, Node},
    trace,
};
use crate::{
    config::Genesis,
    crypto::Transcript,
    protocol::{ProtocolName, Timing},
    replica::{Fate, Input, Peer, Ticket, wire::Frame},
    types::{Digest, Height, Time},
};

/// What is played.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Which protocol decides.
    pub protocol: ProtocolName,
    /// How many validators of equal power.
    pub validators: usize,
    /// How many of them never come up.
    pub absent: usize,
    /// How many commands clients submit.
    pub commands: usize,
    /// How many heights are live at once.
    pub window: u64,
    /// What goes wrong.
    pub faults: Faults,
    /// What becomes of the first validator's memory when it crashes.
    pub amnesia: Amnesia,
    /// From the end of the faults to the demand that everything is answered.
    pub patience: Duration,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            protocol: ProtocolName::Streamlette,
            validators: 4,
            absent: 0,
            commands: 20,
            window: 1,
            faults: Faults::LIGHT,
            amnesia: Amnesia::Never,
            patience: Duration::from_secs(120),
        }
    }
}

/// Whether a validator that crashes loses its disk, journal and store (`OB-10`). Only the first one does: it is one of
/// the faulty then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Amnesia {
    /// It does not.
    Never,
    /// Always, and it rejoins.
    Rejoins,
    /// Always, and it goes on as if it had never voted: a planted bug.
    Forgets,
}

/// An invariant that did not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which.
    pub checker: &'static str,
    /// In which world.
    pub seed: u64,
    /// After how many events.
    pub step: u64,
    /// What was wrong.
    pub what: String,
}

/// How a world went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// A digest of every event in order: equal seeds, equal hashes, on every machine.
    pub hash: Digest,
    /// How many events there were.
    pub steps: u64,
    /// The highest executed height.
    pub height: Height,
    /// How long each client waited for its answer, in the order of the answers.
    pub latencies: Vec<Duration>,
    /// When it ended.
    pub ended: Time,
    /// What did not hold.
    pub violation: Option<Violation>,
}

/// When a client that has heard nothing asks another validator.
const PATIENCE_OF_CLIENTS: Duration = Duration::from_secs(3);

#[derive(Debug)]
enum Event {
    Turn(usize, u64, Mailbox),
    Arrive(usize, usize, Box<Mail>),
    Alarm(usize, u64),
    Crash,
    Restart(usize),
    Repartition,
    Stabilise,
    Submit,
    Impatient(Digest),
}

struct Place {
    identity: Identity,
    node: Option<Node>,
    estate: Option<Estate>,
    /// Rises with each start: what was meant for an earlier life is lost.
    life: u64,
    mailboxes: BTreeMap<Mailbox, VecDeque<Letter>>,
    busy_until: BTreeMap<Mailbox, Time>,
    alarm: Option<Time>,
}

struct World<'w> {
    scenario: Scenario,
    seed: u64,
    dice: Dice,
    now: Time,
    sequence: u64,
    steps: u64,
    hash: Transcript,
    events: BTreeMap<(Time, u64), Event>,
    genesis: Arc<Genesis>,
    network: Network,
    places: Vec<Place>,
    clients: Clients,
    checkers: Vec<Box<dyn Checker>>,
    violation: Option<Violation>,
    height: Height,
    submitted: BTreeMap<Digest, Time>,
    latencies: Vec<Duration>,
    /// Who watches.
    watcher: Option<&'w mut dyn FnMut(&str)>,
}

/// Plays one world to its end or to its first violation.
pub fn run(scenario: &Scenario, seed: u64) -> Report {
    World::new(scenario.clone(), seed, None).play()
}

/// As [`run`], with a line of the trace for each event. Watching changes nothing.
pub fn watch(scenario: &Scenario, seed: u64, watcher: &mut dyn FnMut(&str)) -> Report {
    World::new(scenario.clone(), seed, Some(watcher)).play()
}

impl<'w> World<'w> {
    fn new(scenario: Scenario, seed: u64, watcher: Option<&'w mut dyn FnMut(&str)>) -> Self {
        let keys: Vec<_> = (0..scenario.validators).map(|index| key(seed, index)).collect();
        let genesis = Arc::new(genesis(&scenario, &keys));
        let set = genesis.validate().expect("a world's genesis is valid");
        let peers: Vec<_> = keys.iter().map(|key| set.index_of(&key.public_key())).collect();
        let places = keys.into_iter().enumerate().map(|(index, key)| Place {
            identity: Identity { index, key, peers: peers.clone() },
            node: None,
            estate: None,
            life: 0,
            mailboxes: BTreeMap::new(),
            busy_until: BTreeMap::new(),
            alarm: None,
        });
        let mut world = Self {
            dice: Dice::new(seed),
            now: Time::ZERO,
            sequence: 0,
            steps: 0,
            hash: Transcript::new("thalweg world v1"),
            events: BTreeMap::new(),
            network: Network::new(scenario.faults),
            places: places.collect(),
            clients: Clients::default(),
            checkers: checkers::all(),
            violation: None,
            height: Height::ZERO,
            submitted: BTreeMap::new(),
            latencies: Vec::new(),
            watcher,
            genesis,
            scenario,
            seed,
        };
        world.schedule_everything();
        world
    }

    fn schedule_everything(&mut self) {
        for node in 0..self.present() {
            let delay = self.dice.span(Duration::ZERO, Duration::from_millis(20));
            self.schedule(delay, Event::Restart(node));
        }
        let faults = self.scenario.faults;
        if !faults.crash_interval.is_zero() {
            self.schedule(faults.crash_interval, Event::Crash);
        }
        if !faults.partition_interval.is_zero() {
            self.schedule(faults.partition_interval, Event::Repartition);
        }
        self.schedule(faults.stabilisation, Event::Stabilise);
        self.schedule(Duration::from_millis(50), Event::Submit);
    }

    fn schedule(&mut self, delay: Duration, event: Event) {
        self.sequence += 1;
        self.events.insert((self.now.plus(delay), self.sequence), event);
    }

    fn play(mut self) -> Report {
        let end = Time::ZERO.plus(self.scenario.faults.stabilisation + self.scenario.patience);
        while let Some(((time, _), event)) = self.events.pop_first() {
            if time > end || self.violation.is_some() || self.is_over() {
                break;
            }
            self.now = time;
            self.steps += 1;
            self.happen(event);
        }
        let tips: Vec<_> = self.places.iter().filter_map(|place| Some(place.node.as_ref()?.tip().clone())).collect();
        self.see(&Sight::End { now: self.now, tips: &tips });
        let Self { hash, steps, height, latencies, now, violation, .. } = self;
        Report { hash: hash.finish(), steps, height, latencies, ended: now, violation }
    }

    /// How many validators ever come up: the first.
    fn present(&self) -> usize {
        self.places.len().saturating_sub(self.scenario.absent)
    }

    /// Everything answered, faults over, everyone up and equal.
    fn is_over(&self) -> bool {
        let is_quiet = self.clients.len() == self.scenario.commands && self.clients.are_served();
        is_quiet
            && self.now > Time::ZERO.plus(self.scenario.faults.stabilisation)
            && self.places[..self.present()]
                .iter()
                .all(|place| place.node.as_ref().is_some_and(|node| node.tip().height == self.height))
    }

    fn happen(&mut self, event: Event) {
        let note = match &event {
            Event::Turn(node, _, mailbox) => format!("turn {node} {mailbox:?}"),
            Event::Arrive(from, to, _) => format!("mail {from} {to}"),
            Event::Alarm(node, _) => format!("alarm {node}"),
            other => format!("{other:?}"),
        };
        self.hash =
            std::mem::replace(&mut self.hash, Transcript::new("")).number(self.now.as_micros()).bytes(note.as_bytes());
        if let Some(watcher) = &mut self.watcher
            && !matches!(event, Event::Turn(..) | Event::Arrive(..) | Event::Alarm(..))
        {
            watcher(&trace::line(self.now, None, "world", &note));
        }
        match event {
            Event::Turn(node, life, mailbox) => self.turn(node, life, mailbox),
            Event::Arrive(from, to, mail) => self.arrive(from, to, *mail),
            Event::Alarm(node, life) => self.alarm(node, life),
            Event::Crash => self.crash(),
            Event::Restart(node) => self.restart(node),
            Event::Repartition if self.is_stable() => {}
            Event::Repartition => {
                self.network.repartition(self.places.len(), &mut self.dice);
                self.schedule(self.scenario.faults.partition_interval, Event::Repartition);
            }
            Event::Stabilise => {
                self.network.heal();
                self.network.faults = self.scenario.faults.healed();
            }
            Event::Submit => self.submit(),
            Event::Impatient(command) => self.ask(command),
        }
    }

    fn is_stable(&self) -> bool {
        self.now >= Time::ZERO.plus(self.scenario.faults.stabilisation)
    }

    fn post(&mut self, node: usize, letter: Letter) {
        let faults = self.network.faults;
        let longest = if self.dice.chance(faults.stall) { faults.stall_max } else { Duration::from_micros(300) };
        let delay = self.dice.span(Duration::from_micros(1), longest);
        let mailbox = letter.mailbox();
        let place = &mut self.places[node];
        // In order within a mailbox, at random between mailboxes.
        let free = place.busy_until.get(&mailbox).copied().unwrap_or_default();
        let at = self.now.plus(delay).max(free);
        place.busy_until.insert(mailbox, at);
        place.mailboxes.entry(mailbox).or_default().push_back(letter);
        let life = place.life;
        self.schedule(at.since(self.now), Event::Turn(node, life, mailbox));
    }

    fn turn(&mut self, node: usize, life: u64, mailbox: Mailbox) {
        let place = &mut self.places[node];
        if place.life != life {
            return;
        }
        let letter = place.mailboxes.get_mut(&mailbox).and_then(VecDeque::pop_front);
        let (Some(letter), Some(brain)) = (letter, place.node.as_mut()) else { return };
        if let Some(watcher) = &mut self.watcher {
            watcher(&trace::line(self.now, Some(node), &trace::mailbox(mailbox), &trace::letter(&letter)));
        }
        let mut turn = Turn::default();
        brain.deliver(self.now, letter, &mut turn);
        self.finish(node, turn);
    }

    fn alarm(&mut self, node: usize, life: u64) {
        let place = &mut self.places[node];
        if place.life != life {
            return;
        }
        place.alarm = None;
        let Some(brain) = place.node.as_mut() else { return };
        let mut turn = Turn::default();
        if let Some((deadline, whose)) = brain.deadline()
            && deadline <= self.now
        {
            if let Some(watcher) = &mut self.watcher {
                let mailbox = whose.map_or(Mailbox::Replica, Mailbox::Decider);
                watcher(&trace::line(self.now, Some(node), &trace::mailbox(mailbox), "wake"));
            }
            brain.wake(self.now, whose, &mut turn);
        }
        self.finish(node, turn);
    }

    /// Sends on what a turn gave, and sets the alarm clock.
    fn finish(&mut self, node: usize, turn: Turn) {
        for Execution { header, block, receipts } in &turn.executed {
            self.height = self.height.max(header.height);
            self.see(&Sight::Executed { node, header, block, receipts });
        }
        for letter in turn.letters {
            self.post(node, letter);
        }
        for (to, mail) in turn.mail {
            if let Mail::Frame(Frame::Instance { instance, message, .. }) = &mail {
                self.see(&Sight::Sent { instance, message });
            }
            for delay in self.network.send(node, to, &mut self.dice) {
                self.schedule(delay, Event::Arrive(node, to, Box::new(mail.clone())));
            }
        }
        for (ticket, fate) in turn.fates {
            self.on_fate(node, ticket, &fate);
        }
        self.set_alarm(node);
    }

    fn set_alarm(&mut self, node: usize) {
        let place = &mut self.places[node];
        let Some((deadline, _)) = place.node.as_ref().and_then(Node::deadline) else { return };
        if place.alarm.is_some_and(|set| set <= deadline && set > self.now) {
            return;
        }
        place.alarm = Some(deadline);
        let life = place.life;
        // Timers are a little late, never early.
        let late = self.dice.span(Duration::from_micros(1), Duration::from_millis(2));
        self.schedule(deadline.since(self.now) + late, Event::Alarm(node, life));
    }

    fn arrive(&mut self, from: usize, to: usize, mail: Mail) {
        let peer = Peer(from as u64);
        self.post(
            to,
            match mail {
                Mail::Frame(frame) => Letter::Frame(peer, frame),
                Mail::Request(question, request) => Letter::Request(peer, question, request),
                Mail::Response(question, response) => Letter::Response(peer, question, response),
            },
        );
    }

    fn crash(&mut self) {
        if self.is_stable() {
            return;
        }
        let victim = usize::try_from(self.dice.below(self.present() as u64)).unwrap_or(0);
        let place = &mut self.places[victim];
        if let Some(node) = place.node.take() {
            let storage = place.mailboxes.get_mut(&Mailbox::Storage).and_then(VecDeque::pop_front);
            let under_way = storage.and_then(|letter| match letter {
                Letter::Append(entries, _) => Some(entries),
                _ => None,
            });
            let kept = node.crash(under_way, &mut self.dice);
            place.estate = Some(match self.scenario.amnesia {
                Amnesia::Rejoins if victim == 0 => Estate::rejoining(&self.genesis),
                Amnesia::Forgets if victim == 0 => Estate::new(&self.genesis),
                _ => kept,
            });
            place.life += 1;
            place.mailboxes.clear();
            place.busy_until.clear();
            place.alarm = None;
            self.clients.lose(victim);
            self.tell_others(victim, |peer| Input::PeerDown { peer });
            let down = self.dice.span(Duration::from_millis(10), self.scenario.faults.down_max);
            self.schedule(down, Event::Restart(victim));
        }
        self.schedule(self.scenario.faults.crash_interval, Event::Crash);
    }

    fn restart(&mut self, node: usize) {
        let timing = Timing::default();
        let place = &mut self.places[node];
        place.life += 1;
        place.node = Some(Node::start(&self.genesis, &place.identity, place.estate.take(), timing));
        let validator = place.identity.peers[node];
        self.post(node, Letter::Replica(Input::Begin));
        self.tell_others(node, |peer| Input::PeerUp { peer, validator });
        for other in 0..self.places.len() {
            if other != node && self.places[other].node.is_some() {
                let validator = self.places[other].identity.peers[other];
                self.post(node, Letter::Replica(Input::PeerUp { peer: Peer(other as u64), validator }));
            }
        }
    }

    fn tell_others(&mut self, about: usize, input: impl Fn(Peer) -> Input) {
        for other in (0..self.places.len()).filter(|other| *other != about) {
            if self.places[other].node.is_some() {
                self.post(other, Letter::Replica(input(Peer(about as u64))));
            }
        }
    }

    fn submit(&mut self) {
        if self.clients.len() == self.scenario.commands {
            return;
        }
        let command = self.clients.arrive(&mut self.dice);
        self.submitted.insert(command, self.now);
        self.see(&Sight::Submitted { command });
        self.ask(command);
        let pause = self.scenario.faults.stabilisation / u32::try_from(self.scenario.commands).unwrap_or(1);
        let next = self.dice.span(Duration::from_millis(1), pause.max(Duration::from_millis(10)));
        self.schedule(next, Event::Submit);
    }

    /// A client asks a random validator, and another one if it hears nothing. Like the HTTP server, the validator looks
    /// into its store before it asks its brain.
    fn ask(&mut self, id: Digest) {
        if !self.clients.waits(&id) {
            return;
        }
        let node = usize::try_from(self.dice.below(self.present() as u64)).unwrap_or(0);
        if let Some(brain) = &self.places[node].node {
            let (ticket, command) = self.clients.ask(node, id);
            match brain.reply(&id) {
                Some(fate) => self.on_fate(node, ticket, &fate),
                None => self.post(node, Letter::Replica(Input::Submit { ticket: Some(ticket), command })),
            }
        }
        self.schedule(PATIENCE_OF_CLIENTS, Event::Impatient(id));
    }

    fn on_fate(&mut self, node: usize, ticket: Ticket, fate: &Fate) {
        let Some(command) = self.clients.asked(node, ticket) else { return };
        match fate {
            // A full mempool refuses; the client tries again.
            Fate::Accepted | Fate::Full => {}
            Fate::Committed { height, .. } => {
                self.clients.answered(&command);
                self.latencies.extend(self.submitted.remove(&command).map(|since| self.now.since(since)));
                self.see(&Sight::Answered { command, height: *height });
            }
            Fate::Conflict | Fate::Expired => self.see(&Sight::Refused { command, fate }),
        }
    }

    fn see(&mut self, sight: &Sight<'_>) {
        for checker in &mut self.checkers {
            if let Err(what) = checker.see(sight) {
                let (seed, step) = (self.seed, self.steps);
                self.violation.get_or_insert(Violation { checker: checker.id(), seed, step, what });
            }
        }
    }
}
