//! What a frame travels in, on substreams and through gossip alike: a nonce of four bytes, then the encoded frame.
//!
//! The digest of the whole envelope is the gossip message id and the key under which verdicts are remembered. The
//! nonce mixes the sender with its re-send counter, so that neither a repetition nor the same words from another
//! mouth are taken for a duplicate and swallowed (`NW-G1`).

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::types::Digest;

const NONCE_BYTES: usize = 4;

/// How much larger than its frame an envelope is.
pub(super) const OVERHEAD_BYTES: usize = NONCE_BYTES;

/// Puts an encoded frame into an envelope.
pub(super) fn seal(nonce: u32, frame: &[u8]) -> Bytes {
    let mut envelope = BytesMut::with_capacity(NONCE_BYTES + frame.len());
    envelope.put_u32_le(nonce);
    envelope.put_slice(frame);
    envelope.freeze()
}

/// The encoded frame inside; `None` when there is no room for a nonce.
pub(super) fn open(envelope: &[u8]) -> Option<&[u8]> {
    envelope.get(NONCE_BYTES..)
}

/// The envelope's identity.
pub(super) fn id(envelope: &[u8]) -> Digest {
    Digest::new(*blake3::hash(envelope).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `NW-G1`
    #[test]
    fn another_resend_counter_is_another_message() {
        let (first, second) = (seal(1, b"vote"), seal(2, b"vote"));
        assert_eq!(open(&first), open(&second));
        assert_ne!(id(&first), id(&second));
        assert_eq!(open(b"abc"), None);
    }
}
