//! `thalweg put`, `get` and `delete`: single commands of the key-value application.

use std::{
    io::{self, Read as _},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, ValueEnum};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde_json::{Value, json};

use super::{
    Agreement, Client, KeyArguments, Method, NodeArguments, Patience, Reply, Request, Term,
    replies::{Essence, RepliesArguments},
};
use crate::{
    api::TIMEOUT_DEFAULT,
    app::kv,
    cli::{Failure, output},
};

/// Unreserved characters (RFC 3986 section 2.3) but the dot: a path segment of dots means another path.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');

/// Give a key a value, and wait until that is committed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  thalweg put greeting hello
  thalweg put --node http://10.0.0.1:8700,http://10.0.0.2:8700 greeting - < file
  thalweg put --key client.pem greeting hello   # where clients sign")]
pub(in crate::cli) struct PutArguments {
    /// The key.
    key: String,
    /// The value; `-` reads it from standard input.
    #[arg(allow_negative_numbers = true)]
    value: String,
    #[command(flatten)]
    write: WriteArguments,
}

/// Print the value of a key.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  thalweg get greeting
  thalweg get greeting --consistency linearizable --json
  thalweg get greeting --node http://10.0.0.1:8700,http://10.0.0.2:8700 --replies   # believe no single node")]
pub(in crate::cli) struct GetArguments {
    /// The key.
    key: String,
    /// How fresh: what the node has executed, or not older than anything answered before.
    #[arg(long, value_enum, default_value_t = Consistency::Local)]
    consistency: Consistency,
    /// Wait until the node has executed this height.
    #[arg(long, value_name = "HEIGHT")]
    at_least: Option<u64>,
    /// Print the bytes alone, without a line break behind them.
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    nodes: NodeArguments,
    #[command(flatten)]
    replies: RepliesArguments,
    #[command(flatten)]
    patience: PatienceArguments,
}

/// Take a key away, and wait until that is committed.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  thalweg delete greeting")]
pub(in crate::cli) struct DeleteArguments {
    /// The key.
    key: String,
    #[command(flatten)]
    write: WriteArguments,
}

#[derive(Debug, Args)]
struct WriteArguments {
    /// Makes repeating the command harmless: the same key and content execute once [default: a random one].
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    key: KeyArguments,
    #[command(flatten)]
    nodes: NodeArguments,
    #[command(flatten)]
    replies: RepliesArguments,
    #[command(flatten)]
    patience: PatienceArguments,
}

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct PatienceArguments {
    /// For how many seconds to ask again while nodes are busy.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub(super) timeout: u64,
}

impl PatienceArguments {
    /// Nodes that are not there at all are not waited for.
    pub(super) fn patience(self) -> Patience {
        Patience { unreachable: Duration::ZERO, busy: Duration::from_secs(self.timeout) }
    }

    /// What a node is told of it, as a parameter: nothing when it waits no longer than that anyway, nor when one answer
    /// is all that is asked for.
    fn parameter(self) -> Option<String> {
        (1..TIMEOUT_DEFAULT.as_secs()).contains(&self.timeout).then(|| format!("timeout_ms={}", self.timeout * 1000))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Consistency {
    Local,
    Linearizable,
}

/// Writes a key.
pub(in crate::cli) fn put(arguments: &PutArguments, json: bool) -> Result<ExitCode, Failure> {
    let value = match arguments.value.as_str() {
        "-" => read_stdin()?,
        value => value.as_bytes().to_vec(),
    };
    write(Method::Put, &arguments.key, &value, &arguments.write, json)
}

/// Deletes a key.
pub(in crate::cli) fn delete(arguments: &DeleteArguments, json: bool) -> Result<ExitCode, Failure> {
    write(Method::Delete, &arguments.key, &[], &arguments.write, json)
}

/// Reads a key.
pub(in crate::cli) fn get(arguments: &GetArguments, json: bool) -> Result<ExitCode, Failure> {
    let mut path = kv_path(arguments.key.as_bytes())?;
    path.push_str(match arguments.consistency {
        Consistency::Local => "?consistency=local",
        Consistency::Linearizable => "?consistency=linearizable",
    });
    if let Some(height) = arguments.at_least {
        path.push_str(&format!("&at_least={height}"));
    }
    if let Some(parameter) = arguments.patience.parameter() {
        path.push_str(&format!("&{parameter}"));
    }
    let client = Client::new(arguments.nodes.node.clone());
    // Of equal values the heights may differ: one node has executed further than the other.
    let essence: Essence = |reply| [&reply.status.to_be_bytes()[..], &reply.body].concat();
    let request = Request::get(path);
    let (reply, agreement) = arguments.replies.ask(&client, &request, arguments.patience.patience(), essence)?;
    if !reply.is_success() {
        return Err(Failure::Refused(reply.problem()));
    }
    if json {
        output::line(&with_agreement(describe(&arguments.key, &reply), agreement))?;
    } else {
        let end: &[u8] = if arguments.raw { b"" } else { b"\n" };
        output::bytes(&[reply.body.as_slice(), end].concat())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The path of a key, any bytes.
///
/// # Errors
/// [`Failure::Usage`] for the empty key, which no path can name.
pub(in crate::cli) fn kv_path(key: &[u8]) -> Result<String, Failure> {
    if key.is_empty() {
        return Err(Failure::Usage("the key is empty".to_owned()));
    }
    Ok(format!("/v1/kv/{}", percent_encode(key, ESCAPED)))
}

fn write(method: Method, key: &str, body: &[u8], arguments: &WriteArguments, json: bool) -> Result<ExitCode, Failure> {
    let idempotency_key = match &arguments.idempotency_key {
        Some(key) => key.clone(),
        None => random_key()?,
    };
    let mut path = kv_path(key.as_bytes())?;
    if let Some(parameter) = arguments.patience.parameter() {
        path.push_str(&format!("?{parameter}"));
    }
    let client = Client::new(arguments.nodes.node.clone());
    let signer = arguments.key.signer(&client, arguments.patience.patience())?;
    let signed = signer.map(|signer| {
        let term = if arguments.idempotency_key.is_some() { Term::Lasting } else { Term::Remembered };
        let operation = if method == Method::Put { kv::put(key.as_bytes(), body) } else { kv::delete(key.as_bytes()) };
        signer.sign(&idempotency_key, term, operation).to_string()
    });
    let request = Request {
        method,
        path,
        content_type: "application/octet-stream",
        body,
        idempotency_key: signed.is_none().then_some(&idempotency_key),
        signed: signed.as_deref(),
        token: None,
    };
    let essence: Essence = |reply| [&reply.status.to_be_bytes()[..], &reply.body].concat();
    let (reply, agreement) = arguments.replies.ask(&client, &request, arguments.patience.patience(), essence)?;
    if !reply.is_success() {
        return Err(Failure::Refused(reply.problem()));
    }
    let answer: Value = serde_json::from_slice(&reply.body).map_err(|error| Failure::failed(&reply.node, error))?;
    if json {
        output::line(&with_agreement(answer, agreement))?;
    } else {
        let agreed = agreement.map_or(String::new(), |agreement| format!("; {agreement}"));
        output::bytes(format!("{}{agreed}\n", summary(&answer)).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Adds who agreed, where several were asked.
fn with_agreement(mut answer: Value, agreement: Option<Agreement>) -> Value {
    if let (Some(members), Some(agreement)) = (answer.as_object_mut(), agreement) {
        members.insert("replies".to_owned(), json!(agreement));
    }
    answer
}

fn summary(answer: &Value) -> String {
    let text = |name: &str| answer[name].as_str().unwrap_or("?").to_owned();
    match answer["height"].as_u64() {
        Some(height) => format!("{} at height {height}, command {}", text("status"), text("id")),
        None => format!("{}, command {}", text("status"), text("id")),
    }
}

/// Values that are no text are shown in hexadecimal.
fn describe(key: &str, reply: &Reply) -> Value {
    let (value, encoding) = match std::str::from_utf8(&reply.body) {
        Ok(text) => (text.to_owned(), "utf8"),
        Err(_) => (hex::encode(&reply.body), "hex"),
    };
    json!({ "key": key, "value": value, "encoding": encoding, "height": reply.height, "node": reply.node })
}

fn read_stdin() -> Result<Vec<u8>, Failure> {
    /// Far above what a node takes; it says itself how much that is.
    const STDIN_BYTES_MAX: u64 = 64 << 20;
    let mut value = Vec::new();
    let read = io::stdin().lock().take(STDIN_BYTES_MAX + 1).read_to_end(&mut value);
    match read {
        Ok(_) if value.len() as u64 > STDIN_BYTES_MAX => Err(Failure::Usage("the value is too large".to_owned())),
        Ok(_) => Ok(value),
        Err(error) => Err(Failure::failed("standard input", error)),
    }
}

pub(super) fn random_key() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure::failed("randomness", error))?;
    Ok(format!("cli-{}", hex::encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::testing::{Answer, FakeNode};

    #[test]
    fn keys_are_escaped_whatever_they_hold() {
        assert_eq!(kv_path("a-b_c~1".as_bytes()).unwrap(), "/v1/kv/a-b_c~1");
        assert_eq!(kv_path("a/b ü?#%".as_bytes()).unwrap(), "/v1/kv/a%2Fb%20%C3%BC%3F%23%25");
        assert_eq!(kv_path(b"..").unwrap(), "/v1/kv/%2E%2E");
        assert_eq!(kv_path(&[0xff, 0]).unwrap(), "/v1/kv/%FF%00");
        assert!(matches!(kv_path(b""), Err(Failure::Usage(_))));
    }

    #[test]
    fn a_write_that_is_repeated_after_a_lost_answer_keeps_its_idempotency_key() {
        let lost = FakeNode::start(|_| Answer::hang_up());
        let good = FakeNode::start(|_| Answer::new(200, r#"{"id":"ab","status":"committed","height":3}"#));
        let arguments = PutArguments {
            key: "k".into(),
            value: "v".into(),
            write: WriteArguments {
                idempotency_key: None,
                key: KeyArguments::default(),
                nodes: NodeArguments { node: vec![lost.url(), good.url()] },
                replies: RepliesArguments::default(),
                patience: PatienceArguments { timeout: 0 },
            },
        };
        assert_eq!(put(&arguments, true), Ok(ExitCode::SUCCESS));
        let key = |node: &FakeNode| node.requests()[0].header("idempotency-key").map(str::to_owned);
        assert!(key(&lost).is_some());
        assert_eq!(key(&lost), key(&good));
        assert_eq!(good.requests()[0].body, b"v");
    }

    #[test]
    fn refusals_are_failures_with_the_nodes_words() {
        let node = FakeNode::start(|_| Answer::new(404, r#"{"title":"There is no such key","status":404}"#));
        let arguments = GetArguments {
            key: "k".into(),
            consistency: Consistency::Linearizable,
            at_least: Some(9),
            raw: false,
            nodes: NodeArguments { node: vec![node.url()] },
            replies: RepliesArguments::default(),
            patience: PatienceArguments { timeout: 0 },
        };
        let failure = get(&arguments, false).unwrap_err();
        assert!(failure.to_string().starts_with("There is no such key (404 from http://"), "{failure}");
        assert_eq!(node.requests()[0].line, "GET /v1/kv/k?consistency=linearizable&at_least=9 HTTP/1.1");
    }

    /// A node that would wait for longer than we do is told so.
    #[test]
    fn short_patience_is_the_nodes_too() {
        let parameter = |timeout| PatienceArguments { timeout }.parameter();
        assert_eq!(parameter(1), Some("timeout_ms=1000".to_owned()));
        assert_eq!([parameter(0), parameter(10), parameter(30)], [None, None, None]);
    }

    #[test]
    fn summaries_say_where_a_command_ended() {
        let answer = json!({ "id": "ab", "status": "committed", "height": 3, "result": null });
        assert_eq!(summary(&answer), "committed at height 3, command ab");
        assert_eq!(summary(&json!({ "id": "ab", "status": "accepted" })), "accepted, command ab");
    }
}
