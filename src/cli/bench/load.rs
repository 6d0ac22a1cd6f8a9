//! The load: batches that are due at fixed moments, or clients that each wait for their last answer.

use std::{
    collections::VecDeque,
    net::{SocketAddr, ToSocketAddrs as _},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use serde::Deserialize;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Duration, Instant, sleep_until},
};

use super::{
    connection::{Answer, Connection},
    measure::{Load, Plan},
    tally::{Ended, Tally},
    workload::Workload,
};
use crate::cli::Failure;

/// How many requests are under way to one node at most.
pub(super) const CONNECTIONS: usize = 64;
/// How many batches may wait for a connection to one node; those beyond are errors.
pub(super) const DUE_MAX: usize = 100_000;

/// What was heard when nothing was.
const NO_ANSWER: &str = "no answer";
/// A batch that was never sent.
const NOT_SENT: &str = "not sent";

/// A node under load.
struct Target {
    address: SocketAddr,
    host: String,
    is_down: AtomicBool,
    due: Mutex<VecDeque<Instant>>,
    waiting: Semaphore,
}

impl Target {
    /// Makes a batch due; `false` when too many are.
    fn push(&self, due: Instant) -> bool {
        let mut queue = self.due.lock().expect(NOT_POISONED);
        if queue.len() >= DUE_MAX {
            return false;
        }
        queue.push_back(due);
        self.waiting.add_permits(1);
        true
    }

    /// Waits for a batch to be due; `None` at the end.
    async fn next(&self) -> Option<Instant> {
        self.waiting.acquire().await.ok()?.forget();
        self.due.lock().expect(NOT_POISONED).pop_front()
    }
}

const NOT_POISONED: &str = "nothing panics while holding the lock";

/// The nodes under load.
#[derive(Clone)]
pub(super) struct Targets(Arc<Vec<Target>>);

impl Targets {
    /// The nodes with these base URLs, none of them known to be down.
    ///
    /// # Errors
    /// [`Failure`] when a name has no address.
    pub(super) fn new(urls: &[String]) -> Result<Self, Failure> {
        let target = |url: &String| {
            let host = url.trim_start_matches("http://").to_owned();
            let with_port = if host.contains(':') { host.clone() } else { format!("{host}:80") };
            let addresses = with_port.to_socket_addrs().map_err(|error| Failure::failed(url, error))?;
            let address = addresses.into_iter().next();
            let address = address.ok_or_else(|| Failure::failed(url, "the name has no address"))?;
            let (due, waiting) = (Mutex::default(), Semaphore::new(0));
            Ok(Target { address, host, is_down: AtomicBool::new(false), due, waiting })
        };
        Ok(Self(Arc::new(urls.iter().map(target).collect::<Result<_, Failure>>()?)))
    }

    /// The first node that is up, from a place on in turn.
    fn up(&self, from: usize) -> Option<usize> {
        let count = self.0.len();
        (from..from + count).map(|at| at % count).find(|at| !self.0[*at].is_down.load(Ordering::Relaxed))
    }
}

/// Puts the nodes under load until `until`, and waits for the last answers.
pub(super) async fn run(plan: &Plan, targets: &Targets, tally: &Tally, until: Instant) {
    let value_bytes = usize::try_from(plan.payload_bytes).unwrap_or(usize::MAX);
    let workload = Arc::new(Mutex::new(Workload::new(plan.seed, value_bytes)));
    let lane = |at| Lane { at, targets: targets.clone(), tally: tally.clone(), workload: workload.clone() };
    let mut tasks = JoinSet::new();
    match plan.load {
        Load::Open { rate, batch } => {
            for at in 0..targets.0.len() {
                for _ in 0..CONNECTIONS {
                    tasks.spawn(lane(at).serve(batch));
                }
            }
            schedule(rate, batch, targets, tally, until).await;
        }
        Load::Closed { clients } => {
            for client in 0..usize::from(clients) {
                tasks.spawn(lane(client % targets.0.len()).repeat(until));
            }
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// Makes batches due at their moments, in turn at each node that is up.
async fn schedule(rate: u32, batch: u16, targets: &Targets, tally: &Tally, until: Instant) {
    let began = Instant::now();
    let interval = Duration::from_secs(1) * u32::from(batch) / rate;
    for number in 0u32.. {
        let due = began + interval * number;
        if due >= until {
            break;
        }
        sleep_until(due).await;
        let at = targets.up(usize::try_from(number).unwrap_or(0));
        if !at.is_some_and(|at| targets.0[at].push(due)) {
            tally.end(Ended { due, committed: 0, errors: vec![(NOT_SENT.to_owned(), batch.into())] });
        }
    }
    // What is due is still sent; then the lanes end.
    for target in &*targets.0 {
        let lanes = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
        let queue = || target.due.lock().expect(NOT_POISONED).is_empty();
        while !queue() {
            sleep_until(Instant::now() + interval.max(Duration::from_millis(1))).await;
        }
        target.waiting.add_permits(usize::try_from(lanes).unwrap_or(CONNECTIONS));
    }
}

/// One request at a time.
struct Lane {
    at: usize,
    targets: Targets,
    tally: Tally,
    workload: Arc<Mutex<Workload>>,
}

impl Lane {
    /// Open loop: sends what is due at its node, until nothing more comes.
    async fn serve(self, batch: u16) {
        let mut connection = None;
        let target = &self.targets.0[self.at];
        while let Some(due) = target.next().await {
            if target.is_down.load(Ordering::Relaxed) {
                // Another one's work now, and late by what passed since.
                if !self.targets.up(self.at).is_some_and(|at| self.targets.0[at].push(due)) {
                    self.tally.end(Ended { due, committed: 0, errors: vec![(NOT_SENT.to_owned(), batch.into())] });
                }
                continue;
            }
            let request = self.workload.lock().expect(NOT_POISONED).batch(&target.host, batch);
            let heard = ask(target, &mut connection, &request, |answer| read_batch(answer, batch.into())).await;
            let (committed, errors) = heard.unwrap_or_else(|| (0, vec![(NO_ANSWER.to_owned(), batch.into())]));
            self.tally.end(Ended { due, committed, errors });
        }
    }

    /// Closed loop: one put after the other, at the next node when one is gone.
    async fn repeat(mut self, until: Instant) {
        let mut connection = None;
        while let Some(at) = self.targets.up(self.at).filter(|_| Instant::now() < until) {
            if at != self.at {
                (self.at, connection) = (at, None);
            }
            let target = &self.targets.0[at];
            let request = self.workload.lock().expect(NOT_POISONED).put(&target.host);
            let due = Instant::now();
            let heard = ask(target, &mut connection, &request, |answer| match answer.status {
                200 => (1, Vec::new()),
                status => (0, vec![(status.to_string(), 1)]),
            });
            let (committed, errors) = heard.await.unwrap_or_else(|| (0, vec![(NO_ANSWER.to_owned(), 1)]));
            self.tally.end(Ended { due, committed, errors });
        }
    }
}

/// One exchange; `None` without an answer. Who refuses connections is taken for dead.
async fn ask<T>(
    target: &Target,
    connection: &mut Option<Connection>,
    request: &[u8],
    read: impl FnOnce(Answer<'_>) -> T,
) -> Option<T> {
    let open = match connection.take() {
        Some(open) => Ok(open),
        None => Connection::open(target.address).await,
    };
    let mut open = open.inspect_err(|_| target.is_down.store(true, Ordering::Relaxed)).ok()?;
    let heard = read(open.exchange(request).await.ok()?);
    *connection = Some(open);
    Some(heard)
}

#[derive(Deserialize)]
struct Results<'a> {
    #[serde(borrow)]
    results: Vec<Outcome<'a>>,
}

#[derive(Deserialize)]
struct Outcome<'a> {
    status: &'a str,
    problem: Option<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    status: u16,
}

/// How many commands of a batch were committed, and what is said of the others.
fn read_batch(answer: Answer<'_>, commands: u64) -> (u64, Vec<(String, u64)>) {
    if answer.status != 200 {
        return (0, vec![(answer.status.to_string(), commands)]);
    }
    let Ok(Results { results }) = serde_json::from_slice(answer.body) else {
        return (0, vec![("no JSON".to_owned(), commands)]);
    };
    let (committed, others): (Vec<_>, Vec<_>) = results.into_iter().partition(|one| one.status == "committed");
    let said = |one: Outcome<'_>| one.problem.map_or_else(|| one.status.to_owned(), |it| it.status.to_string());
    (committed.len() as u64, others.into_iter().map(|one| (said(one), 1)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_of_a_batch_are_told_apart() {
        let body = br#"{"results":[
            {"id":"a","status":"committed","height":1,"result":{"existed":false},"problem":null},
            {"id":"b","status":"rejected","height":null,"result":null,"problem":{"type":"x","title":"t","status":429,"detail":"d"}}
        ]}"#;
        assert_eq!(read_batch(Answer { status: 200, body }, 2), (1, vec![("429".to_owned(), 1)]));
        assert_eq!(read_batch(Answer { status: 503, body }, 2), (0, vec![("503".to_owned(), 2)]));
        assert_eq!(read_batch(Answer { status: 200, body: b"?" }, 2), (0, vec![("no JSON".to_owned(), 2)]));
    }
}
