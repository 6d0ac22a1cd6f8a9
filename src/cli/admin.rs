//! `thalweg admin`: what changes a running node, through its admin side.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Failure,
    client::{Client, Method, Request, TokenHeader, base_url},
    output,
};
use crate::config::read_secret_line;

/// Change a running node: its log, its peers, its end.
#[derive(Debug, Args)]
#[command(after_help = "Examples, with [admin] listen and token_file in the node's node.toml:
  thalweg admin log debug --token-file admin.token --node http://127.0.0.1:8690
  thalweg admin log info,thalweg::replica=trace
  thalweg admin peer /ip4/192.0.2.7/tcp/4700/p2p/12D3KooW…
  thalweg admin drain --seconds 30      # not ready at once, a clean stop after that")]
pub(super) struct Arguments {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Show the filter of the log, or replace it until the node ends.
    #[command(after_help = "Example:
  thalweg admin log debug --token-file admin.token")]
    Log {
        /// A level (error, warn, info, debug, trace), or directives as in RUST_LOG; shows the present filter without.
        filter: Option<String>,
        #[command(flatten)]
        access: Access,
    },
    /// Stay connected to one more peer, until the node ends.
    #[command(after_help = "Example:
  thalweg admin peer /dns4/thalweg-4.example.org/tcp/4700/p2p/12D3KooW… --token-file admin.token")]
    Peer {
        /// Its multiaddress with its id, as in network.peers.
        address: String,
        #[command(flatten)]
        access: Access,
    },
    /// Say no at /readyz from now on, and stop cleanly after a while. Given again, the time begins anew.
    #[command(after_help = "Example:
  thalweg admin drain --seconds 30 --token-file admin.token")]
    Drain {
        /// How long until the stop, for clients and balancers to go elsewhere; 3600 at most.
        #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=3_600))]
        seconds: u64,
        #[command(flatten)]
        access: Access,
    },
}

/// The way to the admin side.
#[derive(Debug, Args)]
struct Access {
    /// The file with the node's admin token, for its owner alone.
    #[arg(long, value_name = "FILE", env = "THALWEG_ADMIN_TOKEN_FILE")]
    token_file: PathBuf,
    /// The base URL of the node's admin side, admin.listen in its node.toml.
    #[arg(long, value_name = "URL", env = "THALWEG_ADMIN", value_parser = base_url, default_value = "http://127.0.0.1:8690")]
    node: String,
}

/// Sends the order once: none of them is repeated on its own.
pub(super) fn run(arguments: &Arguments, json: bool) -> Result<ExitCode, Failure> {
    let (access, method, path, body) = match &arguments.order {
        Order::Log { filter: None, access } => (access, Method::Get, "log", Value::Null),
        Order::Log { filter: Some(filter), access } => (access, Method::Put, "log", json!({ "filter": filter })),
        Order::Peer { address, access } => (access, Method::Post, "peers", json!({ "address": address })),
        Order::Drain { seconds, access } => (access, Method::Post, "drain", json!({ "seconds": seconds })),
    };
    let token = read_secret_line(&access.token_file);
    let token = token.map_err(|error| Failure::failed(access.token_file.display(), error))?;
    let body = body.to_string();
    let request = Request {
        method,
        content_type: "application/json",
        body: body.as_bytes(),
        token: Some(TokenHeader(&token)),
        ..Request::get(format!("/v1/admin/{path}"))
    };
    let reply = Client::new(vec![access.node.clone()]).ask(&access.node, &request)?;
    if !reply.is_success() {
        return Err(Failure::Refused(reply.problem()));
    }
    let said: Value = serde_json::from_slice(&reply.body).map_err(|error| Failure::failed(&reply.node, error))?;
    if json {
        output::line(&said)?;
        return Ok(ExitCode::SUCCESS);
    }
    let words = match &arguments.order {
        Order::Log { .. } => said["filter"].as_str().unwrap_or_default().to_owned(),
        Order::Peer { address, .. } => format!("will stay connected to {address}"),
        Order::Drain { seconds, .. } => format!("not ready any more; stops in {seconds} s"),
    };
    output::bytes(format!("{words}\n").as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use clap::Parser as _;

    use super::*;
    use crate::cli::client::testing::{Answer, FakeNode};

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn with_token(mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("admin.token");
        fs::write(&file, "a-token-of-more-than-32-characters\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        (dir, file)
    }

    fn order(words: &[&str], file: &std::path::Path, node: &str) -> Result<ExitCode, Failure> {
        let rest = ["--token-file", file.to_str().unwrap(), "--node", node];
        let line = Line::try_parse_from(["admin"].iter().chain(words).chain(&rest)).unwrap();
        run(&line.arguments, true)
    }

    #[test]
    fn orders_carry_the_token_and_are_sent_once() {
        let (_dir, file) = with_token(0o600);
        let node = FakeNode::start(|_| Answer::new(202, "{\"seconds\":5}"));
        order(&["drain", "--seconds", "5"], &file, &node.url()).unwrap();
        order(&["log", "debug"], &file, &node.url()).unwrap();
        order(&["log"], &file, &node.url()).unwrap();
        let requests = node.requests();
        let lines: Vec<&str> = requests.iter().map(|request| request.line.as_str()).collect();
        assert_eq!(
            lines,
            ["POST /v1/admin/drain HTTP/1.1", "PUT /v1/admin/log HTTP/1.1", "GET /v1/admin/log HTTP/1.1"]
        );
        assert_eq!(requests[0].body, b"{\"seconds\":5}");
        for request in &requests {
            assert_eq!(request.header("authorization"), Some("Bearer a-token-of-more-than-32-characters"));
        }
        let refusing = FakeNode::start(|_| Answer::new(401, "{\"title\":\"no\"}"));
        assert!(matches!(order(&["drain"], &file, &refusing.url()), Err(Failure::Refused(_))));
        assert_eq!(refusing.requests().len(), 1);
    }

    #[test]
    fn a_token_that_others_may_read_is_not_sent() {
        let (_dir, file) = with_token(0o644);
        let words = order(&["drain"], &file, "http://127.0.0.1:1").unwrap_err().to_string();
        assert!(words.contains("admin.token") && words.contains("mode 644"), "{words}");
    }
}
