//! The seat holds back, signs, and hands back. Shown with a brain that does what the story says.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use thalweg::{
    crypto::SecretKey,
    protocol::{
        Effect, Input, Instance, Outbox, Picture, ProtocolName, Record, To, Token, Unsigned, View,
        seat::{Errand, HELD_MAX, Seat},
        streamlette::{self, Tick, Want},
    },
    types::{Digest, Height, Time},
};

use crate::world::{World, index};

/// Emits the next list of effects at every input, and notes what it is told.
#[derive(Clone, Default)]
struct Script {
    effects: VecDeque<Vec<Effect>>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Instance for Script {
    fn step(&mut self, _: Time, input: Input, out: &mut Outbox) {
        let name = match input {
            Input::Message { .. } => "own message".to_owned(),
            other => format!("{other:?}"),
        };
        self.seen.lock().unwrap().push(name);
        self.effects.pop_front().unwrap_or_default().into_iter().for_each(|effect| out.act(effect));
    }

    fn deadline(&self) -> Option<Time> {
        None
    }

    fn view(&self) -> View {
        View::default()
    }

    fn graphviz(&self) -> String {
        String::new()
    }

    fn picture(&self, _: Height) -> Option<Picture> {
        None
    }
}

fn send(tick: u64, after: Option<u64>) -> Effect {
    let message = Unsigned::Streamlette(streamlette::Unsigned::Want(Want { tick: Tick::new(tick) }));
    Effect::Send { to: To::Validators, message, after: after.map(Token) }
}

fn seat(effects: Vec<Vec<Effect>>, key: Option<SecretKey>) -> (Seat, Arc<Mutex<Vec<String>>>) {
    let script = Script { effects: effects.into(), ..Script::default() };
    let seen = script.seen.clone();
    let signer = key.map(|key| (key, index(1)));
    (Seat::new(Box::new(script), Digest::new([1; 32]), signer), seen)
}

fn posts(seat: &mut Seat, input: Input) -> usize {
    let mut errands = Vec::new();
    seat.step(Time::ZERO, input, &mut errands, &mut Vec::new());
    errands.iter().filter(|errand| matches!(errand, Errand::Post { .. })).count()
}

fn key() -> Option<SecretKey> {
    Some(SecretKey::from_seed(&[1; 32]))
}

/// `SL-V2`
#[test]
fn sends_nothing_before_its_record_is_durable() {
    let (mut seat, seen) = seat(vec![vec![send(1, Some(1)), send(2, Some(2)), send(3, None)]], key());
    assert_eq!(posts(&mut seat, Input::Wake), 1, "only what needs no record");
    assert_eq!(posts(&mut seat, Input::Durable(Token(1))), 1);
    assert_eq!(posts(&mut seat, Input::Durable(Token(1))), 0, "once");
    assert_eq!(posts(&mut seat, Input::Durable(Token(9))), 1, "covers every smaller token");
    assert_eq!(seen.lock().unwrap().iter().filter(|input| *input == "own message").count(), 3, "each comes back");
}

#[test]
fn follows_up_until_nothing_is_left() {
    // Each own message that comes back makes the brain send the next one.
    let chain = (0..5).map(|tick| vec![send(tick, None)]).collect();
    let (mut seat, _) = seat(chain, key());
    assert_eq!(posts(&mut seat, Input::Wake), 5);
}

#[test]
fn drops_the_oldest_when_the_disk_stalls() {
    let stalled = (0..HELD_MAX as u64 + 3).map(|tick| send(tick, Some(1))).collect();
    let (mut seat, _) = seat(vec![stalled], key());
    assert_eq!(posts(&mut seat, Input::Wake), 0);
    assert_eq!(posts(&mut seat, Input::Durable(Token(1))), HELD_MAX);
}

#[test]
fn a_listener_signs_nothing() {
    let (mut seat, seen) = seat(vec![vec![send(1, None)]], None);
    assert_eq!(posts(&mut seat, Input::Wake), 0);
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[test]
#[should_panic(expected = "the key is not the one of validator")]
fn refuses_a_key_of_somebody_else() {
    let world = World::new(4);
    Seat::open(ProtocolName::Streamlette, world.setup(Some(1)), Some(world.keys[2].clone()));
}

/// `PB-M2`: a crash in between would find neither what was forgotten nor what stands for it.
#[test]
fn forgets_nothing_before_what_stands_for_it_is_durable() {
    let record = Record::Streamlette(streamlette::Record::Want { tick: Tick::new(1) });
    let forget = |below| Effect::Forget { below: Height::new(below) };
    let persist = |token| Effect::Persist { token: Token(token), record: record.clone() };
    let effects = vec![vec![persist(1), forget(5)], vec![persist(2), forget(7)], vec![], vec![], vec![forget(9)]];
    let (mut seat, _) = seat(effects, key());
    let mut forgets = |input| {
        let mut errands = Vec::new();
        seat.step(Time::ZERO, input, &mut errands, &mut Vec::new());
        let below = errands.iter().filter_map(|errand| match errand {
            Errand::Act(Effect::Forget { below }) => Some(below.get()),
            _ => None,
        });
        below.collect::<Vec<_>>()
    };
    assert!(forgets(Input::Wake).is_empty());
    assert!(forgets(Input::Wake).is_empty());
    assert!(forgets(Input::Durable(Token(1))).is_empty(), "the last one covers both, and needs the second record");
    assert_eq!(forgets(Input::Durable(Token(2))), [7]);
    assert_eq!(forgets(Input::Wake), [9], "nothing is under way");
}
