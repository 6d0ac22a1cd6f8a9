//! Multiaddresses in configuration: checked here as text, so that a wrong one is reported with its key long before
//! the network exists.
//!
//! Accepts less than libp2p does: `/ip4|ip6|dns|dns4|dns6/HOST/tcp/PORT` and `/…/udp/PORT/quic-v1`, with `/p2p/ID`
//! behind it for a peer, whose whole address may also be behind a name: `/dnsaddr/HOST/p2p/ID`. Replicas of one process
//! also find each other at `/memory/NUMBER`. What is accepted here, libp2p parses.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::peer_id::is_peer_id;

/// What is wrong with a multiaddress.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AddressError {
    /// It does not begin with an address or a name.
    #[error("must begin with /ip4/, /ip6/, /dns/, /dns4/ or /dns6/ and a host, or with /dnsaddr/ for a peer")]
    Host,
    /// No transport that is spoken here follows.
    #[error("must go on with /tcp/PORT or /udp/PORT/quic-v1")]
    Transport,
    /// A peer's address without its id, or with something that is none.
    #[error("must end with /p2p/ and the peer's id (12D3KooW…)")]
    PeerId,
    /// Something follows that is not expected.
    #[error("has something behind its end")]
    Trailing,
}

/// Checks an address to listen on.
///
/// # Errors
/// [`AddressError`] names the first part that is wrong.
pub fn check_address(text: &str) -> Result<(), AddressError> {
    match endpoint(text)? {
        "" => Ok(()),
        _ => Err(AddressError::Trailing),
    }
}

/// Checks the address of a peer, which ends with its id.
///
/// # Errors
/// [`AddressError`] names the first part that is wrong.
pub fn check_peer_address(text: &str) -> Result<(), AddressError> {
    let rest = match text.strip_prefix("/dnsaddr").and_then(component) {
        Some((host, rest)) if is_host_name(host) => rest,
        Some(_) => return Err(AddressError::Host),
        None => endpoint(text)?,
    };
    let id = rest.strip_prefix("/p2p/").ok_or(AddressError::PeerId)?;
    if is_peer_id(id) { Ok(()) } else { Err(AddressError::PeerId) }
}

/// Reads host and transport, and returns what follows.
fn endpoint(text: &str) -> Result<&str, AddressError> {
    let (kind, rest) = component(text).ok_or(AddressError::Host)?;
    let (host, rest) = component(rest).ok_or(AddressError::Host)?;
    if kind == "memory" {
        return match host.parse::<u64>() {
            Ok(1..) => Ok(rest),
            _ => Err(AddressError::Host),
        };
    }
    let is_host = match kind {
        "ip4" => host.parse::<Ipv4Addr>().is_ok(),
        "ip6" => host.parse::<Ipv6Addr>().is_ok(),
        "dns" | "dns4" | "dns6" => is_host_name(host),
        _ => false,
    };
    if !is_host {
        return Err(AddressError::Host);
    }
    let (transport, rest) = component(rest).ok_or(AddressError::Transport)?;
    let (port, rest) = component(rest).ok_or(AddressError::Transport)?;
    port.parse::<u16>().map_err(|_| AddressError::Transport)?;
    match transport {
        "tcp" => Ok(rest),
        "udp" => rest.strip_prefix("/quic-v1").ok_or(AddressError::Transport),
        _ => Err(AddressError::Transport),
    }
}

/// Splits `/component/rest` after the component.
fn component(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('/')?;
    Some(text.split_at(text.find('/').unwrap_or(text.len())))
}

/// Whether this may be a host name (RFC 1123 section 2.1, with underscores, which service names carry).
pub(crate) fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let within = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(within) && !label.starts_with('-')
    };
    text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";
    const GOOD: [&str; 7] = [
        "/memory/7",
        "/ip4/127.0.0.1/tcp/4700",
        "/ip4/0.0.0.0/udp/4700/quic-v1",
        "/ip6/::1/tcp/0",
        "/dns/node-0.thalweg.svc.cluster.local/tcp/4700",
        "/dns4/node0/tcp/65535",
        "/dns6/example.org/udp/1/quic-v1",
    ];

    #[test]
    fn accepts_what_can_be_listened_on_and_dialled() {
        for text in GOOD {
            assert_eq!(check_address(text), Ok(()), "{text}");
            assert_eq!(check_peer_address(&format!("{text}/p2p/{ID}")), Ok(()), "{text}");
            assert_eq!(check_peer_address(text), Err(AddressError::PeerId), "{text}");
            assert_eq!(check_address(&format!("{text}/p2p/{ID}")), Err(AddressError::Trailing), "{text}");
        }
    }

    #[test]
    fn whole_address_of_a_peer_may_be_behind_a_name() {
        assert_eq!(check_peer_address(&format!("/dnsaddr/example.org/p2p/{ID}")), Ok(()));
        assert_eq!(check_peer_address("/dnsaddr/example.org"), Err(AddressError::PeerId));
        assert_eq!(check_peer_address(&format!("/dnsaddr/a b/p2p/{ID}")), Err(AddressError::Host));
        assert_eq!(check_address("/dnsaddr/example.org"), Err(AddressError::Host));
    }

    #[test]
    fn names_the_part_that_is_wrong() {
        for text in ["", "127.0.0.1:4700", "/ip4", "/ip4/256.0.0.1/tcp/1", "/dns4//tcp/1", "/dns4/a b/tcp/1", "/unix/x"]
        {
            assert_eq!(check_address(text), Err(AddressError::Host), "{text}");
        }
        for text in
            ["/ip4/127.0.0.1", "/ip4/1.1.1.1/tcp", "/ip4/1.1.1.1/tcp/65536", "/ip4/1.1.1.1/udp/1", "/ip4/1.1.1.1/ws/1"]
        {
            assert_eq!(check_address(text), Err(AddressError::Transport), "{text}");
        }
        assert_eq!(check_peer_address("/ip4/1.1.1.1/tcp/1/p2p/12D3KooW"), Err(AddressError::PeerId));
    }

    #[cfg(feature = "node")]
    #[test]
    fn whatever_is_accepted_libp2p_parses() {
        for text in GOOD.into_iter().chain(["/dnsaddr/example.org"]) {
            let peer = format!("{text}/p2p/{ID}");
            assert_eq!(peer.parse::<libp2p::Multiaddr>().unwrap().to_string(), peer);
        }
    }
}
