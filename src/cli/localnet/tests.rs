//! Supervision of processes that behave like nodes: this test binary again, which then runs [`fake_node`] alone.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    process::Stdio,
    thread,
};

use tokio::process::Command;

use super::{
    supervise::{Plan, supervise},
    *,
};
use crate::cli::{
    client::{Client, Request},
    cluster::Member,
};

const PORT: &str = "THALWEG_TEST_PORT";
const WAY: &str = "THALWEG_TEST_WAY";

/// Not a test of its own: what the tests below start as a node. Serves `GET /readyz`, and stops when its standard
/// input ends, as nodes of a localnet do.
#[test]
fn fake_node() {
    let (Ok(port), Ok(way)) = (std::env::var(PORT), std::env::var(WAY)) else { return };
    eprintln!("node begins, {way}");
    if way == "dies" {
        std::process::exit(3);
    }
    let status = if way == "late" { 503 } else { 200 };
    let listener = TcpListener::bind(("127.0.0.1", port.parse().unwrap())).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let first = lines.next().unwrap_or_default();
            lines.find(String::is_empty);
            if first.starts_with("GET /exit") {
                std::process::exit(4);
            }
            let _ = write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    std::process::exit(0);
}

/// A node that behaves in the way given for its index, ready and well when none is.
fn command(member: &Member, ways: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "cli::localnet::tests::fake_node", "--nocapture"]);
    command.env(PORT, member.config.http.listen.port().to_string());
    command.env(WAY, ways.get(member.index).unwrap_or(&"well"));
    command
}

struct Net {
    dir: tempfile::TempDir,
    cluster: Cluster,
}

fn net(nodes: u16) -> Net {
    let dir = tempfile::tempdir().unwrap();
    let cluster = prepare(&arguments(nodes), dir.path()).unwrap();
    Net { dir, cluster }
}

fn arguments(validators: u16) -> Arguments {
    let chain = ChainArguments::default();
    Arguments {
        validators: Some(validators),
        listeners: None,
        dir: None,
        chain,
        http_port: Some(0),
        p2p_port: Some(0),
        exec: None,
        ready_timeout: 60,
    }
}

impl Net {
    fn run(&self, ways: &[&str], exec: &str, ready_timeout: Duration) -> Result<u8, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let status = runtime.block_on(supervise(&Plan {
            cluster: &self.cluster,
            command: &|member| command(member, ways),
            ready_timeout,
            exec: Some(exec),
            on_exec: &|_| {},
            json: true,
        }));
        runtime.shutdown_background();
        status
    }

    fn nobody_listens(&self) -> bool {
        place::refuse_taken(&self.cluster).is_ok()
    }
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_command_sees_the_nodes_and_gives_the_exit_status() {
    let net = net(2);
    let urls: Vec<_> = net.cluster.members.iter().map(report::url).collect();
    let out = net.dir.path().join("out");
    let exec = format!("printf %s \"$THALWEG_NODES\" > {}; exit 7", out.display());
    assert_eq!(net.run(&[], &exec, LONG), Ok(7));
    assert_eq!(std::fs::read_to_string(out).unwrap(), urls.join(","));
    assert!(net.nobody_listens(), "all nodes are stopped");
    assert_eq!(net.run(&[], "kill -9 $$", LONG), Ok(137), "a signal counts as shells count it");
}

#[test]
fn a_node_that_dies_early_fails_the_start_with_the_end_of_its_log() {
    let net = net(2);
    let failure = net.run(&["well", "dies"], "true", LONG).unwrap_err().to_string();
    assert!(failure.contains("node 1 ended before it was ready, by exit status 3"), "{failure}");
    assert!(failure.contains("node begins, dies"), "{failure}");
    assert!(net.nobody_listens());
}

#[test]
fn nodes_that_are_not_ready_in_time_fail_the_start_with_the_ends_of_their_logs() {
    let net = net(2);
    let failure = net.run(&["late", "late"], "true", Duration::from_secs(1)).unwrap_err().to_string();
    assert!(
        failure.contains("node 0 is not ready; the end of ") && failure.contains("node 1 is not ready"),
        "{failure}"
    );
    assert!(net.nobody_listens());
}

/// Not a test of its own: what the test below runs as its command. Makes node 0 die, and looks whether node 1 lives.
#[test]
fn fake_client() {
    if std::env::var_os("THALWEG_TEST_CLIENT").is_none() {
        return;
    }
    let nodes = std::env::var("THALWEG_NODES").unwrap();
    let (first, second) = nodes.split_once(',').unwrap();
    let ask = |url: &str, path: &str| {
        let client = Client::new(vec![url.to_owned()]);
        client.ask_around(&Request::get(path)).map(|reply| reply.status).ok()
    };
    assert_eq!(ask(second, "/readyz"), Some(200));
    assert_eq!(ask(first, "/exit"), None);
    assert_eq!(ask(second, "/readyz"), Some(200));
}

#[test]
fn the_others_go_on_when_a_node_dies() {
    let net = net(2);
    let program = std::env::current_exe().unwrap();
    let program = program.display();
    let exec = format!("THALWEG_TEST_CLIENT=1 '{program}' --exact cli::localnet::tests::fake_client >&2");
    assert_eq!(net.run(&[], &exec, LONG), Ok(0));
}

#[test]
fn a_node_stops_when_its_starter_is_gone() {
    let net = net(1);
    let member = &net.cluster.members[0];
    let mut node = command(member, &[]).into_std();
    let mut node = node.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    drop(node.stdin.take());
    assert!(node.wait().unwrap().success());
}

#[test]
fn a_chain_that_exists_goes_on_and_is_not_mistaken_for_another() {
    let net = net(2);
    let again = prepare(&Arguments { validators: None, ..arguments(2) }, net.dir.path()).unwrap();
    let (before, after) = (&net.cluster, &again);
    assert_eq!(before.genesis.chain_id(), after.genesis.chain_id());
    for (before, after) in before.members.iter().zip(&after.members) {
        assert_eq!((before.p2p(), &before.config), (after.p2p(), &after.config), "ports and keys are kept");
    }
    let mut other = arguments(3);
    other.chain.window = Some(2);
    let failure = prepare(&other, net.dir.path()).unwrap_err();
    assert!(failure.to_string().contains("--validators, --window"), "{failure}");
}

#[test]
fn listeners_have_no_validator_key() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = prepare(&Arguments { listeners: Some(2), ..arguments(1) }, dir.path()).unwrap();
    let keys = cluster.members.iter().map(|member| member.dir.join("validator.pem").exists());
    assert_eq!(keys.collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(Cluster::open(dir.path()).unwrap().validators(), 1);
}

#[test]
fn temporary_directories_are_removed_with_what_is_in_them() {
    let temporary = TemporaryDir::create().unwrap();
    let path = temporary.path().to_owned();
    std::fs::write(path.join("x"), "x").unwrap();
    drop(temporary);
    assert!(!path.exists());
}
