//! The cost of signatures: making one, checking one, and checking batches of distinct signers.
//!
//! `verify/batch/n` divided by n against `verify/single` shows what a batch saves; `verify/one_bad/n` what a liar costs
//! by making one fail.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use thalweg::{
    crypto::{Check, SecretKey, Transcript, bad_signatures, seeded_rng},
    types::Digest,
};

/// One good signature of each of `count` signers, over one digest: what a quorum's votes look like.
fn votes(count: usize) -> Vec<Check> {
    let digest = Transcript::new("bench v1").number(1).finish();
    (0..count)
        .map(|at| {
            let key = SecretKey::from_seed(Transcript::new("bench key v1").number(at as u64).finish().as_bytes());
            Check { key: key.public_key(), digest, signature: key.sign_digest(&digest) }
        })
        .collect()
}

fn sign(criterion: &mut Criterion) {
    let key = SecretKey::from_seed(&[1; 32]);
    let digest = Digest::new([2; 32]);
    criterion.bench_function("sign", |bencher| bencher.iter(|| key.sign_digest(black_box(&digest))));
}

fn verify(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verify");
    let one = votes(1).remove(0);
    group.throughput(Throughput::Elements(1));
    group.bench_function("single", |bencher| bencher.iter(|| assert!(black_box(&one).is_valid())));
    for count in [2, 3, 4, 8, 16, 32, 64, 128, 256] {
        let checks = votes(count);
        let mut rng = seeded_rng(1);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("batch", count), |bencher| {
            bencher.iter(|| assert!(bad_signatures(black_box(&checks), &mut rng).is_empty()));
        });
    }
    for count in [4, 64, 256] {
        let mut checks = votes(count);
        checks[count / 2].digest = Digest::new([0; 32]);
        let mut rng = seeded_rng(1);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("one_bad", count), |bencher| {
            bencher.iter(|| assert_eq!(bad_signatures(black_box(&checks), &mut rng).len(), 1));
        });
    }
    group.finish();
}

criterion_group!(benches, sign, verify);
criterion_main!(benches);
