//! `CR-V2`: a batch with bad signatures names exactly those.

use proptest::prelude::*;

use super::{Ballot, Booth, Bundle, good, scope, secret, voter};
use crate::{
    crypto::{Check, Signed, admit, bad_signatures, seeded_rng},
    types::{Digest, Signature},
};

/// Ways to spoil a good signature.
#[derive(Clone, Copy, Debug)]
enum Spoil {
    No,
    Digest,
    Key,
    Commitment,
    Scalar,
}

fn spoiled(at: usize, spoil: Spoil) -> Check {
    let mut check = good(u8::try_from(at % 5).expect("below 5"), at as u64);
    let mut bytes = *check.signature.as_bytes();
    match spoil {
        Spoil::No => {}
        Spoil::Digest => check.digest = Digest::new([0; 32]),
        Spoil::Key => check.key = secret(99).public_key(),
        Spoil::Commitment => bytes[3] ^= 1,
        Spoil::Scalar => bytes[40] ^= 1,
    }
    check.signature = Signature::new(bytes);
    check
}

/// Batches that are checked one by one when they fail, and larger ones that are halved first; most have few bad ones.
fn spoils() -> impl Strategy<Value = Vec<Spoil>> {
    let few = (0usize..200, prop::collection::btree_map(0usize..200, spoil(), 0..4))
        .prop_map(|(len, bad)| (0..len).map(|at| bad.get(&at).copied().unwrap_or(Spoil::No)).collect());
    prop_oneof![prop::collection::vec(spoil(), 0..24), few]
}

fn spoil() -> impl Strategy<Value = Spoil> {
    prop_oneof![
        3 => Just(Spoil::No),
        1 => Just(Spoil::Digest),
        1 => Just(Spoil::Key),
        1 => Just(Spoil::Commitment),
        1 => Just(Spoil::Scalar),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn names_exactly_the_bad_ones(spoils in spoils(), seed in 0u64..) {
        let checks: Vec<Check> = spoils.iter().enumerate().map(|(at, spoil)| spoiled(at, *spoil)).collect();
        let expected: Vec<usize> =
            spoils.iter().enumerate().filter(|(_, spoil)| !matches!(spoil, Spoil::No)).map(|(at, _)| at).collect();
        prop_assert_eq!(bad_signatures(&checks, &mut seeded_rng(seed)), expected);
    }
}

#[test]
fn a_claim_fails_alone_whatever_stands_beside_it() {
    let booth = Booth { keys: (1..=3).map(|seed| secret(seed).public_key()).collect(), scope: scope(7) };
    let ballot = |index: u16, round| {
        let seed = u8::try_from(index + 1).expect("three voters");
        secret(seed).sign(Ballot { round, choice: vec![1] }, voter(index), &booth.scope)
    };
    let forged = Signed { signer: voter(1), ..ballot(0, 4) };
    let stranger = Signed { signer: voter(3), ..ballot(0, 5) };
    let claims = vec![
        (Bundle(vec![ballot(0, 1), ballot(1, 1), ballot(2, 1)]), &booth),
        (Bundle(vec![ballot(0, 2), forged, ballot(2, 2)]), &booth),
        (Bundle(vec![]), &booth),
        (Bundle(vec![ballot(0, 3), stranger]), &booth),
        (Bundle(vec![ballot(2, 6)]), &booth),
    ];
    let verdicts: Vec<bool> = admit(claims, &mut seeded_rng(1)).iter().map(Result::is_ok).collect();
    assert_eq!(verdicts, [true, false, true, false, true]);
}
