//! Orders of events as bytes: three honest replicas, and a fourth validator that leads first and says what it likes.

use std::collections::BTreeSet;

use bytes::Bytes;
use thalweg::{
    protocol::{
        self,
        streamlette::{Header, Message, Record, Tick},
    },
    sim::Dice,
    types::codec,
};

use super::world::{Letter, World};

/// The validator that lies.
const LIAR: usize = 3;
/// The most letters on the wire: newer ones are lost.
const WIRE_MAX: usize = 2048;
/// The most events of a schedule.
const STEPS_MAX: usize = 2000;

/// Plays a schedule, two bytes an event. Whatever it is, the honest decide one value, once each, and the ticks of their
/// durable votes ascend.
pub fn step(data: &[u8]) {
    let mut play = Play { world: World::led_by(4, LIAR), led: Vec::new(), values: BTreeSet::new() };
    (0..LIAR).for_each(|at| play.world.start(at));
    let mut rest = data;
    for _ in 0..STEPS_MAX {
        let [event, which, ..] = *rest else { break };
        rest = &rest[2..];
        play.happen(event, which, &mut rest);
        play.world.wire.truncate(WIRE_MAX);
    }
    play.judge();
}

struct Play {
    world: World,
    /// What the liar has led.
    led: Vec<(Header, Option<Bytes>)>,
    /// What was decided by replicas that have crashed since.
    values: BTreeSet<Bytes>,
}

impl Play {
    fn happen(&mut self, event: u8, which: u8, rest: &mut &[u8]) {
        let at = usize::from(which) % LIAR;
        match event % 16 {
            0..=5 => {
                if let Some(letter) = self.letter(which) {
                    self.world.hand_over(letter);
                }
            }
            6 => drop(self.letter(which)),
            7 => {
                if let Some(letter) = self.letter(which) {
                    self.world.wire.push_back(letter.clone());
                    self.world.hand_over(letter);
                }
            }
            8 => drop(self.world.next_deadline()),
            9 => {
                self.world.crash(at);
                self.values.extend(self.world.replicas[at].decided.take().map(|(value, _)| value));
                self.world.start(at);
            }
            10 => self.world.replicas[at].syncs ^= true,
            11 => self.world.sync_if_up(at),
            12 => self.lead(which),
            13 => self.vote(which),
            14 => self.world.demand(at),
            _ => self.say(at, which, rest),
        }
    }

    fn letter(&mut self, which: u8) -> Option<Letter> {
        let waiting = self.world.wire.len();
        self.world.wire.remove(usize::from(which) % waiting.max(1))
    }

    /// The liar leads: a value, or a Solicit on what it led before; to those whose bit is set.
    fn lead(&mut self, which: u8) {
        let below = self.led.get(usize::from(which >> 3)).map(|(header, _)| *header);
        let tick = below.map_or(u64::from(which >> 6), |below| below.tick().get() + 1 + u64::from(which >> 7));
        if self.world.leader(tick) != LIAR || self.led.len() >= 64 {
            return;
        }
        let (header, payload) = match below {
            Some(below) => (self.world.solicit(tick, &below), None),
            None => {
                let (header, payload) = self.world.proposal(tick, &format!("value {}", which >> 3));
                (header, Some(payload))
            }
        };
        let message = self.world.lead(&header, payload.as_ref());
        self.led.push((header, payload));
        self.tell(which, &message);
    }

    /// The liar votes for something that it led.
    fn vote(&mut self, which: u8) {
        let count = self.led.len().max(1);
        let Some((header, _)) = self.led.get(usize::from(which >> 3) % count) else { return };
        let message = self.world.votes(header, &[LIAR]);
        self.tell(which, &message);
    }

    /// The liar says whatever the next bytes say, or wants some tick.
    fn say(&mut self, at: usize, which: u8, rest: &mut &[u8]) {
        let length = usize::from(which).min(rest.len());
        let (said, after) = rest.split_at(length);
        match codec::decode::<Message>(said) {
            Ok(message) => {
                *rest = after;
                self.world.tell(LIAR, at, message);
            }
            Err(_) => {
                let want = self.world.want(LIAR, Tick::new(which.into()).get());
                self.world.tell(LIAR, at, want);
            }
        }
    }

    fn tell(&mut self, which: u8, message: &Message) {
        for at in (0..LIAR).filter(|at| which & (1 << at) != 0) {
            self.world.tell(LIAR, at, message.clone());
        }
    }

    fn judge(mut self) {
        let replicas = &self.world.replicas[..LIAR];
        self.values.extend(replicas.iter().filter_map(|replica| Some(replica.decided.as_ref()?.0.clone())));
        assert!(self.values.len() <= 1, "two values are decided: {:?}\n{}", self.values, self.world.picture());
        for (at, replica) in replicas.iter().enumerate() {
            let ticks: Vec<Tick> = replica.disk.iter().filter_map(voted).collect();
            assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]), "replica {at} voted in ticks {ticks:?}");
            assert!(!replica.is_fatal(), "one liar is not more than a third");
        }
    }
}

fn voted(record: &protocol::Record) -> Option<Tick> {
    let protocol::Record::Streamlette(record) = record;
    match record {
        Record::Vote { vote, .. } => Some(vote.tick),
        Record::Want { .. } => None,
    }
}

/// Schedules to begin with.
pub fn seeds() -> impl Iterator<Item = (String, Vec<u8>)> {
    (0..4).map(|seed| {
        let mut dice = Dice::new(seed);
        let byte = |dice: &mut Dice| u8::try_from(dice.below(256)).unwrap_or(0);
        // The liar begins; then mostly deliveries.
        let begin = [12, 0b1_0111, 13, 0b111];
        let bytes = begin.into_iter().chain((0..200 * (seed + 1)).map(|_| byte(&mut dice))).collect();
        (format!("schedule{seed}"), bytes)
    })
}
