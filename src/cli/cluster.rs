//! The files of a whole cluster: one `genesis.json`, and a directory for each node with `node.toml`, keys and `data/`.
//!
//! Made by `genesis` and by `localnet`; `localnet` also opens it again. Node i of the validators has index i in the
//! validator set. `genesis.json` is written last, so that a directory that has one is complete. Nothing is ever
//! overwritten: keys that are gone are gone.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::Failure;
use crate::{
    config::{Defaults, Genesis, NodeConfig, peer_id},
    crypto::SecretKey,
    journal::{self, Salt},
    types::{Digest, Power, Validator},
};

pub(super) const GENESIS_FILE: &str = "genesis.json";
pub(super) const CONFIG_FILE: &str = "node.toml";
const VALIDATOR_KEY_FILE: &str = "validator.pem";
const PEER_KEY_FILE: &str = "peer.pem";
const DATA_DIR: &str = "data";

/// Where a node of a new cluster is to be found.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Multiaddresses to listen on.
    pub(super) listen: Vec<String>,
    /// The multiaddress at which others reach it, without its peer id.
    pub(super) address: String,
    /// Where its HTTP API listens.
    pub(super) http: std::net::SocketAddr,
}

/// What a node does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    Validator,
    Listener,
}

/// One node's files.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) index: usize,
    pub(super) role: Role,
    pub(super) dir: PathBuf,
    /// What stands in its `node.toml`, paths included.
    pub(super) config: NodeConfig,
    pub(super) peer_id: String,
}

impl Member {
    /// Its configuration file.
    pub(super) fn config_file(&self) -> PathBuf {
        self.dir.join(CONFIG_FILE)
    }

    /// The multiaddress at which it listens, with its peer id.
    pub(super) fn p2p(&self) -> String {
        let listen = self.config.network.listen.first().map_or("", String::as_str);
        format!("{listen}/p2p/{}", self.peer_id)
    }
}

/// A cluster's files.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    pub(super) genesis_file: PathBuf,
    pub(super) genesis: Genesis,
    pub(super) members: Vec<Member>,
}

/// The keys of one node.
pub(super) struct Keys {
    pub(super) validator: Option<SecretKey>,
    pub(super) peer: SecretKey,
}

/// A cluster that is not on disk yet.
pub(super) struct Draft {
    pub(super) genesis: Genesis,
    /// Each node's keys, and its peer id.
    pub(super) nodes: Vec<(Keys, String)>,
}

impl Draft {
    /// Makes keys for so many validators and listeners, and fills in the genesis' validators.
    ///
    /// # Errors
    /// [`Failure`] when there is no randomness, or the genesis makes no sense.
    pub(super) fn make(mut genesis: Genesis, validators: usize, nodes: usize) -> Result<Self, Failure> {
        let keys = make_keys(validators, nodes).map_err(|error| Failure::failed("random keys", error))?;
        let public_keys = keys.iter().filter_map(|keys| keys.validator.as_ref()).map(SecretKey::public_key);
        genesis.validators = public_keys.map(|public_key| Validator { public_key, power: Power::new(1) }).collect();
        genesis.validate().map_err(|errors| {
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            Failure::Usage(format!("genesis: {}", errors.join("; ")))
        })?;
        let with_id = |keys: Keys| {
            let id = peer_id(&keys.peer.public_key());
            (keys, id)
        };
        Ok(Self { genesis, nodes: keys.into_iter().map(with_id).collect() })
    }

    /// What a node at one of these places is told of the others: everyone dials every other validator.
    pub(super) fn config(&self, index: usize, validators: usize, places: &[Place]) -> NodeConfig {
        let ids: Vec<String> = self.nodes.iter().map(|(_, id)| id.clone()).collect();
        node_config(index, validators, places, &ids)
    }
}

impl Cluster {
    /// Makes a cluster: one validator for each of the first places, a listener for each of the others. The genesis'
    /// validators are filled in here.
    ///
    /// # Errors
    /// [`Failure`] when `dir` has a cluster already, or cannot be written.
    pub(super) fn create(dir: &Path, genesis: Genesis, validators: usize, places: &[Place]) -> Result<Self, Failure> {
        refuse_existing(dir)?;
        let draft = Draft::make(genesis, validators, places.len())?;
        let write = || -> io::Result<Vec<Member>> {
            fs::create_dir_all(dir)?;
            let member = |index: usize| {
                let config = draft.config(index, validators, places);
                let role = if index < validators { Role::Validator } else { Role::Listener };
                let dir = dir.join(format!("node{index}"));
                Member { index, role, dir, config, peer_id: draft.nodes[index].1.clone() }
            };
            let members: Vec<Member> = (0..places.len()).map(member).collect();
            for (member, (keys, _)) in members.iter().zip(&draft.nodes) {
                write_member(member, keys, &draft.genesis.chain_id())?;
            }
            Ok(members)
        };
        let members = write().map_err(|error| Failure::failed(dir.display(), error))?;
        let genesis_file = dir.join(GENESIS_FILE);
        let genesis = draft.genesis;
        genesis.save(&genesis_file).map_err(|error| Failure::Failed(error.to_string()))?;
        Ok(Self { genesis_file, genesis, members })
    }
}

/// Makes the data directory of a node that has not voted yet, with an empty journal (`OB-10`).
///
/// # Errors
/// When it exists, or cannot be made.
pub(super) fn prepare_data_dir(dir: &Path, chain_id: &Digest) -> io::Result<()> {
    private_dir(dir)?;
    journal::create_in(dir, *chain_id, fresh_salt()?).map_err(io::Error::other)
}

/// A salt that no peer knows.
///
/// # Errors
/// When the operating system has no randomness.
pub(super) fn fresh_salt() -> io::Result<Salt> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(io::Error::other)?;
    Ok(Salt::new(salt))
}

fn refuse_existing(dir: &Path) -> Result<(), Failure> {
    let existing = [GENESIS_FILE, "node0"].into_iter().map(|name| dir.join(name)).find(|path| path.exists());
    match existing {
        Some(path) => {
            let advice = "nothing is overwritten, keys least of all; give another directory";
            Err(Failure::Failed(format!("{}: exists; {advice}", path.display())))
        }
        None => Ok(()),
    }
}

/// Validators are ordered by public key, as the validator set is, so that node i is validator i.
fn make_keys(validators: usize, nodes: usize) -> Result<Vec<Keys>, getrandom::Error> {
    let mut validator_keys = (0..validators).map(|_| random_key()).collect::<Result<Vec<_>, _>>()?;
    validator_keys.sort_by_key(SecretKey::public_key);
    let all = validator_keys.into_iter().map(Some).chain(std::iter::repeat_with(|| None)).take(nodes);
    all.map(|validator| Ok(Keys { validator, peer: random_key()? })).collect()
}

/// A key that nobody else has.
pub(super) fn random_key() -> Result<SecretKey, getrandom::Error> {
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed)?;
    Ok(SecretKey::from_seed(&seed))
}

/// Everyone dials every other validator; listeners are not dialled.
fn node_config(index: usize, validators: usize, places: &[Place], ids: &[String]) -> NodeConfig {
    let place = &places[index];
    let mut config = NodeConfig::default();
    config.node.genesis = Path::new("..").join(GENESIS_FILE);
    config.node.validator_key = (index < validators).then(|| VALIDATOR_KEY_FILE.into());
    config.node.peer_key = PEER_KEY_FILE.into();
    config.node.data = DATA_DIR.into();
    config.network.listen.clone_from(&place.listen);
    let peers = places.iter().zip(ids).take(validators).enumerate().filter(|(peer, _)| *peer != index);
    config.network.peers = peers.map(|(_, (place, id))| format!("{}/p2p/{id}", place.address)).collect();
    config.http.listen = place.http;
    config
}

fn write_member(member: &Member, keys: &Keys, chain_id: &Digest) -> io::Result<()> {
    private_dir(&member.dir)?;
    fs::write(member.config_file(), member.config.render(Defaults::CommentedOut))?;
    write_key(&member.dir.join(PEER_KEY_FILE), &keys.peer)?;
    if let Some(key) = &keys.validator {
        write_key(&member.dir.join(VALIDATOR_KEY_FILE), key)?;
    }
    prepare_data_dir(&member.dir.join(DATA_DIR), chain_id)
}

fn private_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(dir)
}

/// Writes a key for its owner alone. Never replaces a file.
pub(super) fn write_key(path: &Path, key: &SecretKey) -> io::Result<()> {
    write_pem(path, &key.to_pem())
}

/// Writes a key's PEM for its owner alone. Never replaces a file.
pub(super) fn write_pem(path: &Path, pem: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(pem.as_bytes())?;
    file.sync_all()
}
