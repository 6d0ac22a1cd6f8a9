//! A cluster's files, opened again.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    cli::{
        Failure,
        cluster::{CONFIG_FILE, Cluster, GENESIS_FILE, Member, Role},
    },
    config::{Defaults, Genesis, NodeConfig, peer_id},
    crypto::SecretKey,
};

impl Cluster {
    /// Opens a cluster that [`Self::create`] has made.
    ///
    /// # Errors
    /// [`Failure`] when a file is missing or wrong.
    pub(in crate::cli) fn open(dir: &Path) -> Result<Self, Failure> {
        let genesis_file = dir.join(GENESIS_FILE);
        let genesis = Genesis::load(&genesis_file).map_err(|error| Failure::Failed(error.to_string()))?;
        let dirs = (0..).map(|index| (index, dir.join(format!("node{index}")))).take_while(|(_, dir)| dir.is_dir());
        let members: Vec<Member> = dirs.map(|(index, dir)| open_member(index, dir)).collect::<Result<_, _>>()?;
        if members.is_empty() {
            return Err(Failure::Failed(format!("{}: has no directory node0", dir.display())));
        }
        Ok(Self { genesis_file, genesis, members })
    }

    /// Writes the members' `node.toml` anew.
    ///
    /// # Errors
    /// [`Failure`] when one cannot be written.
    pub(in crate::cli) fn rewrite_configs(&self) -> Result<(), Failure> {
        for member in &self.members {
            let file = member.config_file();
            let replacement = member.dir.join("node.toml.new");
            let written = fs::write(&replacement, member.config.render(Defaults::CommentedOut))
                .and_then(|()| fs::rename(&replacement, &file));
            written.map_err(|error| Failure::failed(file.display(), error))?;
        }
        Ok(())
    }

    /// How many of the members are validators.
    pub(in crate::cli) fn validators(&self) -> usize {
        self.members.iter().filter(|member| member.role == Role::Validator).count()
    }
}

fn open_member(index: usize, dir: PathBuf) -> Result<Member, Failure> {
    let config = NodeConfig::load_file(&dir.join(CONFIG_FILE))?;
    let key_file = dir.join(&config.node.peer_key);
    let pem = fs::read_to_string(&key_file).map(zeroize::Zeroizing::new);
    let pem = pem.map_err(|error| Failure::failed(key_file.display(), error))?;
    let key = SecretKey::from_pem(&pem).map_err(|error| Failure::failed(key_file.display(), error))?;
    let role = if config.node.validator_key.is_some() { Role::Validator } else { Role::Listener };
    Ok(Member { index, role, dir, config, peer_id: peer_id(&key.public_key()) })
}
