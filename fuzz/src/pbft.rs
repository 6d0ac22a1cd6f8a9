//! PBFT: orders of events as bytes. Three honest replicas, and a fourth validator that leads the first view and says what
//! it likes.

#[path = "../../tests/protocol/pbft/puppet.rs"]
mod puppet;
#[path = "../../tests/protocol/pbft/world.rs"]
pub mod world;

use std::collections::BTreeMap;

use bytes::Bytes;
use thalweg::{
    protocol::pbft::{Message, Phase, Proposal},
    sim::Dice,
    types::codec,
};
use world::{Letter, World, proposal, value};

/// The validator that lies: the primary of view 0.
const LIAR: usize = 0;
const VALIDATORS: usize = 4;
/// The most letters on the wire: newer ones are lost.
const WIRE_MAX: usize = 1024;
/// The most events of a schedule.
const STEPS_MAX: usize = 1000;
/// The height up to which commands wait.
const TARGET: u64 = 6;

/// Plays a schedule, two bytes an event. Whatever it is, the honest decide one value for each height and accuse nobody
/// but the liar.
pub fn pbft(data: &[u8]) {
    let mut play = Play { world: World::running(VALIDATORS, 1..VALIDATORS), led: Vec::new(), values: BTreeMap::new() };
    play.world.want(TARGET, 1..VALIDATORS);
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
    /// What the liar has proposed.
    led: Vec<Proposal>,
    /// What is decided at each height.
    values: BTreeMap<u64, Bytes>,
}

impl Play {
    fn happen(&mut self, event: u8, which: u8, rest: &mut &[u8]) {
        let at = 1 + usize::from(which) % (VALIDATORS - 1);
        match event % 16 {
            0..=5 => {
                if let Some(letter) = self.letter(which) {
                    self.hand_over(letter);
                }
            }
            6 => drop(self.letter(which)),
            7 => {
                if let Some(letter) = self.letter(which) {
                    self.world.wire.push_back(letter.clone());
                    self.hand_over(letter);
                }
            }
            8 => {
                if let Some(due) = self.world.next_deadline() {
                    self.world.now = self.world.now.max(due);
                    self.world.wake();
                }
            }
            9 => {
                self.world.crash(at);
                self.world.start(at);
            }
            10 => self.world.replicas[at].holds_disk ^= true,
            11 => self.world.sync(at),
            12 => self.lead(which),
            13 => self.vote(which),
            14 => self.world.catch_up(at),
            _ => self.say(at, which, rest),
        }
    }

    fn letter(&mut self, which: u8) -> Option<Letter> {
        let waiting = self.world.wire.len();
        self.world.wire.remove(usize::from(which) % waiting.max(1))
    }

    /// What is for the liar, nobody reads.
    fn hand_over(&mut self, letter: Letter) {
        if letter.to != LIAR {
            self.world.hand_over(letter);
        }
    }

    /// The liar proposes one of two values at one of four heights of one of its views, to those whose bit is set.
    fn lead(&mut self, which: u8) {
        let (view, height) = (u64::from(which >> 7) * VALIDATORS as u64, 1 + u64::from(which >> 4 & 3));
        let twin = u64::from(which >> 6 & 1) * 1_000;
        let payload = value(LIAR, height, view + twin);
        if self.led.len() < 64 {
            self.led.push(proposal(view, height, &payload));
        }
        let message = self.world.pre_prepare(LIAR, view, height, &payload);
        self.tell(which, &message);
    }

    /// The liar votes for something that it proposed.
    fn vote(&mut self, which: u8) {
        let count = self.led.len().max(1);
        let Some(proposal) = self.led.get(usize::from(which >> 4) % count).copied() else { return };
        let phase = if which & 8 == 0 { Phase::Prepare } else { Phase::Commit };
        let message = self.world.vote(LIAR, phase, proposal);
        self.tell(which, &message);
    }

    /// The liar says whatever the next bytes say, or wants another view.
    fn say(&mut self, at: usize, which: u8, rest: &mut &[u8]) {
        let length = usize::from(which).min(rest.len());
        let (said, after) = rest.split_at(length);
        let message = match codec::decode::<Message>(said) {
            Ok(message) => {
                *rest = after;
                message
            }
            Err(_) => Message::ViewChange(Box::new(self.world.view_change(LIAR, 1 + u64::from(which % 8), &[]))),
        };
        self.world.say(LIAR, at, message);
    }

    fn tell(&mut self, which: u8, message: &Message) {
        for at in (1..VALIDATORS).filter(|at| which & (1 << (at - 1)) != 0) {
            self.world.say(LIAR, at, message.clone());
        }
    }

    fn judge(mut self) {
        self.world.assert_agreement();
        for replica in &self.world.replicas {
            for (height, (value, _)) in &replica.blocks {
                assert_eq!(self.values.entry(*height).or_insert_with(|| value.clone()), value, "at height {height}");
            }
            for evidence in &replica.evidence {
                assert_eq!(evidence.accused().position(), LIAR, "an honest validator is accused");
            }
        }
    }
}

/// Schedules to begin with, and messages to say in them.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds: Vec<_> = (0..3)
        .map(|seed| {
            let mut dice = Dice::new(seed);
            let byte = |dice: &mut Dice| u8::try_from(dice.below(256)).unwrap_or(0);
            // The liar begins; then mostly deliveries.
            let begin = [12, 0b111, 13, 0b0111, 13, 0b1111];
            let bytes = begin.into_iter().chain((0..200 * (seed + 1)).map(|_| byte(&mut dice))).collect();
            (format!("schedule{seed}"), bytes)
        })
        .collect();
    let mut world = World::running(VALIDATORS, 1..VALIDATORS);
    let change = world.view_change(LIAR, 1, &[]);
    let others: Vec<_> =
        (1..3).map(|who| world.view_change(who, 4, &[])).chain([world.view_change(LIAR, 4, &[])]).collect();
    let new_view = world.new_view(LIAR, 4, &others, Vec::new());
    world.want(1, 1..VALIDATORS);
    for (name, message) in
        [("view-change", Message::ViewChange(Box::new(change))), ("new-view", Message::NewView(Box::new(new_view)))]
    {
        let said = codec::encode(&message);
        if let Ok(length) = u8::try_from(said.len()) {
            seeds.push((name.into(), [&[15, length][..], &said].concat()));
        }
    }
    seeds
}
