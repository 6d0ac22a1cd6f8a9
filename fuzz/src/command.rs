//! What is executed: payloads, commands and the bodies of the key-value application.

use bytes::Bytes;
use thalweg::{
    app::{Application as _, Command, Payload, State, Status, kv},
    store::MemoryRows,
    types::{Digest, Height, ValidatorIndex, codec},
};

/// A payload, and the same bytes as a command's body. What decodes, encodes to the same bytes; what is checked, is
/// applied, and a query for its key answers.
pub fn command(data: &[u8]) {
    if let Ok(payload) = codec::decode::<Payload>(data) {
        assert_eq!(codec::encode(&payload), data);
        for command in &payload.commands {
            assert_eq!(command.id(), command.clone().id());
            execute(&command.body);
        }
    }
    execute(data);
}

fn execute(body: &[u8]) {
    let rows = MemoryRows::default();
    let mut state = State::new(&rows);
    let before = State::new(&rows).finish().0;
    let is_checked = kv::KeyValue.check(body).is_ok();
    let receipt = kv::KeyValue.execute(&mut state, Height::FIRST, body);
    assert_eq!(receipt.status == Status::Applied, is_checked, "checked and executed differently");
    let (root, _) = state.finish();
    let is_put = is_checked && body.first() == Some(&0);
    assert_eq!(root != before, is_put, "only a put changes an empty state");
}

/// Inputs to begin with.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let bodies = [kv::put(b"river", b"to the sea"), kv::delete(b"river"), kv::barrier()];
    let command = |body: &Bytes| Command::idempotent(b"key", body.clone());
    let commands: Vec<Command> = bodies.iter().map(command).collect();
    let other = Command {
        client: Digest::new([3; 32]),
        sequence: 7,
        expires_at_height: Some(Height::FIRST),
        ..commands[0].clone()
    };
    let commands = commands.into_iter().chain([other]).collect();
    let payload = Payload { proposer: ValidatorIndex::new(1), proposed_at_ms: 1_700_000_000_000, commands };
    let bodies = ["put", "delete", "barrier"].into_iter().zip(&bodies).map(|(name, body)| (name.into(), body.to_vec()));
    bodies.chain([("payload".into(), codec::encode(&payload))]).collect()
}
