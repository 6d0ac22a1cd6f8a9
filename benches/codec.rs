//! The cost of the wire and disk encoding: a signed vote's worth of fields, and frames of forwarded commands.
//!
//! Decoding includes the check that the bytes are the canonical ones.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde::{Deserialize, Serialize};
use thalweg::{
    app::Command,
    crypto::{SecretKey, Signed},
    replica::wire::Frame,
    types::{BoundedVec, Digest, Height, ValidatorIndex, codec},
};

/// The fields of a vote: its round and its target.
#[derive(Serialize, Deserialize)]
struct Vote {
    round: u64,
    target: Digest,
}

fn vote() -> Signed<Vote> {
    let target = Digest::new([7; 32]);
    let signature = SecretKey::from_seed(&[1; 32]).sign_digest(&target);
    Signed { message: Vote { round: 3, target }, signer: ValidatorIndex::new(2), signature }
}

fn frame(commands: u64) -> Frame {
    let command = |sequence| Command {
        client: Digest::new([5; 32]),
        sequence,
        expires_at_height: Some(Height::new(1_000)),
        body: Bytes::from(vec![9; 200]),
        signature: None,
    };
    let commands: Vec<Command> = (0..commands).map(command).collect();
    Frame::Commands(BoundedVec::try_from(commands).expect("fewer than a frame holds"))
}

fn votes(criterion: &mut Criterion) {
    let vote = vote();
    let bytes = codec::encode(&vote);
    let mut group = criterion.benchmark_group("vote");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("encode", |bencher| bencher.iter(|| codec::encode(black_box(&vote))));
    group.bench_function("decode", |bencher| bencher.iter(|| codec::decode::<Signed<Vote>>(black_box(&bytes))));
    group.finish();
}

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("commands");
    for commands in [1, 10, 1_000] {
        let frame = frame(commands);
        let bytes = codec::encode(&frame);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(BenchmarkId::new("encode", commands), |bencher| {
            bencher.iter(|| codec::encode(black_box(&frame)));
        });
        group.bench_function(BenchmarkId::new("decode", commands), |bencher| {
            bencher.iter(|| codec::decode::<Frame>(black_box(&bytes)));
        });
    }
    group.finish();
}

criterion_group!(benches, votes, frames);
criterion_main!(benches);
