//! Which ports the nodes are on.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::{
    cli::{
        Failure,
        cluster::{Cluster, Place},
        genesis::{place_here, places_here},
    },
    config::NodeConfig,
};

/// Free ports are looked for in this range, below those that systems give to outgoing connections: a node that dials
/// a peer before it listens could otherwise be given that very port (and on Linux even connect to itself).
const FREE_PORTS: std::ops::Range<u16> = 12_000..32_000;

/// Where the nodes of a new chain are.
///
/// # Errors
/// [`Failure`] when there are not enough ports.
pub(super) fn places(nodes: usize, p2p_port: Option<u16>, http_port: Option<u16>) -> Result<Vec<Place>, Failure> {
    let p2p_port = p2p_port.unwrap_or(NodeConfig::P2P_PORT);
    let http_port = http_port.unwrap_or(NodeConfig::HTTP_PORT);
    if p2p_port != 0 && http_port != 0 {
        return places_here(nodes, p2p_port, http_port);
    }
    let free = free_ports(2 * nodes)?;
    let (free_p2p, free_http) = free.split_at(nodes);
    // A base of 1 stands in where its ports are replaced.
    let given = places_here(nodes, p2p_port.max(1), http_port.max(1))?;
    let choose = |base: u16, given: u16, free: u16| if base == 0 { free } else { given };
    let places = given.iter().zip(free_p2p.iter().zip(free_http)).map(|(given, (&free_p2p, &free_http))| {
        let p2p = if p2p_port == 0 { free_p2p } else { port_of(&given.address).unwrap_or(free_p2p) };
        place_here(p2p, choose(http_port, given.http.port(), free_http))
    });
    Ok(places.collect())
}

/// Moves an existing chain to other ports where that is asked for; 0 keeps those that it has.
///
/// # Errors
/// [`Failure`] when a configuration cannot be written.
pub(super) fn relocate(cluster: &mut Cluster, p2p_port: Option<u16>, http_port: Option<u16>) -> Result<(), Failure> {
    let before: Vec<NodeConfig> = cluster.members.iter().map(|member| member.config.clone()).collect();
    let asked = |port: Option<u16>| port.filter(|port| *port != 0);
    let nodes = cluster.members.len();
    if let Some(port) = asked(http_port) {
        let places = places_here(nodes, NodeConfig::P2P_PORT, port)?;
        for (member, place) in cluster.members.iter_mut().zip(&places) {
            member.config.http.listen = place.http;
        }
    }
    if let Some(port) = asked(p2p_port) {
        let places = places_here(nodes, port, NodeConfig::HTTP_PORT)?;
        let addresses = cluster.members.iter().zip(&places);
        let addresses: Vec<(String, String)> =
            addresses.map(|(member, place)| (format!("/p2p/{}", member.peer_id), place.address.clone())).collect();
        for (member, place) in cluster.members.iter_mut().zip(places) {
            member.config.network.listen = place.listen;
            for peer in &mut member.config.network.peers {
                if let Some((id, address)) = addresses.iter().find(|(id, _)| peer.ends_with(id.as_str())) {
                    *peer = format!("{address}{id}");
                }
            }
        }
    }
    let is_moved = cluster.members.iter().zip(&before).any(|(member, before)| member.config != *before);
    if is_moved { cluster.rewrite_configs() } else { Ok(()) }
}

/// Looks whether each port can be bound, so that a taken one is named here and not in a log.
///
/// # Errors
/// [`Failure`] names every taken port.
pub(super) fn refuse_taken(cluster: &Cluster) -> Result<(), Failure> {
    let ports = cluster.members.iter().flat_map(|member| {
        let listen = member.config.network.listen.iter().filter_map(|address| port_of(address));
        listen.map(|port| ("p2p", port)).chain([("http", member.config.http.listen.port())])
    });
    let taken: Vec<String> =
        ports.filter(|(_, port)| bind(*port).is_none()).map(|(kind, port)| format!("{port} ({kind})")).collect();
    if taken.is_empty() {
        return Ok(());
    }
    let advice = "another program has them, or this chain runs already; --http-port and --p2p-port give others, 0 free ones of a new chain";
    Err(Failure::Failed(format!("taken ports: {}; {advice}", taken.join(", "))))
}

/// Distinct ports that are free at this moment, from a random place on.
fn free_ports(count: usize) -> Result<Vec<u16>, Failure> {
    let mut random = [0; 2];
    getrandom::fill(&mut random).map_err(|error| Failure::failed("randomness", error))?;
    let range = usize::from(FREE_PORTS.end - FREE_PORTS.start);
    let start = usize::from(u16::from_le_bytes(random)) % range;
    let free = FREE_PORTS.cycle().skip(start).take(range).filter(|port| bind(*port).is_some());
    let ports: Vec<u16> = free.take(count).collect();
    if ports.len() < count {
        return Err(Failure::Failed(format!("found {} free ports, {count} are needed", ports.len())));
    }
    Ok(ports)
}

fn bind(port: u16) -> Option<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).ok()
}

/// The port of `/…/tcp/PORT`.
fn port_of(address: &str) -> Option<u16> {
    address.rsplit_once("/tcp/")?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::genesis::ChainArguments;

    fn chain() -> ChainArguments {
        ChainArguments::default()
    }

    #[test]
    fn given_ports_count_up_and_free_ones_are_distinct() {
        let places = places(3, Some(0), Some(9_000)).unwrap();
        let http: Vec<_> = places.iter().map(|place| place.http.port()).collect();
        assert_eq!(http, [9_000, 9_001, 9_002]);
        let p2p: std::collections::BTreeSet<_> = places.iter().filter_map(|place| port_of(&place.address)).collect();
        assert_eq!(p2p.len(), 3);
        assert!(p2p.iter().all(|port| FREE_PORTS.contains(port)));
        assert!(places.iter().all(|place| place.listen == [place.address.clone()]));
    }

    #[test]
    fn ports_beyond_the_last_are_a_usage_error() {
        assert!(matches!(places(3, Some(4_700), Some(65_534)), Err(Failure::Usage(_))));
    }

    #[test]
    fn an_existing_chain_moves_with_its_peers_and_stays_where_it_is_for_zero() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(3, None, None).unwrap();
        Cluster::create(dir.path(), chain().genesis("c"), 2, &places).unwrap();
        let mut cluster = Cluster::open(dir.path()).unwrap();
        relocate(&mut cluster, Some(5_000), Some(0)).unwrap();
        let opened = Cluster::open(dir.path()).unwrap();
        let id = |index: usize| opened.members[index].peer_id.clone();
        let configs: Vec<_> = opened.members.iter().map(|member| member.config.clone()).collect();
        assert_eq!(configs[0].network.peers, [format!("/ip4/127.0.0.1/tcp/5001/p2p/{}", id(1))]);
        assert_eq!(configs[2].network.peers.len(), 2, "a listener dials all validators");
        assert_eq!(configs[2].network.listen, ["/ip4/127.0.0.1/tcp/5002"]);
        assert_eq!(configs[2].http.listen.port(), 8_702, "0 keeps what there is");
    }

    #[test]
    fn taken_ports_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = listener.local_addr().unwrap().port();
        let place = place_here(free_ports(1).unwrap()[0], taken);
        let cluster = Cluster::create(dir.path(), chain().genesis("c"), 1, &[place]).unwrap();
        let failure = refuse_taken(&cluster).unwrap_err();
        assert!(failure.to_string().contains(&format!("taken ports: {taken} (http);")), "{failure}");
    }
}
