//! Bytes that must never change by accident: a change here is a new version of a domain, and a fork of every chain.

use super::{Ballot, scope, secret, voter};
use crate::crypto::{Signable as _, Transcript};

#[test]
fn transcript_digests_are_stable() {
    assert_eq!(
        Transcript::new("thalweg test v1").finish().to_string(),
        "5d476bc49e65a22d6b885decfc85507a93180eb81bbbeb09f86546ca18d3f740"
    );
    let all = Transcript::new("thalweg test v1").bytes(b"abc").number(7).digest(&scope(9)).finish();
    assert_eq!(all.to_string(), "994ace0bdb87d3b557946ffdf8525b1d95b1085d974ae1a1aa0bc54ea05c47ce");
}

#[test]
fn transcript_is_the_hash_of_its_framed_fields() {
    let mut bytes = Vec::new();
    bytes.extend(15u64.to_le_bytes());
    bytes.extend(b"thalweg test v1");
    bytes.extend(3u64.to_le_bytes());
    bytes.extend(b"abc");
    bytes.extend(7u64.to_le_bytes());
    bytes.extend([9; 32]);
    let digest = Transcript::new("thalweg test v1").bytes(b"abc").number(7).digest(&scope(9)).finish();
    assert_eq!(digest.as_bytes(), blake3::hash(&bytes).as_bytes());
}

#[test]
fn derived_streams_are_stable() {
    let words: Vec<u64> = Transcript::new("thalweg test v1").stream().take(2).collect();
    assert_eq!(words, [3288302410508486493, 8813691792107866219]);
}

#[test]
fn signed_messages_are_stable() {
    let ballot = Ballot { round: 3, choice: vec![1, 2] };
    assert_eq!(
        ballot.digest(&scope(1)).to_string(),
        "5ac7702f28ad543526e80f2ebed1a6641d7f596c1df3d1ecb62f999a04f73037"
    );
    let signed = secret(1).sign(ballot, voter(0), &scope(1));
    assert_eq!(
        signed.signature.to_string(),
        "d6d3a616c32c3664d41b9eede7864b6fcccafe8dcc4ac0bad40ba7e42066dc6ffe432b2c7a844c0c00810a0593dad7a5a3d639de94e82fd67401908dc7f8a706"
    );
    assert_eq!(secret(1).public_key().to_string(), "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c");
}
