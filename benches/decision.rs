//! The CPU time of one replica for one decision: all replicas in one thread, messages handed over in rounds, so that
//! signature checks batch over whatever waits, as in the verifier. Prints the bytes that one replica receives.
//!
//! `cargo bench --no-default-features --bench decision`

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use thalweg::{
    crypto::{self, BatchRng, Check, SecretKey, Transcript},
    protocol::{
        Effect, Electorate, Input, Message, Origin, ProtocolName, Setup, Timing, To, Verdict,
        seat::{Errand, Seat},
    },
    replica::wire::Frame,
    types::{CrashModel, Digest, Height, Power, Time, Validator, ValidatorIndex, ValidatorSet, codec},
};

const SIZES: [usize; 3] = [4, 31, 100];

struct Cluster {
    electorate: Electorate,
    keys: Vec<SecretKey>,
    rng: BatchRng,
    runs: u64,
}

/// One decision under way.
struct Run<'a> {
    cluster: &'a mut Cluster,
    seats: Vec<Seat>,
    inboxes: Vec<Vec<Input>>,
    decided: usize,
    bytes: usize,
    checks: usize,
}

impl Cluster {
    fn new(n: usize) -> Self {
        let seed = |at: usize| *Transcript::new("bench key").number(at as u64).finish().as_bytes();
        let mut keys: Vec<SecretKey> = (0..n).map(|at| SecretKey::from_seed(&seed(at))).collect();
        keys.sort_by_key(SecretKey::public_key);
        let member = |key: &SecretKey| Validator { public_key: key.public_key(), power: Power::new(1) };
        let set = ValidatorSet::new(keys.iter().map(member).collect(), CrashModel::Byzantine).expect("distinct keys");
        let electorate = Electorate { id: Digest::new([0; 32]), set: Arc::new(set) };
        Self { electorate, keys, rng: crypto::seeded_rng(7), runs: 0 }
    }

    fn decide(&mut self, count_bytes: bool) -> (usize, usize) {
        self.runs += 1;
        self.electorate.id = Transcript::new("bench instance").number(self.runs).finish();
        let n = self.keys.len();
        let seats = (0..n).map(|at| self.seat(at)).collect();
        let inboxes = (0..n).map(|_| vec![Input::Begin { records: Vec::new(), restarted: false }]).collect();
        let mut run = Run { cluster: self, seats, inboxes, decided: 0, bytes: 0, checks: 0 };
        run.inboxes[0].push(Input::Demand { commands_since: Some(Time::ZERO), waited_on: false });
        while run.round(count_bytes) {}
        assert_eq!(run.decided, n, "everyone decides");
        (run.bytes / n, run.checks / n)
    }

    fn seat(&self, at: usize) -> Seat {
        let setup = Setup {
            id: self.electorate.id,
            height: Height::FIRST,
            set: self.electorate.set.clone(),
            me: ValidatorIndex::at(at),
            owner: ValidatorIndex::new(0),
            timing: Timing::default(),
            payload_bytes_max: 1 << 20,
            forgotten: Height::ZERO,
        };
        Seat::open(ProtocolName::Streamlette, setup, Some(self.keys[at].clone()))
    }
}

impl Run<'_> {
    /// Lets every replica work off what waits for it. Returns whether anything did.
    fn round(&mut self, count_bytes: bool) -> bool {
        let mut is_busy = false;
        for at in 0..self.seats.len() {
            let mut waiting = Vec::new();
            let mut inputs = std::mem::take(&mut self.inboxes[at]);
            is_busy |= !inputs.is_empty();
            // What is verified may ask for more to be verified.
            while !inputs.is_empty() {
                let mut next = Vec::new();
                for input in inputs {
                    self.step(at, input, &mut next, &mut waiting, count_bytes);
                }
                let origins: Vec<Origin> = waiting.iter().map(|(origin, _)| *origin).collect();
                if count_bytes {
                    let mut checks = Vec::new();
                    for (_, message) in &waiting {
                        crypto::Claim::checks(message, &self.cluster.electorate, &mut checks).expect("members");
                    }
                    self.checks += checks.len();
                }
                let electorate = &self.cluster.electorate;
                let claims = waiting.drain(..).map(|(_, message)| (message, electorate)).collect();
                let verdicts = crypto::admit(claims, &mut self.cluster.rng);
                for (origin, verdict) in origins.into_iter().zip(verdicts) {
                    let message = verdict.expect("nobody lies here");
                    next.push(Input::Message { origin, message });
                }
                inputs = next;
            }
        }
        is_busy
    }

    fn step(
        &mut self,
        at: usize,
        input: Input,
        next: &mut Vec<Input>,
        waiting: &mut Vec<(Origin, Message)>,
        count_bytes: bool,
    ) {
        let (mut errands, mut events) = (Vec::new(), Vec::new());
        self.seats[at].step(Time::ZERO, input, &mut errands, &mut events);
        for errand in errands {
            match errand {
                Errand::Post { to: To::Validators, message } => self.post(at, message.get(), count_bytes),
                Errand::Act(Effect::Verify { origin, message }) => waiting.push((origin, message)),
                Errand::Act(Effect::Persist { token, .. }) => next.push(Input::Durable(token)),
                Errand::Act(Effect::Build { slot, .. }) => {
                    let payload = Some(Bytes::from_static(&[9; 32]));
                    next.push(Input::Payload { slot, payload });
                }
                Errand::Act(Effect::Validate { id, .. }) => next.push(Input::Verdict { id, verdict: Verdict::Valid }),
                Errand::Act(Effect::Decided { .. }) => self.decided += 1,
                Errand::Act(Effect::Judge { .. } | Effect::Measured { .. } | Effect::Finished) => {}
                other => panic!("unexpected without faults: {other:?}"),
            }
        }
    }

    fn post(&mut self, from: usize, message: &Message, count_bytes: bool) {
        if count_bytes {
            let instance = self.cluster.electorate.id;
            let frame = Frame::Instance { height: Height::FIRST, instance, message: message.clone() };
            self.bytes += codec::encode(&frame).len() * (self.seats.len() - 1);
        }
        let origin = Origin { validator: ValidatorIndex::at(from), ticket: None };
        for (to, inbox) in self.inboxes.iter_mut().enumerate() {
            if to != from {
                inbox.push(Input::Arrived { origin, message: message.clone() });
            }
        }
    }
}

/// The time that this thread has run, so that a busy machine does not count. Linux only, like the measurement.
fn cpu_time() -> Duration {
    // The kernel brings the number up to date when it looks at the thread, so let it look.
    std::thread::yield_now();
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells run times");
    let nanos = stat.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("the first number is the run time in nanoseconds"))
}

fn decision(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decision, CPU of one replica");
    group.sample_size(20);
    for n in SIZES {
        let mut cluster = Cluster::new(n);
        let (bytes, checks) = cluster.decide(true);
        eprintln!("n = {n}: one replica receives {bytes} bytes and checks {checks} signatures for a decision");
        group.bench_function(BenchmarkId::from_parameter(n), |bencher| {
            bencher.iter_custom(|runs| {
                let start = cpu_time();
                (0..runs).for_each(|_| {
                    cluster.decide(false);
                });
                (cpu_time() - start) / u32::try_from(n).expect("small")
            });
        });
    }
    group.finish();
}

/// What a decision cannot do without: two signatures, and a quorum of checks in each of two ticks, the leader's alone
/// and the others in a batch. The difference to the above is what the protocol itself costs.
fn signatures_alone(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("signatures of a decision alone");
    group.sample_size(20);
    for n in SIZES {
        let Cluster { keys, mut rng, .. } = Cluster::new(n);
        let digest = Transcript::new("bench vote").finish();
        let check = |key: &SecretKey| Check { key: key.public_key(), digest, signature: key.sign_digest(&digest) };
        // Of a quorum, one vote is our own and one the leader's.
        let votes: Vec<Check> = keys.iter().take(2 * n / 3 - 1).map(check).collect();
        let leader = [check(&keys[n - 1])];
        group.bench_function(BenchmarkId::from_parameter(n), |bencher| {
            bencher.iter_custom(|runs| {
                let start = cpu_time();
                for _ in 0..2 * runs {
                    std::hint::black_box(keys[0].sign_digest(&digest));
                    assert!(crypto::bad_signatures(&leader, &mut rng).is_empty());
                    assert!(crypto::bad_signatures(&votes, &mut rng).is_empty());
                }
                cpu_time() - start
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decision, signatures_alone);
criterion_main!(benches);
