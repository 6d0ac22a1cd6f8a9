//! `equivocation`: no validator of a world ever signs two different things in one round of an instance, whatever its disk
//! has been through.

use std::collections::BTreeMap;

use super::{Checker, Sight};
use crate::{
    protocol::{
        Message,
        streamlette::{self, Tick},
    },
    types::{Digest, ValidatorIndex},
};

/// Which signature of a round. A leader's header and a vote for another's are told apart by nobody else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Role {
    Leader,
    Voter,
}

/// See the file's header.
#[derive(Debug, Default)]
pub struct Equivocation {
    signed: BTreeMap<(Digest, ValidatorIndex, Tick, Role), String>,
}

impl Checker for Equivocation {
    fn id(&self) -> &'static str {
        "equivocation"
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        let Sight::Sent { instance, message: Message::Streamlette(message) } = sight else { return Ok(()) };
        let (signer, tick, role, what) = match message {
            streamlette::Message::Proposal { header, .. } => {
                (header.leader, header.tick, Role::Leader, format!("{header:?}"))
            }
            streamlette::Message::Solicit { header, .. } => {
                (header.leader, header.tick, Role::Leader, format!("{header:?}"))
            }
            streamlette::Message::Vote(vote) => {
                (vote.signer, vote.message.tick, Role::Voter, format!("{:?}", vote.message.target))
            }
            // What others signed, passed on; and wishes, which exclude nothing.
            _ => return Ok(()),
        };
        let first = self.signed.entry((**instance, signer, tick, role)).or_insert_with(|| what.clone());
        if *first == what {
            return Ok(());
        }
        Err(format!("validator {signer} signed two things in tick {} as {role:?}: {first} and {what}", tick.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::Signed,
        protocol::streamlette::{Proposal, Vote},
        types::Signature,
    };

    fn signature() -> Signature {
        Signature::new([0; 64])
    }

    fn vote(tick: u64, target: u8) -> Message {
        let message = Vote { tick: Tick::new(tick), target: Digest::new([target; 32]) };
        let signer = ValidatorIndex::new(2);
        Message::Streamlette(streamlette::Message::Vote(Signed { message, signer, signature: signature() }))
    }

    fn proposal(payload: u8) -> Message {
        let (leader, payload_root) = (ValidatorIndex::new(1), Digest::new([payload; 32]));
        let header = Proposal { tick: Tick::ZERO, leader, payload_root, payload_len: 1 };
        let payload = bytes::Bytes::new();
        Message::Streamlette(streamlette::Message::Proposal { header, signature: signature(), payload })
    }

    #[test]
    fn repetitions_and_other_rounds_pass_and_second_thoughts_do_not() {
        let mut checker = Equivocation::default();
        let (one, other) = (Digest::new([1; 32]), Digest::new([2; 32]));
        let mut sent = |instance: &Digest, message: Message| checker.see(&Sight::Sent { instance, message: &message });
        sent(&one, vote(0, 1)).unwrap();
        sent(&one, vote(0, 1)).unwrap();
        sent(&one, vote(1, 2)).unwrap();
        sent(&other, vote(0, 3)).unwrap();
        sent(&one, proposal(1)).unwrap();
        sent(&one, vote(0, 2)).unwrap_err();
        sent(&one, proposal(2)).unwrap_err();
    }
}
