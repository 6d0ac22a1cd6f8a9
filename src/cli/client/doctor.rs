//! `thalweg doctor`: why nothing is being decided, as each node sees it.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::{Client, NodeArguments, Request, Trouble, look::word};
use crate::cli::{Failure, output, table::table};

/// Say why nothing is being decided: missing votes, silent validators, full queues and disks, as each node sees it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  thalweg doctor
  thalweg doctor --json --node http://127.0.0.1:8700,http://127.0.0.1:8701")]
pub(in crate::cli) struct DoctorArguments {
    #[command(flatten)]
    nodes: NodeArguments,
}

/// Asks every node, and fails when none answers. With `json`, one line for each node: its diagnosis with its `url`, or
/// an `error`.
pub(in crate::cli) fn doctor(arguments: &DoctorArguments, json: bool) -> Result<ExitCode, Failure> {
    let client = Client::new(arguments.nodes.node.clone());
    let mut answered = false;
    for node in client.nodes() {
        let answer = examine(&client, node);
        answered |= answer.is_ok();
        match (json, answer) {
            (true, Ok(mut diagnosis)) => {
                if let Some(members) = diagnosis.as_object_mut() {
                    members.insert("url".to_owned(), json!(node));
                }
                output::line(&diagnosis)?;
            }
            (true, Err(trouble)) => output::line(&json!({ "url": node, "error": trouble.to_string() }))?,
            (false, Ok(diagnosis)) => output::bytes(text(node, &diagnosis).as_bytes())?,
            (false, Err(trouble)) => output::bytes(format!("{trouble}\n").as_bytes())?,
        }
    }
    Ok(if answered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn examine(client: &Client, node: &str) -> Result<Value, Trouble> {
    let reply = client.ask(node, &Request::get("/v1/doctor"))?;
    if !reply.is_success() {
        return Err(Trouble::Problem(reply.problem()));
    }
    let no_json = |error: serde_json::Error| Trouble::Unreachable { node: node.to_owned(), error: error.to_string() };
    serde_json::from_slice(&reply.body).map_err(no_json)
}

fn text(node: &str, diagnosis: &Value) -> String {
    let list = |name: &str| diagnosis[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut lines = vec![format!("{node}: height {}", word(&diagnosis["height"]))];
    match list("findings") {
        [] => lines.push("  all is well here".to_owned()),
        findings => lines.extend(findings.iter().map(|finding| format!("  * {}", word(finding)))),
    }
    lines.extend(list("advice").iter().map(|advice| format!("  try: {}", word(advice))));
    let heading = ["VALIDATOR", "CONNECTED", "HEIGHT", "LAST HEARD"].map(str::to_owned).to_vec();
    let patient = |validator: &Value| {
        if validator["is_self"] == true {
            return vec![word(&validator["index"]), "itself".to_owned(), word(&diagnosis["height"])];
        }
        let heard = validator["last_heard_ms_ago"].as_u64();
        let heard = heard.map_or("-".to_owned(), |ms| format!("{}.{} s ago", ms / 1000, ms % 1000 / 100));
        vec![word(&validator["index"]), word(&validator["is_connected"]), word(&validator["height"]), heard]
    };
    let rows: Vec<_> = std::iter::once(heading).chain(list("validators").iter().map(patient)).collect();
    lines.extend(table(&rows).lines().map(|line| format!("  {line}")));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::testing::{Answer, FakeNode, closed_port};

    const SICK: &str = r#"{"height":7,"findings":["votes missing: validator 2"],"validators":[
        {"index":0,"is_self":true,"is_connected":false,"height":null,"last_heard_ms_ago":null},
        {"index":2,"is_self":false,"is_connected":true,"height":5,"last_heard_ms_ago":61234}]}"#;

    #[test]
    fn findings_come_first_and_validators_below() {
        let text = text("u", &serde_json::from_str(SICK).unwrap());
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[..2], ["u: height 7", "  * votes missing: validator 2"]);
        assert_eq!(lines[3], "  0          itself     7");
        assert_eq!(lines[4], "  2          yes        5       61.2 s ago");
        assert!(super::text("u", &json!({ "height": 1 })).contains("all is well"));
    }

    #[test]
    fn one_answer_is_enough_and_none_is_a_failure() {
        let node = FakeNode::start(|_| Answer::new(200, SICK));
        let ask = |node: Vec<String>| doctor(&DoctorArguments { nodes: NodeArguments { node } }, true);
        assert_eq!(ask(vec![closed_port(), node.url()]), Ok(ExitCode::SUCCESS));
        assert_eq!(ask(vec![closed_port()]), Ok(ExitCode::FAILURE));
    }
}
