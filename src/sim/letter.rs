//! What travels inside a validator and between validators of a world.

use crate::{
    app::{Block, Header, Receipt},
    crypto::Signed,
    journal::Entry,
    protocol::{self, Checkpoint, Electorate, Evidence, Message, Origin, StableCheckpoint, Token},
    replica::{
        self, Fate, Peer, Ticket,
        wire::{Frame, Request, Response},
    },
    types::{Digest, Height, ValidatorIndex},
};

/// A mailbox of a validator. Letters to one mailbox are delivered in the order they were sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Mailbox {
    /// Frames and requests from the network.
    Router,
    /// The ordering brain.
    Replica,
    /// The instance of a first height.
    Decider(Height),
    /// The application.
    Executor,
    /// Signature checks.
    Verifier,
    /// The journal.
    Storage,
}

/// A message between the mailboxes of one validator.
#[derive(Clone, Debug)]
pub enum Letter {
    /// A frame came in.
    Frame(Peer, Frame),
    /// A peer asks; `question` returns with the answer.
    Request(Peer, Question, Request),
    /// A peer answers.
    Response(Peer, Question, Response),
    /// For the ordering brain.
    Replica(replica::Input),
    /// For an instance.
    Decider(Height, protocol::Input),
    /// To be executed.
    Execute(Block, Digest),
    /// To be validated for an instance.
    Validate {
        /// The instance's first height.
        instance: Height,
        /// What was proposed: for which height,
        height: Height,
        /// by whom,
        proposer: ValidatorIndex,
        /// under which mark,
        id: Digest,
        /// and what.
        payload: bytes::Bytes,
    },
    /// To be checked for an instance.
    Verify(Height, Origin, Message),
    /// To be checked for the ordering brain.
    CheckBlock(Peer, Block, Electorate),
    /// A vote for a checkpoint, to be checked for the ordering brain.
    CheckVote(Peer, Signed<Checkpoint>, Electorate),
    /// To be journaled.
    Append(Vec<Entry>, Then),
}

impl Letter {
    /// Where it goes.
    pub fn mailbox(&self) -> Mailbox {
        match self {
            Self::Frame(..) | Self::Request(..) | Self::Response(..) => Mailbox::Router,
            Self::Replica(_) => Mailbox::Replica,
            Self::Decider(height, _) => Mailbox::Decider(*height),
            Self::Execute(..) | Self::Validate { .. } => Mailbox::Executor,
            Self::Verify(..) | Self::CheckBlock(..) | Self::CheckVote(..) => Mailbox::Verifier,
            Self::Append(..) => Mailbox::Storage,
        }
    }
}

/// Why something was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Question {
    /// An instance lacks something.
    Ask(Height),
    /// The ordering brain wants blocks.
    Fetch,
}

/// What follows an append once it is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// Tell the ordering brain.
    Recorded(Height),
    /// Tell the ordering brain where nothing may be voted for.
    Abstained(Height),
    /// Tell an instance.
    Durable(Height, Token),
    /// Sign a checkpoint within an epoch, and tell the ordering brain.
    Attested(Checkpoint, Digest),
    /// Nothing.
    Kept,
}

/// A message to another validator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Mail {
    /// One-way.
    Frame(Frame),
    /// A question.
    Request(Question, Request),
    /// An answer.
    Response(Question, Response),
}

/// What a turn of a validator gave.
#[derive(Debug, Default)]
pub struct Turn {
    /// For mailboxes of its own.
    pub letters: Vec<Letter>,
    /// For others.
    pub mail: Vec<(usize, Mail)>,
    /// Fates of clients' commands.
    pub fates: Vec<(Ticket, Fate)>,
    /// What was executed.
    pub executed: Vec<Execution>,
    /// What is on disk from now on.
    pub persisted: Vec<Entry>,
    /// What was accused of a lie, in which instance.
    pub accusations: Vec<(Electorate, Evidence)>,
    /// What became stable, with the epoch that it is of.
    pub stable: Vec<(Digest, StableCheckpoint)>,
    /// What a brain says only more than a third of liars can have done.
    pub alarms: Vec<String>,
    /// How much of others was rejected that nobody honest sends.
    pub rejected: u64,
    /// The disk failed: the process ends.
    pub fault: Option<String>,
}

/// What a validator executed.
#[derive(Debug)]
pub struct Execution {
    /// Which instance decided it.
    pub instance: Digest,
    /// The new tip.
    pub header: Header,
    /// The block.
    pub block: Block,
    /// Outcomes.
    pub receipts: Vec<(Digest, Receipt)>,
}
