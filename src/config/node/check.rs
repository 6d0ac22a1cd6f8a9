//! Limits of values, and values that must fit each other.

use super::{NodeConfig, Problem, Problems};
use crate::config::{AddressError, check_address, check_peer_address};

const MINUTE_MS: u64 = 60_000;
const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;

impl NodeConfig {
    /// Checks every limit.
    ///
    /// # Errors
    /// [`Problems`] with everything that is wrong.
    pub fn validate(&self) -> Result<(), Problems> {
        let mut problems = Vec::new();
        self.check(&mut problems);
        if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
    }

    /// Adds everything that is out of its limits.
    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        self.check_addresses(problems);
        self.check_origins(problems);
        self.check_admin(problems);
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let Self { network, http, consensus, sync, mempool, storage, .. } = self;
        for (key, value, min, max) in [
            ("network.connections_max", network.connections_max.into(), 4, 65_536),
            (
                "network.address_connections_per_second_max",
                network.address_connections_per_second_max.into(),
                1,
                1_000_000,
            ),
            ("network.redial_min_ms", network.redial_min_ms, 1, MINUTE_MS),
            ("network.redial_max_ms", network.redial_max_ms, 1, 60 * MINUTE_MS),
            (
                "network.peer_requests_per_second_max",
                network.peer_requests_per_second_max.into(),
                1,
                u64::from(u32::MAX),
            ),
            (
                "network.peer_bytes_per_second_max",
                network.peer_bytes_per_second_max.into(),
                64 * KIB,
                u64::from(u32::MAX),
            ),
            ("network.peer_frames_per_second_max", network.peer_frames_per_second_max.into(), 100, 100_000_000),
            (
                "network.peer_frame_bytes_per_second_max",
                network.peer_frame_bytes_per_second_max.into(),
                64 * KIB,
                u64::from(u32::MAX),
            ),
            ("network.block_ms", network.block_ms, 1, 24 * 60 * MINUTE_MS),
            // Never for long: its votes are missed, and it may be honest behind a bug.
            ("network.validator_block_ms", network.validator_block_ms, 1, MINUTE_MS),
            ("http.connections_max", count(http.connections_max), 1, 1_000_000),
            ("http.workers", count(http.workers), 1, 256),
            ("http.requests_max", count(http.requests_max), 1, 10_000_000),
            ("http.body_bytes_total_max", count(http.body_bytes_total_max), 8 * KIB * KIB, 1024 * GIB),
            ("http.client_requests_per_second_max", http.client_requests_per_second_max.into(), 0, 1_000_000),
            ("http.client_bytes_per_second_max", http.client_bytes_per_second_max.into(), 0, u64::from(u32::MAX)),
            ("consensus.round_timeout_min_ms", consensus.round_timeout_min_ms, 1, 60 * MINUTE_MS),
            ("consensus.round_timeout_max_ms", consensus.round_timeout_max_ms, 1, 60 * MINUTE_MS),
            ("consensus.forward_after_ms", consensus.forward_after_ms, 1, 60 * MINUTE_MS),
            ("consensus.pull_interval_ms", consensus.pull_interval_ms, 1, MINUTE_MS),
            ("sync.status_interval_ms", sync.status_interval_ms, 10, MINUTE_MS),
            ("sync.fetch_timeout_ms", sync.fetch_timeout_ms, 10, 10 * MINUTE_MS),
            ("mempool.commands_max", count(mempool.commands_max), 1, 100_000_000),
            ("mempool.bytes_max", count(mempool.bytes_max), 64 * KIB, 1024 * GIB),
            ("storage.cache_bytes_max", count(storage.cache_bytes_max), 64 * KIB, 1024 * GIB),
            ("storage.free_bytes_min", storage.free_bytes_min, 0, u64::MAX >> 1),
        ] {
            if !(min..=max).contains(&value) {
                problems.push(Problem::new(key, format!("is {value}"), format!("expected {min} to {max}")));
            }
        }
        for (low_key, low, high_key, high) in [
            (
                "consensus.round_timeout_min_ms",
                consensus.round_timeout_min_ms,
                "consensus.round_timeout_max_ms",
                consensus.round_timeout_max_ms,
            ),
            ("network.redial_min_ms", network.redial_min_ms, "network.redial_max_ms", network.redial_max_ms),
        ] {
            if low > high {
                let what = format!("is {low}, above {high_key} which is {high}");
                problems.push(Problem::new(low_key, what, "lower it, or raise the other"));
            }
        }
    }

    fn check_admin(&self, problems: &mut Vec<Problem>) {
        if self.admin.listen.is_some() && self.admin.token_file.is_none() {
            let remedy = "name a file with 32 random characters at least, or take admin.listen away";
            problems.push(Problem::new("admin.token_file", "is missing, and admin.listen is set", remedy));
        }
    }

    fn check_origins(&self, problems: &mut Vec<Problem>) {
        for (index, text) in self.http.cors_origins.iter().enumerate() {
            if !is_origin(text) {
                let expected = "expected an origin as browsers write it, https://HOST or http://HOST:PORT";
                problems.push(Problem::new(format!("http.cors_origins[{index}]"), format!("is {text:?}"), expected));
            }
        }
    }

    fn check_addresses(&self, problems: &mut Vec<Problem>) {
        let mut wrong = |key: &str, index: usize, text: &str, error: AddressError| {
            problems.push(Problem::new(format!("{key}[{index}]"), format!("is {text:?}"), error.to_string()));
        };
        for (index, text) in self.network.listen.iter().enumerate() {
            if let Err(error) = check_address(text) {
                wrong("network.listen", index, text, error);
            }
        }
        for (index, text) in self.network.peers.iter().enumerate() {
            if let Err(error) = check_peer_address(text) {
                wrong("network.peers", index, text, error);
            }
        }
        if self.network.listen.is_empty() {
            let remedy = "give at least one address such as /ip4/0.0.0.0/tcp/4700";
            problems.push(Problem::new("network.listen", "is empty", remedy));
        }
    }
}

/// Whether this is what a browser may send as `Origin` (RFC 6454 section 6.1): compared letter by letter, so that
/// whatever browsers never write would never match. Not `*`: any page on the web could write.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:[]_".contains(&byte);
    !host.is_empty() && host.bytes().all(is_plain) && !host.ends_with(':')
}
