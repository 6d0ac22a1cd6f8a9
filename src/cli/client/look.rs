//! `thalweg peers`, `validators`, `block`, `certificate`, `checkpoint` and `command`: what one node shows.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value};

use super::{Client, NodeArguments, Request};
use crate::cli::{
    Failure, output,
    table::{moment, table},
};

/// Show who is connected to a node.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  thalweg peers --node http://127.0.0.1:8701")]
pub(in crate::cli) struct PeersArguments {
    #[command(flatten)]
    nodes: NodeArguments,
}

/// Show who votes.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  thalweg validators")]
pub(in crate::cli) struct ValidatorsArguments {
    #[command(flatten)]
    nodes: NodeArguments,
}

/// Show a committed block.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  thalweg block 7
  thalweg block latest --json")]
pub(in crate::cli) struct BlockArguments {
    /// Its height, or `latest`.
    #[arg(value_parser = height)]
    height: String,
    #[command(flatten)]
    nodes: NodeArguments,
}

/// Print the proof of a height's decision, for `thalweg verify`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  thalweg certificate 7 > seven.json")]
pub(in crate::cli) struct CertificateArguments {
    /// The height, or `latest`.
    #[arg(value_parser = height)]
    height: String,
    #[command(flatten)]
    nodes: NodeArguments,
}

/// Print the last stable checkpoint with its proof, for `thalweg verify`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  thalweg checkpoint | thalweg verify --genesis genesis.json -")]
pub(in crate::cli) struct CheckpointArguments {
    #[command(flatten)]
    nodes: NodeArguments,
}

/// Show what became of a command.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  thalweg command 991cc64c9f53e7d291594da0b3c6d43246aba7d7e1c47ba4b83814aa5136c517")]
pub(in crate::cli) struct CommandArguments {
    /// Its id, as the answer to a write names it.
    #[arg(value_parser = id)]
    id: String,
    #[command(flatten)]
    nodes: NodeArguments,
}

fn height(text: &str) -> Result<String, &'static str> {
    let is_height = text == "latest" || text.parse::<u64>().is_ok();
    if is_height { Ok(text.to_owned()) } else { Err("expected a number or latest") }
}

fn id(text: &str) -> Result<String, &'static str> {
    let is_id = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { Ok(text.to_owned()) } else { Err("expected 64 hexadecimal digits") }
}

/// Lists connections.
pub(in crate::cli) fn peers(arguments: &PeersArguments, json: bool) -> Result<ExitCode, Failure> {
    let mut document = ask(&arguments.nodes, "/v1/peers")?;
    while let Some(after) = document["next"].as_str() {
        let mut page = ask(&arguments.nodes, &format!("/v1/peers?after={after}"))?;
        document["next"] = page["next"].take();
        if let (Some(peers), Value::Array(more)) = (document["peers"].as_array_mut(), page["peers"].take()) {
            peers.extend(more);
        }
    }
    show_list(&document, "peers", &["validator", "peer_id", "address"], json)
}

/// Lists validators.
pub(in crate::cli) fn validators(arguments: &ValidatorsArguments, json: bool) -> Result<ExitCode, Failure> {
    let document = ask(&arguments.nodes, "/v1/validators")?;
    if json {
        return show_list(&document, "validators", &[], json);
    }
    // Whether a node is connected to itself is no question.
    let mut document = document;
    for validator in document["validators"].as_array_mut().into_iter().flatten() {
        if validator["is_self"] == true {
            validator["is_connected"] = "itself".into();
        }
    }
    show_list(&document, "validators", &["index", "power", "is_connected", "public_key"], json)
}

/// Shows a block.
pub(in crate::cli) fn block(arguments: &BlockArguments, json: bool) -> Result<ExitCode, Failure> {
    let document = ask(&arguments.nodes, &format!("/v1/blocks/{}", arguments.height))?;
    if json {
        output::line(&document)?;
    } else {
        show_fields(&document)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints a certificate: JSON for people too, for it is meant for a file.
pub(in crate::cli) fn certificate(arguments: &CertificateArguments) -> Result<ExitCode, Failure> {
    output::line(&ask(&arguments.nodes, &format!("/v1/blocks/{}/certificate", arguments.height))?)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a checkpoint: JSON for people too.
pub(in crate::cli) fn checkpoint(arguments: &CheckpointArguments) -> Result<ExitCode, Failure> {
    output::line(&ask(&arguments.nodes, "/v1/checkpoint")?)?;
    Ok(ExitCode::SUCCESS)
}

/// Shows a command's fate.
pub(in crate::cli) fn command(arguments: &CommandArguments, json: bool) -> Result<ExitCode, Failure> {
    let document = ask(&arguments.nodes, &format!("/v1/commands/{}", arguments.id))?;
    if json {
        output::line(&document)?;
    } else {
        show_fields(&document)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The first node that answers.
fn ask(nodes: &NodeArguments, path: &str) -> Result<Value, Failure> {
    let client = Client::new(nodes.node.clone());
    let reply = client.ask_around(&Request::get(path))?;
    if !reply.is_success() {
        return Err(Failure::Refused(reply.problem()));
    }
    serde_json::from_slice(&reply.body).map_err(|error| Failure::failed(reply.node, error))
}

fn show_list(document: &Value, list: &str, columns: &[&str], json: bool) -> Result<ExitCode, Failure> {
    if json {
        output::line(document)?;
        return Ok(ExitCode::SUCCESS);
    }
    let heading =
        columns.iter().map(|column| column.trim_start_matches("is_").to_uppercase().replace('_', " ")).collect();
    let lines = document[list].as_array().map(Vec::as_slice).unwrap_or_default();
    let rows = lines.iter().map(|line| columns.iter().map(|column| word(&line[*column])).collect());
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
    output::bytes(format!("{}\n", table(&rows)).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// One line a field; of lists the length.
fn show_fields(document: &Value) -> Result<(), Failure> {
    let fields = document.as_object().into_iter().flat_map(height_first);
    let rows: Vec<Vec<String>> = fields.map(|(name, value)| vec![label(name), field(name, value)]).collect();
    output::bytes(format!("{}\n", table(&rows)).as_bytes())
}

/// Members in their order, but what a person looks for first.
pub(super) fn height_first(members: &Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    let is_height = |name: &str| name == "height";
    let height = members.get_key_value("height").into_iter();
    let members = height.chain(members.iter().filter(move |(name, _)| !is_height(name)));
    members.map(|(name, value)| (name.as_str(), value))
}

/// A member's name for people.
pub(super) fn label(name: &str) -> String {
    name.strip_suffix("_ms").filter(|_| is_moment(name)).unwrap_or(name).replace('_', " ")
}

/// A member's value for people: a moment as one.
pub(super) fn field(name: &str, value: &Value) -> String {
    value.as_u64().filter(|_| is_moment(name)).map_or_else(|| word(value), moment)
}

fn is_moment(name: &str) -> bool {
    matches!(name, "time_ms" | "proposed_at_ms")
}

/// A value as a word.
pub(super) fn word(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(is_so) => if *is_so { "yes" } else { "no" }.to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.len().to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::testing::{Answer, FakeNode, closed_port};

    #[test]
    fn asks_the_next_node_when_one_is_gone() {
        let node = FakeNode::start(|_| Answer::new(200, r#"{"height":7,"commands":[1,2]}"#));
        let arguments =
            BlockArguments { height: "7".to_owned(), nodes: NodeArguments { node: vec![closed_port(), node.url()] } };
        assert_eq!(block(&arguments, true), Ok(ExitCode::SUCCESS));
        assert_eq!(block(&arguments, false), Ok(ExitCode::SUCCESS));
    }

    #[test]
    fn a_refusal_is_a_failure() {
        let node = FakeNode::start(|_| Answer::new(404, r#"{"title":"no such block","status":404}"#));
        let arguments = CertificateArguments { height: "9".into(), nodes: NodeArguments { node: vec![node.url()] } };
        assert!(matches!(certificate(&arguments), Err(Failure::Refused(_))));
    }

    #[test]
    fn arguments_are_looked_at_before_anybody_is_asked() {
        assert!(height("latest").is_ok() && height("12").is_ok());
        assert!(height("-1").is_err() && height("../x").is_err());
        assert!(id(&"a1".repeat(32)).is_ok());
        assert!(id("a1").is_err() && id(&"zz".repeat(32)).is_err());
    }
}
