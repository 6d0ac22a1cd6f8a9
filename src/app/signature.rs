//! Commands that their clients have signed.
//!
//! * `OB-11`: where genesis requires it, a command is valid only with a signature of the key that is its client, over
//!   (chain, kind, version, client, sequence, last height, body). So nobody orders in another's name, on this chain or
//!   on one that looks like it, not even a validator. Where genesis does not require it, a signature is refused: there
//!   is one way to say each thing. The signature is no part of a command's id: two signatures under equal fields are
//!   the same command.
//!
//! A signature says nothing of how often: exactly once is `OB-4`. Whoever gives a last height within the time for which
//! replies are remembered is safe from a validator that proposes the command again later.
//!
//! Clients' keys are not screened as validators' are (`CR-K1`): under a key of small order anybody can sign, which harms
//! nobody but the client that chose it. Where commands come in and before votes signatures are checked by the hands, each
//! once ([`crate::crypto::Memory`]); execution checks none, since what is decided was voted for.

use bytes::Bytes;

use super::{Command, CommandView};
use crate::{
    config::{ClientSignatures, Genesis},
    crypto::{Check, Kind, SecretKey, Signable, Transcript},
    types::{Digest, Height, PublicKey, planted},
};

/// Why a command is refused for its signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SignatureError {
    /// It has none, and genesis requires one.
    #[error("the command is not signed by its client")]
    Missing,
    /// It has one, and genesis asks for none.
    #[error("this chain's commands are not signed, and this one is")]
    Unwanted,
    /// It has one that does not hold.
    #[error("the signature is not that of the client's key over this command on this chain")]
    Bad,
}

/// What a chain asks of its clients' commands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signing {
    chain: Digest,
    policy: ClientSignatures,
}

impl Signing {
    /// What a genesis says.
    pub fn new(genesis: &Genesis) -> Self {
        Self { chain: genesis.chain_id(), policy: genesis.client_signatures }
    }

    /// Whether commands must be signed.
    pub fn is_required(&self) -> bool {
        self.policy == ClientSignatures::Required
    }

    /// `OB-11`: what is left to check of a command; `None` when nothing is.
    ///
    /// # Errors
    /// [`SignatureError`] when it has a signature that it must not have, or none.
    pub fn claim(&self, command: &CommandView<'_>) -> Result<Option<Check>, SignatureError> {
        match (self.policy, command.signature) {
            _ if planted::is("unsigned-command") => Ok(None),
            (ClientSignatures::Off, None) => Ok(None),
            (ClientSignatures::Off, Some(_)) => Err(SignatureError::Unwanted),
            (ClientSignatures::Required, None) => Err(SignatureError::Missing),
            (ClientSignatures::Required, Some(signature)) => {
                let key = PublicKey::new(*command.client.as_bytes());
                Ok(Some(Check { key, digest: command.digest(&self.chain), signature }))
            }
        }
    }
}

impl Signable for CommandView<'_> {
    const KIND: Kind = Kind { protocol: "client", name: "command", version: 1 };

    fn fields(&self, transcript: Transcript) -> Transcript {
        transcript
            .digest(&self.client)
            .number(self.sequence)
            .number(self.expires_at_height.map_or(u64::MAX, Height::get))
            .bytes(self.body)
    }
}

impl Command {
    /// A command of the holder of a key, signed for one chain.
    pub fn signed(
        key: &SecretKey,
        chain: &Digest,
        sequence: u64,
        expires_at_height: Option<Height>,
        body: Bytes,
    ) -> Self {
        let client = Digest::new(*key.public_key().as_bytes());
        let unsigned = Self { client, sequence, expires_at_height, body, signature: None };
        let signature = key.sign_digest(&unsigned.view().digest(chain));
        Self { signature: Some(signature), ..unsigned }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::codec;

    const CHAIN: Digest = Digest::new([0xc4; 32]);

    fn signed(last: Option<u64>) -> Command {
        Command::signed(
            &SecretKey::from_seed(&[1; 32]),
            &CHAIN,
            300,
            last.map(Height::new),
            Bytes::from_static(b"body"),
        )
    }

    fn signing(policy: ClientSignatures) -> Signing {
        Signing { chain: CHAIN, policy }
    }

    #[test]
    fn golden_signed_command() {
        let client = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
        let encoded = |command: &Command| hex::encode(codec::encode(command));
        let (until, lasting) = (signed(Some(7)), signed(None));
        let signature = |command: &Command| command.signature.unwrap().to_string();
        assert_eq!(encoded(&until), [client, "ac02", "03", &signature(&until), "07", "04626f6479"].concat());
        assert_eq!(encoded(&lasting), [client, "ac02", "02", &signature(&lasting), "04626f6479"].concat());
        assert_eq!(
            until.view().digest(&CHAIN).to_string(),
            "49d461321ee0bb3a651b30d14b3960547f81419ce57943308d535e16c3db2ee7"
        );
        assert_eq!(
            signature(&until),
            concat!(
                "c3c0d9ccafee958d9324e8d57e7b3a3665dd6f96351b536cbe048abff5d4f45f",
                "2a2d4d8749a7d62102af396ae7791de710f0f9c679ab44f3954f367b40236b02"
            )
        );
        for command in [until, lasting] {
            assert_eq!(codec::decode::<Command>(&codec::encode(&command)), Ok(command));
        }
    }

    #[test]
    fn signature_is_no_part_of_the_id() {
        assert_eq!(signed(Some(7)).id(), Command { signature: None, ..signed(Some(7)) }.id());
    }

    /// `OB-11`: what a chain asks for, no less and no more.
    #[test]
    fn chain_takes_what_its_genesis_asks_for() {
        let (with, without) = (signed(None), Command { signature: None, ..signed(None) });
        let (off, required) = (signing(ClientSignatures::Off), signing(ClientSignatures::Required));
        assert_eq!(off.claim(&without.view()), Ok(None));
        assert_eq!(off.claim(&with.view()), Err(SignatureError::Unwanted));
        assert_eq!(required.claim(&without.view()), Err(SignatureError::Missing));
        assert!(required.claim(&with.view()).unwrap().unwrap().is_valid());
    }

    /// `OB-11`: another field, key or chain needs another signature.
    #[test]
    fn signature_holds_for_nothing_else() {
        let required = signing(ClientSignatures::Required);
        let holds = |command: &Command| required.claim(&command.view()).unwrap().unwrap().is_valid();
        let good = signed(Some(7));
        assert!(holds(&good));
        assert!(!holds(&Command {
            client: Digest::new(*SecretKey::from_seed(&[2; 32]).public_key().as_bytes()),
            ..good.clone()
        }));
        assert!(!holds(&Command { sequence: 301, ..good.clone() }));
        assert!(!holds(&Command { expires_at_height: None, ..good.clone() }));
        assert!(!holds(&Command { body: Bytes::from_static(b"bodies"), ..good.clone() }));
        let elsewhere = Command::signed(
            &SecretKey::from_seed(&[1; 32]),
            &Digest::new([7; 32]),
            300,
            good.expires_at_height,
            good.body.clone(),
        );
        assert!(!holds(&elsewhere));
    }
}
