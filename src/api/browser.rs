//! What browsers ask before they let a page of another origin read or write (CORS, in the Fetch standard), and the
//! refusal of writes that they send without asking.
//!
//! Off unless `http.cors_origins` names origins: then their pages may do what anybody may. No credentials are let
//! through, since the interface has none.

use actix_web::{
    Error, HttpRequest, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};

use super::{
    problem::{Kind, Problem},
    server::Shared,
};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, PUT, POST, DELETE");
/// What requests may carry.
const TAKEN: HeaderValue =
    HeaderValue::from_static("content-type, idempotency-key, if-none-match, last-event-id, thalweg-signed");
/// What pages may read of an answer beside its body.
const SHOWN: HeaderValue = HeaderValue::from_static("etag, location, retry-after, thalweg-height");
/// For how many seconds a browser need not ask again.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");

/// Answers what browsers ask beforehand, and tells them whose pages may read an answer.
pub async fn cors(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let shared = request.app_data::<web::Data<Shared>>();
    let origins = shared.map(|shared| shared.settings.cors_origins.as_slice()).unwrap_or_default();
    if origins.is_empty() {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let origin = request.headers().get(header::ORIGIN).filter(|origin| is_among(origins, origin)).cloned();
    let is_question =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match &origin {
        Some(_) if is_question => {
            let mut answer = HttpResponse::NoContent().finish();
            let headers = [
                (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
                (header::ACCESS_CONTROL_ALLOW_HEADERS, TAKEN),
                (header::ACCESS_CONTROL_MAX_AGE, REMEMBERED),
            ];
            headers.into_iter().for_each(|(name, value)| put(answer.headers_mut(), name, value));
            request.into_response(answer).map_into_right_body()
        }
        _ => next.call(request).await?.map_into_left_body(),
    };
    let headers = response.headers_mut();
    // Caches keep what one origin was told from others.
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        put(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        put(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, SHOWN);
    }
    Ok(response)
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    headers.insert(name, value);
}

fn is_among(origins: &[String], origin: &HeaderValue) -> bool {
    origins.iter().any(|known| known.as_bytes() == origin.as_bytes())
}

/// Refuses writes that a browser sends on behalf of a page from elsewhere. Without this any page on the web could
/// write to a node on the visitor's own machine: such requests need no permission by CORS to be sent, only to be read.
pub fn refuse_foreign_origin(shared: &Shared, request: &HttpRequest) -> Result<(), Problem> {
    let Some(origin) = request.headers().get(header::ORIGIN) else { return Ok(()) };
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    match (authority, host) {
        (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host) => Ok(()),
        _ if is_among(&shared.settings.cors_origins, origin) => Ok(()),
        _ => Err(Problem::new(Kind::ForeignOrigin, "the Origin header is neither this node nor in http.cors_origins")),
    }
}
