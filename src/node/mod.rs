//! A replica with all its parts: puts them together, starts and stops them in order, and is the only place that gives
//! time to brains. [`Replica`] is the handle of one who embeds it; [`run`] is a process of its own around it.
//!
//! Order of the start: files and keys, journal and store, the application at its tip, the swarm, the actors, HTTP. Order
//! of the stop: HTTP (requests in progress get a moment), the swarm, the actors, the store. See [`exit`] for how it
//! may end.

mod backend;
mod builder;
mod disk_watch;
pub mod exit;
mod figures;
mod patience;
mod readiness;
mod replica;
mod snapshots;
#[cfg(test)]
mod tests;
mod watch;
mod wiring;

use std::{
    io,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

pub use self::{
    builder::{BuildError, Builder, Spec},
    replica::{Committed, CommittedBlock, End, Follow, Replica, Submission, SubmitError},
};
#[cfg(feature = "planted")]
pub use crate::actors::network::mouthpiece::{self, MakeMouthpiece, Mouthpiece};
pub use crate::actors::storage::{NewStore, OpenError as StorageError, StoreView};
pub use crate::api::Admin;
use crate::{
    actors::{network, storage},
    app,
    config::Genesis,
    journal::{self, Salt},
};

/// Why a node did not start. The message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address is none.
    #[error("{0}: {1}")]
    Address(String, libp2p::multiaddr::Error),
    /// The journal cannot be written.
    #[error("data directory: the journal cannot be written")]
    Journal,
    /// The data directory cannot be used.
    #[error("data directory: {0}")]
    Storage(#[from] storage::OpenError),
    /// The store is not of this chain or of another format.
    #[error("data directory: {0}")]
    Store(#[from] app::StoreError),
    /// The journal is lost, and nobody can say what was voted for.
    #[error(
        "this validator has lost its journal, and without it the others are no quorum: what it has voted for cannot be \
         known. Restore the journal, or begin a new chain"
    )]
    Irreplaceable,
    /// The swarm cannot listen.
    #[error("network: {0}")]
    Network(#[from] network::NetworkFault),
    /// The HTTP server cannot listen.
    #[error("http: cannot listen on {0}: {1}")]
    Http(std::net::SocketAddr, io::Error),
    /// The admin side cannot listen.
    #[error("admin: cannot listen on {0}: {1}")]
    Admin(std::net::SocketAddr, io::Error),
    /// There is no thread to be had.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// A part panicked on the way up: a bug.
    #[error("a part panicked while it was started")]
    Panicked,
}

impl StartError {
    /// Writes the last line of the log and returns the exit status. A disk that fails at the start is no other than one
    /// that fails later.
    fn report(self) -> u8 {
        match self {
            Self::Storage(error) => match error.fault() {
                Ok(fault) => {
                    fault.log();
                    exit::STORAGE
                }
                Err(error) => Self::Storage(error).refuse(),
            },
            error => error.refuse(),
        }
    }

    fn refuse(&self) -> u8 {
        tracing::error!(error = %self, "cannot start");
        exit::FAILED
    }
}

/// Makes a data directory with an empty journal, for a replica that has never run: one that may have voted must not
/// start with an empty one (`OB-10`). `thalweg genesis` does the same.
///
/// # Errors
/// There is a journal already, or the directory cannot be written.
pub fn create_store(directory: &Path, genesis: &Genesis) -> Result<(), journal::OpenError> {
    let no_randomness = |error| journal::Fault::Disk { doing: "salting", segment: 0, source: io::Error::other(error) };
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(no_randomness)?;
    journal::create_in(directory, genesis.chain_id(), Salt::new(salt))
}

/// Runs a replica in the foreground until SIGTERM or SIGINT or an operator's order to drain, and returns the process's
/// exit status (see [`exit`]).
pub fn run(spec: Spec) -> ExitCode {
    end_on_panic();
    let started = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartError::Thread)
        .and_then(|runtime| Ok((runtime, spec.start()?)));
    let (runtime, replica) = match started {
        Ok(started) => started,
        Err(error) => return ExitCode::from(error.report()),
    };
    let ended = runtime.block_on(async {
        tokio::select! {
            () = asked_to_stop() => None,
            () = replica.drained() => {
                end_after(STOP_TIMEOUT);
                None
            }
            end = replica.ended() => Some(end),
        }
    });
    if let Some(End::Part(_)) = ended {
        // A stop in order would wait for what is gone.
        std::process::exit(exit::PART_ENDED.into());
    }
    replica.stop();
    ExitCode::from(exit::OK)
}

async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (term, int) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    match (term, int) {
        (Ok(mut term), Ok(mut int)) => {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            end_after(STOP_TIMEOUT);
        }
        // Without handlers the signals' default action ends the process.
        _ => std::future::pending().await,
    }
}

/// Ends the process all the same when the stop takes longer: what must be remembered is on disk already.
fn end_after(timeout: Duration) {
    let late = move || {
        let end = Instant::now() + timeout;
        while let Some(rest) = end.checked_duration_since(Instant::now()) {
            std::thread::park_timeout(rest);
        }
        tracing::error!(?timeout, "the node did not stop in time; the process ends");
        std::process::exit(exit::FAILED.into());
    };
    // Without a thread to be had the stop is as long as it is.
    drop(std::thread::Builder::new().name("stop".into()).spawn(late));
}

/// A panic anywhere ends the process, with a last line in the log.
fn end_on_panic() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        default(panic);
        tracing::error!(%panic, "a part of the node panicked; the process ends");
        std::process::exit(exit::PANICKED.into());
    }));
}

/// How long a stop may take before the process is ended all the same.
pub const STOP_TIMEOUT: Duration = Duration::from_millis(1_900);
