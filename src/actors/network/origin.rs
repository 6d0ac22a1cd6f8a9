//! Where a connection comes from, as far as limits care: who can take one address can take its neighbours.

use std::net::IpAddr;

use libp2p::{Multiaddr, multiaddr::Protocol};

/// An IPv4 address, or the upper half of an IPv6 address: what one host is usually given.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Origin(u64);

/// The origin of an address as a connection shows it; `None` for names, which no connection shows.
pub(super) fn origin(address: &Multiaddr) -> Option<Origin> {
    let ip = match address.iter().next()? {
        Protocol::Ip4(ip) => IpAddr::V4(ip),
        Protocol::Ip6(ip) => IpAddr::V6(ip),
        _ => return None,
    };
    Some(Origin(match ip.to_canonical() {
        IpAddr::V4(ip) => u32::from(ip).into(),
        // The upper half of no global address is below 2^32.
        IpAddr::V6(ip) => u64::try_from(u128::from(ip) >> 64).unwrap_or(u64::MAX),
    }))
}

/// Whether an address leads to this machine only.
pub(super) fn is_loopback(address: &Multiaddr) -> bool {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => ip.is_loopback(),
        Some(Protocol::Ip6(ip)) => ip.is_loopback(),
        _ => false,
    }
}

/// Whether somebody else could dial this address: an IP address that is one, and a port.
pub(super) fn is_dialable(address: &Multiaddr) -> bool {
    let mut parts = address.iter();
    let is_host = match parts.next() {
        Some(Protocol::Ip4(ip)) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast(),
        Some(Protocol::Ip6(ip)) => !ip.is_unspecified() && !ip.is_multicast(),
        _ => false,
    };
    let is_port = match parts.next() {
        Some(Protocol::Tcp(port)) => port != 0 && parts.next().is_none(),
        Some(Protocol::Udp(port)) => port != 0 && parts.next() == Some(Protocol::QuicV1) && parts.next().is_none(),
        _ => false,
    };
    is_host && is_port
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Origin> {
        origin(&text.parse().unwrap())
    }

    #[test]
    fn neighbours_in_ipv6_are_one_origin_and_mapped_addresses_are_ipv4() {
        assert_eq!(of("/ip4/10.0.0.1/tcp/1"), of("/ip4/10.0.0.1/udp/2/quic-v1"));
        assert_ne!(of("/ip4/10.0.0.1/tcp/1"), of("/ip4/10.0.0.2/tcp/1"));
        assert_eq!(of("/ip6/::ffff:10.0.0.1/tcp/1"), of("/ip4/10.0.0.1/tcp/1"));
        assert_eq!(of("/ip6/2001:db8::1/tcp/1"), of("/ip6/2001:db8::ffff/tcp/1"));
        assert_ne!(of("/ip6/2001:db8::1/tcp/1"), of("/ip6/2001:db8:0:1::1/tcp/1"));
        assert_eq!(of("/dns4/example.org/tcp/1"), None);
    }

    #[test]
    fn only_whole_addresses_of_one_host_can_be_dialed() {
        for good in ["/ip4/10.0.0.1/tcp/1", "/ip6/2001:db8::1/udp/1/quic-v1"] {
            assert!(is_dialable(&good.parse().unwrap()), "{good}");
        }
        for bad in [
            "/ip4/0.0.0.0/tcp/1",
            "/ip4/224.0.0.1/tcp/1",
            "/ip4/10.0.0.1/tcp/0",
            "/ip4/10.0.0.1/udp/1",
            "/ip4/10.0.0.1/tcp/1/ws",
            "/dns4/example.org/tcp/1",
        ] {
            assert!(!is_dialable(&bad.parse().unwrap()), "{bad}");
        }
    }
}
