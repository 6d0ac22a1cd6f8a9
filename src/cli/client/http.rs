//! HTTP with several nodes: the next one is asked when one fails.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use clap::Args;
use ureq::{Agent, http};

use super::Problem;
use crate::cli::Failure;

/// The most bytes of an answer.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Longer than nodes wait for a commit, so that their answer, which knows the command's id, comes first.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Which nodes to ask.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct NodeArguments {
    /// The nodes' base URLs; the next one is tried when one fails.
    #[arg(
        long,
        value_name = "URL[,URL…]",
        env = "THALWEG_NODES",
        value_delimiter = ',',
        value_parser = base_url,
        default_value = "http://127.0.0.1:8700",
    )]
    pub(in crate::cli) node: Vec<String>,
}

/// Takes `host:port` too, and drops slashes at the end.
pub(in crate::cli) fn base_url(text: &str) -> Result<String, String> {
    let text = text.trim();
    let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = url.trim_end_matches('/');
    let uri: http::Uri = url.parse().map_err(|error| format!("not a URL: {error}"))?;
    if uri.scheme_str() != Some("http") {
        return Err("expected http://HOST:PORT; nodes speak plain HTTP".to_owned());
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err("expected http://HOST:PORT".to_owned());
    }
    Ok(url.to_owned())
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::cli) enum Method {
    Get,
    Put,
    Post,
    Delete,
}

/// One question to whichever node answers it.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Request<'a> {
    pub(in crate::cli) method: Method,
    /// Path and query, percent-encoded.
    pub(in crate::cli) path: String,
    pub(in crate::cli) content_type: &'static str,
    pub(in crate::cli) body: &'a [u8],
    /// Makes a write safe to repeat.
    pub(in crate::cli) idempotency_key: Option<&'a str>,
    /// What makes it so where clients sign: `Thalweg-Signed`.
    pub(in crate::cli) signed: Option<&'a str>,
    /// What the admin side asks for.
    pub(in crate::cli) token: Option<TokenHeader<'a>>,
}

/// A token, which nothing shows.
#[derive(Clone, Copy)]
pub(in crate::cli) struct TokenHeader<'a>(pub(in crate::cli) &'a str);

impl std::fmt::Debug for TokenHeader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenHeader")
    }
}

impl<'a> Request<'a> {
    /// A question without a body.
    pub(in crate::cli) fn get(path: impl Into<String>) -> Self {
        let path = path.into();
        Self {
            method: Method::Get,
            path,
            content_type: "",
            body: &[],
            idempotency_key: None,
            signed: None,
            token: None,
        }
    }
}

/// An answer, whatever it says.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Reply {
    pub(in crate::cli) status: u16,
    /// `Thalweg-Height`, where there is one.
    pub(in crate::cli) height: Option<u64>,
    pub(in crate::cli) body: Vec<u8>,
    /// The base URL of the node that gave it.
    pub(in crate::cli) node: String,
}

impl Reply {
    pub(in crate::cli) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The problem that an answer other than a success describes.
    pub(in crate::cli) fn problem(&self) -> Box<Problem> {
        Box::new(Problem::read(self.status, &self.body, &self.node))
    }
}

/// A long answer, a success.
pub(in crate::cli) struct Stream {
    /// `Thalweg-Height`, where there is one.
    pub(in crate::cli) height: Option<u64>,
    pub(in crate::cli) body: Box<dyn io::Read>,
    /// The base URL of the node that gives it.
    pub(in crate::cli) node: String,
}

/// Why there was no good answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(in crate::cli) enum Trouble {
    /// Nobody answered.
    #[error("{node}: {error}")]
    Unreachable { node: String, error: String },
    /// A node answered that it could not.
    #[error("{0}")]
    Problem(Box<Problem>),
}

impl Trouble {
    /// Whether asking again may help. Writes need an idempotency key for that.
    pub(in crate::cli) fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Problem(problem) => is_retryable(problem.status),
        }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unreachable { .. } => {
                Self::Failed(format!("no node answers, the last said: {trouble}; --node names others"))
            }
            Trouble::Problem(problem) => Self::Refused(problem),
        }
    }
}

/// Whether a status says that the same request may succeed later or elsewhere.
pub(in crate::cli) fn is_retryable(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

/// For how long to ask again.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Patience {
    /// While no node can be reached at all. Zero: each is asked once.
    pub(in crate::cli) unreachable: Duration,
    /// While nodes answer that they cannot at present.
    pub(in crate::cli) busy: Duration,
}

/// Growing pauses between attempts, with everything an attempt loop must remember.
#[derive(Debug)]
pub(in crate::cli) struct Backoff {
    began: Instant,
    pause: Duration,
}

impl Backoff {
    pub(in crate::cli) fn new() -> Self {
        Self { began: Instant::now(), pause: PAUSE_MIN }
    }

    /// Something went well: begin again.
    pub(in crate::cli) fn reset(&mut self) {
        *self = Self::new();
    }

    /// Sleeps, or says that the limit would be passed.
    #[expect(clippy::disallowed_methods, reason = "the pause between two attempts; nothing tells when a node has room")]
    pub(in crate::cli) fn try_pause(&mut self, limit: Duration) -> bool {
        if self.began.elapsed() + self.pause > limit {
            return false;
        }
        thread::sleep(self.pause);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        true
    }
}

/// Asks nodes.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Client {
    agent: Agent,
    nodes: Vec<String>,
}

impl Client {
    /// A client of these nodes, at least one; it begins with the first.
    pub(in crate::cli) fn new(nodes: Vec<String>) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(ANSWER_TIMEOUT))
            .max_redirects(0)
            // A proxy meant for the web does not know these nodes.
            .proxy(None)
            .no_delay(true)
            .build()
            .new_agent();
        Self { agent, nodes }
    }

    /// The nodes' base URLs.
    pub(in crate::cli) fn nodes(&self) -> &[String] {
        &self.nodes
    }

    /// Makes another node the first.
    #[must_use]
    pub(in crate::cli) fn rotated(mut self, places: usize) -> Self {
        let places = places % self.nodes.len().max(1);
        self.nodes.rotate_left(places);
        self
    }

    /// Asks one node once.
    ///
    /// # Errors
    /// [`Trouble::Unreachable`] when it does not answer.
    pub(in crate::cli) fn ask(&self, node: &str, request: &Request<'_>) -> Result<Reply, Trouble> {
        let unreachable = |error: ureq::Error| Trouble::Unreachable { node: node.to_owned(), error: reason(&error) };
        let mut builder =
            http::Request::builder().uri(format!("{node}{}", request.path)).method(match request.method {
                Method::Get => http::Method::GET,
                Method::Put => http::Method::PUT,
                Method::Post => http::Method::POST,
                Method::Delete => http::Method::DELETE,
            });
        if let Some(key) = request.idempotency_key {
            builder = builder.header("Idempotency-Key", key);
        }
        if let Some(signed) = request.signed {
            builder = builder.header("Thalweg-Signed", signed);
        }
        if let Some(TokenHeader(token)) = request.token {
            builder = builder.header("Authorization", format!("Bearer {token}"));
        }
        let sent = match request.method {
            Method::Get | Method::Delete => {
                builder.body(()).map_err(ureq::Error::from).and_then(|request| self.agent.run(request))
            }
            Method::Put | Method::Post => builder
                .header("Content-Type", request.content_type)
                .body(request.body)
                .map_err(ureq::Error::from)
                .and_then(|request| self.agent.run(request)),
        };
        let mut response = sent.map_err(unreachable)?;
        let height = height(response.headers());
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(unreachable)?;
        Ok(Reply { status: response.status().as_u16(), height, body, node: node.to_owned() })
    }

    /// Opens a long answer: of the first node that gives one. No time limits it once it has begun.
    ///
    /// # Errors
    /// The last node's [`Trouble`].
    pub(in crate::cli) fn stream(&self, path: &str) -> Result<Stream, Trouble> {
        let mut last = Trouble::Unreachable { node: String::new(), error: "no node is given".to_owned() };
        for node in &self.nodes {
            let endless = self.agent.get(format!("{node}{path}")).config().timeout_global(None);
            match endless.timeout_recv_response(Some(ANSWER_TIMEOUT)).build().call() {
                Ok(response) if response.status().is_success() => {
                    let height = height(response.headers());
                    let body = Box::new(response.into_body().into_reader());
                    return Ok(Stream { height, body, node: node.clone() });
                }
                Ok(mut response) => {
                    let body = response.body_mut().read_to_vec().unwrap_or_default();
                    last = Trouble::Problem(Box::new(Problem::read(response.status().as_u16(), &body, node)));
                }
                Err(error) => last = Trouble::Unreachable { node: node.clone(), error: reason(&error) },
            }
        }
        Err(last)
    }

    /// Asks one node after the other once, until one gives an answer that asking again would not change.
    ///
    /// # Errors
    /// The last node's [`Trouble`].
    pub(in crate::cli) fn ask_around(&self, request: &Request<'_>) -> Result<Reply, Trouble> {
        let mut last = Trouble::Unreachable { node: String::new(), error: "no node is given".to_owned() };
        for node in &self.nodes {
            match self.ask(node, request) {
                Ok(reply) if !is_retryable(reply.status) => return Ok(reply),
                Ok(reply) => last = Trouble::Problem(reply.problem()),
                // What a node said tells more than that another one is silent.
                Err(_) if matches!(last, Trouble::Problem(_)) => {}
                Err(trouble) => last = trouble,
            }
        }
        Err(last)
    }

    /// Asks around again and again, with growing pauses, as long as patience lasts.
    ///
    /// # Errors
    /// The last [`Trouble`].
    pub(in crate::cli) fn ask_patiently(&self, request: &Request<'_>, patience: Patience) -> Result<Reply, Trouble> {
        let mut backoff = Backoff::new();
        loop {
            let trouble = match self.ask_around(request) {
                Ok(reply) => return Ok(reply),
                Err(trouble) => trouble,
            };
            let limit = match trouble {
                Trouble::Unreachable { .. } => patience.unreachable,
                Trouble::Problem(_) => patience.busy,
            };
            if !backoff.try_pause(limit) {
                return Err(trouble);
            }
        }
    }
}

/// `Thalweg-Height`.
fn height(headers: &http::HeaderMap) -> Option<u64> {
    headers.get("thalweg-height").and_then(|value| value.to_str().ok()?.parse().ok())
}

/// What a person makes of an error of the connection.
pub(in crate::cli) fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{Answer, FakeNode, closed_port},
        *,
    };

    const NO_PATIENCE: Patience = Patience { unreachable: Duration::ZERO, busy: Duration::ZERO };
    const PATIENCE: Patience = Patience { unreachable: Duration::from_secs(20), busy: Duration::from_secs(20) };

    #[test]
    fn base_urls_are_plain_http() {
        assert_eq!(base_url("http://a:1/"), Ok("http://a:1".to_owned()));
        assert_eq!(base_url("127.0.0.1:8700"), Ok("http://127.0.0.1:8700".to_owned()));
        for text in ["https://a", "ftp://a", "http://", "", "http://a b"] {
            assert!(base_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn asks_the_next_node_when_one_is_gone_or_busy() {
        let busy = FakeNode::start(|_| Answer::new(503, "{}"));
        let good = FakeNode::start(|_| Answer::new(200, "here"));
        let client = Client::new(vec![closed_port(), busy.url(), good.url()]);
        let reply = client.ask_patiently(&Request::get("/x"), NO_PATIENCE).unwrap();
        assert_eq!((reply.status, reply.body.as_slice(), reply.node), (200, &b"here"[..], good.url()));
        assert_eq!(busy.requests().len(), 1);
    }

    #[test]
    fn asks_again_with_the_same_key_while_patience_lasts() {
        let node = FakeNode::start(|earlier| Answer::new(if earlier < 2 { 429 } else { 200 }, "{}"));
        let client = Client::new(vec![node.url()]);
        let request = Request {
            method: Method::Put,
            path: "/v1/kv/a".into(),
            content_type: "application/octet-stream",
            body: b"1",
            idempotency_key: Some("k"),
            signed: None,
            token: None,
        };
        assert!(client.ask_patiently(&request, PATIENCE).unwrap().is_success());
        let requests = node.requests();
        assert_eq!(requests.len(), 3);
        for seen in &requests {
            assert_eq!((seen.line.as_str(), seen.body.as_slice()), ("PUT /v1/kv/a HTTP/1.1", &b"1"[..]));
            assert_eq!(seen.header("idempotency-key"), Some("k"));
        }
    }

    #[test]
    fn gives_up_with_what_a_node_said_rather_than_with_silence() {
        let busy = FakeNode::start(|_| Answer::new(503, r#"{"title":"syncing"}"#));
        let client = Client::new(vec![busy.url(), closed_port()]);
        let trouble = client.ask_patiently(&Request::get("/x"), NO_PATIENCE).unwrap_err();
        assert!(trouble.to_string().contains("syncing"), "{trouble}");
        let client = Client::new(vec![closed_port()]);
        let trouble = client.ask_patiently(&Request::get("/x"), NO_PATIENCE).unwrap_err();
        assert!(matches!(trouble, Trouble::Unreachable { .. }), "{trouble}");
    }
}
