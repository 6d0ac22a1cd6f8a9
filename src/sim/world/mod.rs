//! Time, events and mail of a world. `life` crashes and restarts its nodes, `demand` is its clients' side, `place` says
//! who sits where.

mod demand;
mod life;
mod place;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use place::Place;

use super::{
    Dice, Faults, Report, Scenario, Violation,
    checkers::{self, Checker, Facts, Sight},
    client::Clients,
    letter::{Execution, Letter, Mail, Mailbox, Turn},
    liar::{Hand, Plan},
    network::Network,
    node::{MEMPOOL_BYTES_MAX, MEMPOOL_COMMANDS_MAX, Node},
    trace,
};
use crate::{
    config::Genesis,
    crypto::Transcript,
    protocol,
    replica::Peer,
    types::{Digest, Height, Time},
};

/// How often every validator is looked into.
const CENSUS_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug)]
enum Event {
    Turn(usize, u64, Mailbox),
    Arrive(usize, usize, Box<Mail>),
    Alarm(usize, u64),
    Crash,
    Forget(usize),
    Restart(usize),
    Repartition,
    Stabilise,
    Census,
    Submit,
    Impatient(Digest),
}

struct World<'w> {
    scenario: Scenario,
    /// What of the scenario's faults this seed has drawn.
    faults: Faults,
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
    plan: Plan,
    clients: Clients,
    checkers: Vec<Box<dyn Checker>>,
    violation: Option<Violation>,
    height: Height,
    stable: Height,
    exposed: BTreeSet<usize>,
    lies: u64,
    rejected: u64,
    submitted: BTreeMap<Digest, Time>,
    latencies: Vec<Duration>,
    /// Who watches.
    watcher: Option<&'w mut dyn FnMut(Told<'_>)>,
}

/// What whoever watches is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told<'a> {
    /// Something happened: a line of the trace.
    Line(&'a str),
    /// An invariant did not hold, and this is what an honest validator knew of a live instance then.
    Graph {
        /// Which validator.
        node: usize,
        /// Which instance.
        height: Height,
        /// A Graphviz digraph.
        dot: &'a str,
    },
}

/// Plays one world to its end or to its first violation.
pub fn run(scenario: &Scenario, seed: u64) -> Report {
    World::new(scenario.clone(), seed, None).play()
}

/// As [`run`], with a line of the trace for each event. Watching changes nothing.
pub fn watch(scenario: &Scenario, seed: u64, watcher: &mut dyn FnMut(Told<'_>)) -> Report {
    World::new(scenario.clone(), seed, Some(watcher)).play()
}

/// As [`run`], with one more checker.
pub fn run_with(scenario: &Scenario, seed: u64, checker: Box<dyn Checker>) -> Report {
    let mut world = World::new(scenario.clone(), seed, None);
    world.checkers.push(checker);
    world.play()
}

impl<'w> World<'w> {
    fn new(scenario: Scenario, seed: u64, watcher: Option<&'w mut dyn FnMut(Told<'_>)>) -> Self {
        let mut dice = Dice::new(seed);
        let faults = if scenario.is_swarm { scenario.faults.draw(&mut dice) } else { scenario.faults };
        let (genesis, places, plan) = place::populate(&scenario, &faults, seed, &mut dice);
        let set = genesis.validate().expect("a world's genesis is valid");
        let facts = Facts {
            set,
            peers: plan.peers.clone(),
            chain: genesis.chain_id(),
            client_signatures: genesis.client_signatures,
            window: genesis.window,
            // From the low mark to the high mark, and one window more.
            heights_held_max: (genesis.protocol.lifetime() == protocol::Lifetime::Epoch)
                .then(|| 2 * genesis.checkpoint_interval() + genesis.window),
            payload_bytes_max: genesis.payload_bytes_max as usize,
            mempool_commands_max: MEMPOOL_COMMANDS_MAX,
            mempool_bytes_max: MEMPOOL_BYTES_MAX,
        };
        let mut world = Self {
            dice,
            now: Time::ZERO,
            sequence: 0,
            steps: 0,
            hash: Transcript::new("thalweg world v1"),
            events: BTreeMap::new(),
            network: Network::new(faults),
            places,
            plan,
            clients: Clients::of(&genesis),
            checkers: checkers::all(&facts),
            violation: None,
            height: Height::ZERO,
            stable: Height::ZERO,
            exposed: BTreeSet::new(),
            lies: 0,
            rejected: 0,
            submitted: BTreeMap::new(),
            latencies: Vec::new(),
            watcher,
            genesis: Arc::new(genesis),
            scenario,
            faults,
            seed,
        };
        world.schedule_everything();
        world
    }

    fn schedule_everything(&mut self) {
        for node in 0..self.places.len() {
            if self.places[node].is_absent {
                continue;
            }
            let delay = self.dice.span(Duration::ZERO, Duration::from_millis(20));
            self.schedule(delay, Event::Restart(node));
            if self.places[node].forgets() {
                self.schedule(life::MEMORY_MAX, Event::Forget(node));
            }
        }
        let faults = self.faults;
        if !faults.crash_interval.is_zero() {
            self.schedule(faults.crash_interval, Event::Crash);
        }
        if !faults.partition_interval.is_zero() {
            self.schedule(faults.partition_interval, Event::Repartition);
        }
        self.schedule(faults.stabilisation, Event::Stabilise);
        self.schedule(CENSUS_INTERVAL, Event::Census);
        self.schedule(Duration::from_millis(50), Event::Submit);
    }

    fn schedule(&mut self, delay: Duration, event: Event) {
        self.sequence += 1;
        self.events.insert((self.now.plus(delay), self.sequence), event);
    }

    fn play(mut self) -> Report {
        let end = Time::ZERO.plus(self.faults.stabilisation + self.scenario.patience);
        while let Some(((time, _), event)) = self.events.pop_first() {
            if time > end || self.violation.is_some() || self.is_over() {
                break;
            }
            self.now = time;
            self.steps += 1;
            self.happen(event);
        }
        let honest = self.places.iter().filter(|place| place.is_honest());
        let tips: Vec<_> = honest.filter_map(|place| Some(place.node.as_ref()?.tip().clone())).collect();
        self.see(&Sight::End { now: self.now, tips: &tips });
        self.draw();
        let liars = self.places.iter().enumerate().filter_map(|(node, place)| Some((node, place.lie?))).collect();
        let Self { hash, steps, height, stable, latencies, now: ended, violation, exposed, lies, rejected, .. } = self;
        let hash = hash.finish();
        Report { hash, steps, height, stable, latencies, liars, exposed, lies, rejected, ended, violation }
    }

    /// Whoever watches is shown what was wrong, and what honest validators knew of the live instances then.
    fn draw(&mut self) {
        let Some(Violation { checker, what, .. }) = self.violation.clone() else { return };
        self.tell(None, "checker", || format!("{checker}: {what}"));
        let Some(watcher) = &mut self.watcher else { return };
        let honest = self.places.iter().enumerate().filter(|(_, place)| place.is_honest());
        for (node, height, graph) in honest
            .filter_map(|(node, place)| Some((node, place.node.as_ref()?)))
            .flat_map(|(node, brains)| brains.graphs().map(move |(height, graph)| (node, height, graph)))
        {
            watcher(Told::Graph { node, height, dot: &graph });
        }
    }

    /// Everything answered, faults over, every honest validator up and equal.
    fn is_over(&self) -> bool {
        let is_quiet = self.are_all_submitted() && self.clients.are_served();
        let is_there = |place: &Place| place.node.as_ref().is_some_and(|node| node.tip().height == self.height);
        is_quiet
            && self.now > Time::ZERO.plus(self.faults.stabilisation)
            && self.places.iter().filter(|place| place.is_honest()).all(is_there)
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
        if !matches!(event, Event::Turn(..) | Event::Arrive(..) | Event::Alarm(..) | Event::Census) {
            self.tell(None, "world", || note);
        }
        match event {
            Event::Turn(node, life, mailbox) => self.turn(node, life, mailbox),
            Event::Arrive(from, to, mail) => self.arrive(from, to, *mail),
            Event::Alarm(node, life) => self.alarm(node, life),
            Event::Crash => self.crash_someone(),
            Event::Forget(node) => self.forget(node),
            Event::Restart(node) => self.restart(node),
            Event::Repartition if self.is_stable() => {}
            Event::Repartition => {
                self.network.repartition(self.places.len(), &mut self.dice);
                self.schedule(self.faults.partition_interval, Event::Repartition);
            }
            Event::Stabilise => {
                self.network.heal();
                self.network.faults = self.faults.healed();
            }
            Event::Census => self.census(),
            Event::Submit => self.submit(),
            Event::Impatient(command) => self.ask(command),
        }
    }

    fn is_stable(&self) -> bool {
        self.now >= Time::ZERO.plus(self.faults.stabilisation)
    }

    /// A line for whoever watches.
    fn tell(&mut self, node: Option<usize>, place: &str, what: impl FnOnce() -> String) {
        if let Some(watcher) = &mut self.watcher {
            watcher(Told::Line(&trace::line(self.now, node, place, &what())));
        }
    }

    fn post(&mut self, node: usize, letter: Letter) {
        let faults = self.network.faults;
        let mailbox = letter.mailbox();
        let longest = match mailbox {
            _ if self.dice.chance(faults.stall) => faults.stall_max,
            Mailbox::Storage => faults.sync_max.max(Duration::from_micros(300)),
            _ => Duration::from_micros(300),
        };
        let delay = self.dice.span(Duration::from_micros(1), longest);
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
        let now = place.local(self.now);
        let letter = place.mailboxes.get_mut(&mailbox).and_then(VecDeque::pop_front);
        let Some(letter) = letter.filter(|_| place.node.is_some()) else { return };
        self.tell(Some(node), &trace::mailbox(mailbox), || trace::letter(&letter));
        self.look_at_letter(node, &letter);
        let mut turn = Turn::default();
        if let Some(brain) = self.places[node].node.as_mut() {
            brain.deliver(now, letter, &mut turn);
        }
        self.finish(node, turn);
    }

    fn alarm(&mut self, node: usize, life: u64) {
        let place = &mut self.places[node];
        if place.life != life {
            return;
        }
        place.alarm = None;
        let now = place.local(self.now);
        let Some(brain) = place.node.as_mut() else { return };
        let mut turn = Turn::default();
        if let Some((deadline, whose)) = brain.deadline()
            && deadline <= now
        {
            brain.wake(now, whose, &mut turn);
            let mailbox = whose.map_or(Mailbox::Replica, Mailbox::Decider);
            self.tell(Some(node), &trace::mailbox(mailbox), || "wake".into());
        }
        self.finish(node, turn);
    }

    /// Sends on what a turn gave, and sets the alarm clock.
    fn finish(&mut self, node: usize, mut turn: Turn) {
        if self.places[node].is_honest() {
            self.look_at(node, &turn);
        }
        for letter in std::mem::take(&mut turn.letters) {
            self.post(node, letter);
        }
        for (to, mail) in std::mem::take(&mut turn.mail) {
            self.speak(node, to, mail);
        }
        if self.places[node].is_honest() {
            self.look_at_accusations(node, &turn);
        }
        for (ticket, fate) in turn.fates {
            self.on_fate(node, ticket, &fate);
        }
        match turn.fault {
            Some(fault) => self.fail(node, &fault),
            None => self.set_alarm(node),
        }
    }

    /// Shows the checkers what an honest validator's instance is handed of another one, before it has it.
    fn look_at_letter(&mut self, node: usize, letter: &Letter) {
        let Letter::Decider(height, protocol::Input::Message { origin, message }) = letter else { return };
        let brains = self.places[node].node.as_ref().filter(|_| origin.validator.is_some());
        let Some((instance, round)) = brains.and_then(|brains| brains.round(*height)) else { return };
        if let Some(executed) = brains.map(|brains| brains.tip().height).filter(|_| self.places[node].is_honest()) {
            self.see(&Sight::Verified { node, instance, round, executed, message: message.get() });
        }
    }

    /// Shows the checkers what an honest validator did.
    fn look_at(&mut self, node: usize, turn: &Turn) {
        if !turn.persisted.is_empty() {
            self.see(&Sight::Persisted { node, entries: &turn.persisted });
        }
        for Execution { instance, header, block, receipts } in &turn.executed {
            self.height = self.height.max(header.height);
            self.see(&Sight::Executed { node, instance: *instance, header, block, receipts });
        }
        for (epoch, stable) in &turn.stable {
            self.stable = self.stable.max(stable.checkpoint.height);
            self.see(&Sight::Stabilised { node, epoch: *epoch, stable });
        }
        self.rejected += turn.rejected;
    }

    /// Shows the checkers whom an honest validator accuses: after what it sent, for a lie is told before it is proven.
    fn look_at_accusations(&mut self, node: usize, turn: &Turn) {
        for (electorate, evidence) in &turn.accusations {
            let accused = checkers::accused(evidence);
            let of_accused = |(_, peer): &(usize, &Option<_>)| **peer == Some(accused);
            let who = self.plan.peers.iter().enumerate().find(of_accused).map(|(node, _)| node);
            let is_honest = who.is_some_and(|who| self.places[who].is_honest());
            self.exposed.extend(who);
            self.see(&Sight::Accused { node, electorate, evidence, is_honest });
        }
        for what in &turn.alarms {
            self.see(&Sight::Alarmed { node, what });
        }
    }

    /// Sends a node's mail: what a liar makes of it, if one sits there.
    fn speak(&mut self, from: usize, to: usize, mail: Mail) {
        match self.places[from].liar.take() {
            None => self.send(from, to, Duration::ZERO, mail),
            Some(mut liar) => {
                let sent = self.with_hand(from, |hand| liar.speak(to, mail.clone(), hand));
                self.places[from].liar = Some(liar);
                let is_true = matches!(&sent[..], [(Duration::ZERO, whom, said)] if *whom == to && *said == mail);
                self.lies += u64::from(!is_true);
                for (delay, to, mail) in sent {
                    self.send(from, to, delay, mail);
                }
            }
        }
    }

    fn with_hand(&mut self, me: usize, act: impl FnOnce(&mut Hand<'_>)) -> Vec<(Duration, usize, Mail)> {
        let mut hand = Hand { me, plan: &mut self.plan, dice: &mut self.dice, sent: Vec::new() };
        act(&mut hand);
        hand.sent
    }

    fn send(&mut self, from: usize, to: usize, delay: Duration, mail: Mail) {
        if from == to {
            return;
        }
        let is_honest = self.places[from].is_honest();
        if !is_honest {
            self.tell(Some(from), "liar", || format!("to {to}: {}", trace::mail(&mail)));
        }
        self.see(&Sight::Sent { node: from, is_honest, mail: &mail });
        for way in self.network.send(self.now, from, to, &mail, &mut self.dice) {
            self.schedule(delay + way, Event::Arrive(from, to, Box::new(mail.clone())));
        }
    }

    fn set_alarm(&mut self, node: usize) {
        let place = &mut self.places[node];
        let Some((deadline, _)) = place.node.as_ref().and_then(Node::deadline) else { return };
        if place.alarm.is_some_and(|set| set <= deadline && set > place.local(self.now)) {
            return;
        }
        place.alarm = Some(deadline);
        let (life, left) = (place.life, deadline.since(place.local(self.now)));
        // Timers are a little late, never early.
        let late = self.dice.span(Duration::from_micros(1), Duration::from_millis(2));
        self.schedule(left + late, Event::Alarm(node, life));
    }

    fn arrive(&mut self, from: usize, to: usize, mail: Mail) {
        if let Some(mut liar) = self.places[to].liar.take() {
            let sent = self.with_hand(to, |hand| liar.hear(&mail, hand));
            self.places[to].liar = Some(liar);
            self.lies += sent.len() as u64;
            for (delay, other, mail) in sent {
                self.send(to, other, delay, mail);
            }
        }
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

    fn census(&mut self) {
        for node in 0..self.places.len() {
            let place = &self.places[node];
            if let Some(size) = place.node.as_ref().filter(|_| place.is_honest()).map(Node::size) {
                self.see(&Sight::Measured { node, size });
            }
        }
        self.schedule(CENSUS_INTERVAL, Event::Census);
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
