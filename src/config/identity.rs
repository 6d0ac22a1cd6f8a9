//! The files that a node's configuration names, read and checked against each other.

use std::{path::Path, sync::Arc};

use super::{AskPassphrase, Genesis, GenesisError, KeyFileError, KeyFiles, NodeConfig, Problem, Problems};
use crate::{
    crypto::SecretKey,
    types::{PublicKey, ValidatorIndex, ValidatorSet},
};

/// Who a node is, and on which chain.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The chain.
    pub genesis: Arc<Genesis>,
    /// Its first validators.
    pub validators: Arc<ValidatorSet>,
    /// Our consensus key with its index in the genesis set; `None` for a listener.
    pub validator: Option<(ValidatorIndex, SecretKey)>,
    /// The key of our peer id. Never the consensus key (SPEC.md section 5).
    pub peer_key: SecretKey,
}

/// Why genesis and keys do not belong together.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IdentityError {
    /// Genesis is wrong in itself.
    #[error("genesis: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Genesis(Vec<GenesisError>),
    /// The key is nobody's here.
    #[error("{0} is not a validator of this genesis")]
    Stranger(PublicKey),
    /// One key for two purposes.
    #[error("the key of the peer id is the consensus key, which signs votes and nothing else")]
    SharedKey,
}

impl Identity {
    /// Puts genesis and keys together that are here already.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn new(genesis: Genesis, validator_key: Option<SecretKey>, peer_key: SecretKey) -> Result<Self, IdentityError> {
        let validators = genesis.validate().map_err(IdentityError::Genesis)?;
        let place = |key: SecretKey| {
            let public_key = key.public_key();
            validators.index_of(&public_key).map(|index| (index, key)).ok_or(IdentityError::Stranger(public_key))
        };
        let validator = validator_key.map(place).transpose()?;
        if validator.as_ref().is_some_and(|(_, key)| key.public_key() == peer_key.public_key()) {
            return Err(IdentityError::SharedKey);
        }
        Ok(Self { genesis: Arc::new(genesis), validators, validator, peer_key })
    }

    /// Reads genesis and keys and checks that they belong together. Nobody is asked for a passphrase.
    ///
    /// # Errors
    /// [`Problems`] with everything that is wrong, by the keys that name the files.
    pub fn load(config: &NodeConfig) -> Result<Self, Problems> {
        Self::load_asking(config, &mut |_| None)
    }

    /// As [`Self::load`]; the passphrase of encrypted keys is asked for where neither file nor environment has it.
    ///
    /// # Errors
    /// [`Problems`] with everything that is wrong, by the keys that name the files.
    pub fn load_asking(config: &NodeConfig, ask: AskPassphrase<'_>) -> Result<Self, Problems> {
        let mut files = KeyFiles::new(config.node.passphrase_file.as_deref(), ask);
        let mut problems = Vec::new();
        let genesis = match Genesis::load(&config.node.genesis) {
            Ok(genesis) => Some(genesis),
            Err(error) => {
                let remedy = "give the chain's genesis.json, as `thalweg genesis` wrote it";
                problems.push(Problem::new("node.genesis", error.to_string(), remedy));
                None
            }
        };
        let peer_key = read_key(&mut files, "node.peer_key", &config.node.peer_key, &mut problems);
        let validator_key = config
            .node
            .validator_key
            .as_deref()
            .map(|path| read_key(&mut files, "node.validator_key", path, &mut problems));
        let validators = genesis.as_ref().and_then(|genesis| genesis.validate().ok());
        let validator = match (&validators, validator_key) {
            (Some(validators), Some(Some(key))) => match validators.index_of(&key.public_key()) {
                Some(index) => Some((index, key)),
                None => {
                    let what = format!("{} is not a validator of this genesis", key.public_key());
                    let remedy = "give the key that belongs to the genesis, or none to follow as a listener";
                    problems.push(Problem::new("node.validator_key", what, remedy));
                    None
                }
            },
            _ => None,
        };
        if let (Some((_, key)), Some(peer_key)) = (&validator, &peer_key)
            && key.public_key() == peer_key.public_key()
        {
            let remedy = "give the network a key of its own: a consensus key signs votes and nothing else";
            problems.push(Problem::new("node.peer_key", "is the consensus key".to_owned(), remedy));
        }
        match (genesis, validators, peer_key) {
            (Some(genesis), Some(validators), Some(peer_key)) if problems.is_empty() => {
                Ok(Self { genesis: Arc::new(genesis), validators, validator, peer_key })
            }
            _ => Err(Problems(problems)),
        }
    }
}

fn read_key(
    files: &mut KeyFiles<'_>,
    key: &'static str,
    path: &Path,
    problems: &mut Vec<Problem>,
) -> Option<SecretKey> {
    match files.read(path) {
        Ok(secret) => Some(secret),
        Err(error) => {
            // One file with a passphrase serves all keys: it is wrong once.
            let key = if matches!(error, KeyFileError::Passphrase(..)) { "node.passphrase_file" } else { key };
            let problem = Problem::new(key, error.to_string(), error.remedy());
            if !problems.contains(&problem) {
                problems.push(problem);
            }
            None
        }
    }
}
