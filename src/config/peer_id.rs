//! The name of a node on the network.

use crate::types::PublicKey;

/// The multihash code of data that is not hashed: an Ed25519 key is short enough to be carried whole.
const IDENTITY_MULTIHASH: u8 = 0x00;
/// Field 1 of the protobuf message `PublicKey`, the key's type, as a varint.
const TYPE_FIELD: u8 = 0x08;
/// `KeyType.Ed25519`.
const TYPE_ED25519: u8 = 0x01;
/// Field 2 of the protobuf message `PublicKey`, the key's bytes, with a length.
const DATA_FIELD: u8 = 0x12;
const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// The libp2p peer id of an Ed25519 key, as text: base58btc of the identity multihash over the key's protobuf
/// encoding. Always begins with `12D3KooW`.
///
/// Source: libp2p specification, "Peer Ids and Keys", sections "Keys" and "Peer Ids".
///
/// # Panics
/// Never: a key has 32 bytes.
pub fn peer_id(key: &PublicKey) -> String {
    let key = key.as_bytes();
    let key_len = u8::try_from(key.len()).expect("32");
    let mut multihash = vec![IDENTITY_MULTIHASH, key_len + 4, TYPE_FIELD, TYPE_ED25519, DATA_FIELD, key_len];
    multihash.extend_from_slice(key);
    base58(&multihash)
}

/// Base58 with Bitcoin's alphabet: a number in base 58, most significant digit first, one `1` for each leading zero.
fn base58(bytes: &[u8]) -> String {
    let mut digits: Vec<u8> = Vec::new();
    for &byte in bytes {
        let mut carry = u32::from(byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = u8::try_from(carry % 58).expect("below 58");
            carry /= 58;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 58).expect("below 58"));
            carry /= 58;
        }
    }
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).map(|_| '1');
    zeros.chain(digits.iter().rev().map(|&digit| char::from(BASE58[usize::from(digit)]))).collect()
}

/// Whether `text` could be the peer id of an Ed25519 key: 38 bytes of base58 that begin as such ids do. Whether the
/// key is a point is for the network to find out.
pub(super) fn is_peer_id(text: &str) -> bool {
    text.len() == 52 && text.starts_with("12D3KooW") && text.bytes().all(|byte| BASE58.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SecretKey;

    #[test]
    fn base58_keeps_leading_zeros() {
        assert_eq!(base58(b""), "");
        assert_eq!(base58(&[0, 0, 1]), "112");
        assert_eq!(base58(b"Hello World!"), "2NEpo7TZRRrLZSi2U");
    }

    #[test]
    fn peer_ids_have_the_shape_of_ed25519() {
        for seed in 0..50 {
            let id = peer_id(&SecretKey::from_seed(&[seed; 32]).public_key());
            assert!(is_peer_id(&id), "{id}");
        }
        assert!(!is_peer_id("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"));
    }

    #[cfg(feature = "node")]
    #[test]
    fn peer_id_equals_libp2ps() {
        for seed in 0..50 {
            let mut bytes = [seed; 32];
            let theirs = libp2p::identity::Keypair::ed25519_from_bytes(&mut bytes).unwrap().public().to_peer_id();
            let ours = peer_id(&SecretKey::from_seed(&[seed; 32]).public_key());
            assert_eq!(ours, theirs.to_string());
        }
    }
}
