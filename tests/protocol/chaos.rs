//! Random schedules: loss, reordering, crashes that lose unsynced records, a liar that shows twins and votes for
//! everything. Agreement must hold at every step, and everyone must decide once the network works again. What is
//! checked here is recomputed from the certificates, never asked of the code under test.

use std::{collections::BTreeMap, time::Duration};

use rand_core::Rng as _;
use thalweg::{
    crypto::{BatchRng, seeded_rng},
    protocol::streamlette::{Header, Message},
};

use crate::world::{Letter, World};

const LIAR: usize = 3;

struct Chaos {
    world: World,
    rng: BatchRng,
    /// What the liar knows: every message that was ever sent, by id.
    headers: Vec<Header>,
    decided: BTreeMap<usize, bytes::Bytes>,
}

impl Chaos {
    fn new(seed: u64, is_liar_owner: bool) -> Self {
        let mut world = if is_liar_owner { World::led_by(4, LIAR) } else { World::new(4) };
        let mut rng = seeded_rng(seed);
        if rng.next_u32().is_multiple_of(2) {
            world.replicas.iter_mut().for_each(|replica| replica.syncs = false);
        }
        (0..LIAR).for_each(|at| world.start(at));
        (0..LIAR).for_each(|at| world.demand(at));
        Self { world, rng, headers: Vec::new(), decided: BTreeMap::new() }
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.rng.next_u64() % bound as u64).unwrap()
    }

    fn step(&mut self) {
        match self.below(20) {
            0..12 => self.deliver(),
            12 => drop(self.take()),
            13 => self.world.sync_if_up(0),
            14 => self.world.sync_if_up(1),
            15 => self.world.sync_if_up(2),
            16 => {
                self.world.next_deadline();
            }
            17 if self.below(4) == 0 => {
                let at = self.below(LIAR);
                self.world.crash(at);
                self.world.replicas[at].decided = None;
                self.world.start(at);
                self.world.demand(at);
            }
            _ => self.lie(),
        }
        self.check();
    }

    fn take(&mut self) -> Option<Letter> {
        if self.world.wire.is_empty() {
            return None;
        }
        let at = self.below(self.world.wire.len());
        self.world.wire.remove(at)
    }

    fn deliver(&mut self) {
        let Some(letter) = self.take() else { return };
        if letter.to == LIAR {
            match letter.message() {
                Some(Message::Proposal { header, .. }) => self.headers.push(Header::Proposal(*header)),
                Some(Message::Solicit { header, .. }) => self.headers.push(Header::Solicit(*header)),
                _ => {}
            }
        } else {
            self.world.hand_over(letter);
        }
    }

    /// Votes for anything, or leads what it likes when it leads, to a replica of its choice.
    fn lie(&mut self) {
        let to = self.below(LIAR);
        let round =
            (0..LIAR).filter(|at| self.world.replicas[*at].seat.is_some()).map(|at| self.world.replicas[at].round());
        let tick = round.max().unwrap_or(0).saturating_sub(1) + self.below(3) as u64;
        if self.below(2) == 0 && self.world.leader(tick) == LIAR {
            let parents: Vec<Header> =
                self.headers.iter().filter(|header| header.tick().get() < tick).copied().collect();
            let (header, payload) = if parents.is_empty() || self.below(3) == 0 {
                let value = format!("lie {}", self.below(2));
                let (header, payload) = self.world.proposal(tick, &value);
                (header, Some(payload))
            } else {
                let parent = parents[self.below(parents.len())];
                (self.world.solicit(tick, &parent), None)
            };
            self.headers.push(header);
            let message = self.world.lead(&header, payload.as_ref());
            self.world.tell(LIAR, to, message);
        } else if !self.headers.is_empty() {
            let recent = self.headers.len().saturating_sub(6);
            let at = recent + self.below(self.headers.len() - recent);
            let header = self.headers[at];
            let message = self.world.votes(&header, &[LIAR]);
            self.world.tell(LIAR, to, message);
        }
    }

    fn check(&mut self) {
        for at in 0..LIAR {
            assert!(
                !self.world.replicas[at].is_fatal(),
                "one liar of four is not fatal: {:?}",
                self.world.replicas[at].events
            );
            if let Some((payload, _)) = &self.world.replicas[at].decided {
                self.decided.insert(at, payload.clone());
            }
        }
        let mut values = self.decided.values();
        if let Some(first) = values.next() {
            assert!(values.all(|value| value == first), "two values: {:?}\n{}", self.decided, self.world.picture());
        }
    }

    /// The network works again, and the liar is silent.
    fn calm(&mut self) {
        for replica in &mut self.world.replicas {
            replica.syncs = true;
        }
        (0..LIAR).for_each(|at| self.world.sync_if_up(at));
        self.world.run(Duration::from_secs(3600), |letter| letter.to != LIAR);
        self.check();
        let value = self.world.agreed(0..LIAR);
        assert!(value.is_some(), "no end:\n{}", self.world.picture());
    }
}

/// `SL-S1`
#[test]
fn agreement_and_an_end_under_random_schedules() {
    for seed in 0..120 {
        let mut chaos = Chaos::new(seed, seed.is_multiple_of(2));
        for _ in 0..300 {
            chaos.step();
        }
        chaos.calm();
    }
}
