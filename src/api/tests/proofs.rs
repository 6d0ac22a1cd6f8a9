//! `?proof=true`: when a state is attested, and what is done for it.

use super::{fake::Mood, *};
use crate::{
    replica::{Attestation, StateProofDocument},
    types::Octets,
};

fn document(reply: &Reply) -> StateProofDocument {
    serde_json::from_value(reply.json(200)).unwrap()
}

/// With a window of 2 the certificate of height 4 attests the state of height 1.
#[test]
fn idle_chain_is_moved_until_the_state_is_attested() {
    let bench = Bench::new();
    bench.put("/v1/kv/a%ff", b"1");
    let reply = bench.get("/v1/kv/a%ff?proof=true");
    let document = document(&reply);
    assert_eq!(reply.header("thalweg-height"), Some("1"));
    assert_eq!(document.header, bench.node.header(Height::new(1)));
    assert_eq!((document.key, document.value), (Octets(b"a\xff"[..].into()), Some(Octets(b"1"[..].into()))));
    let Attestation::History(certificate) = document.attestation else { panic!("{:?}", document.attestation) };
    assert_eq!(certificate.height, Height::new(4));
    assert_eq!(bench.node.submitted().len(), 4, "one put, and a command without effect for each height");
}

#[test]
fn absence_is_an_answer_when_it_is_proven() {
    let bench = Bench::new();
    bench.put("/v1/kv/a", b"1");
    assert_eq!(document(&bench.get("/v1/kv/b?proof=true")).value, None);
    bench.get("/v1/kv/b?proof=false").problem(404, "no-key");
    bench.get("/v1/kv/b?proof=yes").problem(400, "bad-request");
}

#[test]
fn nothing_is_proven_while_nothing_is_decided() {
    let bench = Bench::new();
    bench.put("/v1/kv/a", b"1");
    bench.node.set_mood(Mood::Stuck);
    bench.get("/v1/kv/a?proof=true&timeout_ms=50").problem(504, "timeout");
}

#[test]
fn chain_that_attests_no_state_says_so() {
    let bench = Bench::new();
    bench.put("/v1/kv/a", b"1");
    bench.node.set_mood(Mood::Unattested);
    bench.get("/v1/kv/a?proof=true").problem(501, "unprovable");
}
