//! `genesis.json` on disk.

use std::{
    fmt,
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
};

use super::{Genesis, GenesisError};

/// Why a genesis file could not be read or written. Names the file.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {fault}")]
pub struct GenesisFileError {
    /// The file, as it was given.
    pub path: PathDisplay,
    /// What is wrong with it.
    pub fault: GenesisFileFault,
}

/// A path that prints itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PathDisplay(pub PathBuf);

impl fmt::Display for PathDisplay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// What is wrong with a genesis file.
#[derive(Debug, thiserror::Error)]
pub enum GenesisFileFault {
    /// It cannot be read or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It is not the JSON of a genesis.
    #[error("not a genesis: {0}")]
    Json(#[from] serde_json::Error),
    /// Its content is refused, for every reason listed.
    #[error("{}", join(.0))]
    Invalid(Vec<GenesisError>),
}

fn join(errors: &[GenesisError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Genesis {
    /// Reads and validates a genesis file.
    ///
    /// # Errors
    /// [`GenesisFileError`] names the file and everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, GenesisFileError> {
        let read = || -> Result<Self, GenesisFileFault> {
            let genesis: Self = serde_json::from_slice(&std::fs::read(path)?)?;
            genesis.validate().map_err(GenesisFileFault::Invalid)?;
            Ok(genesis)
        };
        read().map_err(|fault| GenesisFileError { path: PathDisplay(path.to_owned()), fault })
    }

    /// Writes a genesis file for people to read. Never replaces a file: another genesis is another chain.
    ///
    /// # Errors
    /// [`GenesisFileError`] if the file exists or cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), GenesisFileError> {
        let write = || -> Result<(), GenesisFileFault> {
            let mut json = serde_json::to_vec_pretty(self)?;
            json.push(b'\n');
            let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
            file.write_all(&json)?;
            Ok(file.sync_all()?)
        };
        write().map_err(|fault| GenesisFileError { path: PathDisplay(path.to_owned()), fault })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ClientSignatures;

    fn example() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("config/genesis.example.json")
    }

    #[test]
    fn chain_id_of_the_example_never_changes() {
        let genesis = Genesis::load(&example()).unwrap();
        assert_eq!(genesis.chain_id().to_string(), "f16176be90a03d39f5fc98994f1e8b14bf003d3ea917b04482fbea6369bdb4d1");
    }

    #[test]
    fn client_signatures_make_another_chain() {
        let off = Genesis::load(&example()).unwrap();
        let required = Genesis { client_signatures: ClientSignatures::Required, ..off.clone() };
        assert_ne!(required.chain_id(), off.chain_id());
        let json = |genesis: &Genesis| serde_json::to_string(genesis).unwrap();
        assert!(json(&required).ends_with(r#""client_signatures":"required"}"#) && !json(&off).contains("client_sig"));
        assert_eq!(serde_json::from_str::<Genesis>(&json(&required)).unwrap(), required);
    }

    #[test]
    fn saved_genesis_loads_as_the_same_chain_and_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("genesis.json");
        let genesis = Genesis::load(&example()).unwrap();
        genesis.save(&path).unwrap();
        assert_eq!(Genesis::load(&path).unwrap(), genesis);
        assert!(genesis.save(&path).unwrap_err().to_string().contains("genesis.json: File exists"));
    }

    #[test]
    fn errors_name_the_file_and_everything_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("genesis.json");
        assert!(Genesis::load(&path).unwrap_err().to_string().contains("genesis.json: No such file"));

        std::fs::write(&path, "{").unwrap();
        assert!(Genesis::load(&path).unwrap_err().to_string().contains("genesis.json: not a genesis"));

        let mut genesis = Genesis::load(&example()).unwrap();
        genesis.window = 0;
        genesis.validators.clear();
        std::fs::write(&path, serde_json::to_vec(&genesis).unwrap()).unwrap();
        let text = Genesis::load(&path).unwrap_err().to_string();
        assert!(text.contains("window: 0 is not in 1 to 1024") && text.contains("set is empty"), "{text}");

        std::fs::write(&path, std::fs::read_to_string(example()).unwrap().replace("\"window\"", "\"windows\""))
            .unwrap();
        assert!(Genesis::load(&path).unwrap_err().to_string().contains("unknown field `windows`"));
    }
}
