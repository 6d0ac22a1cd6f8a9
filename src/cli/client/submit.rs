//! `thalweg submit`: a batch of commands from a file, in its order.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    process::ExitCode,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{
    Client, KeyArguments, Method, NodeArguments, Request, Signer, Term,
    kv::{PatienceArguments, random_key},
};
use crate::{
    app::kv,
    cli::{Failure, output, table::table},
};

/// Far above what a node takes; it says itself how much that is.
const BATCH_BYTES_MAX: u64 = 64 << 20;

/// Submit a batch of commands, and wait until each is committed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  echo '{\"op\":\"put\",\"key\":\"river\",\"value\":\"to the sea\"}' | thalweg submit -
  thalweg submit --json batch.json

A batch is a JSON document {\"commands\":[…]}, a list […], or one command on each line. A command is
{\"op\":\"put\",\"key\":\"…\",\"value\":\"…\"}, with \"encoding\":\"base64\" for a value that is no text, or
{\"op\":\"delete\",\"key\":\"…\"}. One without \"idempotency_key\" is given a random one, so that asking again is safe.
More than a thousand commands are for `thalweg import`.")]
pub(in crate::cli) struct SubmitArguments {
    /// The file; `-` reads standard input.
    file: PathBuf,
    /// What to wait for.
    #[arg(long, value_enum, default_value_t = Wait::Committed)]
    wait: Wait,
    #[command(flatten)]
    key: KeyArguments,
    #[command(flatten)]
    nodes: NodeArguments,
    #[command(flatten)]
    patience: PatienceArguments,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Wait {
    Committed,
    Accepted,
}

impl Wait {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Accepted => "accepted",
        }
    }
}

/// Submits them and says what became of each. Fails unless all came as far as was waited for.
pub(in crate::cli) fn submit(arguments: &SubmitArguments, json: bool) -> Result<ExitCode, Failure> {
    let name = match arguments.file.as_path() {
        file if file == Path::new("-") => "standard input".to_owned(),
        file => file.display().to_string(),
    };
    let text = read(&arguments.file).map_err(|error| Failure::failed(&name, error))?;
    let mut commands = parse(&text).map_err(|what| Failure::Usage(format!("{name}: {what}")))?;
    let client = Client::new(arguments.nodes.node.clone());
    let random = random_key()?;
    give_keys(&mut commands, &random);
    if let Some(signer) = arguments.key.signer(&client, arguments.patience.patience())? {
        sign(&mut commands, &signer, &random).map_err(|what| Failure::Usage(format!("{name}: {what}")))?;
    }
    let body = json!({ "commands": commands }).to_string();
    let request = Request {
        method: Method::Post,
        path: format!("/v1/commands?wait={}", arguments.wait.as_str()),
        content_type: "application/json",
        body: body.as_bytes(),
        idempotency_key: None,
        signed: None,
        token: None,
    };
    let reply = client.ask_patiently(&request, arguments.patience.patience())?;
    if !reply.is_success() {
        return Err(Failure::Refused(reply.problem()));
    }
    let answer: Value = serde_json::from_slice(&reply.body).map_err(|error| Failure::failed(&reply.node, error))?;
    let results = answer["results"].as_array().map(Vec::as_slice).unwrap_or_default();
    if json {
        output::line(&answer)?;
    } else {
        output::bytes(format!("{}\n", shown(results)).as_bytes())?;
    }
    let went_well =
        |result: &Value| result["status"] == arguments.wait.as_str() || result["status"] == Wait::Committed.as_str();
    let is_done = results.len() == commands.len() && results.iter().all(went_well);
    Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let from: Box<dyn Read> =
        if file == Path::new("-") { Box::new(io::stdin().lock()) } else { Box::new(File::open(file)?) };
    from.take(BATCH_BYTES_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > BATCH_BYTES_MAX {
        return Err(io::Error::other("larger than any batch"));
    }
    Ok(text)
}

/// The commands of a document, of a list, or of lines.
fn parse(text: &[u8]) -> Result<Vec<Value>, String> {
    let documents = serde_json::Deserializer::from_slice(text).into_iter::<Value>();
    let documents: Vec<Value> = documents.collect::<Result<_, _>>().map_err(|error| format!("not JSON: {error}"))?;
    let is_batch = |document: &Value| document.is_array() || document.get("commands").is_some();
    let commands = match <[Value; 1]>::try_from(documents) {
        Ok([Value::Array(list)]) => list,
        Ok([mut document]) if is_batch(&document) => match document["commands"].take() {
            Value::Array(list) => list,
            _ => return Err("\"commands\" is no list".to_owned()),
        },
        Ok([command]) => vec![command],
        Err(lines) => lines,
    };
    if commands.is_empty() {
        return Err("no command".to_owned());
    }
    match commands.iter().position(|command| !command.is_object()) {
        Some(at) => Err(format!("command {} is no object", at + 1)),
        None => Ok(commands),
    }
}

/// Commands that have no idempotency key get one, each its own.
fn give_keys(commands: &mut [Value], random: &str) {
    for (at, command) in commands.iter_mut().enumerate() {
        let Some(members) = command.as_object_mut() else { continue };
        let key = members.entry("idempotency_key").or_insert(Value::Null);
        if key.is_null() {
            *key = format!("{random}-{at}").into();
        }
    }
}

/// Commands get a signature in place of their idempotency keys.
fn sign(commands: &mut [Value], signer: &Signer, random: &str) -> Result<(), String> {
    for (at, command) in commands.iter_mut().enumerate() {
        let operation = operation(command);
        let operation =
            operation.ok_or_else(|| format!("command {} is no put with key and value, and no delete", at + 1))?;
        let Some(members) = command.as_object_mut() else { continue };
        let name = members.remove("idempotency_key");
        let name = name.as_ref().and_then(Value::as_str).unwrap_or_default();
        let term = if name.starts_with(random) { Term::Remembered } else { Term::Lasting };
        members.insert("signed".to_owned(), signer.sign(name, term, operation));
    }
    Ok(())
}

/// What a node will read from a command, in the application's encoding.
fn operation(command: &Value) -> Option<Bytes> {
    let key = command["key"].as_str()?.as_bytes();
    match command["op"].as_str()? {
        "put" => {
            let value = command["value"].as_str()?;
            match command["encoding"].as_str().unwrap_or("utf8") {
                "base64" => Some(kv::put(key, &BASE64_STANDARD.decode(value).ok()?)),
                _ => Some(kv::put(key, value.as_bytes())),
            }
        }
        "delete" => Some(kv::delete(key)),
        _ => None,
    }
}

fn shown(results: &[Value]) -> String {
    let heading = ["", "STATUS", "HEIGHT", "ID", ""].map(str::to_owned).to_vec();
    let row = |(at, result): (usize, &Value)| {
        let text = |value: &Value| match value {
            Value::Null => "-".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let problem = match &result["problem"] {
            Value::Null => String::new(),
            problem => format!("{}: {}", text(&problem["title"]), text(&problem["detail"])),
        };
        vec![(at + 1).to_string(), text(&result["status"]), text(&result["height"]), text(&result["id"]), problem]
    };
    let rows: Vec<_> = std::iter::once(heading).chain(results.iter().enumerate().map(row)).collect();
    table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::testing::{Answer, FakeNode};

    #[test]
    fn a_batch_is_a_document_a_list_or_lines() {
        let put = json!({ "op": "put", "key": "a", "value": "1" });
        let two = vec![put.clone(), put.clone()];
        assert_eq!(parse(put.to_string().as_bytes()).unwrap(), std::slice::from_ref(&put));
        assert_eq!(parse(format!("{put}\n{put}\n").as_bytes()).unwrap(), two);
        assert_eq!(parse(json!(two).to_string().as_bytes()).unwrap(), two);
        assert_eq!(parse(json!({ "commands": two }).to_string().as_bytes()).unwrap(), two);
        for senseless in ["", "[]", "7", "{\"commands\":7}", "[7]", "{", "{} x"] {
            assert!(parse(senseless.as_bytes()).is_err(), "{senseless}");
        }
    }

    #[test]
    fn each_command_is_safe_to_repeat_and_its_end_decides_the_status() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("batch");
        let commands =
            "{\"op\":\"delete\",\"key\":\"a\",\"idempotency_key\":\"mine\"}\n{\"op\":\"delete\",\"key\":\"b\"}";
        std::fs::write(&file, commands).unwrap();
        let submit_to = |status: &'static str| {
            let node = FakeNode::start(move |earlier| match earlier {
                0 => Answer::hang_up(),
                _ => {
                    let results = [json!({ "status": "committed" }), json!({ "status": status })];
                    Answer::new(200, json!({ "results": results }).to_string())
                }
            });
            let nodes = NodeArguments { node: vec![node.url(), node.url()] };
            let patience = PatienceArguments { timeout: 5 };
            let (file, wait, key) = (file.clone(), Wait::Committed, KeyArguments::default());
            let arguments = SubmitArguments { file, wait, key, nodes, patience };
            let done = submit(&arguments, false);
            let bodies = node.requests().into_iter().map(|seen| seen.body).collect::<Vec<_>>();
            assert_eq!(bodies[0], bodies[1]);
            let sent: Value = serde_json::from_slice(&bodies[0]).unwrap();
            assert_eq!(sent["commands"][0]["idempotency_key"], "mine");
            assert!(sent["commands"][1]["idempotency_key"].as_str().unwrap().starts_with("cli-"));
            done
        };
        assert_eq!(submit_to("committed"), Ok(ExitCode::SUCCESS));
        assert_eq!(submit_to("rejected"), Ok(ExitCode::FAILURE));
    }
}
