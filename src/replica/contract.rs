//! What goes into the ordering brain, and what comes out.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;

use super::wire::PeerStatus;
use crate::{
    app::{Block, Command, Header, Identified, Receipt, Turn},
    crypto::{Signed, Verified},
    protocol::{self, Abstention, Checkpoint, Electorate, Evidence, Setup, Slot, StableCheckpoint, Timing},
    types::{Digest, Height, Time, ValidatorIndex},
};

/// The hands' mark for a connected peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Peer(pub u64);

/// The hands' mark for a waiting client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);

/// What is fixed at start. What replicas must agree on comes from genesis.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The chain.
    pub genesis: Arc<crate::config::Genesis>,
    /// Our validator key's index in the genesis set; `None` for a listener.
    pub me: Option<ValidatorIndex>,
    /// Local pace.
    pub timing: Timing,
    /// The most bytes of waiting commands.
    pub mempool_bytes_max: usize,
    /// The most waiting commands.
    pub mempool_commands_max: usize,
    /// How often peers are told how far we are.
    pub status_interval: Duration,
    /// How long a peer may take to answer a request for blocks.
    pub fetch_timeout: Duration,
}

/// What recovery found: where to go on.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The last executed headers, oldest first, ending with the tip: at least `window + 2`, or down to genesis.
    pub headers: Vec<Header>,
    /// Who owns the `window + 1` heights above the tip, the lowest first ([`crate::app::Executor::owners`]).
    pub owners: Vec<ValidatorIndex>,
    /// Decided blocks above the tip, from the journal.
    pub decided: BTreeMap<Height, Block>,
    /// The lowest height whose block can be served.
    pub oldest: Height,
    /// Where nothing may be voted for (`OB-10`).
    pub abstention: Abstention,
    /// The hash of the genesis header.
    pub origin: Digest,
    /// The header of the highest checkpoint that is executed ([`super::last_checkpoint`]).
    pub checkpoint: Option<Header>,
    /// The checkpoints above it that this validator has signed, from the journal.
    pub signed: Vec<Checkpoint>,
    /// The last stable checkpoint, from the journal.
    pub stable: Option<StableCheckpoint>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// First input, once the hands are ready.
    Begin,
    /// Clients submit commands that [`crate::app::Application::check`] has passed. What follows from them, what is
    /// forwarded and demanded, follows once for all of them.
    Submit {
        /// Who waits for which fate, if anybody does, in the order of arrival.
        commands: Vec<(Option<Ticket>, Identified)>,
    },
    /// A client no longer waits.
    Abandon {
        /// Which.
        ticket: Ticket,
    },
    /// Commands that another validator forwarded; checked like our own.
    Forwarded {
        /// By whom.
        from: Peer,
        /// What.
        commands: Vec<Identified>,
    },
    /// A decider asks for something to propose ([`crate::protocol::Effect::Build`]).
    Build {
        /// For which slot.
        slot: Slot,
        /// The wall clock, milliseconds since the Unix epoch, to be written into the payload.
        wall_ms: u64,
    },
    /// A long instance may decide this payload: its commands are under way.
    Proposed {
        /// At which height.
        height: Height,
        /// What.
        payload: Bytes,
    },
    /// A long instance says who leads it.
    Leading {
        /// Its round.
        round: u64,
        /// Who.
        leader: ValidatorIndex,
    },
    /// A decider has decided.
    Decided {
        /// The block.
        block: Block,
    },
    /// What a quorum takes, as a decider measured ([`crate::protocol::Effect::Measured`]).
    Measured {
        /// The delay.
        quorum_delay: Duration,
    },
    /// A block's decision is on disk ([`Effect::Record`]).
    Recorded {
        /// Its height.
        height: Height,
    },
    /// The executor has executed a block.
    Executed {
        /// The new tip.
        header: Header,
        /// Each command's id and outcome.
        receipts: Vec<(Digest, Receipt)>,
        /// What it says about turns.
        turn: Turn,
    },
    /// A peer is connected.
    PeerUp {
        /// Its mark.
        peer: Peer,
        /// Which validator it is proven to be.
        validator: Option<ValidatorIndex>,
    },
    /// A peer is gone.
    PeerDown {
        /// Its mark.
        peer: Peer,
    },
    /// A peer says how far it is.
    Status {
        /// Who.
        peer: Peer,
        /// How far.
        status: PeerStatus,
    },
    /// A message arrived for a height with no live instance of that id here.
    Stray {
        /// From whom.
        peer: Peer,
        /// For which height.
        height: Height,
    },
    /// The answer to [`Effect::Fetch`]; empty blocks and a failure are the same thing: ask another peer.
    Blocks {
        /// From whom.
        peer: Peer,
        /// Consecutive blocks, unverified.
        blocks: Vec<Block>,
    },
    /// The answer to [`Effect::Check`].
    Checked {
        /// Who served the block.
        peer: Peer,
        /// The block, if its certificate proves it.
        block: Result<Block, Height>,
    },
    /// It is on disk where nothing may be voted for ([`Effect::Abstain`]).
    Abstained {
        /// The last of these heights.
        through: Height,
    },
    /// A peer sent a vote for a checkpoint. Nothing has been checked.
    Vote {
        /// From whom.
        peer: Peer,
        /// What.
        vote: Signed<Checkpoint>,
    },
    /// The answer to [`Effect::CheckVote`].
    VoteChecked {
        /// Who sent it.
        peer: Peer,
        /// The vote, if its signature holds.
        vote: Option<Verified<Signed<Checkpoint>>>,
    },
    /// Our own checkpoint is on disk and signed ([`Effect::Attest`]).
    Attested {
        /// The vote.
        vote: Verified<Signed<Checkpoint>>,
    },
    /// The deadline has passed.
    Wake,
}

/// How a submitted command ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It is in the mempool: it will be proposed. Told at once; [`Fate::Committed`] follows.
    Accepted,
    /// Executed and durable.
    Committed {
        /// At which height.
        height: Height,
        /// The outcome.
        receipt: Receipt,
    },
    /// The mempool is full; try again after a while.
    Full,
    /// The same client and sequence wait or were executed with another content.
    Conflict,
    /// Its last height is over.
    Expired,
}

/// What the hands must do, in order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Open an instance and route its messages; it is known by its first height. If the journal holds records of it, begin with them.
    Open {
        /// Everything about it.
        setup: Setup,
    },
    /// Drop an instance and everything it holds.
    Close {
        /// Its first height.
        height: Height,
    },
    /// Tell a live instance what waits ([`crate::protocol::Input::Demand`]).
    Demand {
        /// The instance's first height.
        height: Height,
        /// Since when the oldest command has waited.
        commands_since: Option<Time>,
        /// Whether a higher height waits for it.
        waited_on: bool,
    },
    /// Tell a live long instance its horizon, what was decided elsewhere, or what is stable.
    Tell {
        /// Its first height.
        instance: Height,
        /// What.
        input: protocol::Input,
    },
    /// Answer a decider's `Build`.
    Offer {
        /// The slot asked for.
        slot: Slot,
        /// An encoded [`crate::app::Payload`], or nothing to propose.
        payload: Option<Bytes>,
    },
    /// Journal a decided block, then answer [`Input::Recorded`].
    Record {
        /// The block.
        block: Block,
    },
    /// Execute the block above the one before, then answer [`Input::Executed`] and commit its changes to the store. At
    /// most `window + 1` are under way.
    Execute {
        /// The block.
        block: Block,
        /// The instance that decided it.
        instance: Digest,
    },
    /// Send commands to validators (`OB-2`).
    Forward {
        /// To whom.
        to: Vec<ValidatorIndex>,
        /// What.
        commands: Vec<Command>,
    },
    /// Ask a peer for blocks from a height on.
    Fetch {
        /// Whom.
        peer: Peer,
        /// The first height.
        from: Height,
    },
    /// Verify a fetched block's certificate.
    Check {
        /// Who served it.
        peer: Peer,
        /// The block.
        block: Block,
        /// Whose signatures it must carry.
        electorate: Electorate,
    },
    /// Tell a peer, or all (`None`), how far we are.
    Announce {
        /// Whom.
        to: Option<Peer>,
        /// How far.
        status: PeerStatus,
    },
    /// Serve decided blocks to a peer that sent something for a closed height (`SL-W2`), rate-limited by the hands.
    Enlighten {
        /// Whom.
        peer: Peer,
        /// Which height.
        height: Height,
    },
    /// A peer lied: count it and turn away from it.
    Blame {
        /// Who.
        peer: Peer,
        /// Why.
        reason: crate::protocol::Rejection,
    },
    /// Journal that nothing may be voted for at a height or below, then answer [`Input::Abstained`] (`OB-10`).
    Abstain {
        /// The height.
        through: Height,
    },
    /// Journal a checkpoint of our own, then sign it and answer [`Input::Attested`] (`OB-8`).
    Attest {
        /// What we have executed.
        checkpoint: Checkpoint,
        /// What the signature is within: the epoch's id.
        scope: Digest,
    },
    /// Check the signature of a vote for a checkpoint, and answer [`Input::VoteChecked`].
    CheckVote {
        /// Who sent it.
        peer: Peer,
        /// What.
        vote: Signed<Checkpoint>,
        /// Whose signature it must carry.
        electorate: Electorate,
    },
    /// Send our vote for a checkpoint to a peer, or to all (`None`).
    Vouch {
        /// Whom.
        to: Option<Peer>,
        /// What.
        vote: Signed<Checkpoint>,
    },
    /// Journal a stable checkpoint, in place of the last one.
    Keep {
        /// With its proof.
        stable: StableCheckpoint,
    },
    /// A validator is proven to have lied.
    Accuse {
        /// The proof.
        evidence: Evidence,
        /// What it is checked against.
        electorate: Electorate,
    },
    /// Stop: this replica has another state than the chain, or than it had before a restart (`OB-8`).
    Halt {
        /// What was executed here.
        ours: Checkpoint,
        /// What was signed.
        theirs: Checkpoint,
    },
    /// Tell a client.
    Reply {
        /// Who waits.
        ticket: Ticket,
        /// The fate of its command.
        fate: Fate,
    },
}

/// What happened inside, for metrics, logs and oracles.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A block is executed and durable.
    Committed {
        /// Its height.
        height: Height,
        /// Its commands.
        commands: usize,
        /// From submission here to commit, for each of our own clients' commands.
        latencies: Vec<Duration>,
    },
    /// An owner failed its turn (`OB-3`).
    TurnMissed {
        /// Of which height.
        height: Height,
        /// Who.
        validator: ValidatorIndex,
    },
    /// A validator says that a height we have executed has another header. One of us is wrong.
    Diverged {
        /// The height.
        height: Height,
        /// Who says so.
        validator: ValidatorIndex,
    },
    /// Validators with more than a third of the power signed another state than ours (`OB-8`).
    StateMismatch {
        /// After which height.
        height: Height,
    },
    /// A checkpoint is stable.
    Stabilised {
        /// Its height.
        height: Height,
    },
    /// A command was refused.
    Refused {
        /// How.
        fate: Fate,
    },
    /// We fell behind, or caught up.
    Syncing {
        /// Whether blocks are being fetched.
        is_syncing: bool,
        /// Where we are.
        executed: Height,
        /// Where peers say they are.
        target: Height,
    },
    /// A block came from a peer instead of an instance of our own.
    Synced {
        /// Its height.
        height: Height,
    },
}

/// Where the brain leaves what it wants.
#[derive(Debug, Default)]
pub struct Outbox {
    /// To be acted on, in order.
    pub effects: Vec<Effect>,
    /// To be watched.
    pub events: Vec<Event>,
}

/// What an operator may see.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct View {
    /// The last executed height.
    pub executed: Height,
    /// Its state root.
    pub state_root: Option<Digest>,
    /// How far the furthest peer says it is.
    pub target: Height,
    /// How far catching up is, while blocks are being fetched.
    pub sync: Option<super::Progress>,
    /// Where this validator does not vote since it has lost its memory (`OB-10`); `None` when it may vote at the next
    /// height, or is none.
    pub abstention: Option<Abstention>,
    /// Live heights.
    pub in_window: Vec<Height>,
    /// Who leads the long instance, if there is one.
    pub leader: Option<ValidatorIndex>,
    /// The last stable checkpoint.
    pub stable: Option<Height>,
    /// Waiting commands.
    pub mempool_commands: usize,
    /// Their bytes.
    pub mempool_bytes: usize,
}
