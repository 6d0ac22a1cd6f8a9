//! What one client may ask for in a second, so that one cannot take the room of all others.
//!
//! Asked by the middleware for requests and by the reader of bodies for their bytes. A client is the address that its
//! connection comes from: what a header says of it (`X-Forwarded-For`) anybody can write. Of an IPv6 address the first
//! 64 bits count, which is what one customer is given.
//!
//! Limits: clients fall into [`SLOTS`] slots by a hash with a secret of this process, so memory is bounded however many
//! addresses somebody has. Two clients share a slot, and thus an allowance, once in as many pairs; whom with, nobody can
//! choose. Programs on the node's own machine (loopback addresses) have no limit: they are the operator's.

use std::{hash::BuildHasher as _, net::IpAddr, num::NonZeroU32, time::Duration};

use actix_web::{
    Error, ResponseError as _,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web,
};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock as _};

use super::{
    problem::{Kind, Problem},
    server::Shared,
};
use crate::metrics::Limit;

/// How many clients are told apart; about two megabytes when all of them ask.
const SLOTS: u64 = 1 << 16;
const _: () = assert!(SLOTS - 1 <= u16::MAX as u64, "a slot's number has two bytes");

/// Bytes are counted in these units, rounded up: finer ones would be rounded in the limiter's nanoseconds.
const UNIT_BYTES: usize = 1024;

/// Probes and metrics: whoever watches a node has to reach it above all while clients flood it.
const UNLIMITED: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

#[expect(clippy::disallowed_types, reason = "random on purpose: nobody can choose a slot, and no order is seen")]
type Secret = std::hash::RandomState;

/// So much a second for each client, and as much at once.
pub struct Allowance {
    limiter: DefaultKeyedRateLimiter<u16>,
    secret: Secret,
}

impl Allowance {
    /// An allowance of this quota for each client.
    pub fn new(quota: Quota) -> Self {
        Self { limiter: RateLimiter::dashmap(quota), secret: Secret::new() }
    }

    /// Takes so much of a client's allowance.
    ///
    /// # Errors
    /// It has not so much left; says after how long it will. Then nothing is taken.
    pub fn try_take(&self, client: IpAddr, amount: NonZeroU32) -> Result<(), Duration> {
        match self.limiter.check_key_n(&self.slot(client), amount) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => Err(not_until.wait_time_from(self.limiter.clock().now())),
            // More than there ever is at once: another second will not help, but nothing better can be said.
            Err(_) => Err(Duration::from_secs(1)),
        }
    }

    fn slot(&self, client: IpAddr) -> u16 {
        let hash = match client.to_canonical() {
            IpAddr::V4(address) => self.secret.hash_one(address.octets()),
            IpAddr::V6(address) => self.secret.hash_one(&address.octets()[..8]),
        };
        u16::try_from(hash % SLOTS).unwrap_or_default()
    }
}

/// The allowances of the public side.
pub struct Allowances {
    requests: Option<Allowance>,
    bytes: Option<Allowance>,
}

impl Allowances {
    /// So many requests and bytes of bodies a second for each client; 0: as many as there are. The largest body may
    /// always come at once.
    pub fn new(requests_per_second_max: u32, bytes_per_second_max: u32, body_bytes_max: usize) -> Self {
        let requests = NonZeroU32::new(requests_per_second_max).map(Quota::per_second);
        let bytes = (bytes_per_second_max > 0).then(|| {
            let bytes = usize::try_from(bytes_per_second_max).unwrap_or(usize::MAX);
            Quota::per_second(units(bytes)).allow_burst(units(bytes.max(body_bytes_max)))
        });
        Self { requests: requests.map(Allowance::new), bytes: bytes.map(Allowance::new) }
    }

    /// Takes one request of what a client has; one without an address has no limit.
    ///
    /// # Errors
    /// [`Kind::Limited`].
    pub fn try_request(&self, client: Option<IpAddr>) -> Result<(), Problem> {
        try_take(self.requests.as_ref(), client, NonZeroU32::MIN, "requests")
    }

    /// Takes the bytes of a body of what a client has; one without an address has no limit.
    ///
    /// # Errors
    /// [`Kind::Limited`].
    pub fn try_body(&self, client: Option<IpAddr>, bytes: usize) -> Result<(), Problem> {
        try_take(self.bytes.as_ref(), client, units(bytes), "bytes")
    }
}

fn try_take(
    allowance: Option<&Allowance>,
    client: Option<IpAddr>,
    amount: NonZeroU32,
    what: &str,
) -> Result<(), Problem> {
    let limited = client.filter(|client| !client.to_canonical().is_loopback());
    let (Some(allowance), Some(client)) = (allowance, limited) else { return Ok(()) };
    allowance.try_take(client, amount).map_err(|wait| {
        let detail = format_args!("more {what} a second from one address than http.client_{what}_per_second_max");
        Problem::new(Kind::Limited, detail).after(wait)
    })
}

fn units(bytes: usize) -> NonZeroU32 {
    let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
    NonZeroU32::new(units).unwrap_or(NonZeroU32::MIN)
}

/// Lets a request pass, or refuses it before anything of it is read but its head.
pub async fn admit(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let shared = request.app_data::<web::Data<Shared>>().filter(|_| !UNLIMITED.contains(&request.path()));
    let client = request.peer_addr().map(|address| address.ip());
    let refused = shared.and_then(|shared| {
        let refused = shared.allowances.try_request(client).err();
        refused.inspect(|_| shared.backend.limited(Limit::Requests))
    });
    match refused {
        Some(problem) => Ok(request.into_response(problem.error_response()).map_into_right_body()),
        None => Ok(next.call(request).await?.map_into_left_body()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    #[test]
    fn a_client_has_so_much_at_once_and_others_have_their_own() {
        let allowance = Allowance::new(Quota::per_hour(NonZeroU32::new(2).unwrap()));
        let take = |address: &str| allowance.try_take(client(address), NonZeroU32::MIN);
        assert_eq!((take("192.0.2.1"), take("192.0.2.1")), (Ok(()), Ok(())));
        let wait = take("192.0.2.1").unwrap_err();
        assert!(wait > Duration::from_mins(29) && wait <= Duration::from_mins(30), "{wait:?}");
        assert!(take("::ffff:192.0.2.1").is_err(), "the same address, written otherwise");
        // One neighbour may share the slot; all of them cannot.
        assert!((2..12).any(|last| take(&format!("192.0.2.{last}")).is_ok()));
    }

    #[test]
    fn a_customer_of_ipv6_is_one_client() {
        let allowance = Allowance::new(Quota::per_hour(NonZeroU32::MIN));
        let slot = |address: &str| allowance.slot(client(address));
        assert_eq!(slot("2001:db8::1"), slot("2001:db8::ffff:0:0:9"));
        assert!((1..9).any(|network| slot(&format!("2001:db8:0:{network}::1")) != slot("2001:db8::1")));
    }

    #[test]
    fn memory_is_bounded_however_many_addresses_there_are() {
        let allowance = Allowance::new(Quota::per_hour(NonZeroU32::MIN));
        for number in 0..200_000_u32 {
            let _ = allowance.try_take(IpAddr::V4(number.into()), NonZeroU32::MIN);
        }
        assert!(allowance.limiter.len() <= usize::try_from(SLOTS).unwrap());
    }

    #[test]
    fn loopback_and_zero_are_without_limit() {
        let stranger = Some(client("192.0.2.1"));
        let (one, none) = (Allowances::new(1, 1, 1), Allowances::new(0, 0, 1));
        for _ in 0..9 {
            for local in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
                one.try_request(Some(client(local))).unwrap();
                one.try_body(Some(client(local)), usize::MAX).unwrap();
            }
            none.try_request(stranger).unwrap();
            none.try_body(stranger, usize::MAX).unwrap();
        }
        assert_eq!(one.try_request(stranger), Ok(()));
        assert_eq!(one.try_request(stranger).unwrap_err().kind(), Kind::Limited);
    }

    #[test]
    fn the_largest_body_passes_a_smaller_limit_once() {
        let allowances = Allowances::new(0, 64 << 10, 1 << 20);
        let stranger = Some(client("192.0.2.1"));
        assert_eq!(allowances.try_body(stranger, 1 << 20), Ok(()));
        assert_eq!(allowances.try_body(stranger, 64 << 10).unwrap_err().kind(), Kind::Limited);
    }
}
