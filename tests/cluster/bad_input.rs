//! What operators and clients get wrong, and what strangers send: a clear error, no harm, no growth.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use crate::cluster::{Cluster, PATIENCE, eventually, thalweg};

/// A chain on disk, none of its nodes running.
struct Chain(tempfile::TempDir);

impl Chain {
    fn create() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = thalweg().args(["genesis", "--validators", "4", "--out"]).arg(dir.path().join("net")).output();
        assert!(made.unwrap().status.success());
        Self(dir)
    }

    fn node(&self, index: usize) -> PathBuf {
        self.0.path().join(format!("net/node{index}"))
    }

    /// Starts node 0, which must refuse to start: returns its exit status and what it said.
    fn refused(&self, arguments: &[&str]) -> (Option<i32>, String) {
        start(&self.node(0), arguments)
    }
}

fn start(node: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let free = ["--http-listen", "127.0.0.1:0", "--p2p-listen", "/ip4/127.0.0.1/tcp/0"];
    let given = |flag: &&&str| !arguments.contains(*flag);
    let free: Vec<_> = free.chunks(2).filter(|pair| given(&&pair[0])).flatten().collect();
    let said = tempfile::NamedTempFile::new().unwrap();
    let mut child = thalweg()
        .args(["start", "--stop-when-stdin-closes", "--config"])
        .arg(node.join("node.toml"))
        .args(free)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(said.reopen().unwrap())
        .spawn()
        .unwrap();
    let status = eventually("the node to refuse to start", PATIENCE, || {
        child.try_wait().map_err(|error| error.to_string())?.ok_or_else(|| "it runs".to_owned())
    });
    (status.code(), fs::read_to_string(said.path()).unwrap())
}

/// All files below a directory with what is in them.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(contents(&path)),
            false => drop(found.insert(path.clone(), fs::read(path).unwrap())),
        }
    }
    found
}

#[track_caller]
fn assert_says(said: &str, words: &[&str]) {
    words.iter().for_each(|word| assert!(said.contains(word), "does not say {word:?}:\n{said}"));
}

#[test]
fn everything_that_is_wrong_with_a_configuration_is_told_at_once() {
    let chain = Chain::create();
    let file = chain.node(0).join("node.toml");
    let mut text = fs::read_to_string(&file).unwrap();
    for (section, wrong) in [
        ("mempool", "bytes_max = 1\ncommands_maximum = 5"),
        ("consensus", "round_timeout_min_ms = 9000\nround_timeout_max_ms = 100"),
        ("log", "level = 7"),
    ] {
        let heading = format!("[{section}]\n");
        assert!(text.contains(&heading), "{text}");
        text = text.replace(&heading, &format!("{heading}{wrong}\n"));
    }
    fs::write(&file, text).unwrap();
    let (status, said) = chain.refused(&["--set", "http.workers=many"]);
    assert_eq!(status, Some(2), "{said}");
    let keys = [
        "mempool.bytes_max",
        "mempool.commands_maximum",
        "consensus.round_timeout_min_ms",
        "log.level",
        "http.workers",
    ];
    assert_says(&said, &keys);
    fs::write(&file, "[node\ngenesis = ").unwrap();
    let (status, said) = chain.refused(&[]);
    assert_eq!(status, Some(2), "{said}");
    assert_says(&said, &["node.toml", "line 1"]);
}

#[test]
fn keys_of_another_chain_are_refused_by_name() {
    let (ours, other) = (Chain::create(), Chain::create());
    fs::copy(other.node(0).join("validator.pem"), ours.node(0).join("validator.pem")).unwrap();
    fs::write(ours.node(0).join("peer.pem"), "-----BEGIN PRIVATE KEY-----\nnonsense\n").unwrap();
    let (status, said) = ours.refused(&[]);
    assert_eq!(status, Some(2), "{said}");
    assert_says(&said, &["node.validator_key", "is not a validator of this genesis", "node.peer_key"]);
    fs::set_permissions(ours.node(0).join("peer.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    let (status, said) = ours.refused(&[]);
    assert_eq!(status, Some(2), "{said}");
    assert_says(&said, &["node.peer_key", "has mode 644: others may use it", "chmod 600"]);
}

#[test]
fn the_data_of_another_chain_or_of_a_running_node_is_left_alone() {
    let (ours, other) = (Chain::create(), Chain::create());
    let journal = other.node(0).join("data/journal");
    let before = contents(&journal);
    assert!(!before.is_empty());
    let (status, said) = ours.refused(&["--set", &format!("node.data={}", other.node(0).join("data").display())]);
    assert_eq!(status, Some(1), "{said}");
    assert_says(&said, &["data directory", "chain"]);
    assert!(contents(&journal) == before, "the journal of another chain was written to");

    let cluster = Cluster::start(&[]);
    let (status, said) = start(&cluster.nodes[1].dir, &[]);
    assert_eq!(status, Some(1), "{said}");
    assert_says(&said, &["data directory", "a running node has locked it"]);
    cluster.put(1, "unharmed", "value").unwrap();
    cluster.stop();
}

#[test]
fn a_journal_that_is_missing_is_a_fault() {
    let chain = Chain::create();
    fs::remove_dir_all(chain.node(0).join("data/journal")).unwrap();
    let (status, said) = chain.refused(&[]);
    assert_eq!(status, Some(1), "{said}");
    assert_says(&said, &["data directory", "journal"]);
}

#[test]
fn taken_ports_are_told_by_number() {
    let chain = Chain::create();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _holder = TcpListener::bind(taken).unwrap();
    let (status, said) = chain.refused(&["--http-listen", &taken.to_string()]);
    assert_eq!(status, Some(1), "{said}");
    assert_says(&said, &["http: cannot listen", &taken.to_string()]);
    let p2p = format!("/ip4/127.0.0.1/tcp/{}", taken.port());
    let (status, said) = chain.refused(&["--p2p-listen", &p2p]);
    assert_eq!(status, Some(1), "{said}");
    assert_says(&said, &["network: cannot listen", &taken.port().to_string()]);
}

/// Sends bytes and returns what comes back until the node closes or says nothing more.
fn exchange(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("the node accepts");
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    // The node may hang up in the middle: that is an answer too.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn malformed_http_costs_nobody_anything() {
    let cluster = Cluster::start(&[]);
    cluster.put(0, "river", "to the sea").unwrap();
    let address = cluster.nodes[0].http.trim_start_matches("http://").to_owned();
    let long = "a".repeat(300_000);
    let requests: Vec<Vec<u8>> = [
        "\0\u{1}\u{2}garbage\r\n\r\n".to_owned(),
        "GET\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
        format!("GET /{long} HTTP/1.1\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nx: {long}\r\n\r\n"),
        "PUT /v1/kv/a HTTP/1.1\r\nContent-Length: -1\r\n\r\n".to_owned(),
        "PUT /v1/kv/a HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n".to_owned(),
        "PUT /v1/kv/a HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef".to_owned(),
        "PUT /v1/kv/a HTTP/1.1\r\nContent-Length: 4000000000\r\n\r\nabc".to_owned(),
        "PUT /v1/kv/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n".to_owned(),
        "PUT /v1/kv/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc".to_owned(),
        "POST /v1/commands HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\n\r\n{\"commands\":[{}]}".to_owned(),
        format!("POST /v1/commands HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{}", "[".repeat(100_000)),
        "PUT /v1/kv/%zz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na".to_owned(),
        "GET /v1/blocks/18446744073709551616 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET /v1/commands/nonsense HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET /v1/kv/../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
    ]
    .map(String::into_bytes)
    .to_vec();
    let before = cluster.metric(0, "process_resident_memory_bytes").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for request in requests.iter().cycle().take(6 * requests.len()) {
                    let answer = String::from_utf8_lossy(&exchange(&address, request)).into_owned();
                    let is_refusal = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
                    assert!(is_refusal, "{:.80} was answered {answer:.200}", String::from_utf8_lossy(request));
                }
            });
        }
    });
    let after = cluster.metric(0, "process_resident_memory_bytes").unwrap();
    assert!(after < before + f64::from(64 << 20), "memory has grown from {before} to {after} bytes");
    assert!(!cluster.log(0).contains("panicked"), "{}", cluster.log(0));
    assert_eq!(cluster.get(0, "/v1/kv/river").unwrap(), "to the sea");
    cluster.put(0, "after", "value").unwrap();
    cluster.stop();
}
