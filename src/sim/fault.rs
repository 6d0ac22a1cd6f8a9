//! What goes wrong in a world without anyone's ill will: networks, disks, clocks, crashes.
//!
//! A swarm of worlds draws, for each seed, which faults exist and how strong they are: a world in which everything goes
//! wrong a little hides what only a single fault at full strength shows.

use std::time::Duration;

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
    /// A message is overtaken by many others.
    pub straggle: u64,
    /// The longest way of these.
    pub straggle_max: Duration,
    /// What a link carries, in bytes per millisecond; `None`: anything at once.
    pub bytes_per_ms: Option<u64>,
    /// A letter within a validator waits for long: its verifier or its scheduler is busy.
    pub stall: u64,
    /// The longest of these waits.
    pub stall_max: Duration,
    /// The longest time that the disk takes to sync.
    pub sync_max: Duration,
    /// Every so often a random validator crashes with the loss of what it had not synced; zero: never.
    pub crash_interval: Duration,
    /// The longest time a crashed validator stays down.
    pub down_max: Duration,
    /// Instead of a crash the disk is full from one of the next writes on, which ends the process.
    pub disk_full: u64,
    /// A crash that finds a byte of the journal rotten, which no record is lost by (`JN-2`, `JN-9`). The disks of at most
    /// so many validators rot as may be faulty at all: what rots everywhere is lost to all.
    pub rot: u64,
    /// Every so often the network splits in two, in both directions or in one, or heals; zero: never.
    pub partition_interval: Duration,
    /// How far apart the wall clocks are.
    pub skew_max: Duration,
    /// How much faster or slower timers run, in parts per million.
    pub drift_ppm: u64,
    /// When all faults but those of clocks end and liveness is demanded.
    pub stabilisation: Duration,
}

impl Faults {
    /// A quiet network.
    pub const NONE: Self = Self {
        loss: 0,
        duplication: 0,
        delay_max: Duration::from_millis(2),
        straggle: 0,
        straggle_max: Duration::ZERO,
        bytes_per_ms: None,
        stall: 0,
        stall_max: Duration::ZERO,
        sync_max: Duration::ZERO,
        crash_interval: Duration::ZERO,
        down_max: Duration::ZERO,
        disk_full: 0,
        rot: 0,
        partition_interval: Duration::ZERO,
        skew_max: Duration::ZERO,
        drift_ppm: 0,
        stabilisation: Duration::ZERO,
    };

    /// Some loss, some crashes.
    pub const LIGHT: Self = Self {
        loss: 20,
        duplication: 20,
        delay_max: Duration::from_millis(20),
        straggle: 5,
        straggle_max: Duration::from_millis(200),
        sync_max: Duration::from_millis(10),
        crash_interval: Duration::from_secs(3),
        down_max: Duration::from_millis(1500),
        skew_max: Duration::from_secs(1),
        drift_ppm: 200,
        stabilisation: Duration::from_secs(10),
        ..Self::NONE
    };

    /// A bad day.
    pub const HEAVY: Self = Self {
        loss: 200,
        duplication: 100,
        delay_max: Duration::from_millis(150),
        straggle: 50,
        straggle_max: Duration::from_secs(3),
        bytes_per_ms: Some(100),
        stall: 5,
        stall_max: Duration::from_millis(300),
        sync_max: Duration::from_millis(50),
        crash_interval: Duration::from_millis(800),
        down_max: Duration::from_secs(3),
        disk_full: 200,
        rot: 20,
        partition_interval: Duration::from_secs(2),
        skew_max: Duration::from_secs(60),
        drift_ppm: 10_000,
        stabilisation: Duration::from_secs(20),
    };

    /// The faults of a world after its stabilisation.
    #[must_use]
    pub fn healed(self) -> Self {
        let (skew_max, drift_ppm) = (self.skew_max, self.drift_ppm);
        Self { delay_max: self.delay_max.min(Duration::from_millis(20)), skew_max, drift_ppm, ..Self::NONE }
    }

    /// Draws which of these faults exist, and how strong they are: at most as strong as here.
    #[must_use]
    pub fn draw(self, dice: &mut Dice) -> Self {
        let span =
            |dice: &mut Dice, most: Duration| if dice.chance(500) { dice.span(most / 4, most) } else { most / 8 };
        Self {
            loss: chance(dice, self.loss),
            duplication: chance(dice, self.duplication),
            delay_max: span(dice, self.delay_max).max(Self::NONE.delay_max),
            straggle: chance(dice, self.straggle),
            straggle_max: span(dice, self.straggle_max),
            bytes_per_ms: self.bytes_per_ms.filter(|_| dice.chance(250)),
            stall: chance(dice, self.stall),
            stall_max: span(dice, self.stall_max),
            sync_max: span(dice, self.sync_max),
            crash_interval: interval(dice, self.crash_interval),
            down_max: span(dice, self.down_max),
            disk_full: chance(dice, self.disk_full),
            rot: chance(dice, self.rot),
            partition_interval: interval(dice, self.partition_interval),
            skew_max: span(dice, self.skew_max),
            drift_ppm: chance(dice, self.drift_ppm),
            stabilisation: self.stabilisation,
        }
    }
}

fn chance(dice: &mut Dice, most: u64) -> u64 {
    if dice.chance(500) { dice.below(most + 1) } else { 0 }
}

/// Never, or at most four times as seldom.
fn interval(dice: &mut Dice, least: Duration) -> Duration {
    if dice.chance(600) { dice.span(least, least * 4) } else { Duration::ZERO }
}
