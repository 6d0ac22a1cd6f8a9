//! Carries batches to nodes until every line's fate is known.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use serde::Deserialize;

use super::line::{Content, Line};
use crate::cli::client::{Backoff, Client, Method, Problem, Request, Trouble, is_retryable, kv_path};

/// How a line ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// Executed and durable, now or at an earlier import of the same file.
    Committed,
    /// It never will be, for this reason.
    Rejected(String),
}

/// What a courier brings back.
#[derive(Debug)]
pub(super) struct Delivery {
    /// Who is idle again.
    pub(super) courier: usize,
    /// Every line of the batch with its fate; or why it was given up.
    pub(super) fates: Result<Vec<(Line, Fate)>, Trouble>,
}

#[derive(Deserialize)]
struct Results {
    results: Vec<Outcome>,
}

/// The answer to one command of a batch.
#[derive(Deserialize)]
struct Outcome {
    status: String,
    problem: Option<Box<Problem>>,
}

/// What is known of a line after one attempt.
enum Verdict {
    Known(Fate),
    /// Ask again: nothing was executed, or it cannot be told yet.
    Open(Box<Problem>),
}

/// One of the threads that carry batches.
pub(super) struct Courier<'a> {
    client: Client,
    /// For how long to go on without any progress.
    patience: Duration,
    /// Set when the import is over.
    stopped: &'a AtomicBool,
}

impl<'a> Courier<'a> {
    pub(super) fn new(client: Client, patience: Duration, stopped: &'a AtomicBool) -> Self {
        Self { client, patience, stopped }
    }

    /// Carries what comes, one batch at a time, until no more can come.
    pub(super) fn work(&self, me: usize, batches: &mpsc::Receiver<Vec<Line>>, deliveries: &mpsc::SyncSender<Delivery>) {
        while let Ok(batch) = batches.recv() {
            let delivery = Delivery { courier: me, fates: self.deliver(batch) };
            if deliveries.send(delivery).is_err() {
                return;
            }
        }
    }

    /// Submits a batch until each line's fate is known. Keys in a batch are distinct, so that repeating a part of it
    /// cannot change their order.
    fn deliver(&self, batch: Vec<Line>) -> Result<Vec<(Line, Fate)>, Trouble> {
        let mut open = batch;
        let mut known = Vec::with_capacity(open.len());
        let mut backoff = Backoff::new();
        loop {
            let trouble = match self.attempt(&open) {
                Ok(verdicts) => {
                    let before = known.len();
                    let mut last = None;
                    let mut again = Vec::new();
                    for (line, verdict) in open.into_iter().zip(verdicts) {
                        match verdict {
                            Verdict::Known(fate) => known.push((line, fate)),
                            Verdict::Open(problem) => {
                                last = Some(Trouble::Problem(problem));
                                again.push(line);
                            }
                        }
                    }
                    if known.len() > before {
                        backoff.reset();
                    }
                    open = again;
                    match last {
                        None => return Ok(known),
                        Some(trouble) => trouble,
                    }
                }
                Err(trouble) if trouble.is_retryable() => trouble,
                Err(trouble) => return Err(trouble),
            };
            if self.stopped.load(Ordering::SeqCst) || !backoff.try_pause(self.patience) {
                return Err(trouble);
            }
        }
    }

    /// Submits the lines once, to the first node that takes them, and returns a verdict for each.
    fn attempt(&self, lines: &[Line]) -> Result<Vec<Verdict>, Trouble> {
        if let [Line { key, content: Content::Raw(value), idempotency_key, signed, .. }] = lines {
            return self.attempt_raw(key, value, idempotency_key, signed.as_deref());
        }
        let items: Vec<&str> = lines.iter().filter_map(Line::item).collect();
        let body = format!(r#"{{"commands":[{}]}}"#, items.join(","));
        let reply = self.client.ask_around(&Request {
            method: Method::Post,
            path: "/v1/commands?wait=committed".to_owned(),
            content_type: "application/json",
            body: body.as_bytes(),
            idempotency_key: None,
            signed: None,
            token: None,
        })?;
        if !reply.is_success() {
            // A batch of one that is too large is that line's fault; anything else is ours, and hits all.
            return match (lines.len(), reply.status) {
                (1, 413) => Ok(vec![Verdict::Known(Fate::Rejected(reply.problem().to_string()))]),
                _ => Err(Trouble::Problem(reply.problem())),
            };
        }
        let unreadable = |error: String| Trouble::Unreachable { node: reply.node.clone(), error };
        let results: Results =
            serde_json::from_slice(&reply.body).map_err(|error| unreadable(format!("no batch answer: {error}")))?;
        if results.results.len() != lines.len() {
            let counts = format!("{} results for {} commands", results.results.len(), lines.len());
            return Err(unreadable(counts));
        }
        results.results.into_iter().map(Outcome::verdict).collect()
    }

    fn attempt_raw(
        &self,
        key: &[u8],
        value: &[u8],
        idempotency_key: &str,
        signed: Option<&str>,
    ) -> Result<Vec<Verdict>, Trouble> {
        let path = match kv_path(key) {
            Ok(path) => path,
            Err(failure) => return Ok(vec![Verdict::Known(Fate::Rejected(failure.to_string()))]),
        };
        let reply = self.client.ask_around(&Request {
            method: Method::Put,
            path,
            content_type: "application/octet-stream",
            body: value,
            idempotency_key: signed.is_none().then_some(idempotency_key),
            signed,
            token: None,
        })?;
        if reply.problem().is_unsigned() {
            return Err(Trouble::Problem(reply.problem()));
        }
        let fate = if reply.is_success() { Fate::Committed } else { Fate::Rejected(reply.problem().to_string()) };
        Ok(vec![Verdict::Known(fate)])
    }
}

impl Line {
    fn item(&self) -> Option<&str> {
        match &self.content {
            Content::Item(json) => Some(json),
            Content::Raw(_) => None,
        }
    }
}

impl Outcome {
    /// # Errors
    /// [`Trouble`] when no line will fare better.
    fn verdict(self) -> Result<Verdict, Trouble> {
        let problem = self.problem.unwrap_or_default();
        if problem.is_unsigned() {
            return Err(Trouble::Problem(problem));
        }
        Ok(match self.status.as_str() {
            "committed" => Verdict::Known(Fate::Committed),
            "rejected" if !is_retryable(problem.status) => Verdict::Known(Fate::Rejected(problem.to_string())),
            // Refused for now, or its fate is open: the idempotency key makes asking again safe.
            _ => Verdict::Open(problem),
        })
    }
}
