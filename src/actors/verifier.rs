//! The verifier: the doorway of signatures, in batches of whatever waits.
//!
//! Deciders ask with [`Check`] and wait for the answer. Everything that arrives before the verifier gets its turn is
//! one batch: a small one is checked on the spot, since handing it to another thread costs more than the check
//! (a hop is 58 µs, a signature 30 µs); a larger one goes to a pool of threads. No signature is checked twice: the
//! brains ask only for what they do not know.
//!
//! Policy of the edges: deciders bound what they have in flight ([`super::decider`]); the pool's queue, which actix
//! leaves unbounded, holds at most `JOBS_MAX` jobs, and what comes meanwhile waits here for the next batch.

use std::{sync::Arc, time::Instant};

use actix::prelude::*;
use rand_core::SeedableRng as _;
use tokio::sync::oneshot;

use super::port::Receive;

use crate::{
    app::Block,
    crypto::{BatchRng, Claim as _, Signed, Verified, admit},
    metrics::Metrics,
    protocol::{Checkpoint, Electorate, Message as Wire},
    types::Digest,
};

/// Batches of up to so many signatures are checked on the arbiter itself.
const INLINE_SIGNATURES_MAX: usize = 8;
/// Jobs given to the pool and not yet answered.
const JOBS_MAX: usize = 4;
/// Threads of the pool.
const THREADS: usize = 2;

/// The answer: the message verified, or the message back.
pub type Checked = Result<Verified<Wire>, Wire>;

/// Checks all signatures of a message.
#[derive(Message)]
#[rtype(result = "Option<Checked>")]
pub struct Check {
    /// The message.
    pub message: Wire,
    /// Whose signatures count.
    pub electorate: Arc<Electorate>,
}

/// Checks a fetched block against its certificate. Answers with the block if the certificate proves its payload.
#[derive(Message)]
#[rtype(result = "Result<Block, crate::types::Height>")]
pub struct CheckBlock {
    /// The block.
    pub block: Block,
    /// Whose signatures count.
    pub electorate: Electorate,
}

/// Checks a vote for a checkpoint; answers with it if its signature holds.
#[derive(Message)]
#[rtype(result = "Option<Verified<Signed<Checkpoint>>>")]
pub struct CheckVote {
    /// The vote.
    pub vote: Signed<Checkpoint>,
    /// Whose signature counts.
    pub electorate: Electorate,
}

struct Waiting {
    check: Check,
    answer: oneshot::Sender<Checked>,
}

/// The actor.
pub struct Verifier {
    pool: Addr<Worker>,
    rng: BatchRng,
    waiting: Vec<Waiting>,
    flush_is_due: bool,
    jobs: usize,
    metrics: Metrics,
}

impl Verifier {
    /// Starts the pool's threads.
    ///
    /// # Panics
    /// If the operating system has no randomness: batches must not be predictable.
    #[expect(
        clippy::disallowed_types,
        reason = "its queue holds JOBS_MAX batches and the blocks of one window; a worker's panic ends the process"
    )]
    pub fn new(metrics: Metrics) -> Self {
        let pool = SyncArbiter::start(THREADS, || Worker { rng: unpredictable_rng() });
        let rng = unpredictable_rng();
        Self { pool, rng, waiting: Vec::new(), flush_is_due: false, jobs: 0, metrics }
    }

    fn flush(&mut self, ctx: &mut Context<Self>) {
        self.flush_is_due = false;
        if self.waiting.is_empty() || self.jobs >= JOBS_MAX {
            return;
        }
        let batch = std::mem::take(&mut self.waiting);
        let signatures: usize = batch.iter().map(|waiting| signatures(&waiting.check)).sum();
        if signatures <= INLINE_SIGNATURES_MAX {
            let started = Instant::now();
            check(batch, &mut self.rng);
            self.metrics.verified(signatures, started.elapsed());
            return;
        }
        self.jobs += 1;
        let metrics = self.metrics.clone();
        let job = self.pool.send(Job { batch, signatures, metrics }).into_actor(self);
        ctx.spawn(job.map(|_, verifier, ctx| {
            verifier.jobs -= 1;
            verifier.flush(ctx);
        }));
    }
}

/// Randomness for batches that nobody can foresee.
///
/// # Panics
/// If the operating system has none.
pub(super) fn unpredictable_rng() -> BatchRng {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the operating system provides randomness");
    BatchRng::from_seed(seed)
}

fn signatures(check: &Check) -> usize {
    let mut checks = Vec::new();
    // A stranger's message needs no signature checked; it is refused for free.
    let _ = check.message.checks(&check.electorate, &mut checks);
    checks.len()
}

fn check(batch: Vec<Waiting>, rng: &mut BatchRng) {
    let electorates: Vec<_> = batch.iter().map(|waiting| Arc::clone(&waiting.check.electorate)).collect();
    let (messages, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|w| (w.check.message, w.answer)).unzip();
    let claims = messages.into_iter().zip(electorates.iter().map(AsRef::as_ref)).collect();
    for (checked, answer) in admit(claims, rng).into_iter().zip(answers) {
        // A decider that is gone by now no longer wants its answer.
        let _ = answer.send(checked);
    }
}

impl Actor for Verifier {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(super::MAILBOX);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Flush;

impl Handler<Flush> for Verifier {
    type Result = ();

    fn handle(&mut self, Flush: Flush, ctx: &mut Self::Context) {
        self.flush(ctx);
    }
}

impl Receive<Check> for Verifier {
    type Result = ResponseFuture<Option<Checked>>;

    fn receive(&mut self, check: Check, ctx: &mut Self::Context) -> Self::Result {
        let (answer, answered) = oneshot::channel();
        self.waiting.push(Waiting { check, answer });
        if !self.flush_is_due {
            self.flush_is_due = true;
            // After everything else in the mailbox: that is what makes batches.
            ctx.notify(Flush);
        }
        Box::pin(async { answered.await.ok() })
    }
}

impl Receive<CheckBlock> for Verifier {
    type Result = ResponseFuture<Result<Block, crate::types::Height>>;

    fn receive(&mut self, job: CheckBlock, _: &mut Self::Context) -> Self::Result {
        let height = job.block.height;
        let answer = self.pool.send(job);
        Box::pin(async move { answer.await.unwrap_or(Err(height)) })
    }
}

impl Receive<CheckVote> for Verifier {
    type Result = Option<Verified<Signed<Checkpoint>>>;

    fn receive(&mut self, CheckVote { vote, electorate }: CheckVote, _: &mut Self::Context) -> Self::Result {
        admit(vec![(vote, &electorate)], &mut self.rng).pop()?.ok()
    }
}

struct Job {
    batch: Vec<Waiting>,
    signatures: usize,
    metrics: Metrics,
}

impl actix::Message for Job {
    type Result = ();
}

/// A thread of the pool.
struct Worker {
    rng: BatchRng,
}

impl Actor for Worker {
    type Context = SyncContext<Self>;
}

impl Handler<Job> for Worker {
    type Result = ();

    fn handle(&mut self, job: Job, _: &mut Self::Context) {
        let started = Instant::now();
        check(job.batch, &mut self.rng);
        job.metrics.verified(job.signatures, started.elapsed());
    }
}

impl Handler<CheckBlock> for Worker {
    type Result = Result<Block, crate::types::Height>;

    fn handle(&mut self, CheckBlock { block, electorate }: CheckBlock, _: &mut Self::Context) -> Self::Result {
        let root: Digest = crate::protocol::payload_root(&block.payload);
        match block.certificate.verify(block.height, &electorate, &mut self.rng) {
            Ok(proven) if proven == root => Ok(block),
            Ok(_) | Err(_) => Err(block.height),
        }
    }
}
