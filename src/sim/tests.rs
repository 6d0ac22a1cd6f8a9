//! What the hands of a validator must do, as stories of one validator alone.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    letter::{Letter, Turn},
    node::{CHECKED_MAX, Identity, Node},
};
use crate::{
    app::{Block, Command, Payload, kv},
    config::{ApplicationName, ClientSignatures, Genesis},
    crypto::{Memory, SecretKey},
    protocol::{self, ProtocolName, Timing},
    replica::{self, Peer, wire::Frame},
    sim::checkers::planted,
    types::{CrashModel, Digest, Height, Power, Time, Validator, ValidatorIndex, codec},
};

fn node() -> Node {
    let key = SecretKey::from_seed(&[1; 32]);
    let genesis = Genesis {
        chain: "one".into(),
        created_at_ms: 0,
        protocol: ProtocolName::Streamlette,
        application: ApplicationName::Kv,
        crash_model: CrashModel::Byzantine,
        window: 1,
        retention_heights: 1000,
        payload_bytes_max: 1 << 16,
        command_bytes_max: 1 << 12,
        checkpoint_interval: None,
        validators: vec![Validator { public_key: key.public_key(), power: Power::new(1) }],
        client_signatures: ClientSignatures::Off,
    };
    let (peers, checked) = (vec![Some(ValidatorIndex::new(0))], Rc::new(RefCell::new(Memory::new(CHECKED_MAX))));
    let identity = Identity { index: 0, key, peers, ahead: Duration::ZERO, checked };
    Node::start(&Arc::new(genesis), &identity, None, Timing::default()).unwrap().0
}

fn command(number: u64) -> Command {
    let body = kv::put(b"key", &number.to_le_bytes());
    Command { client: Digest::new([1; 32]), sequence: number, expires_at_height: None, body, signature: None }
}

/// Executes a block with these commands behind the ordering brain's back, as an earlier life did.
fn execute(node: &mut Node, height: u64, commands: Vec<Command>) {
    let payload = Payload { commands, ..Payload::default() };
    let block = Block { payload: Bytes::from(codec::encode(&payload)), ..planted::block(height, 0) };
    deliver(node, Letter::Execute(block, Digest::new([0; 32])));
}

fn deliver(node: &mut Node, letter: Letter) -> Vec<Letter> {
    let mut turn = Turn::default();
    node.deliver(Time::ZERO, letter, &mut turn);
    turn.letters
}

#[test]
fn forwarded_commands_that_were_executed_before_go_no_further() {
    let mut node = node();
    execute(&mut node, 1, vec![command(1)]);
    let commands = vec![command(1), command(2)].try_into().unwrap();
    let letters = deliver(&mut node, Letter::Frame(Peer(1), Frame::Commands(commands)));
    let [Letter::Replica(replica::Input::Forwarded { commands, .. })] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!(commands, &[command(2).into()]);
}

#[test]
fn clients_are_told_nothing_that_the_ordering_brain_has_not_heard_of() {
    let mut node = node();
    assert_eq!(node.reply(&command(1).id()), None);
    execute(&mut node, 1, vec![command(1)]);
    assert_eq!(node.reply(&command(1).id()), None);
}

#[test]
fn instances_hear_what_was_executed_before_they_were_opened() {
    let mut node = node();
    let letters = deliver(&mut node, Letter::Replica(replica::Input::Begin));
    let height = Height::FIRST;
    let is_told = |letter: &Letter| matches!(letter, Letter::Decider(to, protocol::Input::Executed { height: Height::ZERO }) if *to == height);
    assert!(letters.iter().any(is_told), "{letters:?}");
}
