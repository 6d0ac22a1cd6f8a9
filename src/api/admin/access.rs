//! Who is let in: whoever sends the token (`Authorization: Bearer`, RFC 6750), so many tries a second from one address.
//!
//! Every try counts, good or bad, before the token is looked at: whoever guesses learns nothing from the tries above the
//! limit, and an operator has no use for so many. Loopback addresses are no exception: others share the machine.

use std::num::NonZeroU32;

use actix_web::{
    Error, ResponseError as _,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header,
    middleware::Next,
    web,
};
use governor::Quota;

use super::Desk;
use crate::{
    api::{
        problem::{Kind, Problem},
        server::Shared,
    },
    metrics::Limit,
};

/// The tries that one address has at once; one more comes each second.
const TRIES: NonZeroU32 = NonZeroU32::new(10).expect("not zero");

/// The quota of tries for one address.
pub fn tries() -> Quota {
    Quota::per_second(NonZeroU32::MIN).allow_burst(TRIES)
}

/// Lets a request with the token pass, and no other.
pub async fn authorize(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    match check(&request) {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(problem) => Ok(request.into_response(problem.error_response()).map_into_right_body()),
    }
}

fn check(request: &ServiceRequest) -> Result<(), Problem> {
    let refuse = |why| Err(Problem::new(Kind::Unauthorized, why));
    let (Some(desk), Some(shared), Some(address)) = (
        request.app_data::<web::Data<Desk>>(),
        request.app_data::<web::Data<Shared>>(),
        request.peer_addr().map(|address| address.ip()),
    ) else {
        return refuse("nobody is let in here");
    };
    desk.tries.try_take(address, NonZeroU32::MIN).map_err(|wait| {
        shared.backend.limited(Limit::Tries);
        Problem::new(Kind::Limited, "too many requests to the admin side from one address").after(wait)
    })?;
    match bearer(request) {
        Some(token) if desk.token.is(token) => Ok(()),
        Some(_) => {
            // At most as many lines as there are tries.
            tracing::warn!(%address, "an admin request with a wrong token was refused");
            refuse("this is not the token in the file that admin.token_file names")
        }
        None => refuse("send the token in the file that admin.token_file names, as Authorization: Bearer TOKEN"),
    }
}

/// The token that a request carries.
fn bearer(request: &ServiceRequest) -> Option<&[u8]> {
    let value = request.headers().get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}
