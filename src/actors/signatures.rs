//! Clients' signatures (`OB-11`): checked where commands come in, in batches, and remembered, so that a payload of
//! commands that came this way costs nothing more before the vote.
//!
//! Shared by the HTTP server's threads, the router and the executor. The lock is held for looking up and for remembering,
//! never while signatures are checked.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::verifier::unpredictable_rng;
use crate::{
    app::{Command, SignatureError, Signing},
    config::Genesis,
    crypto::{Check, Memory, bad_signatures},
};

/// Good signatures that are remembered: 8 MiB, and more commands than wait anywhere by default.
const REMEMBERED_MAX: usize = 1 << 17;

/// What a chain asks of its clients, and what was found good.
#[derive(Debug)]
pub struct Signatures {
    signing: Signing,
    memory: Mutex<Memory>,
}

impl Signatures {
    /// Those of a chain.
    pub fn new(genesis: &Genesis) -> Self {
        Self { signing: Signing::new(genesis), memory: Mutex::new(Memory::new(REMEMBERED_MAX)) }
    }

    /// Whether commands must be signed.
    pub fn are_required(&self) -> bool {
        self.signing.is_required()
    }

    /// What is wrong with each command, if anything is, in order.
    pub fn verdicts<'a>(&self, commands: impl Iterator<Item = &'a Command>) -> Vec<Result<(), SignatureError>> {
        let (mut verdicts, mut checks, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for command in commands {
            verdicts.push(self.signing.claim(&command.view()).map(|claim| {
                places.extend(claim.is_some().then_some(verdicts.len()));
                checks.extend(claim);
            }));
        }
        for at in self.bad(&checks) {
            verdicts[places[at]] = Err(SignatureError::Bad);
        }
        verdicts
    }

    /// Whether all of them hold.
    pub fn hold(&self, checks: &[Check]) -> bool {
        self.bad(checks).is_empty()
    }

    fn bad(&self, checks: &[Check]) -> Vec<usize> {
        let unknown = self.memory().unknown(checks);
        if unknown.is_empty() {
            return unknown;
        }
        let news: Vec<_> = unknown.iter().map(|at| checks[*at].clone()).collect();
        let bad = bad_signatures(&news, &mut unpredictable_rng());
        let mut memory = self.memory();
        let good = news.iter().enumerate().filter(|(at, _)| bad.binary_search(at).is_err());
        good.for_each(|(_, check)| memory.learn(check));
        bad.into_iter().map(|at| unknown[at]).collect()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Whoever panicked did so between two whole changes.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::ClientSignatures,
        crypto::SecretKey,
        types::{Power, Validator},
    };

    /// `OB-11`: one bad command of a batch is found, and costs no other one anything.
    #[test]
    fn each_command_has_its_own_verdict() {
        let key = SecretKey::from_seed(&[1; 32]);
        let validators = vec![Validator { public_key: key.public_key(), power: Power::new(1) }];
        let genesis = Genesis { client_signatures: ClientSignatures::Required, ..Genesis::new("test", 0, validators) };
        let signed = |sequence| Command::signed(&key, &genesis.chain_id(), sequence, None, "body".into());
        let signatures = Signatures::new(&genesis);
        let commands =
            [signed(0), Command { signature: None, ..signed(1) }, Command { sequence: 9, ..signed(2) }, signed(3)];
        let expected = [Ok(()), Err(SignatureError::Missing), Err(SignatureError::Bad), Ok(())];
        for _ in 0..2 {
            assert_eq!(signatures.verdicts(commands.iter()), expected);
        }
        let claim = |command: &Command| signatures.signing.claim(&command.view()).unwrap().unwrap();
        assert!(signatures.hold(&[claim(&commands[0]), claim(&commands[3])]));
        assert_eq!(signatures.memory().unknown(&[claim(&commands[0]), claim(&commands[2])]), [1], "checked once");
        assert!(!signatures.hold(&[claim(&commands[0]), claim(&commands[2])]));
    }
}
