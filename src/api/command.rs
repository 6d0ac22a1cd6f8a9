//! From operations to commands, and from their fates to what a client is told. Shared by single writes and batches.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::{
    port::{Backend, Operation, Pending, Refusal},
    problem::{Kind, Problem},
    server::{Late, Shared},
};
use crate::{
    app::{Command, Receipt, Status},
    config::ClientSignatures,
    crypto::SecretKey,
    replica::Fate,
    types::{Digest, Height, PublicKey, Signature},
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

/// What a client says beside the operation that it signed (`OB-11`): the signature is over chain, kind, version, all of
/// this and the operation in the application's encoding.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The client's public key.
    pub client: PublicKey,
    /// The client's own number for it: the same number with another operation is refused.
    #[schema(minimum = 0)]
    pub sequence: u64,
    /// The last height at which it may be executed.
    pub expires_at_height: Option<Height>,
    /// The signature.
    pub signature: Signature,
}

/// On whose word a command is made.
#[derive(Clone, Copy, Debug)]
pub enum Author<'a> {
    /// Nobody's in particular: it is executed once however it travels, but asking again makes another one. What one
    /// request brings is one client's, with its number in the request: so it shares one client's part of the mempool,
    /// and lies together in the store.
    Nobody(Digest, u64),
    /// Whoever knows this idempotency key.
    Named(&'a [u8]),
    /// A client's, by its signature.
    Signed(Signed),
}

impl<'a> Author<'a> {
    /// What a request or an item of a batch says; without a word, that of nobody who is `client` there.
    ///
    /// # Errors
    /// Both at once: a signed command's number is what an idempotency key would be.
    pub fn new(
        idempotency_key: Option<&'a [u8]>,
        signed: Option<Signed>,
        (client, number): (Digest, u64),
    ) -> Result<Self, Problem> {
        match (idempotency_key, signed) {
            (None, None) => Ok(Self::Nobody(client, number)),
            (Some(key), None) => Ok(Self::Named(key)),
            (None, Some(signed)) => Ok(Self::Signed(signed)),
            (Some(_), Some(_)) => {
                let why = "a signed command has its sequence and no idempotency key";
                Err(Problem::new(Kind::BadRequest, why))
            }
        }
    }
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
            Status::Conflict => {
                refused(Kind::KeyReused, "another command with this Idempotency-Key or sequence was executed")
            }
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
            Ok(Fate::Conflict) => {
                refused(Kind::KeyReused, "another command with this Idempotency-Key or sequence is known")
            }
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
    /// A client that signs has chosen everything itself. With an idempotency key every field follows from key and
    /// operation, so that every node makes the same command at any time; hence it cannot expire. Nobody's command
    /// expires when its reply would be forgotten: what travels for longer can never be executed twice.
    ///
    /// # Errors
    /// The application refuses the operation, or it is too large.
    pub fn command(&self, operation: &Operation, author: Author<'_>) -> Result<Command, Problem> {
        let body = self.encode(operation)?;
        Ok(match author {
            Author::Named(key) => Command::idempotent(key, body),
            Author::Signed(Signed { client, sequence, expires_at_height, signature }) => {
                let client = Digest::new(*client.as_bytes());
                Command { client, sequence, expires_at_height, body, signature: Some(signature) }
            }
            Author::Nobody(client, sequence) => {
                let expires_at_height = Some(self.expiry());
                Command { client, sequence, expires_at_height, body, signature: None }
            }
        })
    }

    /// A command without effect, which orders a read among the writes. Where commands must be signed, by a key made for
    /// it alone: it needs nobody's leave.
    ///
    /// # Errors
    /// As [`Self::command`].
    pub fn barrier(&self) -> Result<Command, Problem> {
        let chain = &self.settings.chain;
        if chain.client_signatures == ClientSignatures::Off {
            return self.command(&Operation::Barrier, Author::Nobody(random()?, 0));
        }
        let (body, key) = (self.encode(&Operation::Barrier)?, SecretKey::from_seed(random()?.as_bytes()));
        Ok(Command::signed(&key, &chain.id, 0, Some(self.expiry()), body))
    }

    fn expiry(&self) -> Height {
        self.height().plus(self.settings.chain.retention_heights)
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

/// A number that nobody else draws.
///
/// # Errors
/// The machine has no randomness.
pub fn random() -> Result<Digest, Problem> {
    let mut bytes = [0; 32];
    let failed = |error| Problem::new(Kind::Unhealthy, format_args!("no randomness: {error}"));
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(Digest::new(bytes))
}
