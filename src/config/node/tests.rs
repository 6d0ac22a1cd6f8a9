use std::path::{Path, PathBuf};

use config::Map;

use super::{Defaults, LogFormat, LogLevel, NodeConfig, Problems};
use crate::protocol::Timing;

struct Written {
    dir: tempfile::TempDir,
}

impl Written {
    fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("node.toml"), text).unwrap();
        Self { dir }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("node.toml")
    }

    fn load(&self, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<NodeConfig, Problems> {
        let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        NodeConfig::load_from(&self.file(), Map::from_iter(own(environment)), &own(flags))
    }
}

#[test]
fn later_layers_win() {
    let file = Written::new("[mempool]\ncommands_max = 1000\nbytes_max = 1000000\n[log]\nlevel = \"warn\"");
    let environment = [("THALWEG__MEMPOOL__COMMANDS_MAX", "2000"), ("THALWEG__LOG__FORMAT", "json"), ("OTHER", "x")];
    let config = file.load(&environment, &[("log.level", "debug")]).unwrap();
    assert_eq!(config.mempool.commands_max, 2000, "the environment over the file");
    assert_eq!(config.mempool.bytes_max, 1_000_000, "the file over the default");
    assert_eq!(config.log.level, LogLevel::Debug, "a flag over the file");
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.http, NodeConfig::default().http, "defaults for the rest");
}

#[test]
fn lists_come_from_the_environment_with_commas() {
    let file = Written::new("");
    let listen = "/ip4/0.0.0.0/tcp/4700, /ip6/::/tcp/4700";
    let config = file.load(&[("THALWEG__NETWORK__LISTEN", listen)], &[]).unwrap();
    assert_eq!(config.network.listen, ["/ip4/0.0.0.0/tcp/4700", "/ip6/::/tcp/4700"]);
}

#[test]
fn reports_everything_wrong_at_once() {
    let file = Written::new(
        "surprise = 1\n\
         [network]\nlisten = [\"tcp://x\"]\npeers = [\"/ip4/127.0.0.1/tcp/1\"]\nlissten = 3\n\
         [http]\nlisten = \"8700\"\n\
         [consensus]\nround_timeout_min_ms = \"soon\"\nround_timeout_max_ms = 50\npull_interval_ms = -1\n\
         [mempool]\ncommands_max = 0\n\
         [log]\nlevel = \"loud\"\n\
         [extra]\nkey = 1\n",
    );
    let problems = file.load(&[("THALWEG__STORAGE__CACHE", "1")], &[("sync.status_interval_ms", "1")]).unwrap_err();
    let text = problems.to_string();
    for expected in [
        "surprise (from ",
        "network.listen[0]: is \"tcp://x\"; must begin with",
        "network.peers[0]: is \"/ip4/127.0.0.1/tcp/1\"; must end with /p2p/",
        "network.lissten",
        "the keys of [network] are listen, peers,",
        "http.listen",
        "expected an address and a port",
        "consensus.round_timeout_min_ms (from ",
        "is \"soon\"; expected a whole number",
        "consensus.round_timeout_min_ms: is 100, above consensus.round_timeout_max_ms which is 50",
        "consensus.pull_interval_ms",
        "mempool.commands_max: is 0; expected 1 to",
        "log.level",
        "expected error, warn, info, debug or trace",
        "extra: is unknown",
        "storage.cache (from the environment): is unknown",
        "sync.status_interval_ms: is 1; expected 10 to",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing in:\n{text}");
    }
    assert_eq!(problems.0.len(), 13, "{text}");
}

#[test]
fn an_admin_side_needs_a_token_and_can_be_unset() {
    let file = Written::new("[admin]\nlisten = \"127.0.0.1:8690\"");
    assert!(file.load(&[], &[]).unwrap_err().to_string().contains("admin.token_file: is missing"));
    assert_eq!(file.load(&[("THALWEG__ADMIN__LISTEN", "")], &[]).unwrap().admin.listen, None);
    let config = file.load(&[("THALWEG__ADMIN__TOKEN_FILE", "t")], &[]).unwrap();
    assert_eq!(config.admin.listen, Some(([127, 0, 0, 1], 8690).into()));
    assert!(file.load(&[], &[("admin.listen", "8690")]).unwrap_err().to_string().contains("127.0.0.1:8690, or"));
}

#[test]
fn fractions_and_truth_values_are_no_numbers() {
    for value in ["1.5", "true", "\"1.5\"", "[1]"] {
        let file = Written::new(&format!("[mempool]\ncommands_max = {value}"));
        assert!(file.load(&[], &[]).is_err(), "{value}");
    }
}

#[test]
fn truth_is_true_or_false_in_every_layer() {
    let file = Written::new("[network]\nmdns = true");
    let config = file.load(&[("THALWEG__NETWORK__KADEMLIA", "true")], &[("network.mdns", "false")]).unwrap();
    assert_eq!((config.network.mdns, config.network.kademlia), (false, true));
    for value in ["1", "\"yes\"", "0.0", "[]"] {
        let problems = Written::new(&format!("[network]\nmdns = {value}")).load(&[], &[]).unwrap_err();
        assert!(problems.to_string().contains("expected true or false"), "{value}: {problems}");
    }
}

#[test]
fn a_key_in_place_of_a_section_is_reported() {
    let problems = Written::new("log = 3").load(&[], &[]).unwrap_err();
    assert!(problems.to_string().contains("write keys below [log]"), "{problems}");
}

#[test]
fn unreadable_files_are_named() {
    let file = Written::new("[log\nlevel = ");
    assert!(file.load(&[], &[]).unwrap_err().to_string().contains("node.toml"));
    let missing = NodeConfig::load(Path::new("/nowhere/node.toml"), &[]).unwrap_err();
    assert!(missing.to_string().contains("/nowhere/node.toml"), "{missing}");
}

#[test]
fn paths_start_at_the_file() {
    let file = Written::new("[node]\ngenesis = \"../genesis.json\"\nvalidator_key = \"v.pem\"\ndata = \"/var/data\"");
    let config = NodeConfig::load(&file.file(), &[]).unwrap();
    assert_eq!(config.node.genesis, file.dir.path().join("../genesis.json"));
    assert_eq!(config.node.validator_key, Some(file.dir.path().join("v.pem")));
    assert_eq!(config.node.peer_key, file.dir.path().join("peer.pem"));
    assert_eq!(config.node.data, Path::new("/var/data"));
}

#[test]
fn an_empty_variable_makes_a_listener() {
    let file = Written::new("[node]\nvalidator_key = \"v.pem\"");
    assert_eq!(file.load(&[("THALWEG__NODE__VALIDATOR_KEY", "")], &[]).unwrap().node.validator_key, None);
}

#[test]
fn rendered_files_read_back_the_same() {
    let mut config = NodeConfig::default();
    config.node.validator_key = Some("validator.pem".into());
    config.node.passphrase_file = Some("passphrase".into());
    config.network.listen = vec!["/ip4/0.0.0.0/tcp/1".into(), "/ip6/::/tcp/2".into()];
    config.http.listen = "[::1]:9000".parse().unwrap();
    config.admin.listen = Some("[::1]:9001".parse().unwrap());
    config.admin.token_file = Some("admin.token".into());
    config.log.level = LogLevel::Trace;
    for defaults in [Defaults::Written, Defaults::CommentedOut] {
        let file = Written::new(&config.render(defaults));
        assert_eq!(file.load(&[], &[]).unwrap(), config);
    }
}

#[test]
fn pace_defaults_to_the_protocols() {
    assert_eq!(NodeConfig::default().timing(), Timing::default());
}

/// `THALWEG_REGENERATE=1 cargo test --no-default-features regenerates` writes the file anew.
#[test]
fn example_file_is_what_the_defaults_generate_or_regenerates() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/node.toml");
    let rendered = NodeConfig::default().render(Defaults::Written);
    if std::env::var_os("THALWEG_REGENERATE").is_some() {
        std::fs::write(&path, &rendered).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, rendered, "config/node.toml drifted: run again with THALWEG_REGENERATE=1");
}

#[test]
fn origins_are_written_as_browsers_write_them() {
    let with = |origin: &str| Written::new(&format!("[http]\ncors_origins = [{origin:?}]")).load(&[], &[]);
    for good in ["https://app.example.org", "http://localhost:3000", "http://[::1]:8080"] {
        assert_eq!(with(good).unwrap().http.cors_origins, [good]);
    }
    for bad in
        ["*", "null", "app.example.org", "https://app.example.org/", "https://APP.example.org", "ftp://a", "http://"]
    {
        let problems = with(bad).unwrap_err().to_string();
        assert!(problems.contains("http.cors_origins[0]"), "{bad}: {problems}");
    }
}
