//! `CR-D1`: a signature holds for one protocol, kind, version and instance, and for nothing else.

use super::{Ballot, Booth, Bundle, scope, secret, voter};
use crate::crypto::{Kind, Signable, Signed, Transcript, admit, seeded_rng};

/// The same fields under another kind.
macro_rules! double {
    ($name:ident, $kind:expr) => {
        struct $name(Ballot);

        impl Signable for $name {
            const KIND: Kind = $kind;

            fn fields(&self, transcript: Transcript) -> Transcript {
                self.0.fields(transcript)
            }
        }
    };
}

double!(ForeignProtocol, Kind { protocol: "other", name: "ballot", version: 1 });
double!(ForeignKind, Kind { protocol: "test", name: "paper", version: 1 });
double!(ForeignVersion, Kind { protocol: "test", name: "ballot", version: 2 });
// The same letters, split at another place.
double!(ForeignSplit, Kind { protocol: "testb", name: "allot", version: 1 });

fn ballot() -> Ballot {
    Ballot { round: 3, choice: vec![1, 2] }
}

fn is_admitted<T: Signable>(signed: Signed<T>, scope_byte: u8) -> bool {
    let booth = Booth { keys: vec![secret(1).public_key()], scope: scope(scope_byte) };
    admit(vec![(Bundle(vec![signed]), &booth)], &mut seeded_rng(1)).remove(0).is_ok()
}

/// Signs a ballot and claims that the signature is one of `T`.
fn relabelled<T: Signable>(wrap: fn(Ballot) -> T) -> Signed<T> {
    let signed = secret(1).sign(ballot(), voter(0), &scope(1));
    Signed { message: wrap(signed.message), signer: signed.signer, signature: signed.signature }
}

#[test]
fn admits_a_signature_in_its_own_domain() {
    assert!(is_admitted(secret(1).sign(ballot(), voter(0), &scope(1)), 1));
    assert!(is_admitted(secret(1).sign(ForeignKind(ballot()), voter(0), &scope(1)), 1));
}

#[test]
fn refuses_a_signature_from_another_instance() {
    assert!(!is_admitted(secret(1).sign(ballot(), voter(0), &scope(2)), 1));
}

#[test]
fn refuses_a_signature_of_another_protocol_kind_or_version() {
    assert!(!is_admitted(relabelled(ForeignProtocol), 1));
    assert!(!is_admitted(relabelled(ForeignKind), 1));
    assert!(!is_admitted(relabelled(ForeignVersion), 1));
    assert!(!is_admitted(relabelled(ForeignSplit), 1));
}

#[test]
fn refuses_a_signature_of_other_fields() {
    let mut signed = secret(1).sign(ballot(), voter(0), &scope(1));
    signed.message.round += 1;
    assert!(!is_admitted(signed, 1));
}

#[test]
fn refuses_a_signature_of_another_key() {
    assert!(!is_admitted(secret(2).sign(ballot(), voter(0), &scope(1)), 1));
    assert!(!is_admitted(secret(1).sign(ballot(), voter(1), &scope(1)), 1));
}

proptest::proptest! {
    /// Two lists of byte strings share a digest only if they are equal, however their bytes are split.
    #[test]
    fn framing_separates_lists(bytes in proptest::collection::vec(0u8..4, 0..12), a in 0usize..12, b in 0usize..12) {
        let digest = |at: usize| {
            let (left, right) = bytes.split_at(at.min(bytes.len()));
            Transcript::new("test v1").bytes(left).bytes(right).finish()
        };
        proptest::prop_assert_eq!(digest(a) == digest(b), a.min(bytes.len()) == b.min(bytes.len()));
    }
}
