//! `validity`: what is decided could be voted for. Its payload is well formed, within its limit, names its true
//! proposer, repeats no command, holds none that its client has not signed where genesis requires it (`OB-11`), and holds none that has expired or was executed before anyone could vote for it.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::{Verifier as _, VerifyingKey};

use super::{Checker, Facts, Sight};
use crate::{
    app::{Block, Command, Payload},
    config::ClientSignatures,
    crypto::Transcript,
    protocol::Certificate,
    types::{Digest, Height, codec},
};

/// See the file's header.
#[derive(Debug)]
pub struct Validity {
    facts: Facts,
    /// Where each command was decided first.
    first: BTreeMap<Digest, Height>,
}

impl Validity {
    /// For a world of these facts.
    pub fn new(facts: Facts) -> Self {
        Self { facts, first: BTreeMap::new() }
    }

    fn check(&mut self, block: &Block) -> Result<(), String> {
        let leader = match &block.certificate {
            Certificate::Streamlette(certificate) => Some(certificate.proposal.leader),
            // Nobody's: a gap that a new view closed.
            Certificate::Pbft(_) if block.payload.is_empty() => return Ok(()),
            // The commits may be of a later view than the one in which it was proposed.
            Certificate::Pbft(_) => None,
        };
        if block.payload.len() > self.facts.payload_bytes_max {
            return Err(format!("it has {} bytes", block.payload.len()));
        }
        let payload: Payload = codec::decode(&block.payload).map_err(|error| format!("it is no payload: {error}"))?;
        if codec::encode(&payload) != block.payload {
            return Err("its encoding is not the canonical one".into());
        }
        if let Some(leader) = leader.filter(|leader| payload.proposer != *leader) {
            return Err(format!("{leader} proposed it in the name of {}", payload.proposer));
        }
        let mut ids = BTreeSet::new();
        for command in &payload.commands {
            let id = command.id();
            if !ids.insert(id) {
                return Err(format!("it holds {id:?} twice"));
            }
            if command.expires_at_height.is_some_and(|last| last < block.height) {
                return Err(format!("{id:?} has expired"));
            }
            self.check_signature(command).map_err(|what| format!("{id:?} {what}"))?;
            let first = *self.first.entry(id).or_insert(block.height);
            if first.get() + self.facts.window < block.height.get() {
                return Err(format!("{id:?} was decided at {first} before"));
            }
        }
        Ok(())
    }

    /// By another implementation than the one that replicas use, over the fields put together once more.
    fn check_signature(&self, command: &Command) -> Result<(), &'static str> {
        let signature = match (self.facts.client_signatures, &command.signature) {
            (ClientSignatures::Off, None) => return Ok(()),
            (ClientSignatures::Off, Some(_)) => return Err("is signed, and must not be"),
            (ClientSignatures::Required, None) => return Err("is not signed"),
            (ClientSignatures::Required, Some(signature)) => ed25519_dalek::Signature::from_bytes(signature.as_bytes()),
        };
        let signed = Transcript::new("thalweg message v1")
            .bytes(b"client")
            .bytes(b"command")
            .number(1)
            .digest(&self.facts.chain)
            .digest(&command.client)
            .number(command.sequence)
            .number(command.expires_at_height.map_or(u64::MAX, Height::get))
            .bytes(&command.body)
            .finish();
        let key = VerifyingKey::from_bytes(command.client.as_bytes()).map_err(|_| "has a client that is no key")?;
        key.verify(signed.as_bytes(), &signature).map_err(|_| "is not signed by its client")
    }
}

impl Checker for Validity {
    fn id(&self) -> &'static str {
        "validity"
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        let Sight::Executed { block, .. } = sight else { return Ok(()) };
        self.check(block).map_err(|what| format!("height {} should have had no votes: {what}", block.height))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::SecretKey,
        sim::checkers::planted::{block, facts},
        types::ValidatorIndex,
    };

    fn command(number: u64, last: Option<u64>) -> Command {
        let (client, expires_at_height) = (Digest::new([0; 32]), last.map(Height::new));
        Command { client, sequence: number, expires_at_height, body: bytes::Bytes::new(), signature: None }
    }

    fn check(checker: &mut Validity, height: u64, proposer: u16, commands: &[Command]) -> Result<(), String> {
        let commands = commands.to_vec();
        let payload = Payload { proposer: ValidatorIndex::new(proposer), proposed_at_ms: 0, commands };
        checker.check(&Block { payload: codec::encode(&payload).into(), ..block(height, 0) })
    }

    #[test]
    fn what_must_not_be_voted_for_is_noticed() {
        let mut checker = Validity::new(facts());
        check(&mut checker, 1, 0, &[command(1, None), command(2, Some(1))]).unwrap();
        check(&mut checker, 2, 1, &[]).unwrap_err();
        check(&mut checker, 2, 0, &[command(3, None), command(3, None)]).unwrap_err();
        check(&mut checker, 2, 0, &[command(4, Some(1))]).unwrap_err();
        check(&mut checker, 2, 0, &[command(1, None)]).unwrap();
        check(&mut checker, 3, 0, &[command(1, None)]).unwrap_err();
        checker.check(&block(3, 255)).unwrap_err();
    }

    #[test]
    fn what_its_client_has_not_signed_is_noticed() {
        let key = SecretKey::from_seed(&[1; 32]);
        let facts = Facts { client_signatures: ClientSignatures::Required, ..facts() };
        let good = Command::signed(&key, &facts.chain, 1, None, bytes::Bytes::new());
        let mut checker = Validity::new(facts);
        check(&mut checker, 1, 0, std::slice::from_ref(&good)).unwrap();
        check(&mut checker, 2, 0, &[Command { sequence: 2, ..good.clone() }]).unwrap_err();
        check(&mut checker, 2, 0, &[Command { signature: None, ..command(2, None) }]).unwrap_err();
        let mut elsewhere = Validity::new(super::super::planted::facts());
        check(&mut elsewhere, 1, 0, &[good]).unwrap_err();
    }
}
