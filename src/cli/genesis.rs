//! `thalweg genesis`: the files of a new chain.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::{Args, builder::PossibleValuesParser};
use serde_json::json;

use super::{
    Failure,
    cluster::{Cluster, GENESIS_FILE, Place},
    kubernetes::{self, Home},
    output,
};
use crate::{
    config::{ApplicationName, ClientSignatures, Genesis, NodeConfig, check_address},
    protocol::ProtocolName,
    types::ValidatorSet,
};

/// Make the keys, the genesis and one directory for each validator of a new chain.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  thalweg genesis --validators 4 --out chain
  thalweg genesis --validators 3 --out chain --hosts a.example.org,b.example.org,10.0.0.3
  thalweg genesis --validators 4 --out chain --kubernetes thalweg    # then kubectl apply -k chain")]
pub(super) struct Arguments {
    /// How many validators.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    validators: u16,
    /// The directory to write.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The host of each validator, a name or an address; without it all run on 127.0.0.1, node i on ports 4700+i, 8700+i.
    #[arg(long, value_name = "h0,h1,…", value_delimiter = ',')]
    hosts: Vec<String>,
    /// How many listeners besides, whose directories, and hosts, come after those of the validators.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=1024))]
    listeners: u16,
    /// Do nothing when the directory has a chain already: for a start that is the same each time.
    #[arg(long)]
    unless_there: bool,
    /// Write manifests for the base in deploy/kubernetes, in this namespace, instead of directories.
    #[arg(long, value_name = "NAMESPACE", conflicts_with_all = ["hosts", "listeners", "unless_there"])]
    kubernetes: Option<String>,
    /// What the Kubernetes cluster calls itself in its DNS names.
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local", requires = "kubernetes")]
    cluster_domain: String,
    #[command(flatten)]
    chain: ChainArguments,
}

/// What all replicas must agree on.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ChainArguments {
    /// Which protocol decides [default: streamlette].
    #[arg(long, value_name = "P", value_parser = PossibleValuesParser::new(ProtocolName::ALL.map(ProtocolName::as_str)))]
    pub(super) protocol: Option<String>,
    /// Which application executes [default: kv].
    #[arg(long, value_name = "A", value_parser = PossibleValuesParser::new(ApplicationName::ALL.map(ApplicationName::as_str)))]
    pub(super) application: Option<String>,
    /// How many heights are live at once [default: 1 for streamlette, 8 for pbft].
    #[arg(long, value_name = "W", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub(super) window: Option<u64>,
    /// After how many heights validators sign the state: reads that PBFT proves wait for that [default: 128].
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    pub(super) checkpoint_interval: Option<u64>,
    /// Take no command that its client has not signed: `thalweg keygen` makes a key, `put --key` signs with it.
    #[arg(long)]
    pub(super) client_signatures: bool,
}

impl ChainArguments {
    /// The protocol that was asked for.
    pub(super) fn protocol(&self) -> Option<ProtocolName> {
        ProtocolName::ALL.into_iter().find(|name| self.protocol.as_deref() == Some(name.as_str()))
    }

    /// The application that was asked for.
    pub(super) fn application(&self) -> Option<ApplicationName> {
        ApplicationName::ALL.into_iter().find(|name| self.application.as_deref() == Some(name.as_str()))
    }

    /// A genesis of now, still without validators.
    pub(super) fn genesis(&self, chain: &str) -> Genesis {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let created_at_ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        let mut genesis = Genesis::new(chain, created_at_ms, Vec::new());
        genesis.protocol = self.protocol().unwrap_or_default();
        genesis.application = self.application().unwrap_or_default();
        genesis.checkpoint_interval = self.checkpoint_interval;
        genesis.client_signatures = ClientSignatures::required_if(self.client_signatures);
        genesis.window = self.window.unwrap_or(genesis.protocol.window_default());
        genesis
    }
}

/// Makes the files and says where.
pub(super) fn run(arguments: &Arguments, json: bool) -> Result<ExitCode, Failure> {
    let validators = usize::from(arguments.validators);
    if let Some(namespace) = &arguments.kubernetes {
        let genesis = arguments.chain.genesis("thalweg");
        let home = Home { namespace, domain: &arguments.cluster_domain };
        return kubernetes::write(&arguments.out, genesis, validators, home, json);
    }
    if arguments.unless_there && arguments.out.join(GENESIS_FILE).exists() {
        output::say(format_args!("{}: has a chain already", arguments.out.display()));
        return Ok(ExitCode::SUCCESS);
    }
    let nodes = validators + usize::from(arguments.listeners);
    let places = match arguments.hosts.as_slice() {
        [] => places_here(nodes, NodeConfig::P2P_PORT, NodeConfig::HTTP_PORT)?,
        hosts if hosts.len() == nodes => hosts.iter().map(|host| place_at(host)).collect::<Result<_, _>>()?,
        hosts => {
            let what = format!("--hosts names {} hosts for {nodes} nodes; give one for each", hosts.len());
            return Err(Failure::Usage(what));
        }
    };
    let cluster = Cluster::create(&arguments.out, arguments.chain.genesis("thalweg"), validators, &places)?;
    let chain_id = cluster.genesis.chain_id();
    if json {
        let nodes = cluster.members.iter().map(|member| {
            json!({ "index": member.index, "role": member.role, "dir": member.dir, "peer_id": member.peer_id,
                    "config": member.config_file(), "http": member.config.http.listen, "p2p": member.p2p() })
        });
        let nodes: Vec<_> = nodes.collect();
        output::line(&json!({ "genesis": cluster.genesis_file, "chain_id": chain_id, "nodes": nodes }))?;
    } else {
        let out = arguments.out.display();
        output::say(format_args!("{out}: a chain of {validators} validators, id {chain_id}"));
        output::say(format_args!("start node i with: thalweg start --config {out}/node<i>/node.toml"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Nodes on this machine, node i on ports +i.
pub(super) fn places_here(nodes: usize, p2p_port: u16, http_port: u16) -> Result<Vec<Place>, Failure> {
    let port = |base: u16, index: usize| {
        let offset = u16::try_from(index).ok();
        let port = offset.and_then(|offset| base.checked_add(offset));
        port.ok_or_else(|| Failure::Usage(format!("{nodes} nodes need ports beyond 65535")))
    };
    (0..nodes).map(|index| Ok(place_here(port(p2p_port, index)?, port(http_port, index)?))).collect()
}

/// A node on this machine.
pub(super) fn place_here(p2p_port: u16, http_port: u16) -> Place {
    let address = format!("/ip4/127.0.0.1/tcp/{p2p_port}");
    Place { listen: vec![address.clone()], address, http: (Ipv4Addr::LOCALHOST, http_port).into() }
}

/// A node on a host of its own. It listens for peers on all addresses; for clients on none but its own, until its
/// `node.toml` says otherwise, since the API authenticates nobody.
pub(super) fn place_at(host: &str) -> Result<Place, Failure> {
    let (kind, any) = match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => ("ip4", "/ip4/0.0.0.0"),
        Ok(IpAddr::V6(_)) => ("ip6", "/ip6/::"),
        Err(_) => ("dns4", "/ip4/0.0.0.0"),
    };
    let port = NodeConfig::P2P_PORT;
    let address = format!("/{kind}/{host}/tcp/{port}");
    check_address(&address).map_err(|_| Failure::Usage(format!("--hosts: {host:?} is no host name and no address")))?;
    let http = SocketAddr::from((Ipv4Addr::LOCALHOST, NodeConfig::HTTP_PORT));
    Ok(Place { listen: vec![format!("{any}/tcp/{port}")], address, http })
}

const _: () = assert!(ValidatorSet::MEMBERS_MAX == 1024, "the range of --validators and the set's limit");

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::{
        cli::cluster::CONFIG_FILE,
        config::{Identity, peer_id},
        crypto::SecretKey,
    };

    fn arguments(out: PathBuf, hosts: &[&str]) -> Arguments {
        let chain = ChainArguments {
            protocol: None,
            application: Some("noop".into()),
            window: Some(3),
            checkpoint_interval: Some(5),
            client_signatures: true,
        };
        Arguments {
            validators: 3,
            out,
            hosts: hosts.iter().map(ToString::to_string).collect(),
            chain,
            listeners: 0,
            unless_there: false,
            kubernetes: None,
            cluster_domain: "cluster.local".into(),
        }
    }

    #[test]
    fn every_node_directory_makes_a_node_of_the_same_chain() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("chain");
        run(&arguments(out.clone(), &[]), false).unwrap();
        let genesis = Genesis::load(&out.join("genesis.json")).unwrap();
        assert_eq!((genesis.window, genesis.application), (3, ApplicationName::Noop));
        assert_eq!(genesis.client_signatures, ClientSignatures::Required);
        assert_eq!(genesis.checkpoint_interval, Some(5));
        for index in 0..3 {
            let node = out.join(format!("node{index}"));
            let config = NodeConfig::load(&node.join(CONFIG_FILE), &[]).unwrap();
            let identity = Identity::load(&config).unwrap();
            assert_eq!(identity.genesis.chain_id(), genesis.chain_id());
            assert_eq!(identity.validator.unwrap().0.position(), index, "node i is validator i");
            assert_eq!(config.http.listen.port(), 8700 + u16::try_from(index).unwrap());
            assert_eq!(config.network.peers.len(), 2);
            assert!(config.node.data.is_dir());
            for key in ["validator.pem", "peer.pem"] {
                let mode = std::fs::metadata(node.join(key)).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600, "{key}");
            }
        }
    }

    #[test]
    fn nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("chain");
        run(&arguments(out.clone(), &[]), false).unwrap();
        let key = out.join("node0/validator.pem");
        let before = std::fs::read(&key).unwrap();
        let failure = run(&arguments(out.clone(), &[]), false).unwrap_err();
        assert!(failure.to_string().contains("genesis.json: exists"), "{failure}");
        std::fs::remove_file(out.join("genesis.json")).unwrap();
        assert!(run(&arguments(out, &[]), false).unwrap_err().to_string().contains("node0: exists"));
        assert_eq!(std::fs::read(&key).unwrap(), before);
    }

    #[test]
    fn peers_are_found_at_the_hosts_given() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("chain");
        run(&arguments(out.clone(), &["node-0.local", "10.0.0.2", "fd00::3"]), false).unwrap();
        let configs: Vec<NodeConfig> = (0..3)
            .map(|index| NodeConfig::load_file(&out.join(format!("node{index}/{CONFIG_FILE}"))).unwrap())
            .collect();
        let id = |index: usize| {
            let pem = std::fs::read_to_string(out.join(format!("node{index}/peer.pem"))).unwrap();
            peer_id(&SecretKey::from_pem(&pem).unwrap().public_key())
        };
        let expected =
            [format!("/ip4/10.0.0.2/tcp/4700/p2p/{}", id(1)), format!("/ip6/fd00::3/tcp/4700/p2p/{}", id(2))];
        assert_eq!(configs[0].network.peers, expected);
        assert_eq!(configs[1].network.peers[0], format!("/dns4/node-0.local/tcp/4700/p2p/{}", id(0)));
        let listen: Vec<_> = configs.iter().flat_map(|config| config.network.listen.clone()).collect();
        assert_eq!(listen, ["/ip4/0.0.0.0/tcp/4700", "/ip4/0.0.0.0/tcp/4700", "/ip6/::/tcp/4700"]);
    }

    #[test]
    fn listeners_come_after_validators_and_a_chain_that_is_there_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("chain");
        let mut arguments = arguments(out.clone(), &["a", "b", "c", "d"]);
        arguments.listeners = 1;
        arguments.unless_there = true;
        run(&arguments, false).unwrap();
        let config = NodeConfig::load(&out.join("node3").join(CONFIG_FILE), &[]).unwrap();
        assert!(Identity::load(&config).unwrap().validator.is_none() && config.network.peers.len() == 3);
        let key = std::fs::read(out.join("node0/peer.pem")).unwrap();
        run(&arguments, false).unwrap();
        assert_eq!(std::fs::read(out.join("node0/peer.pem")).unwrap(), key);
    }

    #[test]
    fn senseless_hosts_are_usage_errors() {
        let dir = tempfile::tempdir().unwrap();
        for hosts in [&["a", "b"][..], &["a", "b", "c/d"], &["a", "b", ""]] {
            let failure = run(&arguments(dir.path().join("chain"), hosts), false).unwrap_err();
            assert!(matches!(failure, Failure::Usage(_)), "{hosts:?}: {failure}");
        }
        assert!(!dir.path().join("chain").exists());
    }
}
