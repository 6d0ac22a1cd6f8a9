//! The network of a world: what it does to a message on its way.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{Dice, Faults, letter::Mail};
use crate::types::{Time, codec};

/// Links between validators.
#[derive(Clone, Debug)]
pub struct Network {
    /// What happens to messages.
    pub faults: Faults,
    /// Links that lose everything, in one direction each.
    cut: BTreeSet<(usize, usize)>,
    /// Until when each link is busy with what was sent before.
    busy: BTreeMap<(usize, usize), Time>,
}

impl Network {
    /// Everyone reaches everyone.
    pub fn new(faults: Faults) -> Self {
        Self { faults, cut: BTreeSet::new(), busy: BTreeMap::new() }
    }

    /// The delays after which copies of a message arrive; none when it is lost.
    pub fn send(&mut self, now: Time, from: usize, to: usize, mail: &Mail, dice: &mut Dice) -> Vec<Duration> {
        let faults = self.faults;
        if self.cut.contains(&(from, to)) || dice.chance(faults.loss) {
            return Vec::new();
        }
        let queued = self.queue(now, from, to, mail);
        let copies = if dice.chance(faults.duplication) { 2 } else { 1 };
        let delay = |dice: &mut Dice| {
            let longest = if dice.chance(faults.straggle) { faults.straggle_max } else { faults.delay_max };
            queued + dice.span(Duration::from_micros(50), longest)
        };
        (0..copies).map(|_| delay(dice)).collect()
    }

    /// How long a message waits for the link, and then takes to pass it.
    fn queue(&mut self, now: Time, from: usize, to: usize, mail: &Mail) -> Duration {
        let Some(rate) = self.faults.bytes_per_ms.filter(|rate| *rate > 0) else { return Duration::ZERO };
        let bytes = match mail {
            Mail::Frame(frame) => codec::encode(frame).len(),
            Mail::Request(_, request) => codec::encode(request).len(),
            Mail::Response(_, response) => codec::encode(response).len(),
        };
        let micros = (bytes as u64).saturating_mul(1000) / rate;
        let free = self.busy.get(&(from, to)).copied().unwrap_or_default().max(now);
        let done = free.plus(Duration::from_micros(micros));
        self.busy.insert((from, to), done);
        done.since(now)
    }

    /// Splits the nodes at random, in both directions or in one; or heals a split.
    pub fn repartition(&mut self, nodes: usize, dice: &mut Dice) {
        if !self.cut.is_empty() {
            return self.heal();
        }
        let far: BTreeSet<usize> = (0..nodes).filter(|_| dice.chance(500)).collect();
        let is_one_way = dice.chance(300);
        for (from, to) in (0..nodes).flat_map(|from| (0..nodes).map(move |to| (from, to))) {
            if far.contains(&from) != far.contains(&to) && !(is_one_way && far.contains(&from)) {
                self.cut.insert((from, to));
            }
        }
    }

    /// Everyone reaches everyone again.
    pub fn heal(&mut self) {
        self.cut.clear();
    }
}
