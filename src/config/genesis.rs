//! What all replicas of a chain agree on from the start.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    crypto::{KeyError, Transcript, check_key},
    protocol::{ProtocolName, epoch},
    types::{CrashModel, Digest, Height, PublicKey, Validator, ValidatorSet, ValidatorSetError},
};

/// Which application executes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApplicationName {
    /// Keys and values.
    #[default]
    Kv,
    /// Does nothing, for measurements.
    Noop,
    /// One that the program brings along which embeds the replica.
    Embedded,
}

impl ApplicationName {
    /// Those that this program has.
    pub const ALL: [Self; 2] = [Self::Kv, Self::Noop];

    /// The name in configuration and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kv => "kv",
            Self::Noop => "noop",
            Self::Embedded => "embedded",
        }
    }
}

/// Whether clients sign their commands (`OB-11`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientSignatures {
    /// They do not: whoever reaches a validator may order, in the name that the validator makes.
    #[default]
    Off,
    /// Each command is signed by the key that is its client.
    Required,
}

impl ClientSignatures {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Off, Self::Required];

    /// The name in configuration and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Required => "required",
        }
    }

    /// Required, if so.
    pub const fn required_if(is_required: bool) -> Self {
        if is_required { Self::Required } else { Self::Off }
    }

    /// Whether genesis need not say so.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// `genesis.json`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The chain's name, for people; part of its id.
    pub chain: String,
    /// The chain's first moment, in milliseconds since the Unix epoch; makes equal names distinct chains.
    pub created_at_ms: u64,
    /// Which protocol decides.
    pub protocol: ProtocolName,
    /// Which application executes.
    pub application: ApplicationName,
    /// What faulty validators may do.
    pub crash_model: CrashModel,
    /// How many heights are live at once, 1 to 1,024.
    pub window: u64,
    /// For how many heights a reply is remembered, at least 16 and more than `window`: else a command that is in two
    /// live heights could be executed twice.
    pub retention_heights: u64,
    /// The most bytes of a payload, 1 KiB to 8 MiB.
    pub payload_bytes_max: u32,
    /// The most bytes of one command's body, at most a half of the payload's.
    pub command_bytes_max: u32,
    /// After how many heights validators sign a checkpoint (`OB-8`), not less than `window`. Without it, 128 or
    /// `window` if that is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_interval: Option<u64>,
    /// Who votes from height 1 on.
    pub validators: Vec<Validator>,
    /// Whether clients sign their commands. The last field, so that a chain without it has the id that it always had.
    #[serde(default, skip_serializing_if = "ClientSignatures::is_default")]
    pub client_signatures: ClientSignatures,
}

/// After how many heights checkpoints are signed, unless the window is larger.
const CHECKPOINT_INTERVAL: u64 = 128;

/// What is wrong with a genesis.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GenesisError {
    /// The validators make no set.
    #[error("validators: {0}")]
    Set(#[from] ValidatorSetError),
    /// A validator's key is refused.
    #[error("validators: key {0}: {1}")]
    Key(PublicKey, KeyError),
    /// A number is out of its range.
    #[error("{field}: {value} is not in {range}")]
    Range {
        /// The field.
        field: &'static str,
        /// What it is.
        value: u64,
        /// What it should be.
        range: &'static str,
    },
}

impl Genesis {
    /// A chain with the defaults of everything else, to be changed before anything is started.
    pub fn new(chain: &str, created_at_ms: u64, validators: Vec<Validator>) -> Self {
        Self {
            chain: chain.to_owned(),
            created_at_ms,
            protocol: ProtocolName::default(),
            application: ApplicationName::default(),
            crash_model: CrashModel::default(),
            window: 1,
            retention_heights: 100_000,
            payload_bytes_max: 1 << 20,
            command_bytes_max: 256 << 10,
            checkpoint_interval: None,
            validators,
            client_signatures: ClientSignatures::default(),
        }
    }

    /// Checks everything and reports all that is wrong.
    ///
    /// # Errors
    /// A list of [`GenesisError`], never empty.
    pub fn validate(&self) -> Result<Arc<ValidatorSet>, Vec<GenesisError>> {
        let mut errors = Vec::new();
        let mut range = |field, value, from: u64, to: u64, range| {
            if value < from || value > to {
                errors.push(GenesisError::Range { field, value, range });
            }
        };
        let payload = u64::from(self.payload_bytes_max);
        range("window", self.window, 1, 1024, "1 to 1024");
        let remembered = self.window.saturating_add(1).max(16);
        range("retention_heights", self.retention_heights, remembered, u64::MAX, "16 and more, above window");
        range("payload_bytes_max", payload, 1 << 10, 8 << 20, "1024 to 8388608");
        range("command_bytes_max", self.command_bytes_max.into(), 1, payload / 2, "1 to half of payload_bytes_max");
        range("checkpoint_interval", self.checkpoint_interval(), self.window, 1 << 20, "window to 1048576");
        for validator in &self.validators {
            if let Err(error) = check_key(&validator.public_key) {
                errors.push(GenesisError::Key(validator.public_key, error));
            }
        }
        match ValidatorSet::new(self.validators.clone(), self.crash_model) {
            Ok(set) if errors.is_empty() => return Ok(Arc::new(set)),
            Ok(_) => {}
            Err(error) => errors.push(error.into()),
        }
        Err(errors)
    }

    /// The chain's id: a hash of every field, so that nodes with different genesis files are strangers.
    pub fn chain_id(&self) -> Digest {
        Transcript::new("thalweg chain v1").bytes(&crate::types::codec::encode(self)).finish()
    }

    /// After how many heights validators sign a checkpoint (`OB-8`).
    pub fn checkpoint_interval(&self) -> u64 {
        self.checkpoint_interval.unwrap_or_else(|| CHECKPOINT_INTERVAL.max(self.window))
    }

    /// The lowest height from `height` on after which validators sign a checkpoint.
    pub fn checkpoint_above(&self, height: Height) -> Height {
        let interval = self.checkpoint_interval().max(1);
        Height::new(height.get().div_ceil(interval).max(1).saturating_mul(interval))
    }

    /// The height of the header that the id of the instance that decides `height` names (`OB-7`): `window + 1` below
    /// its first height, genesis at the lowest.
    pub fn history_height(&self, height: Height) -> Height {
        self.protocol.first_height(height).minus(self.window.saturating_add(1))
    }

    /// The id of the instance that decides `height` (`OB-7`): `history` is the hash of the header at
    /// [`Self::history_height`]. A long instance's id names the first height of its epoch.
    pub fn instance_id(&self, height: Height, set: &ValidatorSet, history: &Digest) -> Digest {
        self.id_from(self.protocol.first_height(height), set, history)
    }

    /// The id of the epoch of `height`: that of its long instance, if the protocol has such. Checkpoints are signed
    /// within it (`OB-8`). `history` is the hash of the header `window + 1` below the epoch, genesis' at the lowest.
    pub fn epoch_id(&self, height: Height, set: &ValidatorSet, history: &Digest) -> Digest {
        self.id_from(epoch(height), set, history)
    }

    fn id_from(&self, first_height: Height, set: &ValidatorSet, history: &Digest) -> Digest {
        let members = set.members().iter().fold(Transcript::new("thalweg validator set v1"), |hash, member| {
            hash.bytes(member.public_key.as_bytes()).number(member.power.get())
        });
        Transcript::new("thalweg instance v1")
            .digest(&self.chain_id())
            .bytes(self.protocol.as_str().as_bytes())
            .number(first_height.get())
            .digest(&members.finish())
            .digest(history)
            .finish()
    }
}
