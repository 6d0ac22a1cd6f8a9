//! The one encoding of wire and disk: postcard, decoded strictly.
//!
//! Each value has exactly one accepted encoding: decoding refuses trailing bytes, over-long integers and anything
//! else that does not re-encode to the same bytes. Signed bytes do not depend on this encoding (see
//! [`crate::crypto::Transcript`]); identities of frames and records do.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Why bytes were refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not an encoding of this type.
    #[error("malformed encoding")]
    Malformed,
    /// Decodes, but is not the canonical encoding of the value.
    #[error("encoding is not canonical")]
    NotCanonical,
}

/// Encodes a value.
///
/// # Panics
/// If the value cannot be encoded at all (a sequence of unknown length, a failing `Serialize`), a bug of its type.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    // Measured first: a payload of many commands is not copied from one buffer to the next larger one.
    let bytes = Vec::with_capacity(encoded_len(value));
    postcard::to_extend(value, bytes).expect("wire and disk types always encode")
}

/// How many bytes [`encode`] gives for a value.
///
/// # Panics
/// As [`encode`].
pub fn encoded_len<T: Serialize + ?Sized>(value: &T) -> usize {
    postcard::serialize_with_flavor(value, postcard::ser_flavors::Size::default())
        .expect("wire and disk types always encode")
}

/// Decodes a value from all of `bytes`.
///
/// # Errors
/// [`DecodeError`] unless `bytes` is exactly what [`encode`] gives for the value.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    decode_borrowed(bytes)
}

/// As [`decode`], for values that borrow from `bytes`.
///
/// # Errors
/// [`DecodeError`] unless `bytes` is exactly what [`encode`] gives for the value.
pub fn decode_borrowed<'a, T: Serialize + Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
    let (value, rest) = postcard::take_from_bytes::<T>(bytes).map_err(|_| DecodeError::Malformed)?;
    if !rest.is_empty() {
        return Err(DecodeError::NotCanonical);
    }
    let same = postcard::serialize_with_flavor(&value, Compare { expected: bytes, at: 0 });
    if same == Ok(true) { Ok(value) } else { Err(DecodeError::NotCanonical) }
}

/// Decodes a value from the front of `bytes`, which this process itself has encoded: its first field, say.
///
/// # Errors
/// [`DecodeError::Malformed`] if there is none. Whether the encoding is canonical is not looked at.
pub fn decode_front<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    postcard::take_from_bytes(bytes).map(|(value, _)| value).map_err(|_| DecodeError::Malformed)
}

/// Compares what is encoded with what was read, without writing it anywhere.
struct Compare<'a> {
    expected: &'a [u8],
    at: usize,
}

impl postcard::ser_flavors::Flavor for Compare<'_> {
    type Output = bool;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        let end = self.at + bytes.len();
        if self.expected.get(self.at..end) != Some(bytes) {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.at = end;
        Ok(())
    }

    fn finalize(self) -> postcard::Result<bool> {
        Ok(self.at == self.expected.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_trailing_bytes_and_long_integers() {
        assert_eq!(decode::<u64>(&[5]), Ok(5));
        assert_eq!(decode::<u64>(&[5, 0]), Err(DecodeError::NotCanonical));
        assert_eq!(decode::<u64>(&[0x85, 0x00]), Err(DecodeError::NotCanonical));
        assert_eq!(decode::<u64>(&[0x85]), Err(DecodeError::Malformed));
    }

    proptest::proptest! {
        #[test]
        fn whatever_decodes_encodes_to_the_same_bytes(bytes in proptest::collection::vec(0u8.., 0..40)) {
            if let Ok(value) = decode::<(u64, Vec<u32>, bytes::Bytes)>(&bytes) {
                proptest::prop_assert_eq!(encode(&value), bytes);
            }
        }
    }
}
