//! RFC 9457 problem documents: every error that leaves the server is one.

use std::{fmt, time::Duration};

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use super::port::Refusal;
use crate::{
    app::SignatureError,
    types::{Digest, Height},
};

/// How long a client that was turned away for lack of room should wait, in seconds.
const RETRY_AFTER_S: u32 = 1;

macro_rules! slugs {
    ($($(#[$doc:meta])* $name:ident = $status:ident $slug:literal $title:literal,)*) => {
        /// What can go wrong. Each has one status, one title and one stable type URI, `urn:thalweg:problem:<slug>`.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The status code.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// The type URI.
            pub const fn uri(self) -> &'static str {
                match self { $(Self::$name => concat!("urn:thalweg:problem:", $slug),)* }
            }

            /// A short summary, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

slugs! {
    /// A parameter, header or body makes no sense.
    BadRequest = BAD_REQUEST "bad-request" "The request makes no sense",
    /// The token of the admin side is missing or another.
    Unauthorized = UNAUTHORIZED "unauthorized" "The admin token is needed",
    /// A browser was sent here by a page of another origin.
    ForeignOrigin = FORBIDDEN "foreign-origin" "Writes from other origins are refused",
    /// The chain's clients sign their commands, and this one is not signed.
    Unsigned = FORBIDDEN "unsigned" "This chain takes signed commands only",
    /// The signature does not hold, or there should be none.
    BadSignature = FORBIDDEN "bad-signature" "The command's signature is refused",
    /// No such route.
    NoRoute = NOT_FOUND "no-route" "There is no such route",
    /// The key is absent.
    NoKey = NOT_FOUND "no-key" "There is no such key",
    /// The block is not here.
    NoBlock = NOT_FOUND "no-block" "There is no such block here",
    /// No checkpoint is stable yet.
    NoCheckpoint = NOT_FOUND "no-checkpoint" "No checkpoint is stable yet",
    /// The route has other methods.
    NoMethod = METHOD_NOT_ALLOWED "no-method" "The route does not have this method",
    /// The body came too slowly.
    SlowBody = REQUEST_TIMEOUT "slow-body" "The body did not arrive in time",
    /// The application refused the command when it was executed.
    Refused = CONFLICT "refused" "The application refused the command",
    /// The body is larger than documented.
    TooLarge = PAYLOAD_TOO_LARGE "too-large" "The body is too large",
    /// The key is longer than documented.
    KeyTooLong = URI_TOO_LONG "key-too-long" "The key is too long",
    /// The application does not take the command at all.
    Invalid = UNPROCESSABLE_ENTITY "invalid" "The application does not take this",
    /// The Idempotency-Key was used with another body.
    KeyReused = UNPROCESSABLE_ENTITY "key-reused" "The Idempotency-Key belongs to another command",
    /// No room.
    Full = TOO_MANY_REQUESTS "full" "There is no room at present",
    /// More than one client may ask for.
    Limited = TOO_MANY_REQUESTS "limited" "This client asks for too much",
    /// The chain's validators sign nothing that could prove this.
    Unprovable = NOT_IMPLEMENTED "unprovable" "This chain cannot prove it",
    /// The command was certainly not executed and never will be.
    Expired = SERVICE_UNAVAILABLE "expired" "The command expired before it was executed",
    /// The node stops.
    Stopping = SERVICE_UNAVAILABLE "stopping" "The node is stopping",
    /// The node does not take part or is behind.
    NotReady = SERVICE_UNAVAILABLE "not-ready" "The node is not ready",
    /// A part of the node does not answer.
    Unhealthy = SERVICE_UNAVAILABLE "unhealthy" "A part of the node does not answer",
    /// The command may or may not be executed later.
    FateUnknown = GATEWAY_TIMEOUT "fate-unknown" "The fate of the command is not known yet",
    /// What was waited for did not happen in time.
    Timeout = GATEWAY_TIMEOUT "timeout" "It did not happen in time",
}

/// One occurrence of a problem.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    kind: Kind,
    detail: String,
    id: Option<Digest>,
    height: Option<Height>,
    allow: Option<&'static str>,
    retry_after_s: Option<u32>,
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let members = 4 + usize::from(self.id.is_some()) + usize::from(self.height.is_some());
        let mut document = serializer.serialize_struct("Problem", members)?;
        document.serialize_field("type", self.kind.uri())?;
        document.serialize_field("title", self.kind.title())?;
        document.serialize_field("status", &self.kind.status().as_u16())?;
        document.serialize_field("detail", &self.detail)?;
        if let Some(id) = &self.id {
            document.serialize_field("id", id)?;
        }
        if let Some(height) = &self.height {
            document.serialize_field("height", height)?;
        }
        document.end()
    }
}

impl Problem {
    /// A problem; `detail` says for people what is wrong this time.
    pub fn new(kind: Kind, detail: impl fmt::Display) -> Self {
        Self { kind, detail: detail.to_string(), id: None, height: None, allow: None, retry_after_s: None }
    }

    /// Says which command it is about.
    #[must_use]
    pub fn about(self, id: Digest) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Says at which height the command ended.
    #[must_use]
    pub fn at(self, height: Height) -> Self {
        Self { height: Some(height), ..self }
    }

    /// Says which methods there are instead (RFC 9110 section 15.5.6).
    #[must_use]
    pub fn allow(self, methods: &'static str) -> Self {
        Self { allow: Some(methods), ..self }
    }

    /// Says when to try again: after this long, in whole seconds, rounded up.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
        Self { retry_after_s: Some(u32::try_from(seconds).unwrap_or(u32::MAX).max(RETRY_AFTER_S)), ..self }
    }

    /// Which one.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal {
            Refusal::Invalid(_) => Kind::Invalid,
            Refusal::Signature(SignatureError::Missing) => Kind::Unsigned,
            Refusal::Signature(_) => Kind::BadSignature,
            Refusal::Busy => Kind::Full,
            Refusal::Stopping => Kind::Stopping,
        };
        Self::new(kind, refusal)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.title(), self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.content_type("application/problem+json").insert_header((header::CACHE_CONTROL, "no-store"));
        let is_passing = matches!(self.kind, Kind::Full | Kind::Expired | Kind::NotReady | Kind::Stopping);
        if let Some(seconds) = self.retry_after_s.or(is_passing.then_some(RETRY_AFTER_S)) {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if self.kind == Kind::Unauthorized {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if let Some(methods) = self.allow {
            response.insert_header((header::ALLOW, methods));
        }
        response.body(serde_json::to_string(self).unwrap_or_default())
    }
}
