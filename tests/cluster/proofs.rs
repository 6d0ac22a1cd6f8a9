//! Reads that are proven: a client that trusts no node, before honest nodes and before one that lies.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
};

use serde_json::{Value, json};
use thalweg::{config::Genesis, types::Height};

use crate::{
    cluster::{Cluster, thalweg},
    trust_no_node::{Fact, read},
};

/// What a liar makes of an honest answer.
type Lie = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// A node that passes questions on to an honest one, and lies about its answers. Returns its URL; its threads end with
/// the process.
fn liar(honest: &str, lie: impl Fn(&mut Value) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (honest, lie): (String, Lie) = (honest.to_owned(), Arc::new(lie));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (honest, lie) = (honest.clone(), Arc::clone(&lie));
            std::thread::spawn(move || answer(stream.unwrap(), &honest, &lie));
        }
    });
    url
}

/// Answers one request, and hangs up.
fn answer(mut stream: TcpStream, honest: &str, lie: &Lie) {
    let head = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
    let head: Vec<String> = head.take_while(|line| !line.is_empty()).collect();
    let target = head[0].split(' ').nth(1).unwrap();
    let mut reply = ureq::get(format!("{honest}{target}")).call().unwrap();
    let mut document: Value = serde_json::from_str(&reply.body_mut().read_to_string().unwrap()).unwrap();
    lie(&mut document);
    let body = document.to_string();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
}

fn fact(height: Height, value: &str) -> Fact {
    Fact { height, value: Some(value.into()) }
}

/// What a lying proxy makes of an answer.
type Edit = Box<dyn Fn(&mut Value) + Send + Sync>;

#[test]
fn a_client_that_trusts_no_node_is_not_deceived() {
    let cluster = Cluster::start(&[]);
    let genesis = Genesis::load(&cluster.genesis()).unwrap();
    let https = cluster.https();
    let nodes: Vec<&str> = https.iter().map(String::as_str).collect();
    for number in 0..20 {
        cluster.put(0, &format!("other-{number}"), "noise").unwrap();
    }
    let old = Height::new(cluster.put(0, "account", "poor").unwrap());
    let stale = cluster.json(0, &format!("/v1/kv/account?proof=true&at_least={old}&timeout_ms=60000")).unwrap();
    let written = Height::new(cluster.put(0, "account", "rich").unwrap());

    for node in &nodes {
        let proven = read(&genesis, &[node], b"account", written).unwrap();
        assert_eq!(proven, fact(proven.height, "rich"));
        assert_eq!(read(&genesis, &[node], b"nobody", written).unwrap().value, None, "absence is proven as well");
    }

    let other = cluster.json(0, "/v1/kv/other-7?proof=true&timeout_ms=60000").unwrap();
    // What the validators have signed of the state, and where that says of which history it is.
    let is_long = cluster.json(0, "/v1/status").unwrap()["protocol"] == "pbft";
    let attested = move |answer: &mut Value, member: &str, change: &dyn Fn(&mut Value)| {
        let attestation = &mut answer["attestation"];
        change(match (is_long, member) {
            (true, "history") => &mut attestation["checkpoint"]["checkpoint"]["history"],
            (true, _) => &mut attestation["checkpoint"]["checkpoint"]["stable"]["vouchers"],
            (false, "history") => &mut attestation["history"]["history"],
            (false, _) => &mut attestation["history"]["certificate"]["streamlette"]["votes"],
        });
    };
    let lies: [(&str, Edit); 9] = [
        ("another value", Box::new(|answer| answer["value"] = hex::encode("poor").into())),
        ("no value", Box::new(|answer| answer["value"] = Value::Null)),
        ("no value, and a proof of nothing", {
            Box::new(|answer| {
                answer["value"] = Value::Null;
                answer["proof"] = json!({ "levels": [], "leaves": [] });
            })
        }),
        ("another key's value", Box::new(move |answer| *answer = other.clone())),
        ("an old state", Box::new(move |answer| *answer = stale.clone())),
        ("a state of its own", Box::new(|answer| answer["header"]["state_root"] = "ab".repeat(32).into())),
        ("a later height", Box::new(|answer| answer["header"]["height"] = 1_000_000.into())),
        (
            "a history of its own",
            Box::new(move |answer| attested(answer, "history", &|history| *history = "ab".repeat(32).into())),
        ),
        ("too few votes", {
            Box::new(move |answer| attested(answer, "votes", &|votes| votes.as_array_mut().unwrap().truncate(1)))
        }),
    ];
    for (name, lie) in lies {
        let liar = liar(nodes[1], lie);
        assert!(read(&genesis, &[&liar], b"account", written).is_err(), "deceived by {name}");
        let proven = read(&genesis, &[&liar, nodes[2]], b"account", written).unwrap();
        assert_eq!(proven, fact(proven.height, "rich"), "after {name}");
    }
    // The liar that lies about nothing is believed: what fails above is the lie, not the way through it.
    let honest = liar(nodes[1], |_| {});
    assert_eq!(read(&genesis, &[&honest], b"account", written).unwrap().value, Some(b"rich".to_vec()));
    cluster.stop();
}

#[test]
fn a_proven_read_is_checked_without_any_node() {
    let cluster = Cluster::start(&[]);
    let height = cluster.put(0, "proven", "value").unwrap();
    let text = cluster.get(3, &format!("/v1/kv/proven?proof=true&at_least={height}&timeout_ms=60000")).unwrap();
    let (file, genesis) = (cluster.dir().join("proof.json"), cluster.genesis());
    let verify = |text: &str| {
        std::fs::write(&file, text).unwrap();
        thalweg().args(["verify", "--json", "--genesis"]).arg(&genesis).arg(&file).output().unwrap()
    };
    let proven = verify(&text);
    assert!(proven.status.success(), "{}", String::from_utf8_lossy(&proven.stderr));
    let said: Value = serde_json::from_slice(&proven.stdout).unwrap();
    assert_eq!((&said["key"], &said["value"]), (&hex::encode("proven").into(), &hex::encode("value").into()));
    assert!(said["height"].as_u64() >= Some(height));

    let forged = verify(&text.replace(&hex::encode("value"), &hex::encode("other")));
    assert_eq!(forged.status.code(), Some(1), "another value is not proven");

    let is_long = cluster.json(0, "/v1/status").unwrap()["protocol"] == "pbft";
    if is_long {
        // The read moved the chain to its first checkpoint.
        let text = cluster.get(3, "/v1/checkpoint").unwrap();
        let stable = verify(&text);
        assert!(stable.status.success(), "{}", String::from_utf8_lossy(&stable.stderr));
        let said: Value = serde_json::from_slice(&stable.stdout).unwrap();
        assert_eq!(said["height"], cluster.json(3, "/v1/status").unwrap()["stable_height"]);
        let root = said["state_root"].as_str().unwrap();
        assert_eq!(verify(&text.replace(root, &"ab".repeat(32))).status.code(), Some(1), "another state is not signed");
    }
    cluster.stop();
}
