//! Reading requests: keys from paths, parameters from query strings, bodies within bounds of size and time.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::header::{self, ContentType, ETag, EntityTag, Header as _, IfNoneMatch},
    web,
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use super::{
    command::Signed,
    gate::Pass,
    port::{Pending, Refusal, Until},
    problem::{Kind, Problem},
    server::{Late, Shared},
    settings::{IDEMPOTENCY_KEY_BYTES_MAX, KEY_BYTES_MAX, PAGE_ITEMS_MAX, TIMEOUT_DEFAULT, TIMEOUT_MAX},
};
use crate::{metrics::Limit, types::Height};

/// Where keys begin.
pub const KV_PREFIX: &str = "/v1/kv/";

/// Parameters of a write.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct WriteParameters {
    /// Which word to wait for.
    pub wait: Until,
    /// For how long.
    #[param(minimum = 1, maximum = 120_000)]
    pub timeout_ms: Option<u64>,
}

/// Parameters of a read.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct ReadParameters {
    /// How fresh.
    pub consistency: Consistency,
    /// Whether to prove the answer.
    pub proof: bool,
    /// Not before this height.
    pub at_least: Option<Height>,
    /// How long to wait.
    #[param(minimum = 1, maximum = 120_000)]
    pub timeout_ms: Option<u64>,
}

/// How fresh a read is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Consistency {
    /// What this node has executed: fast, possibly old.
    #[default]
    Local,
    /// Not older than anything answered before the read began.
    Linearizable,
}

/// Reads the query string. Unknown and repeated parameters are errors: a misspelt `wait` must not wait silently.
pub fn parameters<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, Problem> {
    let read = web::Query::<T>::from_query(request.query_string());
    read.map(web::Query::into_inner).map_err(|error| Problem::new(Kind::BadRequest, error))
}

/// When a request that begins now has waited long enough.
pub fn deadline(timeout_ms: Option<u64>) -> Result<Instant, Problem> {
    let timeout = timeout_ms.map_or(TIMEOUT_DEFAULT, std::time::Duration::from_millis);
    if timeout.is_zero() || timeout > TIMEOUT_MAX {
        let range = format_args!("timeout_ms: not in 1 to {}", TIMEOUT_MAX.as_millis());
        return Err(Problem::new(Kind::BadRequest, range));
    }
    Ok(Instant::now() + timeout)
}

/// The key in the path: everything after [`KV_PREFIX`], percent-decoded once. Any bytes, slashes too.
///
/// Read from the path as it was sent: the router's own decoding keeps some escapes and mends what is not UTF-8.
pub fn key(request: &HttpRequest) -> Result<Bytes, Problem> {
    read_key(request.uri().path())
}

/// The key in a path as it was sent.
///
/// # Errors
/// The [`Problem`] of a path that has none.
pub fn read_key(path: &str) -> Result<Bytes, Problem> {
    read_key_below(KV_PREFIX, path)
}

/// The key in a path as it was sent, after a route's prefix.
///
/// # Errors
/// The [`Problem`] of a path that has none.
pub fn read_key_below(prefix: &str, path: &str) -> Result<Bytes, Problem> {
    let raw = path.strip_prefix(prefix);
    let raw = raw.ok_or_else(|| Problem::new(Kind::NoRoute, "the path before the key must not be escaped"))?;
    check_escapes(raw)?;
    let key: Vec<u8> = percent_encoding::percent_decode_str(raw).collect();
    check_key(&key)?;
    Ok(key.into())
}

/// Checks a key's length.
pub fn check_key(key: &[u8]) -> Result<(), Problem> {
    match key.len() {
        0 => Err(Problem::new(Kind::BadRequest, "the key is empty")),
        1..=KEY_BYTES_MAX => Ok(()),
        len => Err(Problem::new(Kind::KeyTooLong, format_args!("{len} bytes; at most {KEY_BYTES_MAX}"))),
    }
}

/// Refuses a `%` without two hexadecimal digits, which decoders elsewhere would read in different ways.
fn check_escapes(raw: &str) -> Result<(), Problem> {
    let mut rest = raw.split('%').skip(1);
    let good = |part: &str| part.as_bytes().get(..2).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit));
    if rest.all(good) { Ok(()) } else { Err(Problem::new(Kind::BadRequest, "the key has a broken percent escape")) }
}

/// The `Idempotency-Key`, if there is one.
pub fn idempotency_key(request: &HttpRequest) -> Result<Option<&[u8]>, Problem> {
    let Some(value) = request.headers().get("idempotency-key") else { return Ok(None) };
    check_idempotency_key(value.as_bytes())?;
    Ok(Some(value.as_bytes()))
}

/// What the client signed, if it did: the header `Thalweg-Signed`.
pub fn signed(request: &HttpRequest) -> Result<Option<Signed>, Problem> {
    let Some(value) = request.headers().get("thalweg-signed") else { return Ok(None) };
    let wrong = |error| Problem::new(Kind::BadRequest, format_args!("Thalweg-Signed: {error}"));
    serde_json::from_slice(value.as_bytes()).map(Some).map_err(wrong)
}

/// Checks an idempotency key's length.
pub fn check_idempotency_key(key: &[u8]) -> Result<(), Problem> {
    if (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) {
        return Ok(());
    }
    let range = format_args!("the idempotency key must have 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes");
    Err(Problem::new(Kind::BadRequest, range))
}

/// Answers with what never changes: caches may keep it for ever, and whoever names its tag is told that it has it
/// (RFC 9110 section 13.1.2).
pub fn immutable(request: &HttpRequest, document: &impl Serialize) -> Result<HttpResponse, Problem> {
    let body = serde_json::to_vec(document).map_err(|error| Problem::new(Kind::Unhealthy, error))?;
    let (mut response, is_known) = tagged(request, &body);
    response.insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"));
    Ok(if is_known { response.finish() } else { response.content_type(ContentType::json()).body(body) })
}

/// The head of an answer with this body under a tag, and whether the client has it already: then the body stays away.
pub fn tagged(request: &HttpRequest, body: &[u8]) -> (HttpResponseBuilder, bool) {
    let tag = EntityTag::new_strong(blake3::hash(body).to_hex()[..32].to_owned());
    let is_known = match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
        Err(_) => false,
    };
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header(ETag(tag));
    (response, is_known)
}

/// Cuts a page out of a list that is ordered by `cursor`, which grows: what comes after `after`, `limit` items at most.
/// Returns it with where the next one begins, if there is more.
pub fn page<T, C: PartialOrd + Clone>(
    items: Vec<T>,
    after: Option<&C>,
    limit: Option<usize>,
    cursor: impl Fn(&T) -> C,
) -> (Vec<T>, Option<C>) {
    let mut rest = items.into_iter().filter(|item| after.is_none_or(|after| cursor(item) > *after));
    let page: Vec<T> = rest.by_ref().take(limit.unwrap_or(PAGE_ITEMS_MAX).min(PAGE_ITEMS_MAX)).collect();
    let next = rest.next().and_then(|_| page.last().map(&cursor));
    (page, next)
}

/// Enters the gate and reads the whole body, within `bytes_max` and the client's time.
pub async fn body(
    shared: &Shared,
    request: &HttpRequest,
    payload: web::Payload,
    bytes_max: usize,
) -> Result<(Pass, Bytes), Problem> {
    let announced = announced_bytes(request)?;
    let too_large = || Problem::new(Kind::TooLarge, format_args!("more than {bytes_max} bytes"));
    if announced.is_some_and(|bytes| bytes > bytes_max) {
        return Err(too_large());
    }
    // One that does not say its length may have any, and counts as the largest.
    let bytes = announced.unwrap_or(bytes_max);
    let client = request.peer_addr().map(|address| address.ip());
    let limited = shared.allowances.try_body(client, bytes).inspect_err(|_| shared.backend.limited(Limit::Bytes));
    limited?;
    let pass = shared.gate.try_enter(bytes)?;
    let slow = |_| Problem::new(Kind::SlowBody, "the client sends its body too slowly");
    let read = tokio::time::timeout(shared.settings.client_timeout, collect(payload, bytes_max));
    let body = read.await.map_err(slow)??.ok_or_else(too_large)?;
    Ok((pass, body))
}

/// The length that the client announced; `None` for a chunked body, zero for none at all.
fn announced_bytes(request: &HttpRequest) -> Result<Option<usize>, Problem> {
    if request.headers().contains_key(header::TRANSFER_ENCODING) {
        return Ok(None);
    }
    let Some(length) = request.headers().get(header::CONTENT_LENGTH) else { return Ok(Some(0)) };
    let length = length.to_str().ok().and_then(|text| text.parse().ok());
    length.map(Some).ok_or_else(|| Problem::new(Kind::BadRequest, "the Content-Length is no number"))
}

/// All chunks in one piece, without a copy when there is just one; `None` when they have more than `bytes_max`.
async fn collect(mut payload: web::Payload, bytes_max: usize) -> Result<Option<Bytes>, Problem> {
    let broken = |error| Problem::new(Kind::BadRequest, format_args!("the body broke off: {error}"));
    let first = payload.next().await.transpose().map_err(broken)?.unwrap_or_default();
    let mut rest = BytesMut::new();
    while let Some(chunk) = payload.next().await.transpose().map_err(broken)? {
        if rest.is_empty() {
            rest.extend_from_slice(&first);
        }
        if rest.len() + chunk.len() > bytes_max {
            return Ok(None);
        }
        rest.extend_from_slice(&chunk);
    }
    let body = if rest.is_empty() { first } else { rest.freeze() };
    Ok((body.len() <= bytes_max).then_some(body))
}

/// A height as it stands in a path: digits and nothing else.
pub fn height(text: &str) -> Option<Height> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok().map(Height::new) } else { None }
}

/// Waits for an answer until the deadline.
pub async fn within<T>(shared: &Shared, deadline: Instant, pending: Pending<Result<T, Refusal>>) -> Result<T, Problem> {
    let late = |late| match late {
        Late::Deadline => Problem::new(Kind::Timeout, "the node did not answer in time"),
        Late::Stopping => Problem::from(Refusal::Stopping),
    };
    Ok(shared.wait(deadline, pending).await.map_err(late)??)
}
