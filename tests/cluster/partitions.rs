//! A network that is cut between processes that are all well, and that heals. Each node has a network namespace of its
//! own, all on one bridge with the clients; a cut drops packets silently, as a broken switch does, so that connections
//! hang instead of failing.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use crate::{
    audit::audit,
    cluster::{Cluster, PATIENCE, Place, hold},
    load::{Client, Load},
    relay::relay,
};

/// Longer than the pings that find a dead connection take.
const CUT: Duration = Duration::from_secs(8);

/// How soon after the network has healed operations must be answered again.
const RESUMED_WITHIN: Duration = Duration::from_secs(15);

/// Runs a program of the operating system, as root; returns what it says.
#[track_caller]
pub fn system(line: &str) -> String {
    let mut words = line.split(' ');
    let output = Command::new(words.next().expect("a program")).args(words).output();
    let output = output.unwrap_or_else(|error| panic!("{line}: {error}: install iproute2 and nftables"));
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {why} (this test needs root)");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Where clients are, on the bridge.
const BRIDGE: usize = 253;

/// Namespaces on a bridge, gone when dropped.
pub struct Network {
    name: String,
    subnet: u32,
    nodes: usize,
}

impl Network {
    pub fn create(nodes: usize) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let pid = std::process::id();
        // Names of interfaces have at most fifteen characters; subnets of 10.200.0.0/14 are nobody else's here.
        let network = Self { name: format!("tw{pid}{count}"), subnet: (pid + count) % 1_000, nodes };
        let bridge = format!("{}b", network.name);
        system(&format!("ip link add {bridge} type bridge"));
        system(&format!("ip addr add {}/24 dev {bridge}", network.address(BRIDGE)));
        system(&format!("ip link set {bridge} up"));
        for node in 0..nodes {
            let (space, outer) = (network.space(node), format!("{}v{node}", network.name));
            system(&format!("ip netns add {space}"));
            system(&format!("ip link add {outer} type veth peer name eth0 netns {space}"));
            system(&format!("ip link set {outer} master {bridge} up"));
            system(&format!("ip -n {space} addr add {}/24 dev eth0", network.address(node)));
            system(&format!("ip -n {space} link set eth0 up"));
            system(&format!("ip -n {space} link set lo up"));
        }
        network
    }

    pub fn space(&self, node: usize) -> String {
        format!("{}n{node}", self.name)
    }

    pub fn address(&self, host: usize) -> String {
        format!("10.{}.{}.{}", 200 + self.subnet / 250, self.subnet % 250, host + 1)
    }

    pub fn places(&self) -> Vec<Place> {
        let place = |node| Place {
            host: self.address(node),
            name: self.address(node),
            prefix: ["ip", "netns", "exec", &self.space(node)].map(str::to_owned).to_vec(),
        };
        (0..self.nodes).map(place).collect()
    }

    /// Lets programs in all namespaces ask for names at these addresses: `ip netns exec` lays what is in
    /// there over /etc.
    pub fn ask_for_names_at(&self, addresses: &[&str]) {
        let lines: String = addresses.iter().map(|address| format!("nameserver {address}\n")).collect();
        for node in 0..self.nodes {
            let etc = self.etc(node);
            std::fs::create_dir_all(&etc).expect("this test needs root");
            std::fs::write(etc.join("resolv.conf"), &lines).expect("it was just made");
        }
    }

    fn etc(&self, node: usize) -> PathBuf {
        Path::new("/etc/netns").join(self.space(node))
    }

    /// Drops everything between these pairs of nodes, in both directions.
    fn cut(&self, pairs: &[(usize, usize)]) {
        for &(a, b) in pairs {
            self.deafen(a, b);
            self.deafen(b, a);
        }
    }

    /// Has a node hear nothing from another one, which still hears it.
    pub fn deafen(&self, node: usize, other: usize) {
        self.drop_at(node, other, "");
    }

    /// Loses so many packets of a hundred on the way from one node to another.
    pub fn lose(&self, from: usize, to: usize, percent: u8) {
        self.drop_at(to, from, &format!("numgen random mod 100 < {percent} "));
    }

    fn drop_at(&self, node: usize, other: usize, which: &str) {
        let nft = self.nft(node);
        system(&format!("{nft} add table ip cut"));
        system(&format!("{nft} add chain ip cut in {{ type filter hook input priority 0 ; }}"));
        system(&format!("{nft} add rule ip cut in ip saddr {} {which}counter drop", self.address(other)));
    }

    /// How many packets were dropped on the way from one node to another since the network was last whole.
    pub fn dropped(&self, from: usize, to: usize) -> u64 {
        let rules = system(&format!("{} list chain ip cut in", self.nft(to)));
        let source = format!("ip saddr {} ", self.address(from));
        let counted = |rule: &str| rule.split_once("counter packets ")?.1.split(' ').next()?.parse::<u64>().ok();
        rules.lines().filter(|rule| rule.contains(&source)).filter_map(counted).sum()
    }

    /// Has everything between nodes that dial each other from now on arrive so much later, each way.
    pub fn delay(&self, delay: Duration) {
        let bridge = self.address(BRIDGE);
        for target in 0..self.nodes {
            let address = self.address(target);
            let port = relay(&bridge, SocketAddr::new(address.parse().expect("an address"), 4_700), delay);
            for node in (0..self.nodes).filter(|node| *node != target) {
                let nft = self.nft(node);
                system(&format!("{nft} add table ip far"));
                system(&format!("{nft} add chain ip far out {{ type nat hook output priority -100 ; }}"));
                system(&format!("{nft} add rule ip far out ip daddr {address} tcp dport 4700 dnat to {bridge}:{port}"));
            }
        }
    }

    pub fn heal(&self) {
        for node in 0..self.nodes {
            system(&format!("{} flush ruleset", self.nft(node)));
        }
    }

    fn nft(&self, node: usize) -> String {
        format!("ip netns exec {} nft", self.space(node))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let quietly = |arguments: &[&str]| {
            let _ = Command::new("ip").args(arguments).stderr(Stdio::null()).status();
        };
        for node in 0..self.nodes {
            quietly(&["netns", "del", &self.space(node)]);
            // There is none unless names were asked for.
            let _ = std::fs::remove_dir_all(self.etc(node));
        }
        quietly(&["link", "del", &format!("{}b", self.name)]);
    }
}

#[test]
fn halves_that_cannot_hear_each_other_decide_nothing_and_go_on_when_they_can() {
    let network = Network::create(4);
    let cluster = Cluster::start_at(&network.places());
    let load = Load::start(&cluster.https(), 8);
    load.more(200, PATIENCE);
    network.cut(&[(0, 2), (0, 3), (1, 2), (1, 3)]);
    hold(Duration::from_secs(1));
    let height = cluster.highest();
    hold(CUT);
    assert_eq!(cluster.highest(), height, "a half decided something");
    network.heal();
    let since = Instant::now();
    load.more(20, RESUMED_WITHIN);
    eprintln!("{:?} after the network has healed twenty operations are answered", since.elapsed());
    load.more(200, PATIENCE);
    cluster.wait_until_ready(&[0, 1, 2, 3]);
    let outcome = load.finish();
    audit(cluster, outcome);
}

#[test]
fn one_that_is_cut_off_answers_nothing_new_and_catches_up() {
    let network = Network::create(4);
    let cluster = Cluster::start_at(&network.places());
    let load = Load::start(&cluster.https(), 8);
    load.more(200, PATIENCE);
    network.cut(&[(3, 0), (3, 1), (3, 2)]);
    let before = load.done();
    hold(CUT);
    assert!(load.done() > before + 30, "three of four answered {} in {CUT:?}", load.done() - before);
    let url = format!("{}/v1/kv/key-0-0?consistency=linearizable&timeout_ms=1000", cluster.nodes[3].http);
    assert_eq!(Client::new(PATIENCE).get(&url).unwrap().status, 504, "it cannot know what the others decide");
    network.heal();
    cluster.wait_until_ready(&[3]);
    // Each hears two others, which is enough: nobody needs to hear everybody.
    network.cut(&[(0, 2), (1, 3)]);
    load.more(100, PATIENCE);
    network.heal();
    load.more(100, PATIENCE);
    cluster.wait_until_ready(&[0, 1, 2, 3]);
    let outcome = load.finish();
    audit(cluster, outcome);
}
