//! The brain around the application: executes decided blocks in order and says which payloads may be voted for.
//!
//! Called by the executor actor and the simulator; reads through [`Rows`] and returns [`Changes`], never writes.
//!
//! * `OB-3`: lanes ([`lane`]).
//! * `OB-4`: a command is executed at most once by its exact id while it is remembered; another with the same client
//!   and sequence is a conflict.
//! * `OB-5`: execution is total. An undecodable payload that was decided is an empty block; what cannot apply is a
//!   receipt, and whatever its command wrote is taken back.
//! * `OB-6`: block times ([`clock`]). `OB-8`: the state root covers application, replies, times and
//!   lanes.
//! * `OB-11`: where genesis requires it, a payload with a command that its client has not signed is invalid; the hands
//!   check the signatures, and execution checks none.
//! * `SL-V5`: validity is a function of the payload, its proposer and the state after height − window − 1.
//!
//! What is kept in memory (the tip, the time samples, pages near the state's root) is what the rows say: an executor
//! opened again at any height continues with the same results. So rows must hold the changes of every block executed
//! before, applied or on top as a [`crate::store::Overlay`].

mod by_id;
mod clock;
mod execute;
mod lane;
mod replies;
mod validate;

#[cfg(test)]
mod tests;

pub use by_id::reply_by_id;
use bytes::Bytes;
pub use replies::replies;
pub(super) use replies::{Entry, remembered, restore};

use self::{clock::BlockClock, lane::Lanes};
use super::{
    Application, CheckError, Header, Receipt, Signing, State,
    chain::{header, put_genesis, tip_height},
    state::Crown,
};
use crate::{
    config::Genesis,
    store::{Changes, MemoryRows, Rows},
    types::{Digest, ValidatorIndex},
};

/// What executing a block gave.
#[derive(Clone, Debug)]
pub struct Executed {
    /// The new tip of the header chain.
    pub header: Header,
    /// Each command's id and outcome, in order. One that was executed before has its first receipt again.
    pub receipts: Vec<(Digest, Receipt)>,
    /// What follows for the schedule of owners.
    pub turn: Turn,
    /// To be applied to the store in one atomic step.
    pub changes: Changes,
}

/// What an executed height says about turns (`OB-3`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Turn {
    /// The height's owner, if another's proposal or a later one was decided.
    pub missed: Option<ValidatorIndex>,
    /// Who leads the first rounds of the height `window + 1` above.
    pub next: ValidatorIndex,
}

/// The numbers of genesis that bound blocks.
struct Limits {
    window: u64,
    retention_heights: u64,
    payload_bytes_max: usize,
    command_bytes_max: usize,
}

/// An application at the tip of its chain.
pub struct Executor {
    app: Box<dyn Application>,
    limits: Limits,
    signing: Signing,
    validators: usize,
    clock: BlockClock,
    lanes: Lanes,
    crown: Crown,
    tip: Header,
    tip_hash: Digest,
}

impl Executor {
    /// Opens at the last height committed in `rows`; a store without any gets the genesis state as [`Changes`], which
    /// must be applied before anything is executed.
    ///
    /// # Panics
    /// If [`super::check_store`] or [`Genesis::validate`] would fail: both are the caller's to ask before.
    pub fn open(app: Box<dyn Application>, genesis: &Genesis, rows: &dyn Rows) -> (Self, Option<Changes>) {
        let set = genesis.validate().expect("the caller has validated genesis");
        super::check_store(rows, genesis).expect("the caller has checked the store");
        let mut crown = Crown::default();
        let (tip, changes) = match tip_height(rows) {
            Some(height) => (header(rows, height).expect("the tip has its row"), None),
            None => {
                let (tip, changes) = begin(app.as_ref(), genesis, rows, &mut crown);
                (tip, Some(changes))
            }
        };
        let limits = Limits {
            window: genesis.window,
            retention_heights: genesis.retention_heights,
            payload_bytes_max: genesis.payload_bytes_max as usize,
            command_bytes_max: genesis.command_bytes_max as usize,
        };
        let validators = set.len();
        let clock = BlockClock::open(rows, set.clone(), genesis.created_at_ms);
        let lanes = Lanes::open(rows, set, genesis.window);
        let tip_hash = tip.hash();
        let signing = Signing::new(genesis);
        (Self { app, limits, signing, validators, clock, lanes, crown, tip, tip_hash }, changes)
    }

    /// The last executed header.
    pub fn tip(&self) -> &Header {
        &self.tip
    }

    /// Who leads the first rounds of the heights above the tip, the lowest first: `window + 1` of them (`OB-1`).
    pub fn owners(&self) -> Vec<ValidatorIndex> {
        (1..=self.limits.window + 1).map(|above| self.lanes.owner(self.tip.height.plus(above))).collect()
    }

    /// Whether a command may be admitted.
    ///
    /// # Errors
    /// [`CheckError`] for the client.
    pub fn check(&self, body: &[u8]) -> Result<(), CheckError> {
        let max = self.limits.command_bytes_max;
        if body.len() > max {
            return Err(CheckError(format!("the command has {} bytes, more than {max}", body.len())));
        }
        self.app.check(body)
    }

    /// Answers a read-only question from committed state.
    ///
    /// # Errors
    /// [`CheckError`] for questions that make no sense to the application.
    pub fn query(&self, rows: &dyn Rows, question: &[u8]) -> Result<Option<Bytes>, CheckError> {
        self.app.query(&State::new(rows), question)
    }
}

/// The header of genesis.
pub(super) fn origin(app: &dyn Application, genesis: &Genesis) -> Header {
    begin(app, genesis, &MemoryRows::default(), &mut Crown::default()).0
}

/// The state and header of genesis.
fn begin(app: &dyn Application, genesis: &Genesis, rows: &dyn Rows, crown: &mut Crown) -> (Header, Changes) {
    let mut state = State::new(rows);
    app.genesis(&mut state);
    let (state_root, mut changes) = state.seal(crown);
    let chain = genesis.chain_id();
    let header = Header::genesis(chain, genesis.created_at_ms, state_root);
    put_genesis(&mut changes, &chain, &header);
    (header, changes)
}
