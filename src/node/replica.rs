//! A running replica, as the one who embeds it holds it.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::{oneshot, watch};

use super::{Builder, Spec, StartError, backend::NodeBackend, patience::wait_for, wiring::Node};
use crate::{
    api::port::{Answer, Backend as _, Refusal, Status, Until},
    app::{self, CheckError, Command, Header, Payload, Receipt, SignatureError},
    replica::Fate,
    types::{Digest, Height, codec},
};

/// A running replica. Dropping it stops everything and waits until that is done, two seconds at most by all means.
///
/// All methods may be called from any thread, with or without an async runtime.
pub struct Replica {
    backend: Arc<NodeBackend>,
    http: Option<SocketAddr>,
    retention_heights: u64,
    end: watch::Receiver<Option<End>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Why a replica ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It was stopped.
    Stopped,
    /// A part of it ended by itself, which none should. What remains could only pretend to be a replica: the program
    /// should end and start again, which goes on from the journal.
    Part(&'static str),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("the replica has been stopped"),
            Self::Part(part) => write!(f, "a part of the replica ended by itself: {part}"),
        }
    }
}

/// Why a command was not executed, as far as is known.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SubmitError {
    /// The application does not take it.
    #[error(transparent)]
    Invalid(#[from] CheckError),
    /// The chain asks for another signature, or for none.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// There is no room: try again after a while.
    #[error("the mempool is full")]
    Full,
    /// Another command with this key waits or was executed.
    #[error("another command with this key is known")]
    Conflict,
    /// Its last height was over before it was executed.
    #[error("it came too late and was not executed")]
    Expired,
    /// Not in time. It may still be committed: its key or [`Replica::command`] tells.
    #[error("not committed in time; it may still be")]
    Timeout,
    /// The replica has stopped. What was handed over may still be committed.
    #[error("the replica has stopped")]
    Stopped,
}

/// A command that was executed, and is durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Committed {
    /// The height of its block.
    pub height: Height,
    /// What it came to: equal on every replica.
    pub receipt: Receipt,
}

/// A block that was executed, and is durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommittedBlock {
    /// Its header.
    pub header: Header,
    /// Its commands in their order, each with what it came to. A command that was in an earlier block is here without:
    /// it was executed there.
    pub commands: Vec<(Command, Option<Receipt>)>,
}

impl Replica {
    /// Begins to put a replica together.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(super) fn start(spec: Spec) -> Result<Self, StartError> {
        let retention_heights = spec.identity.genesis.retention_heights;
        let (started, parts) = mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        let (ending, end) = watch::channel(None);
        let life = move || live(&spec, &started, stopped, &ending);
        let thread = thread::Builder::new().name("replica".into()).spawn(life).map_err(StartError::Thread)?;
        let (backend, http) = match parts.recv() {
            Ok(Ok(parts)) => parts,
            Ok(Err(error)) => {
                // Nothing is left to wait for but the thread's last lines.
                let _ = thread.join();
                return Err(error);
            }
            Err(_) => return Err(StartError::Panicked),
        };
        Ok(Self { backend, http, retention_heights, end, stop: Some(stop), thread: Some(thread) })
    }

    /// Where HTTP is served; the port is the real one.
    pub fn http(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Hands a command over, in the application's encoding. It expires when its outcome would be forgotten.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub fn submit(&self, body: impl Into<Bytes>) -> Result<Submission, SubmitError> {
        let mut client = [0; 32];
        getrandom::fill(&mut client).map_err(|error| CheckError(format!("no randomness: {error}")))?;
        let expires_at_height = Some(self.height().plus(self.retention_heights));
        self.order(Command {
            client: Digest::new(client),
            sequence: 0,
            expires_at_height,
            body: body.into(),
            signature: None,
        })
    }

    /// Hands over a command that is executed once however often and on whichever replicas it is handed over with this
    /// key: the answer is that of the first time. Never expires.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub fn submit_once(&self, key: &[u8], body: impl Into<Bytes>) -> Result<Submission, SubmitError> {
        self.order(Command::idempotent(key, body.into()))
    }

    /// Hands over a command as it is: where genesis requires that clients sign, one made by [`Command::signed`], for
    /// [`Self::submit`] and [`Self::submit_once`] have no key.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub fn order(&self, command: Command) -> Result<Submission, SubmitError> {
        self.backend.check(&command.body)?;
        let id = command.id();
        let fate = self.backend.submit(vec![command.into()], Until::Committed).pop().ok_or(SubmitError::Stopped)?;
        Ok(Submission { id, fate })
    }

    /// What a command came to that was executed, while that is remembered.
    pub fn command(&self, id: &Digest) -> Option<Committed> {
        let (height, receipt) = app::reply_by_id(&self.backend.reader, id)?;
        (height <= self.height()).then_some(Committed { height, receipt })
    }

    /// Asks the application about its committed state here, which may be older than elsewhere.
    ///
    /// # Errors
    /// The application makes nothing of the question.
    pub fn query(&self, question: impl Into<Bytes>) -> Result<Answer, CheckError> {
        let height = self.height();
        let value = self.backend.answer(&question.into())?;
        Ok(Answer { height, value })
    }

    /// The last height that is executed and durable.
    pub fn height(&self) -> Height {
        *self.backend.heights.borrow()
    }

    /// Waits until a height is executed and durable, at most so long.
    pub fn wait_for_height(&self, height: Height, timeout: Duration) -> bool {
        let mut heights = self.backend.heights.clone();
        let reached = wait_for(heights.wait_for(|executed| *executed >= height), timeout);
        matches!(reached, Some(Ok(_)))
    }

    /// A committed block; `None` for genesis and for heights that are not here.
    pub fn block(&self, height: Height) -> Option<CommittedBlock> {
        let reader = &self.backend.reader;
        let stored = app::stored_block(reader, height).filter(|_| height <= self.height())?;
        let mut receipts = app::receipts(reader, height).unwrap_or_default().into_iter().peekable();
        // A payload that cannot be read counts as empty, as it did at its execution (`OB-5`).
        let payload: Payload = codec::decode(&stored.block.payload).unwrap_or_default();
        let commands = payload.commands.into_iter().map(|command| {
            let receipt = receipts.next_if(|(id, _)| *id == command.id()).map(|(_, receipt)| receipt);
            (command, receipt)
        });
        Some(CommittedBlock { header: stored.header, commands: commands.collect() })
    }

    /// All committed blocks from a height on, each as soon as it is there; ends with the replica. Whoever is slow
    /// misses nothing: blocks are read from the store.
    pub fn follow(&self, from: Height) -> Follow<'_> {
        Follow { replica: self, heights: self.backend.heights.clone(), next: from.max(Height::FIRST) }
    }

    /// Where it stands among the others.
    pub fn status(&self) -> Status {
        self.backend.status()
    }

    /// All metrics in Prometheus' text format.
    pub fn metrics(&self) -> String {
        self.backend.metrics()
    }

    /// Waits until it has ended by itself, which it never should, or was drained.
    pub async fn ended(&self) -> End {
        let mut end = self.end.clone();
        let ended = end.wait_for(Option::is_some).await;
        ended.ok().and_then(|end| *end).unwrap_or(End::Part("its own thread"))
    }

    /// Waits until it begins to stop because an operator had it drained: [`Self::ended`] says when that is done.
    pub async fn drained(&self) {
        self.backend.drained().await;
    }

    /// Stops everything and says how it ended. The same as dropping it, but for the answer.
    pub fn stop(mut self) -> End {
        self.halt();
        let ended = *self.end.borrow();
        ended.unwrap_or(End::Part("its own thread"))
    }

    fn halt(&mut self) {
        drop(self.stop.take());
        // One that panicked has said so.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.halt();
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica").field("height", &self.height()).finish_non_exhaustive()
    }
}

type Started = Result<(Arc<NodeBackend>, Option<SocketAddr>), StartError>;

/// The life of a replica's thread: all actors but the executor run here.
fn live(
    spec: &Spec,
    started: &mpsc::SyncSender<Started>,
    stopped: oneshot::Receiver<()>,
    ending: &watch::Sender<Option<End>>,
) {
    actix_rt::System::new().block_on(async move {
        let node = match Node::start(spec).await {
            Ok(node) => node,
            Err(error) => {
                // The one who starts it waits for just this.
                let _ = started.send(Err(error));
                return;
            }
        };
        let _ = started.send(Ok((node.backend(), node.http())));
        let stop = async {
            // Told, or the handle is gone.
            let _ = stopped.await;
        };
        // Told before anything is taken down: what is left of a broken node may hang.
        let tell = |end| {
            ending.send_replace(Some(end));
        };
        node.run_until(stop, tell).await;
    });
}

/// A command on its way.
#[must_use]
pub struct Submission {
    id: Digest,
    fate: crate::api::port::Pending<Result<Fate, Refusal>>,
}

impl Submission {
    /// The command's id.
    pub fn id(&self) -> Digest {
        self.id
    }

    /// Waits until it is executed and durable.
    ///
    /// # Errors
    /// [`SubmitError`], but for its timeout.
    pub async fn committed(self) -> Result<Committed, SubmitError> {
        match self.fate.await {
            Ok(Fate::Committed { height, receipt }) => Ok(Committed { height, receipt }),
            Ok(Fate::Full) | Err(Refusal::Busy) => Err(SubmitError::Full),
            Ok(Fate::Conflict) => Err(SubmitError::Conflict),
            Ok(Fate::Expired) => Err(SubmitError::Expired),
            Err(Refusal::Invalid(error)) => Err(error.into()),
            Err(Refusal::Signature(error)) => Err(error.into()),
            // Never the last word on a submission that waits for its commit.
            Ok(Fate::Accepted) | Err(Refusal::Stopping) => Err(SubmitError::Stopped),
        }
    }

    /// Waits as [`Self::committed`], blocking the thread, at most so long.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub fn wait(self, timeout: Duration) -> Result<Committed, SubmitError> {
        wait_for(self.committed(), timeout).unwrap_or(Err(SubmitError::Timeout))
    }
}

/// Committed blocks, one after the other.
pub struct Follow<'a> {
    replica: &'a Replica,
    heights: watch::Receiver<Height>,
    next: Height,
}

impl Iterator for Follow<'_> {
    type Item = CommittedBlock;

    /// Blocks the thread until the next one is committed.
    fn next(&mut self) -> Option<CommittedBlock> {
        let next = self.next;
        let here = async {
            tokio::select! {
                reached = self.heights.wait_for(|height| *height >= next) => reached.is_ok(),
                _ = self.replica.ended() => false,
            }
        };
        if wait_for(here, Duration::MAX) != Some(true) {
            return None;
        }
        self.next = next.next();
        self.replica.block(next)
    }
}
