//! An embedded replica ([`embedded`]), and how a process ends when a part of it panics: this test binary again, which
//! then runs [`doomed`] alone.

mod embedded;

use std::process::{Command, Stdio};

use actix::prelude::*;

use super::*;

const WAY: &str = "THALWEG_TEST_PANIC";

struct Doomed;

impl Actor for Doomed {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Die;

impl Handler<Die> for Doomed {
    type Result = ();

    fn handle(&mut self, _: Die, _: &mut Self::Context) {
        panic!("as the test wants it");
    }
}

/// Not a test of its own: what the test below starts as a process. Without the hook each of these panics would be
/// caught somewhere, and the process would end as if all were well.
#[test]
fn doomed() {
    let Ok(way) = std::env::var(WAY) else { return };
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    end_on_panic();
    let caught = match way.as_str() {
        "thread" => std::thread::spawn(|| panic!("as the test wants it")).join().is_err(),
        "task" => {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
            runtime.block_on(runtime.spawn(async { panic!("as the test wants it") })).is_err()
        }
        "actor" => System::new().block_on(async { Doomed.start().send(Die).await.is_err() }),
        "arbiter" => System::new().block_on(async {
            let arbiter = Arbiter::new();
            Doomed::start_in_arbiter(&arbiter.handle(), |_| Doomed).send(Die).await.is_err()
        }),
        other => unreachable!("{other}"),
    };
    eprintln!("went on after a panic: {caught}");
    std::process::exit(0);
}

#[test]
fn a_panic_anywhere_ends_the_process_with_its_own_status_and_a_last_line() {
    for way in ["thread", "task", "actor", "arbiter"] {
        let mut process = Command::new(std::env::current_exe().unwrap());
        let process = process.args(["--exact", "node::tests::doomed", "--nocapture"]).env(WAY, way);
        let output = process.stdin(Stdio::null()).output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(exit::PANICKED.into()), "{way}: {log}");
        assert!(log.contains("a part of the node panicked; the process ends"), "{way}: {log}");
        assert!(log.contains("as the test wants it") && !log.contains("went on"), "{way}: {log}");
    }
}
