//! `thalweg genesis --kubernetes`: a new chain as manifests for the base in `deploy/kubernetes`.
//!
//! The names here are those of that base; `tests/deploy` holds one against the other. Pod i is validator i. It finds
//! its configuration in the ConfigMap and its keys in the Secret by its own name, and mounts of the Secret nothing else.
//! Nothing is ever overwritten.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    process::ExitCode,
};

use serde_json::{Value, json};

use super::{
    Failure,
    cluster::{Draft, Place},
    genesis::place_at,
    output,
};
use crate::config::{Defaults, Genesis, NodeConfig};

/// The StatefulSet, and the ConfigMap and the Secret of its pods.
const NAME: &str = "thalweg";
/// The headless service, by which pods have names.
const PEERS: &str = "thalweg-peers";
/// The ConfigMap that lets empty volumes be filled, while it is there.
const FIRST_START: &str = "thalweg-first-start";
/// Where a pod has what the ConfigMap and the Secret bring, and its volume.
const CONFIG_DIR: &str = "/etc/thalweg";
const KEY_DIR: &str = "/run/thalweg";
const DATA_DIR: &str = "/var/lib/thalweg/data";

const KUSTOMIZATION: &str = "\
# A chain: the keys of its validators, its genesis, and the configuration of each. Once:
#   kubectl apply -k . && kubectl apply -f first-start.json
# and when all validators are ready, so that no validator that loses its volume begins with an empty vote journal:
#   kubectl delete -f first-start.json
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [configmap.json, secret.json]
";

/// Where in the world the pods are.
#[derive(Clone, Copy)]
pub(super) struct Home<'a> {
    pub(super) namespace: &'a str,
    /// The cluster's own domain.
    pub(super) domain: &'a str,
}

/// Makes a chain and writes its manifests.
pub(super) fn write(
    out: &Path,
    genesis: Genesis,
    validators: usize,
    home: Home<'_>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let is_label = |text: &str| {
        let inner = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        inner && !text.is_empty() && text.len() <= 63 && !text.starts_with('-') && !text.ends_with('-')
    };
    if !is_label(home.namespace) || !home.domain.split('.').all(is_label) {
        let what = format!("--kubernetes: {} in {} is no namespace of a cluster", home.namespace, home.domain);
        return Err(Failure::Usage(what));
    }
    let places = (0..validators).map(|index| place(index, home)).collect::<Result<Vec<_>, _>>()?;
    let draft = Draft::make(genesis, validators, validators)?;
    let chain_id = draft.genesis.chain_id();
    save(out, &draft, &places, home.namespace).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            let advice = "nothing is overwritten, keys least of all; give another directory";
            Failure::Failed(format!("{}: exists; {advice}", out.display()))
        }
        _ => Failure::failed(out.display(), error),
    })?;
    if json {
        output::line(&json!({ "dir": out, "chain_id": chain_id, "namespace": home.namespace }))?;
    } else {
        let out = out.display();
        output::say(format_args!("{out}: a chain of {validators} validators, id {chain_id}"));
        output::say(format_args!("kubectl apply -k {out} && kubectl apply -f {out}/first-start.json"));
        output::say(format_args!("and once all are ready: kubectl delete -f {out}/first-start.json"));
    }
    Ok(ExitCode::SUCCESS)
}

/// A pod has a name for life, and addresses that come and go.
fn place(index: usize, Home { namespace, domain }: Home<'_>) -> Result<Place, Failure> {
    let place = place_at(&format!("{NAME}-{index}.{PEERS}.{namespace}.svc.{domain}"))?;
    // Probes and clients come from outside the pod; the network policy says which.
    let http = SocketAddr::from((Ipv4Addr::UNSPECIFIED, NodeConfig::HTTP_PORT));
    Ok(Place { http, ..place })
}

fn save(out: &Path, draft: &Draft, places: &[Place], namespace: &str) -> io::Result<()> {
    let (mut files, mut keys) = (serde_json::Map::new(), serde_json::Map::new());
    files.insert("genesis.json".into(), (serde_json::to_string_pretty(&draft.genesis)? + "\n").into());
    for (index, (own, _)) in draft.nodes.iter().enumerate() {
        let mut config = draft.config(index, places.len(), places);
        config.node.genesis = Path::new(CONFIG_DIR).join("genesis.json");
        config.node.validator_key = Some(Path::new(KEY_DIR).join("validator.pem"));
        config.node.peer_key = Path::new(KEY_DIR).join("peer.pem");
        config.node.data = DATA_DIR.into();
        files.insert(format!("{NAME}-{index}.toml"), config.render(Defaults::CommentedOut).into());
        let pems = [("peer", Some(&own.peer)), ("validator", own.validator.as_ref())];
        for (name, key) in pems.into_iter().filter_map(|(name, key)| Some((name, key?))) {
            keys.insert(format!("{NAME}-{index}.{name}.pem"), key.to_pem().as_str().into());
        }
    }
    fs::create_dir_all(out)?;
    write_new(&out.join("secret.json"), 0o600, &manifest("Secret", NAME, namespace, "stringData", keys.into()))?;
    write_new(&out.join("configmap.json"), 0o644, &manifest("ConfigMap", NAME, namespace, "data", files.into()))?;
    let word = json!({ "first_start": "true" });
    write_new(&out.join("first-start.json"), 0o644, &manifest("ConfigMap", FIRST_START, namespace, "data", word))?;
    write_new(&out.join("kustomization.yaml"), 0o644, KUSTOMIZATION)
}

fn manifest(kind: &str, name: &str, namespace: &str, field: &str, content: Value) -> String {
    let labels = json!({ "app.kubernetes.io/name": NAME });
    let metadata = json!({ "name": name, "namespace": namespace, "labels": labels });
    let mut manifest = json!({ "apiVersion": "v1", "kind": kind, "metadata": metadata });
    manifest[field] = content;
    if kind == "Secret" {
        // Other keys are other validators.
        manifest["immutable"] = true.into();
    }
    format!("{manifest:#}\n")
}

fn write_new(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::{config::peer_id, crypto::SecretKey};

    fn read(path: &Path) -> Value {
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    #[test]
    fn every_pod_finds_its_own_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home { namespace: "river", domain: "example" };
        write(dir.path(), Genesis::new("test", 1, Vec::new()), 4, home, false).unwrap();
        let secret = dir.path().join("secret.json");
        assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
        let (secret, map) = (read(&secret), read(&dir.path().join("configmap.json")));
        let genesis: Genesis = serde_json::from_str(map["data"]["genesis.json"].as_str().unwrap()).unwrap();
        let set = genesis.validate().unwrap();
        for index in 0..4 {
            let key = |name: &str| {
                let pem = secret["stringData"][format!("thalweg-{index}.{name}.pem")].as_str().unwrap();
                SecretKey::from_pem(pem).unwrap().public_key()
            };
            assert_eq!(set.index_of(&key("validator")).unwrap().position(), index, "pod i is validator i");
            let file = dir.path().join("node.toml");
            fs::write(&file, map["data"][format!("thalweg-{index}.toml")].as_str().unwrap()).unwrap();
            let config = NodeConfig::load_file(&file).unwrap();
            assert_eq!(config.node.data, Path::new(DATA_DIR));
            assert_eq!(config.network.peers.len(), 3);
            let name = format!("/dns4/thalweg-{index}.thalweg-peers.river.svc.example/tcp/4700/p2p/");
            assert!(!config.network.peers.iter().any(|peer| peer.starts_with(&name)), "nobody dials itself");
            let next = (index + 1) % 4;
            let pem = secret["stringData"][format!("thalweg-{next}.peer.pem")].as_str().unwrap();
            let id = peer_id(&SecretKey::from_pem(pem).unwrap().public_key());
            let address = format!("/dns4/thalweg-{next}.thalweg-peers.river.svc.example/tcp/4700/p2p/{id}");
            assert!(config.network.peers.contains(&address), "{:?}", config.network.peers);
        }
        let again = write(dir.path(), Genesis::new("test", 1, Vec::new()), 4, home, false).unwrap_err();
        assert!(again.to_string().contains("nothing is overwritten"), "{again}");
    }

    #[test]
    fn senseless_namespaces_are_usage_errors() {
        let dir = tempfile::tempdir().unwrap();
        for (namespace, domain) in [("", "a"), ("Upper", "a"), ("a.b", "a"), ("-a", "a"), ("a", ""), ("a", "b..c")] {
            let genesis = Genesis::new("test", 1, Vec::new());
            let failure = write(dir.path(), genesis, 4, Home { namespace, domain }, false).unwrap_err();
            assert!(matches!(failure, Failure::Usage(_)), "{namespace} {domain}: {failure}");
        }
    }
}
