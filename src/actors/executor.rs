//! The executor: the application on a thread of its own, so that a large block never delays a vote.
//!
//! Accepts [`Execute`] from the replica and [`Validate`] from deciders, one at a time; both wait for the answer.
//! Policy of the edges: the replica has at most a window of blocks outstanding, a decider at most a few payloads, so
//! the mailbox never fills; committed changes go to storage, which is waited for.

use std::sync::Arc;

use actix::prelude::*;

use super::{
    Signatures,
    port::Receive,
    storage::{Pins, StoragePort, StoreReader},
};
use crate::{
    app::{self, Block, Header, Receipt, Turn},
    crypto::Check,
    protocol::Verdict,
    types::{Digest, Height, ValidatorIndex},
};

/// Executes the block above the tip and hands its changes to storage.
#[derive(Message)]
#[rtype(result = "Executed")]
pub struct Execute {
    /// The block.
    pub block: Block,
    /// The instance that decided it.
    pub instance: Digest,
}

/// What came of it.
#[derive(MessageResponse)]
pub struct Executed {
    /// The new tip.
    pub header: Header,
    /// Each command's id and outcome.
    pub receipts: Vec<(Digest, Receipt)>,
    /// What it says about turns.
    pub turn: Turn,
}

/// Asks whether a payload may be voted for.
#[derive(Message)]
#[rtype(result = "Word")]
pub struct Validate {
    /// The height it is proposed for.
    pub height: Height,
    /// Who first proposed it.
    pub proposer: ValidatorIndex,
    /// The payload.
    pub payload: bytes::Bytes,
}

/// The application's word.
#[derive(MessageResponse)]
pub struct Word(
    /// The verdict.
    pub Verdict,
);

/// The actor.
pub struct Executor {
    brain: app::Executor,
    reader: StoreReader,
    storage: StoragePort,
    signatures: Arc<Signatures>,
    pins: Pins,
    checkpoint_interval: u64,
}

impl Executor {
    /// An executor at the tip of what `reader` shows. It pins the state every `checkpoint_interval` heights.
    pub fn new(
        brain: app::Executor,
        reader: StoreReader,
        storage: StoragePort,
        signatures: Arc<Signatures>,
        pins: Pins,
        checkpoint_interval: u64,
    ) -> Self {
        Self { brain, reader, storage, signatures, pins, checkpoint_interval }
    }
}

impl Actor for Executor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(super::MAILBOX);
    }
}

impl Receive<Execute> for Executor {
    type Result = Executed;

    fn receive(&mut self, Execute { block, instance }: Execute, _: &mut Self::Context) -> Executed {
        let app::Executed { header, receipts, turn, changes } =
            self.brain.execute(&*self.reader.snapshot(), &block, instance);
        self.storage.commit(header.height, changes);
        if header.height.get().is_multiple_of(self.checkpoint_interval) {
            self.pins.pin(self.reader.snapshot());
        }
        Executed { header, receipts, turn }
    }
}

impl Receive<Validate> for Executor {
    type Result = Word;

    fn receive(&mut self, Validate { height, proposer, payload }: Validate, _: &mut Self::Context) -> Word {
        let mut hold = |checks: &[Check]| self.signatures.hold(checks);
        Word(self.brain.validate(&*self.reader.snapshot(), height, proposer, &payload, &mut hold))
    }
}
