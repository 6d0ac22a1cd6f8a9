//! What a person at a terminal is asked, and what of the answers is to be seen. The terminal is real: `script` makes one.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use crate::cluster::{hold, thalweg};

const PASSPHRASE: &str = "correct horse battery staple";

/// Runs the program at a terminal and answers what it asks, one question after the other. Returns its exit status and
/// everything that was to be seen.
fn at_terminal(arguments: &str, dir: &Path, dialogue: &[(&str, &str)]) -> (Option<i32>, String) {
    let command = format!("{} {arguments}", env!("CARGO_BIN_EXE_thalweg"));
    let mut script = Command::new("script")
        .args(["--quiet", "--flush", "--return", "--command", &command, "/dev/null"])
        .current_dir(dir)
        .env_remove("THALWEG_PASSPHRASE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script, of util-linux");
    let (mut keyboard, mut screen) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
    let (mut seen, mut answered, mut bytes) = (Vec::new(), 0, [0; 1024]);
    let mut left = dialogue.iter();
    let mut next = left.next();
    loop {
        let count = screen.read(&mut bytes).expect("what is to be seen");
        if count == 0 {
            break;
        }
        seen.extend_from_slice(&bytes[..count]);
        // A question that has not been answered yet.
        let text = String::from_utf8_lossy(&seen[answered..]);
        if let Some((_, answer)) = next.filter(|(question, _)| text.contains(question)) {
            answered = seen.len();
            // A person needs longer than the program from its question to the moment that it hides what is typed.
            hold(Duration::from_millis(300));
            writeln!(keyboard, "{answer}").expect("somebody listens");
            next = left.next();
        }
    }
    assert!(next.is_none(), "was not asked {next:?}: {}", String::from_utf8_lossy(&seen));
    (script.wait().unwrap().code(), String::from_utf8_lossy(&seen).into_owned())
}

#[test]
fn new_passphrase_is_asked_for_twice_and_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let ask = |second| {
        let dialogue = [("Passphrase of client.pem: ", PASSPHRASE), ("The same again: ", second)];
        at_terminal("keygen client.pem --encrypt", dir.path(), &dialogue)
    };
    let (status, seen) = ask("correct horse battery stable");
    assert_eq!(status, Some(2), "{seen}");
    assert!(seen.contains("the two passphrases differ; nothing was written"), "{seen}");
    assert!(!dir.path().join("client.pem").exists());
    let (status, seen) = ask(PASSPHRASE);
    assert_eq!(status, Some(0), "{seen}");
    assert!(seen.contains("client.pem: client ") && !seen.contains("horse"), "{seen}");
    assert!(fs::read_to_string(dir.path().join("client.pem")).unwrap().contains("BEGIN ENCRYPTED PRIVATE KEY"));
}

#[test]
fn node_asks_for_the_passphrase_of_its_key_and_says_when_it_is_the_wrong_one() {
    let dir = tempfile::tempdir().unwrap();
    let made = thalweg().args(["genesis", "--validators", "4", "--out"]).arg(dir.path().join("net")).output();
    assert!(made.unwrap().status.success());
    let (_, seen) = at_terminal(
        "keygen net/node0/own.pem --encrypt",
        dir.path(),
        &[("Passphrase of net/node0/own.pem: ", PASSPHRASE), ("The same again: ", PASSPHRASE)],
    );
    let start = "start --config net/node0/node.toml --set node.peer_key=own.pem --set node.genesis=nowhere.json";
    let wrong = at_terminal(start, dir.path(), &[("own.pem: ", "another passphrase")]);
    assert_eq!(wrong.0, Some(2), "{seen} {}", wrong.1);
    assert!(wrong.1.contains("own.pem: the passphrase does not open it"), "{}", wrong.1);
    assert!(!wrong.1.contains("another passphrase"), "{}", wrong.1);
    let (status, seen) = at_terminal(start, dir.path(), &[("own.pem: ", PASSPHRASE)]);
    assert_eq!(status, Some(2), "{seen}");
    // Genesis alone is wrong now.
    assert!(seen.contains("nowhere.json") && !seen.contains("does not open it"), "{seen}");
}
