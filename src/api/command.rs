//! From operations to commands, and from their fates to what a client is told. Shared by single writes and batches.

use bytes::Bytes;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::{
    port::{Backend, Operation, Pending, Refusal},
    problem::{Kind, Problem},
    server::{Late, Shared},
};
use crate::{
    app::{Command, Receipt, Status},
    replica::Fate,
    types::{Digest, Height},
};

/// Why a fate is not told by a node that is told to end.
const STOPPING: &str = "the node is stopping: ask another one for the command by its id";

/// What a client is told about one command.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Outcome {
    /// Its id; `None` when it was refused before it had one.
    pub id: Option<Digest>,
    /// How far it came.
    pub status: Progress,
    /// The height at which it ended.
    pub height: Option<Height>,
    /// The application's answer.
    pub result: Option<serde_json::Value>,
    /// Why it did not come further.
    pub problem: Option<Problem>,
}

/// How far a command came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// Nothing is known of it.
    Unknown,
    /// Its fate is open.
    Pending,
    /// It is in the mempool.
    Accepted,
    /// It is in a decided block.
    Decided,
    /// Executed and durable.
    Committed,
    /// It has no effect and never will.
    Rejected,
}

impl Outcome {
    /// A command that only came so far.
    pub fn open(id: Digest, status: Progress, height: Option<Height>) -> Self {
        Self { id: Some(id), status, height, result: None, problem: None }
    }

    /// A command that never had an effect.
    pub fn rejected(problem: Problem) -> Self {
        Self { id: None, status: Progress::Rejected, height: None, result: None, problem: Some(problem) }
    }

    /// A command whose fate is not known in time.
    fn pending(id: Digest, why: &str) -> Self {
        let problem = Some(Problem::new(Kind::FateUnknown, why).about(id));
        Self { problem, ..Self::open(id, Progress::Pending, None) }
    }

    /// A command that was executed, whatever came of it.
    pub fn executed(backend: &dyn Backend, id: Digest, height: Height, receipt: &Receipt) -> Self {
        let result = Some(backend.describe(receipt));
        let refused = |kind, why| {
            let problem = Some(Problem::new(kind, why).about(id).at(height));
            Self { id: Some(id), status: Progress::Rejected, height: Some(height), result: result.clone(), problem }
        };
        match receipt.status {
            Status::Applied => {
                Self { id: Some(id), status: Progress::Committed, height: Some(height), result, problem: None }
            }
            Status::Refused => refused(Kind::Refused, "see the command's result"),
            Status::Conflict => refused(Kind::KeyReused, "another command with this Idempotency-Key was executed"),
            Status::Expired => refused(Kind::Expired, "it came too late and was not executed; try again"),
        }
    }

    /// What a fate means to the client.
    fn of(backend: &dyn Backend, id: Digest, fate: Result<Fate, Refusal>) -> Self {
        let refused = |kind, why| Self { id: Some(id), ..Self::rejected(Problem::new(kind, why).about(id)) };
        match fate {
            Ok(Fate::Accepted) => Self::open(id, Progress::Accepted, None),
            Ok(Fate::Committed { height, receipt }) => Self::executed(backend, id, height, &receipt),
            Ok(Fate::Full) => refused(Kind::Full, "the mempool is full"),
            Ok(Fate::Conflict) => refused(Kind::KeyReused, "another command with this Idempotency-Key is known"),
            Ok(Fate::Expired) => refused(Kind::Expired, "its last height is over; it was not executed"),
            Err(Refusal::Stopping) => Self::pending(id, STOPPING),
            Err(refusal) => Self { id: Some(id), ..Self::rejected(Problem::from(refusal).about(id)) },
        }
    }
}

/// A command on its way.
pub struct Submitted {
    /// Its id.
    pub id: Digest,
    /// Its fate.
    pub fate: Pending<Result<Fate, Refusal>>,
}

impl Submitted {
    /// Waits for the fate until the deadline. What is known by then counts, however late this is called.
    pub async fn outcome(self, shared: &Shared, deadline: Instant) -> Outcome {
        match shared.wait(deadline, self.fate).await {
            Ok(fate) => Outcome::of(&*shared.backend, self.id, fate),
            Err(Late::Deadline) => {
                Outcome::pending(self.id, "it may still be committed: ask again for the command by its id")
            }
            Err(Late::Stopping) => Outcome::pending(self.id, STOPPING),
        }
    }
}

impl Shared {
    /// Makes the command for an operation (`OB-4`).
    ///
    /// With an idempotency key every field follows from key and operation, so that every node makes the same command
    /// at any time; hence it cannot expire. Without one it is the author's next, and expires when its reply would be
    /// forgotten: what travels for longer can never be executed twice.
    ///
    /// # Errors
    /// The application refuses the operation, or it is too large.
    pub fn command(
        &self,
        operation: &Operation,
        idempotency_key: Option<&[u8]>,
        author: &mut Author,
    ) -> Result<Command, Problem> {
        let body = self.encode(operation)?;
        if let Some(key) = idempotency_key {
            return Ok(Command::idempotent(key, body));
        }
        let expires_at_height = Some(self.height().plus(self.settings.chain.retention_heights));
        let (client, sequence) = author.next();
        Ok(Command { client, sequence, expires_at_height, body })
    }

    fn encode(&self, operation: &Operation) -> Result<Bytes, Problem> {
        let body = self.backend.encode(operation).map_err(Refusal::from)?;
        let bytes_max = self.settings.chain.command_bytes_max;
        if body.len() > bytes_max {
            let detail = format_args!("the command has {} bytes; at most {bytes_max}", body.len());
            return Err(Problem::new(Kind::TooLarge, detail));
        }
        Ok(body)
    }
}

/// In whose name the commands of one request are made: a client that nobody else is. What a request brings so shares
/// one client's part of the mempool, and lies together in the store.
pub struct Author {
    client: Digest,
    sequence: u64,
}

impl Author {
    /// A new one.
    ///
    /// # Errors
    /// The machine has no randomness.
    pub fn draw() -> Result<Self, Problem> {
        let mut client = [0; 32];
        let failed = |error| Problem::new(Kind::Unhealthy, format_args!("no randomness: {error}"));
        getrandom::fill(&mut client).map_err(failed)?;
        Ok(Self { client: Digest::new(client), sequence: 0 })
    }

    fn next(&mut self) -> (Digest, u64) {
        let sequence = self.sequence;
        self.sequence += 1;
        (self.client, sequence)
    }
}
