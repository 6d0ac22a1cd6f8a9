//! `exactly-once`: no command is executed twice, and what a client is told is what was executed first.
//!
//! That a block names a command again is no fault: the executor has to give its first receipt back. So what counts is
//! how often the application was made to execute it, which the world's [`crate::sim::ledger`] writes into the result.

use std::collections::BTreeMap;

use super::{Checker, Sight};
use crate::{
    app::{Receipt, Status},
    sim::ledger,
    types::{Digest, Height},
};

/// See the file's header.
#[derive(Debug, Default)]
pub struct ExactlyOnce {
    /// Where each command was first in a block, and what it came to.
    first: BTreeMap<Digest, (Height, Receipt)>,
}

impl ExactlyOnce {
    fn on_executed(&mut self, height: Height, command: &Digest, receipt: &Receipt) -> Result<(), String> {
        let (first, known) = self.first.entry(*command).or_insert_with(|| (height, receipt.clone()));
        let times = ledger::times(&receipt.result);
        if receipt.status != Status::Applied || times != 1 {
            return Err(format!("{command:?} was {:?} {times} times by height {height}", receipt.status));
        }
        if known != receipt {
            return Err(format!("{command:?} came to {known:?} at {first}, but to {receipt:?} at {height}"));
        }
        Ok(())
    }
}

impl Checker for ExactlyOnce {
    fn id(&self) -> &'static str {
        "exactly-once"
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        match sight {
            Sight::Executed { header, receipts, .. } => {
                receipts.iter().try_for_each(|(command, receipt)| self.on_executed(header.height, command, receipt))
            }
            Sight::Answered { command, height, .. } => match self.first.get(command) {
                Some((first, _)) if first == height => Ok(()),
                other => Err(format!("{command:?} was answered as committed at {height}, but is {other:?}")),
            },
            Sight::Refused { command, fate } => Err(format!("{command:?} was refused: {fate:?}")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{
        replica::Fate,
        sim::checkers::planted::{block, header},
    };

    fn executed(checker: &mut ExactlyOnce, height: u64, times: u64) -> Result<(), String> {
        let receipt = Receipt { status: Status::Applied, result: Bytes::copy_from_slice(&times.to_be_bytes()) };
        let (header, block) = (header(height, 0), block(height, 0));
        let receipts = [(Digest::new([0; 32]), receipt)];
        checker.see(&Sight::Executed {
            node: 0,
            instance: Digest::new([9; 32]),
            header: &header,
            block: &block,
            receipts: &receipts,
        })
    }

    fn answered(checker: &mut ExactlyOnce, height: u64) -> Result<(), String> {
        checker.see(&Sight::Answered { node: 0, command: Digest::new([0; 32]), height: Height::new(height) })
    }

    #[test]
    fn a_first_receipt_given_back_is_no_fault() {
        let mut checker = ExactlyOnce::default();
        executed(&mut checker, 1, 1).unwrap();
        executed(&mut checker, 2, 1).unwrap();
        answered(&mut checker, 1).unwrap();
    }

    #[test]
    fn a_second_execution_is_noticed() {
        let mut checker = ExactlyOnce::default();
        executed(&mut checker, 1, 1).unwrap();
        executed(&mut checker, 2, 2).unwrap_err();
    }

    #[test]
    fn an_answer_without_execution_or_with_a_later_height_is_noticed() {
        let mut checker = ExactlyOnce::default();
        answered(&mut checker, 1).unwrap_err();
        executed(&mut checker, 1, 1).unwrap();
        executed(&mut checker, 2, 1).unwrap();
        answered(&mut checker, 2).unwrap_err();
    }

    #[test]
    fn a_conflict_between_different_clients_is_noticed() {
        let refused = Sight::Refused { command: Digest::new([0; 32]), fate: &Fate::Conflict };
        ExactlyOnce::default().see(&refused).unwrap_err();
    }
}
