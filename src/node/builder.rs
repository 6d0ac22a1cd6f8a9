//! What a replica is made of, put together by whoever runs one: this program's `start`, or a program that embeds it.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use super::{Replica, StartError};
#[cfg(feature = "planted")]
use crate::actors::network::mouthpiece::MakeMouthpiece;
use crate::{
    api::Admin,
    app::{self, Application},
    config::{ApplicationName, Genesis, Identity, IdentityError, NetworkSection, NodeConfig, Problems},
    crypto::SecretKey,
    journal::Salt,
};

/// The parts of a [`Replica`], in any order; [`Builder::build`] says what is missing or does not fit.
///
/// Needed are a chain ([`Builder::genesis`]), the key of the peer id ([`Builder::peer_key`]) and a data directory
/// ([`Builder::store`]); for a validator its key ([`Builder::validator_key`]). Everything else has a default.
#[must_use]
#[derive(Default)]
pub struct Builder {
    app: Option<Arc<dyn Application>>,
    genesis: Option<Genesis>,
    validator_key: Option<SecretKey>,
    peer_key: Option<SecretKey>,
    identity: Option<Identity>,
    network: Option<NetworkSection>,
    store: Option<PathBuf>,
    http: Option<SocketAddr>,
    admin: Option<Admin>,
    configuration: Option<NodeConfig>,
    rejoin: Option<Salt>,
    #[cfg(feature = "planted")]
    mouthpiece: Option<MakeMouthpiece>,
}

/// Why the parts make no replica.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A part is missing.
    #[error("a replica needs {0}")]
    Missing(&'static str),
    /// Genesis or keys are wrong.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The application is not the one of the chain.
    #[error("genesis names the application {genesis}, and {given} is given")]
    Application {
        /// What genesis says.
        genesis: &'static str,
        /// What is given.
        given: &'static str,
    },
    /// The configuration is out of its limits.
    #[error(transparent)]
    Configuration(#[from] Problems),
}

impl Builder {
    /// The application that executes commands. Without one, the program's own of the name in genesis.
    pub fn app(self, app: impl Application + 'static) -> Self {
        Self { app: Some(Arc::new(app)), ..self }
    }

    /// What all replicas of the chain agree on.
    pub fn genesis(self, genesis: Genesis) -> Self {
        Self { genesis: Some(genesis), ..self }
    }

    /// The consensus key of a validator of genesis. Without one the replica follows as a listener.
    pub fn validator_key(self, key: SecretKey) -> Self {
        Self { validator_key: Some(key), ..self }
    }

    /// The key behind the peer id; never the consensus key.
    pub fn peer_key(self, key: SecretKey) -> Self {
        Self { peer_key: Some(key), ..self }
    }

    /// Genesis and keys as they were read from files, in place of the three before.
    pub fn identity(self, identity: Identity) -> Self {
        Self { identity: Some(identity), ..self }
    }

    /// Where to listen for peers, whom to connect to, and the limits of that; stronger than the configuration's. Addresses
    /// of the form `/memory/NUMBER` connect replicas of one process without sockets.
    pub fn network(self, network: NetworkSection) -> Self {
        Self { network: Some(network), ..self }
    }

    /// The data directory, with a journal in it: [`super::create_store`] makes one; stronger than the configuration's.
    pub fn store(self, directory: impl Into<PathBuf>) -> Self {
        Self { store: Some(directory.into()), ..self }
    }

    /// Serves HTTP there as well. Without it the handle is the only way in.
    pub fn http(self, listen: SocketAddr) -> Self {
        Self { http: Some(listen), ..self }
    }

    /// Serves the admin side as well: the log, further peers, and an end in order, which ends [`Replica::ended`] with
    /// [`super::End::Stopped`].
    pub fn admin(self, admin: Option<Admin>) -> Self {
        Self { admin, ..self }
    }

    /// Pace, limits and all else that is a node's own. Its files of genesis and keys are not read: see
    /// [`Builder::identity`]. Of its `http` section the address is not used, see [`Builder::http`], and
    /// nothing of its `admin` section, see [`Builder::admin`].
    pub fn configuration(self, configuration: NodeConfig) -> Self {
        Self { configuration: Some(configuration), ..self }
    }

    /// Lets a validator whose journal is lost follow without a vote until it may have one again (`OB-10`); with the salt
    /// of the new journal.
    pub fn rejoin(self, salt: Option<Salt>) -> Self {
        Self { rejoin: salt, ..self }
    }

    /// Has a mouthpiece speak in the name of a validator.
    #[cfg(feature = "planted")]
    pub fn mouthpiece(self, make: Option<MakeMouthpiece>) -> Self {
        Self { mouthpiece: make, ..self }
    }

    /// Checks that the parts make a replica.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build(self) -> Result<Spec, BuildError> {
        let identity = match self.identity {
            Some(identity) => identity,
            None => {
                let genesis = self.genesis.ok_or(BuildError::Missing("a genesis: .genesis(…)"))?;
                let peer_key = self.peer_key.ok_or(BuildError::Missing("a key of its peer id: .peer_key(…)"))?;
                Identity::new(genesis, self.validator_key, peer_key)?
            }
        };
        if self.store.is_none() && self.configuration.is_none() {
            return Err(BuildError::Missing("a data directory: .store(…)"));
        }
        let mut config = self.configuration.unwrap_or_default();
        if let Some(network) = self.network {
            config.network = network;
        }
        if let Some(directory) = self.store {
            config.node.data = directory;
        }
        if let Some(listen) = self.http {
            config.http.listen = listen;
        }
        config.validate()?;
        let app = choose(self.app, identity.genesis.application)?;
        Ok(Spec {
            config,
            identity,
            app,
            serves_http: self.http.is_some(),
            admin: self.admin,
            rejoin: self.rejoin,
            #[cfg(feature = "planted")]
            mouthpiece: self.mouthpiece,
        })
    }
}

/// The application that is given, or the program's own.
fn choose(given: Option<Arc<dyn Application>>, name: ApplicationName) -> Result<Arc<dyn Application>, BuildError> {
    match (given, app::open(name)) {
        (Some(given), _) if name == ApplicationName::Embedded || given.name() == name.as_str() => Ok(given),
        (Some(given), _) => Err(BuildError::Application { genesis: name.as_str(), given: given.name() }),
        (None, Some(own)) => Ok(own.into()),
        (None, None) => Err(BuildError::Missing("the application that the program brings along: .app(…)")),
    }
}

/// A replica that can be started.
pub struct Spec {
    pub(super) config: NodeConfig,
    pub(super) identity: Identity,
    pub(super) app: Arc<dyn Application>,
    pub(super) serves_http: bool,
    pub(super) admin: Option<Admin>,
    pub(super) rejoin: Option<Salt>,
    #[cfg(feature = "planted")]
    pub(super) mouthpiece: Option<MakeMouthpiece>,
}

impl Spec {
    /// Starts all parts on threads of their own.
    ///
    /// # Errors
    /// [`StartError`], with nothing left running.
    pub fn start(self) -> Result<Replica, StartError> {
        Replica::start(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        app::kv::KeyValue,
        types::{Power, Validator},
    };

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed(&[seed; 32])
    }

    fn parts() -> Builder {
        let validator = Validator { public_key: key(1).public_key(), power: Power::new(1) };
        let genesis = Genesis::new("test", 0, vec![validator]);
        Replica::builder().genesis(genesis).validator_key(key(1)).peer_key(key(2)).store("data")
    }

    fn refused(builder: Builder) -> String {
        builder.build().err().expect("it is refused").to_string()
    }

    #[test]
    fn whatever_is_missing_or_does_not_fit_is_named() {
        assert!(parts().build().is_ok());
        assert!(refused(Replica::builder()).contains(".genesis("));
        assert!(refused(Builder { peer_key: None, ..parts() }).contains(".peer_key("));
        assert!(refused(Builder { store: None, ..parts() }).contains(".store("));
        assert!(refused(parts().peer_key(key(1))).contains("consensus key"));
        assert!(refused(parts().validator_key(key(3))).contains("is not a validator of this genesis"));
        assert!(refused(parts().app(app::noop::Noop)).contains("kv"));
        let network = NetworkSection { listen: vec!["/ip4/1.2.3.4".into()], ..NetworkSection::default() };
        assert!(refused(parts().network(network)).contains("network.listen"));
    }

    #[test]
    fn a_chain_of_an_embedded_application_runs_none_of_the_programs_own() {
        let mut genesis = parts().genesis.unwrap();
        genesis.application = ApplicationName::Embedded;
        assert!(refused(parts().genesis(genesis.clone())).contains(".app("));
        assert!(parts().genesis(genesis).app(KeyValue).build().is_ok());
    }
}
