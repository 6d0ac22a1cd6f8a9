//! What an embedder implements.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::State;
use crate::types::Height;

/// What a command came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It was executed.
    Applied,
    /// The application refused it; the state is as before, for the executor takes back what it wrote.
    Refused,
    /// Another command with the same client and sequence was executed before.
    Conflict,
    /// It came too late.
    Expired,
}

/// The deterministic outcome of one command, equal on every replica.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Receipt {
    /// How it ended.
    pub status: Status,
    /// The application's answer.
    pub result: Bytes,
}

/// Why a command is not even admitted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct CheckError(
    /// For the client, lower case without full stop.
    pub String,
);

/// A deterministic state machine.
///
/// Replicas stay equal only if every method is a function of its arguments: no clock, no randomness, no iteration
/// over unordered maps. Keys of the state are the application's own, any bytes.
pub trait Application: Send + Sync {
    /// Its name. Genesis has the names of this program's own applications; for all others it says `embedded`.
    fn name(&self) -> &'static str;

    /// Writes the initial state.
    fn genesis(&self, state: &mut State<'_>);

    /// Whether a command is well-formed, without looking at any state. Asked before admission, and of every command
    /// in a proposed payload before a vote (`SL-V5`).
    ///
    /// # Errors
    /// [`CheckError`] for the client.
    fn check(&self, body: &[u8]) -> Result<(), CheckError>;

    /// Executes one decided command. Total: what cannot apply is a [`Status::Refused`] receipt, and the executor takes
    /// back whatever it wrote. Any other status than [`Status::Applied`] counts as refused.
    fn execute(&self, state: &mut State<'_>, height: Height, body: &[u8]) -> Receipt;

    /// Answers a read-only question from committed state.
    ///
    /// # Errors
    /// [`CheckError`] for questions that make no sense.
    fn query(&self, state: &State<'_>, question: &[u8]) -> Result<Option<Bytes>, CheckError>;
}

/// One application for whoever executes and whoever only checks and asks.
impl<A: Application + ?Sized> Application for Arc<A> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn genesis(&self, state: &mut State<'_>) {
        (**self).genesis(state);
    }

    fn check(&self, body: &[u8]) -> Result<(), CheckError> {
        (**self).check(body)
    }

    fn execute(&self, state: &mut State<'_>, height: Height, body: &[u8]) -> Receipt {
        (**self).execute(state, height, body)
    }

    fn query(&self, state: &State<'_>, question: &[u8]) -> Result<Option<Bytes>, CheckError> {
        (**self).query(state, question)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::codec;

    #[test]
    fn golden_receipts() {
        let bytes = |status| codec::encode(&Receipt { status, result: Bytes::from_static(b"ok") });
        assert_eq!(bytes(Status::Applied), b"\x00\x02ok");
        assert_eq!(bytes(Status::Refused), b"\x01\x02ok");
        assert_eq!(bytes(Status::Conflict), b"\x02\x02ok");
        assert_eq!(bytes(Status::Expired), b"\x03\x02ok");
    }
}
