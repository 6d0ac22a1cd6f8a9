//! How processes end: when they are asked to, when a part of them fails, and when whoever started them is killed.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpStream,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    audit::audit,
    cluster::{Cluster, PATIENCE, eventually, is_running, signal, thalweg, wait_until_gone},
    load::{Client, Load},
};

/// How long a node may take to stop when it is asked to.
const STOP_WITHIN: Duration = Duration::from_secs(2);

#[test]
fn sigterm_under_load_ends_in_order_within_two_seconds() {
    let mut cluster = Cluster::start(&[]);
    cluster.kill(&[3]);
    cluster.restart(3);
    let load = Load::start(&cluster.https(), 8);
    for _ in 0..3 {
        load.more(100, PATIENCE);
        let asked = Instant::now();
        cluster.signal(3, Signal::TERM);
        let status = cluster.wait_for_end(3, STOP_WITHIN);
        eprintln!("stopped in {:?}", asked.elapsed());
        assert_eq!(status.code(), Some(0), "{}", cluster.log(3));
        assert!(cluster.log(3).lines().last().is_some_and(|line| line.contains("stopped")), "{}", cluster.log(3));
        load.more(100, PATIENCE);
        cluster.restart(3);
    }
    let outcome = load.finish();
    audit(cluster, outcome);
}

/// It begins once more for that, as the same process; whoever has set it himself is left alone.
#[test]
fn a_node_keeps_freed_memory_for_longer() {
    let mut cluster = Cluster::start(&[]);
    let delay = |cluster: &Cluster| {
        let environment = std::fs::read(format!("/proc/{}/environ", cluster.nodes[0].pid)).unwrap();
        let mut set = environment.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        set.find_map(|set| Some(set.strip_prefix("MIMALLOC_PURGE_DELAY=")?.to_owned()))
    };
    assert_eq!(delay(&cluster).as_deref(), Some("10000"));
    cluster.kill(&[0]);
    cluster.spawn(&[0], &[("MIMALLOC_PURGE_DELAY", "500")]);
    cluster.wait_until_ready(&[0]);
    assert_eq!(delay(&cluster).as_deref(), Some("500"));
    cluster.stop();
}

#[test]
fn sigterm_answers_those_who_wait_for_what_cannot_come() {
    let mut cluster = Cluster::start(&[]);
    cluster.kill(&[0]);
    cluster.restart(0);
    [2, 3].iter().for_each(|node| cluster.signal(*node, Signal::STOP));
    let url = format!("{}/v1/kv/river?timeout_ms=60000", cluster.nodes[0].http);
    let waiting = std::thread::spawn(move || Client::new(PATIENCE).send("PUT", &url, Some("river"), "to the sea"));
    eventually("the write to wait", PATIENCE, || match cluster.metric(0, "mempool_commands")? {
        0.0 => Err("it does not".to_owned()),
        _ => Ok(()),
    });
    // A client that is idle, and one that sends half a request, hold nothing up.
    let address = cluster.nodes[0].http.trim_start_matches("http://").to_owned();
    let _idle = TcpStream::connect(&address).unwrap();
    let mut half = TcpStream::connect(&address).unwrap();
    std::io::Write::write_all(&mut half, b"PUT /v1/kv/half HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf").unwrap();
    cluster.signal(0, Signal::TERM);
    assert_eq!(cluster.wait_for_end(0, STOP_WITHIN).code(), Some(0));
    let reply = waiting.join().unwrap().expect("an answer before the end");
    assert_eq!((reply.status, reply.json()["type"].as_str()), (504, Some("urn:thalweg:problem:fate-unknown")));
    let id = reply.json()["id"].as_str().expect("with the id").to_owned();

    // Three of four again: the write was passed on, or its retry commits it.
    [2, 3].iter().for_each(|node| cluster.signal(*node, Signal::CONT));
    let url = format!("{}/v1/kv/river", cluster.nodes[1].http);
    let again = Client::new(PATIENCE).send("PUT", &url, Some("river"), "to the sea").unwrap().json();
    assert_eq!((again["id"].as_str(), again["result"]["existed"].as_bool()), (Some(id.as_str()), Some(false)));
    cluster.restart(0);
    cluster.stop();
}

#[test]
fn the_death_of_a_node_is_told_and_the_others_go_on() {
    let cluster = Cluster::start(&[]);
    cluster.kill(&[2]);
    eventually("localnet to tell", PATIENCE, || {
        let told = std::fs::read_to_string(cluster.dir().join("localnet.log")).unwrap();
        let is_told = told.contains("node 2 ended by signal 9") && told.contains("thalweg start --config");
        if is_told { Ok(()) } else { Err(told) }
    });
    cluster.put(0, "after", "value").unwrap();
    cluster.stop();
}

#[test]
fn nothing_is_left_behind_when_localnet_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let pids = dir.path().join("pids");
    // A command that starts another one, and both ignore what a polite end would be.
    let exec = format!("trap '' TERM; sleep 1000 & echo $$ $! > {0}.new; mv {0}.new {0}; wait; wait", pids.display());
    let mut localnet = thalweg()
        .args(["localnet", "--json", "--http-port", "0", "--p2p-port", "0", "--exec", &exec])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(localnet.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let table: serde_json::Value = serde_json::from_str(&line).unwrap();
    let net = Path::new(table["genesis"].as_str().unwrap()).parent().unwrap().to_owned();
    let mut left: Vec<u32> = table["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| u32::try_from(node["pid"].as_u64().unwrap()).unwrap())
        .collect();
    let command = eventually("the command to run", PATIENCE, || {
        std::fs::read_to_string(&pids).map_err(|error| error.to_string())
    });
    left.extend(command.split_whitespace().map(|pid| pid.parse::<u32>().unwrap()));
    assert_eq!(left.len(), 6, "four nodes, a shell and what it started");
    assert!(left.iter().all(|pid| is_running(*pid)) && net.is_dir());
    signal(localnet.id(), Signal::KILL);
    localnet.wait().unwrap();
    left.into_iter().for_each(wait_until_gone);
    eventually("the temporary directory to be gone", PATIENCE, || match net.exists() {
        true => Err(format!("{} is there", net.display())),
        false => Ok(()),
    });
}
