//! The key-value application: keys of up to 1 KiB, values as large as a command may be.
//!
//! Clients make commands with [`put`], [`delete`] and [`barrier`]; a query's question is a key, its answer the value. Results are
//! JSON: `{"existed":true}` if the key had a value before.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Application, CheckError, Receipt, State, Status};
use crate::types::{Height, codec};

/// The most bytes of a key.
pub const KEY_BYTES_MAX: usize = 1024;

/// A command's body.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Body<'a> {
    Put {
        #[serde(borrow, with = "serde_bytes")]
        key: &'a [u8],
        #[serde(borrow, with = "serde_bytes")]
        value: &'a [u8],
    },
    Delete {
        #[serde(borrow, with = "serde_bytes")]
        key: &'a [u8],
    },
    Barrier,
}

/// The body of a command that puts a value under a key.
pub fn put(key: &[u8], value: &[u8]) -> Bytes {
    codec::encode(&Body::Put { key, value }).into()
}

/// The body of a command that deletes a key.
pub fn delete(key: &[u8]) -> Bytes {
    codec::encode(&Body::Delete { key }).into()
}

/// The body of a command that changes nothing. Its place in the order is what a linearizable read waits for.
pub fn barrier() -> Bytes {
    codec::encode(&Body::Barrier).into()
}

/// The key-value application.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyValue;

impl Application for KeyValue {
    fn name(&self) -> &'static str {
        "kv"
    }

    fn genesis(&self, _state: &mut State<'_>) {}

    fn check(&self, body: &[u8]) -> Result<(), CheckError> {
        parse(body).map(|_| ())
    }

    fn execute(&self, state: &mut State<'_>, _height: Height, body: &[u8]) -> Receipt {
        let existed = match parse(body) {
            Ok(Body::Put { key, value }) => {
                let existed = state.contains(key);
                state.put(key, value);
                existed
            }
            Ok(Body::Delete { key }) => {
                let existed = state.contains(key);
                if existed {
                    state.delete(key);
                }
                existed
            }
            Ok(Body::Barrier) => return Receipt { status: Status::Applied, result: Bytes::from_static(b"null") },
            // Only a payload that nobody should have voted for holds such a command.
            Err(_) => return Receipt { status: Status::Refused, result: Bytes::new() },
        };
        let result: &'static [u8] = if existed { br#"{"existed":true}"# } else { br#"{"existed":false}"# };
        Receipt { status: Status::Applied, result: Bytes::from_static(result) }
    }

    fn query(&self, state: &State<'_>, question: &[u8]) -> Result<Option<Bytes>, CheckError> {
        check_key(question)?;
        Ok(state.get(question))
    }
}

fn parse(body: &[u8]) -> Result<Body<'_>, CheckError> {
    let body = codec::decode_borrowed(body).map_err(|error| CheckError(format!("not a kv command: {error}")))?;
    if let Body::Put { key, .. } | Body::Delete { key } = &body {
        check_key(key)?;
    }
    Ok(body)
}

fn check_key(key: &[u8]) -> Result<(), CheckError> {
    match key.len() {
        1..=KEY_BYTES_MAX => Ok(()),
        0 => Err(CheckError("the key is empty".into())),
        long => Err(CheckError(format!("the key has {long} bytes, more than {KEY_BYTES_MAX}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryRows;

    fn execute(state: &mut State<'_>, body: &[u8]) -> (Status, String) {
        let receipt = KeyValue.execute(state, Height::FIRST, body);
        (receipt.status, String::from_utf8(receipt.result.to_vec()).unwrap())
    }

    #[test]
    fn puts_gets_and_deletes() {
        let rows = MemoryRows::default();
        let mut state = State::new(&rows);
        let get = |state: &State<'_>| KeyValue.query(state, b"k").unwrap();
        assert_eq!(get(&state), None);
        assert_eq!(execute(&mut state, &put(b"k", b"v")), (Status::Applied, r#"{"existed":false}"#.into()));
        assert_eq!(get(&state), Some("v".into()));
        assert_eq!(execute(&mut state, &put(b"k", b"")), (Status::Applied, r#"{"existed":true}"#.into()));
        assert_eq!(get(&state), Some("".into()));
        assert_eq!(execute(&mut state, &delete(b"k")), (Status::Applied, r#"{"existed":true}"#.into()));
        assert_eq!(execute(&mut state, &delete(b"k")), (Status::Applied, r#"{"existed":false}"#.into()));
        assert_eq!(get(&state), None);
    }

    #[test]
    fn golden_bodies() {
        assert_eq!(put(b"key", b"value").as_ref(), b"\x00\x03key\x05value");
        assert_eq!(delete(b"key").as_ref(), b"\x01\x03key");
        assert_eq!(barrier().as_ref(), b"\x02");
    }

    #[test]
    fn refuses_bodies_and_keys_out_of_bounds() {
        assert_eq!(KeyValue.check(&put(&[b'k'; KEY_BYTES_MAX], b"")), Ok(()));
        for body in
            [put(&[b'k'; KEY_BYTES_MAX + 1], b""), delete(b""), Bytes::from_static(b"\x00\x03key\x05value+"), "".into()]
        {
            assert!(KeyValue.check(&body).is_err());
            let rows = MemoryRows::default();
            let mut state = State::new(&rows);
            assert_eq!(execute(&mut state, &body).0, Status::Refused);
            assert_eq!(state.finish(), State::new(&rows).finish());
        }
        assert!(KeyValue.query(&State::new(&MemoryRows::default()), b"").is_err());
    }
}
