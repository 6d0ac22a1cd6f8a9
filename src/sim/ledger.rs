//! The application of a world: the key-value one, which also counts how often it was made to execute each command.
//!
//! The count is state of the application, below everything that keeps a command from being executed twice (`OB-4`), and
//! it is the command's result: whoever executes one again cannot hide it from the checkers.

use bytes::Bytes;

use crate::{
    app::{Application, CheckError, Receipt, State, kv::KeyValue},
    types::Height,
};

/// See the file's header.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ledger;

impl Application for Ledger {
    fn name(&self) -> &'static str {
        KeyValue.name()
    }

    fn genesis(&self, state: &mut State<'_>) {
        KeyValue.genesis(state);
    }

    fn check(&self, body: &[u8]) -> Result<(), CheckError> {
        KeyValue.check(body)
    }

    fn execute(&self, state: &mut State<'_>, height: Height, body: &[u8]) -> Receipt {
        let receipt = KeyValue.execute(state, height, body);
        let account = [b"executed/".as_slice(), body].concat();
        let times = 1 + state.get(&account).map_or(0, |row| times(&row));
        let row = Bytes::copy_from_slice(&times.to_be_bytes());
        state.put(&account, &row);
        Receipt { result: row, ..receipt }
    }

    fn query(&self, state: &State<'_>, question: &[u8]) -> Result<Option<Bytes>, CheckError> {
        KeyValue.query(state, question)
    }
}

/// How often a command was executed, by its result.
pub fn times(result: &[u8]) -> u64 {
    result.try_into().map_or(0, u64::from_be_bytes)
}
