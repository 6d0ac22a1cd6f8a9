//! The network of a world: what it does to a message on its way. And, in the same place, everything else that goes wrong.

use std::{collections::BTreeSet, time::Duration};

use super::Dice;

/// How bad things are. All chances are per mille.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Faults {
    /// A message is lost.
    pub loss: u64,
    /// A message arrives twice.
    pub duplication: u64,
    /// The longest way of a message.
    pub delay_max: Duration,
    /// A letter within a validator waits for long: its disk, its verifier or its scheduler is busy.
    pub stall: u64,
    /// The longest of these waits.
    pub stall_max: Duration,
    /// Every so often a random validator crashes with the loss of what it had not synced; zero: never.
    pub crash_interval: Duration,
    /// The longest time a crashed validator stays down.
    pub down_max: Duration,
    /// Every so often the network splits in two or heals; zero: never.
    pub partition_interval: Duration,
    /// When all faults end and liveness is demanded.
    pub stabilisation: Duration,
}

impl Faults {
    /// A quiet network.
    pub const NONE: Self = Self {
        loss: 0,
        duplication: 0,
        delay_max: Duration::from_millis(2),
        stall: 0,
        stall_max: Duration::ZERO,
        crash_interval: Duration::ZERO,
        down_max: Duration::ZERO,
        partition_interval: Duration::ZERO,
        stabilisation: Duration::ZERO,
    };

    /// Some loss, some crashes.
    pub const LIGHT: Self = Self {
        loss: 20,
        duplication: 20,
        delay_max: Duration::from_millis(20),
        stall: 0,
        stall_max: Duration::ZERO,
        crash_interval: Duration::from_secs(3),
        down_max: Duration::from_millis(1500),
        partition_interval: Duration::ZERO,
        stabilisation: Duration::from_secs(10),
    };

    /// A bad day.
    pub const HEAVY: Self = Self {
        loss: 200,
        duplication: 100,
        delay_max: Duration::from_millis(150),
        stall: 5,
        stall_max: Duration::from_millis(300),
        crash_interval: Duration::from_millis(800),
        down_max: Duration::from_secs(3),
        partition_interval: Duration::from_secs(2),
        stabilisation: Duration::from_secs(20),
    };

    /// The faults of a world after its stabilisation.
    #[must_use]
    pub fn healed(self) -> Self {
        Self { delay_max: self.delay_max.min(Duration::from_millis(20)), ..Self::NONE }
    }
}

/// Links between validators.
#[derive(Clone, Debug)]
pub struct Network {
    /// What happens to messages.
    pub faults: Faults,
    /// Those on the far side of a partition.
    far: BTreeSet<usize>,
}

impl Network {
    /// Everyone reaches everyone.
    pub fn new(faults: Faults) -> Self {
        Self { faults, far: BTreeSet::new() }
    }

    /// The delays after which copies of a message arrive; none when it is lost.
    pub fn send(&self, from: usize, to: usize, dice: &mut Dice) -> Vec<Duration> {
        if self.far.contains(&from) != self.far.contains(&to) || dice.chance(self.faults.loss) {
            return Vec::new();
        }
        let copies = if dice.chance(self.faults.duplication) { 2 } else { 1 };
        (0..copies).map(|_| dice.span(Duration::from_micros(50), self.faults.delay_max)).collect()
    }

    /// Splits the validators at random, or heals a split.
    pub fn repartition(&mut self, nodes: usize, dice: &mut Dice) {
        if self.far.is_empty() {
            self.far = (0..nodes).filter(|_| dice.chance(500)).collect();
        } else {
            self.heal();
        }
    }

    /// Everyone reaches everyone again.
    pub fn heal(&mut self) {
        self.far.clear();
    }
}
