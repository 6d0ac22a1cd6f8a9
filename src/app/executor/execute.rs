//! Executing one decided block.

use bytes::Bytes;

use super::{
    super::{Block, CommandView, Header, PayloadView, Receipt, State, Status, chain::put_block},
    Entry, Executed, Executor, Turn,
    replies::{self, Holder, Slots},
};
use crate::{
    protocol::payload_root,
    store::Rows,
    types::{Digest, Height, planted},
};

impl Executor {
    /// Executes the block above the tip. Total and deterministic (`OB-5`).
    ///
    /// # Panics
    /// If the block is not the one above the tip.
    pub fn execute(&mut self, rows: &dyn Rows, block: &Block, instance: Digest) -> Executed {
        assert_eq!(block.height, self.tip.height.next(), "blocks are executed in height order");
        let height = block.height;
        let mut state = State::executing(rows, height, &block.payload);
        if height.get() > self.limits.retention_heights {
            replies::forget(&mut state, height.minus(self.limits.retention_heights));
        }
        let receipts = match PayloadView::read(&block.payload) {
            Ok(payload) => {
                self.clock.take(&mut state, payload.proposer, payload.proposed_at_ms);
                self.execute_commands(&mut state, height, &payload.commands)
            }
            // Decided all the same: an empty block, on every replica.
            Err(_) => self.execute_commands(&mut state, height, &[]),
        };
        let missed = self.lanes.on_executed(&mut state, height, block.certificate.is_in_turn());
        let next = self.lanes.owner(height.plus(self.limits.window + 1));
        let (state_root, mut changes) = state.seal(&mut self.crown);
        let header = Header {
            height,
            parent: self.tip_hash,
            payload_root: payload_root(&block.payload),
            time_ms: self.clock.median().max(self.tip.time_ms),
            state_root,
        };
        put_block(&mut changes, &header, instance, block);
        self.tip = header.clone();
        self.tip_hash = header.hash();
        Executed { header, receipts, turn: Turn { missed, next }, changes }
    }

    fn execute_commands(
        &self,
        state: &mut State<'_>,
        height: Height,
        commands: &[CommandView<'_>],
    ) -> Vec<(Digest, Receipt)> {
        let mut entries: Vec<Entry> = Vec::with_capacity(commands.len());
        let mut receipts = Vec::with_capacity(commands.len());
        let slots = Slots::of(commands);
        let held_before = slots.holders(state.rows());
        // By the first position of a client and sequence: the entry of the command that was executed there in this block.
        let mut taken: Vec<Option<usize>> = vec![None; commands.len()];
        for ((command, held_before), first) in commands.iter().zip(held_before).zip(slots.firsts()) {
            let id = command.id();
            let holder = taken[first].map(|entry| entries[entry].holder(height)).or(held_before);
            let receipt = match self.execute_command(state, height, (&id, holder), command) {
                Outcome::Known(receipt) => receipt,
                Outcome::New(receipt) => {
                    let entry = Entry::new(id, command, receipt.clone());
                    if entry.is_executed() {
                        taken[first] = Some(entries.len());
                    }
                    entries.push(entry);
                    receipt
                }
            };
            receipts.push((id, receipt));
        }
        replies::close(state, height, &entries);
        receipts
    }

    /// `OB-4`: executes a command unless it, or another in its place, was executed or it comes too late.
    fn execute_command(
        &self,
        state: &mut State<'_>,
        height: Height,
        (id, holder): (&Digest, Option<Holder>),
        command: &CommandView<'_>,
    ) -> Outcome {
        let without = |status| Outcome::New(Receipt { status, result: Bytes::new() });
        match holder {
            Some(holder) if holder.id == *id && !planted::is("forgotten-reply") => Outcome::Known(holder.receipt),
            Some(_) if !planted::is("forgotten-reply") => without(Status::Conflict),
            None if command.expires_at_height.is_some_and(|last| last < height) => without(Status::Expired),
            _ => {
                let receipt = self.app.execute(state, height, command.body);
                if receipt.status == Status::Applied {
                    state.keep();
                    Outcome::New(receipt)
                } else {
                    state.revert();
                    Outcome::New(Receipt { status: Status::Refused, ..receipt })
                }
            }
        }
    }
}

/// What came of a command.
enum Outcome {
    /// It was executed before: its receipt from then.
    Known(Receipt),
    /// Its receipt, to be remembered.
    New(Receipt),
}
