//! `CR-V1`: one answer for a signature, whether it is checked alone, as a batch of one, or among good ones.
//!
//! The inputs are those on which common verifiers disagree: keys and commitments of small order in all their
//! encodings, and keys with a part of small order.

use curve25519_dalek::{
    constants::EIGHT_TORSION,
    edwards::{CompressedEdwardsY, EdwardsPoint},
    scalar::Scalar,
};
use sha2::{Digest as _, Sha512};

use super::good;
use crate::{
    crypto::{Check, bad_signatures, check_key, seeded_rng},
    types::{Digest, PublicKey, Signature},
};

/// Encodings of small-order points that are not canonical: y at or above the field's prime, or a zero x with the
/// sign bit set.
const NOT_CANONICAL: [&str; 6] = [
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

/// All 14 encodings of the eight points of small order.
fn small_order_encodings() -> Vec<[u8; 32]> {
    let canonical = EIGHT_TORSION.iter().map(|point| point.compress().to_bytes());
    let others = NOT_CANONICAL.iter().map(|text| text.parse::<PublicKey>().expect("32 bytes in hex"));
    canonical.chain(others.map(|key| *key.as_bytes())).collect()
}

/// Asserts that every way of checking agrees on `check`, and returns what they agree on.
fn verdict(check: &Check) -> bool {
    let alone = check.is_valid();
    let twice = vec![check.clone(), check.clone()];
    let among_good = [good(1, 1), check.clone(), good(2, 2), good(3, 3), good(1, 4)];
    // Batch coefficients are random: an equation that ignored the cofactor would hold for some and not for others.
    for seed in 0..4 {
        let mut rng = seeded_rng(seed);
        let of_one = bad_signatures(std::slice::from_ref(check), &mut rng).is_empty();
        assert_eq!(of_one, alone, "a batch of one differs from single: {check:?}");
        let of_two = bad_signatures(&twice, &mut rng).is_empty();
        assert_eq!(of_two, alone, "a batch of two differs from single: {check:?}");
        let expected: &[usize] = if alone { &[] } else { &[1] };
        assert_eq!(bad_signatures(&among_good, &mut rng), expected, "among good ones: {check:?}");
    }
    alone
}

#[test]
fn single_and_batch_agree_on_small_order_points_in_every_encoding() {
    let encodings = small_order_encodings();
    for encoding in &encodings {
        let point = CompressedEdwardsY(*encoding).decompress().expect("a point in some encoding");
        assert!(point.is_small_order());
        // `CR-K1`: none of these can be a validator's key, though signatures for it verify.
        assert!(check_key(&PublicKey::new(*encoding)).is_err());
    }
    let mut accepted = 0;
    for key in &encodings {
        for commitment in &encodings {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(commitment);
            let check = Check {
                key: PublicKey::new(*key),
                digest: Digest::new([42; 32]),
                signature: Signature::new(signature),
            };
            accepted += usize::from(verdict(&check));
        }
    }
    // ZIP 215 multiplies by the cofactor, so s = 0 satisfies the equation for every pair.
    assert_eq!(accepted, encodings.len() * encodings.len());
}

/// Signs with `seed`'s key shifted by a point of small order, and a commitment shifted by another.
fn sign_mixed(seed: u64, key_shift: EdwardsPoint, commitment_shift: EdwardsPoint) -> Check {
    let secret = Scalar::from(seed) + Scalar::from(u64::MAX);
    let nonce = Scalar::from(seed ^ 0x5eed) + Scalar::from(u64::MAX);
    let key = (EdwardsPoint::mul_base(&secret) + key_shift).compress().to_bytes();
    let commitment = (EdwardsPoint::mul_base(&nonce) + commitment_shift).compress().to_bytes();
    let digest = Digest::new([seed.to_le_bytes()[0]; 32]);
    let hash = Sha512::new().chain_update(commitment).chain_update(key).chain_update(digest.as_bytes()).finalize();
    let challenge = Scalar::from_bytes_mod_order_wide(&hash.into());
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&commitment);
    signature[32..].copy_from_slice((nonce + challenge * secret).as_bytes());
    Check { key: PublicKey::new(key), digest, signature: Signature::new(signature) }
}

#[test]
fn single_and_batch_agree_on_mixed_order_keys() {
    for (at, key_shift) in EIGHT_TORSION.iter().enumerate() {
        for commitment_shift in &EIGHT_TORSION {
            let check = sign_mixed(100 + at as u64, *key_shift, *commitment_shift);
            assert!(verdict(&check), "ZIP 215 accepts it: {check:?}");
            let mut other = check.clone();
            other.digest = Digest::new([9; 32]);
            assert!(!verdict(&other), "a signature of something else: {other:?}");
            let is_pure = at == 0;
            assert_eq!(check_key(&check.key).is_ok(), is_pure, "only the key without torsion may be a validator's");
        }
    }
}

#[test]
fn single_and_batch_agree_on_scalars_and_points_that_are_no_encodings() {
    let mut large_scalar = good(5, 5);
    let mut bytes = *large_scalar.signature.as_bytes();
    bytes[32..].copy_from_slice(&[0xff; 32]);
    large_scalar.signature = Signature::new(bytes);
    assert!(!verdict(&large_scalar));

    // s plus the group's order is the same scalar in a second encoding: accepting it would make signatures malleable.
    let order = Scalar::ZERO - Scalar::ONE;
    let mut malleable = good(5, 5);
    let mut carry = 1u16; // the order is (order - 1) + 1
    let mut bytes = *malleable.signature.as_bytes();
    for (byte, add) in bytes[32..].iter_mut().zip(order.as_bytes()) {
        carry += u16::from(*byte) + u16::from(*add);
        *byte = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    malleable.signature = Signature::new(bytes);
    assert!(!verdict(&malleable));

    let no_point = (0u8..).map(|byte| [byte; 32]).find(|bytes| CompressedEdwardsY(*bytes).decompress().is_none());
    let no_point = no_point.expect("about half of all strings are no points");
    let mut bad_key = good(5, 5);
    bad_key.key = PublicKey::new(no_point);
    assert!(!verdict(&bad_key));
    let mut bad_commitment = good(5, 5);
    let mut bytes = *bad_commitment.signature.as_bytes();
    bytes[..32].copy_from_slice(&no_point);
    bad_commitment.signature = Signature::new(bytes);
    assert!(!verdict(&bad_commitment));
}
