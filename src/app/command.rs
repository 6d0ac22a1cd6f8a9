//! Commands, payloads, headers and blocks.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    crypto::Transcript,
    protocol::Certificate,
    types::{
        Digest, Height, Signature, ValidatorIndex,
        codec::{self, DecodeError},
    },
};

/// One order of one client (`OB-4`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// Who: the hash of an Idempotency-Key, a random number made by the node that accepted the request, or the client's
    /// public key where genesis asks for client signatures.
    pub client: Digest,
    /// The client's own number for it. A second command with the same client and number is refused at execution.
    pub sequence: u64,
    /// The last height at which it may be executed; `None`: it does not expire. Then, after its reply has been
    /// forgotten, only the proposers' honesty keeps it from being executed again; the same holds for a height further
    /// ahead than replies are remembered.
    pub expires_at_height: Option<Height>,
    /// What to do, in the application's encoding.
    pub body: Bytes,
    /// The client's word for all of this, where genesis asks for it (`OB-11`).
    pub signature: Option<Signature>,
}

impl Command {
    /// A command of which every field follows from key and body, so that every node makes the same one at any time, and
    /// it is executed once (`OB-4`); hence it cannot expire.
    pub fn idempotent(key: &[u8], body: Bytes) -> Self {
        let client = Transcript::new("thalweg idempotency key v1").bytes(key).finish();
        Self { client, sequence: 0, expires_at_height: None, body, signature: None }
    }

    /// The hash of all fields but the signature, by which the command is executed exactly once.
    pub fn id(&self) -> Digest {
        self.view().id()
    }

    /// The command, read in place.
    pub fn view(&self) -> CommandView<'_> {
        let Self { client, sequence, expires_at_height, ref body, signature } = *self;
        CommandView { client, sequence, expires_at_height, body, signature }
    }
}

/// A [`Command`] read in place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "as in the command")]
pub struct CommandView<'a> {
    pub client: Digest,
    pub sequence: u64,
    pub expires_at_height: Option<Height>,
    pub body: &'a [u8],
    pub signature: Option<Signature>,
}

impl CommandView<'_> {
    /// As [`Command::id`].
    pub fn id(&self) -> Digest {
        Transcript::new("thalweg command v1")
            .digest(&self.client)
            .number(self.sequence)
            .number(self.expires_at_height.map_or(u64::MAX, Height::get))
            .bytes(self.body)
            .finish()
    }
}

/// A command with its id, which is hashed once on a command's way through a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identified {
    id: Digest,
    command: Command,
}

impl Identified {
    /// The command's id.
    pub fn id(&self) -> Digest {
        self.id
    }

    /// The command.
    pub fn command(&self) -> &Command {
        &self.command
    }

    /// The command alone.
    pub fn into_command(self) -> Command {
        self.command
    }
}

impl From<Command> for Identified {
    fn from(command: Command) -> Self {
        Self { id: command.id(), command }
    }
}

/// What a height decides: the proposer's time and its commands. Encoded once, by the proposer; everyone else passes
/// the same bytes on.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Payload {
    /// Who proposes, by its index in the validator set of the height. A payload that names another than the one who
    /// signed the proposal is not voted for (`OB-5`), so a decided payload names its true proposer: a liar moves only
    /// its own sample of the block time (`OB-6`).
    pub proposer: ValidatorIndex,
    /// The proposer's wall clock in milliseconds since the Unix epoch. No vote looks at it (`OB-6`).
    pub proposed_at_ms: u64,
    /// The commands, in execution order.
    pub commands: Vec<Command>,
}

/// A [`Payload`] read in place: no body is copied.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in the payload")]
pub struct PayloadView<'a> {
    pub proposer: ValidatorIndex,
    pub proposed_at_ms: u64,
    #[serde(borrow)]
    pub commands: Vec<CommandView<'a>>,
}

impl<'a> PayloadView<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`DecodeError`] unless `bytes` is the canonical encoding of a payload.
    pub fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        codec::decode_borrowed(bytes)
    }
}

/// The header chain. The hash of a header attests the whole history below it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// Its height; genesis has height 0.
    pub height: Height,
    /// The hash of the header below; zeros below genesis.
    pub parent: Digest,
    /// The digest of the payload's bytes; the chain's id at genesis.
    pub payload_root: Digest,
    /// Never falls (`OB-6`), in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The state after executing this height; equal heights have equal roots.
    pub state_root: Digest,
}

impl Header {
    /// The header's hash.
    pub fn hash(&self) -> Digest {
        Transcript::new("thalweg header v1")
            .number(self.height.get())
            .digest(&self.parent)
            .digest(&self.payload_root)
            .number(self.time_ms)
            .digest(&self.state_root)
            .finish()
    }

    /// The state before the first block, as agreed on in genesis.
    pub fn genesis(chain: Digest, created_at_ms: u64, state_root: Digest) -> Self {
        let parent = Digest::new([0; 32]);
        Self { height: Height::ZERO, parent, payload_root: chain, time_ms: created_at_ms, state_root }
    }
}

/// A decided value with its proof: what peers hand to those who fell behind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Block {
    /// Its height.
    pub height: Height,
    /// The decided bytes.
    pub payload: Bytes,
    /// Why anyone must believe it.
    pub certificate: Certificate,
}

/// A block as it is stored once it is executed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredBlock {
    /// What its execution gave.
    pub header: Header,
    /// The instance that decided it.
    pub instance: Digest,
    /// The block.
    pub block: Block,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::codec;

    fn command() -> Command {
        Command {
            client: Digest::new([0xc1; 32]),
            sequence: 300,
            expires_at_height: Some(Height::new(7)),
            body: Bytes::from_static(b"body"),
            signature: None,
        }
    }

    #[test]
    fn golden_command() {
        let expected = ["c1".repeat(32).as_str(), "ac02", "0107", "04626f6479"].concat();
        assert_eq!(hex::encode(codec::encode(&command())), expected);
        assert_eq!(command().id().to_string(), "991cc64c9f53e7d291594da0b3c6d43246aba7d7e1c47ba4b83814aa5136c517");
        let lasting = Command { expires_at_height: None, ..command() };
        assert_eq!(lasting.id().to_string(), "712ed961b09379326bb1fb68e295cfc47e12ff04e1a4b8eabacfd0691fedecd8");
    }

    #[test]
    fn golden_payload() {
        let payload = Payload { proposer: ValidatorIndex::new(3), proposed_at_ms: 1_000, commands: vec![command()] };
        let expected = format!("03e80701{}", hex::encode(codec::encode(&command())));
        let bytes = codec::encode(&payload);
        let view = PayloadView::read(&bytes).unwrap();
        assert_eq!(codec::encode(&view), bytes);
        assert_eq!(view.commands[0].id(), command().id());
        assert_eq!(hex::encode(codec::encode(&payload)), expected);
        assert_eq!(
            crate::protocol::payload_root(&codec::encode(&payload)).to_string(),
            "fa6dc38ec0c3ac584aebb749c78e2c2cc9da54616a2ed1ee4a92062534db0b07"
        );
    }

    #[test]
    fn golden_header() {
        let header = Header {
            height: Height::new(300),
            parent: Digest::new([1; 32]),
            payload_root: Digest::new([2; 32]),
            time_ms: 1_000,
            state_root: Digest::new([3; 32]),
        };
        let expected = ["ac02", &"01".repeat(32), &"02".repeat(32), "e807", &"03".repeat(32)].concat();
        assert_eq!(hex::encode(codec::encode(&header)), expected);
        assert_eq!(header.hash().to_string(), "7526799dedf0eb2d78d0d09a4d8f4b159b0b3c35182c8599209a97b62207c2cb");
    }
}
