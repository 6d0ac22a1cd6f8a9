//! One validator of four is a real process that lies, by the liars of the simulator and with its own key. Whatever it
//! says: clients of the others are served and see one register for each key, the others agree and accuse nobody but the
//! liar, and where a lie proves itself, `/v1/evidence` names who told it.
//!
//! Only a build with the feature `planted` can lie: `cargo test --features planted --test cluster liars::`.

use rustix::process::Signal;
use thalweg::{protocol::Evidence, types::ValidatorIndex};

use crate::{
    audit::audit_but_the_last,
    cluster::{Cluster, PATIENCE, eventually, wait_until_gone},
    load::Load,
};

/// The node that lies: the last one.
const LIAR: usize = 3;
const HONEST: [usize; 3] = [0, 1, 2];

/// Answers while somebody lies.
const OPERATIONS: u64 = 250;

/// What honest nodes show of a lie.
#[derive(Clone, Copy, Debug)]
enum Mark {
    /// A proof that names the liar.
    Proof,
    /// Messages refused for this reason.
    Refused(&'static str),
}

/// A cluster whose last node has just begun to lie.
struct Stage {
    cluster: Cluster,
    liar: ValidatorIndex,
}

impl Stage {
    fn set(lie: &str) -> Self {
        eprintln!("{lie}:");
        let mut cluster = Cluster::start(&[]);
        let status = cluster.json(LIAR, "/v1/status").unwrap();
        let liar = status["node"].as_u64().and_then(|index| u16::try_from(index).ok()).expect("a validator's index");
        cluster.kill(&[LIAR]);
        cluster.spawn_with(&[LIAR], &["--lie", lie], &[]);
        eventually("the liar to run", PATIENCE, || cluster.get(LIAR, "/healthz").map(drop));
        assert!(cluster.log(LIAR).contains("this validator lies"), "{}", cluster.log(LIAR));
        Self { cluster, liar: ValidatorIndex::new(liar) }
    }

    /// Clients of the honest nodes.
    fn load(&self) -> Load {
        Load::start(&self.cluster.https()[..LIAR], 8)
    }

    /// Waits until the liar says in its log that it has lied: a test of an honest validator would show nothing.
    #[track_caller]
    fn wait_for_lie(&self) {
        eventually("a lie", PATIENCE, || match self.cluster.log(LIAR) {
            log if log.contains("something else was said than the node would have") => Ok(()),
            log => Err(log),
        });
    }

    /// Waits until some honest node shows what it must.
    #[track_caller]
    fn wait_for(&self, mark: Mark) {
        let sample = match mark {
            Mark::Proof => {
                return eventually("evidence", PATIENCE, || {
                    let found: Vec<_> = HONEST.iter().map(|node| self.accused_by(*node)).collect();
                    if found.iter().any(|accused| accused.contains(&self.liar)) {
                        Ok(())
                    } else {
                        Err(format!("{found:?}"))
                    }
                });
            }
            Mark::Refused(reason) => format!("thalweg_rejected_messages_total{{reason=\"{reason}\"}}"),
        };
        eventually(&sample, PATIENCE, || {
            let shown = HONEST.map(|node| self.sample(node, &sample));
            if shown.iter().any(|shown| *shown > 0.0) { Ok(()) } else { Err(format!("{shown:?}")) }
        });
    }

    /// One sample of a metric, with its labels.
    fn sample(&self, node: usize, sample: &str) -> f64 {
        let text = self.cluster.get(node, "/metrics").expect("the node answers");
        let value = text.lines().find_map(|line| line.strip_prefix(sample)).and_then(|value| value.trim().parse().ok());
        value.unwrap_or_else(|| panic!("no sample {sample}"))
    }

    /// Whom a node has proofs against.
    fn accused_by(&self, node: usize) -> Vec<ValidatorIndex> {
        let found = self.cluster.json(node, "/v1/evidence").expect("the node answers");
        let found: Vec<Evidence> = serde_json::from_value(found["evidence"].clone()).expect("proofs are shown");
        let accused = |evidence: &Evidence| match evidence {
            Evidence::Streamlette(evidence) => evidence.first.signer,
            Evidence::Pbft(evidence) => evidence.accused(),
            Evidence::Checkpoint(evidence) => evidence.first.signer,
        };
        found.iter().map(accused).collect()
    }

    /// Ends the load and looks at everything that the honest nodes have.
    #[track_caller]
    fn end(self, load: Load) {
        let outcome = load.finish();
        for node in HONEST {
            let accused = self.accused_by(node);
            assert!(accused.iter().all(|accused| *accused == self.liar), "node {node} accuses {accused:?}");
        }
        self.cluster.signal(LIAR, Signal::TERM);
        wait_until_gone(self.cluster.nodes[LIAR].pid);
        audit_but_the_last(self.cluster, outcome);
    }
}

/// Nothing comes of a lie, but that it may show.
#[track_caller]
fn achieves_nothing(lie: &str, mark: Option<Mark>) {
    let stage = Stage::set(lie);
    let load = stage.load();
    load.more(OPERATIONS, PATIENCE);
    stage.wait_for_lie();
    if let Some(mark) = mark {
        stage.wait_for(mark);
    }
    stage.end(load);
}

#[test]
#[cfg_attr(not(feature = "planted"), ignore = "nobody can lie without --features planted")]
fn who_proposes_two_things_is_proven_to_have_lied() {
    for lie in ["equivocator", "poisoner"] {
        achieves_nothing(lie, Some(Mark::Proof));
    }
}

#[test]
#[cfg_attr(not(feature = "planted"), ignore = "nobody can lie without --features planted")]
fn what_nobody_may_say_is_refused() {
    achieves_nothing("forger", Some(Mark::Refused("bad_signature")));
    achieves_nothing("usurper", Some(Mark::Refused("not_leader")));
}

/// Votes for what nobody has are kept unverified for a while, and prove nothing until somebody proposes that.
#[test]
#[cfg_attr(not(feature = "planted"), ignore = "nobody can lie without --features planted")]
fn who_speaks_of_what_is_not_there_holds_nobody_up() {
    for lie in ["turncoat", "flooder"] {
        achieves_nothing(lie, None);
    }
}

#[test]
#[cfg_attr(not(feature = "planted"), ignore = "nobody can lie without --features planted")]
fn who_says_less_or_too_late_is_not_missed() {
    for lie in ["silent", "withholder", "partial", "replayer"] {
        achieves_nothing(lie, None);
    }
}

/// The one who comes back asks everybody, the liar included, without which the others could not have gone on meanwhile.
#[test]
#[cfg_attr(not(feature = "planted"), ignore = "nobody can lie without --features planted")]
fn false_answers_mislead_nobody_who_catches_up() {
    for lie in ["false-diffs", "false-blocks"] {
        let mut stage = Stage::set(lie);
        stage.cluster.wait_until_ready(&[LIAR]);
        let load = stage.load();
        load.more(OPERATIONS, PATIENCE);
        stage.cluster.kill(&[2]);
        load.more(OPERATIONS / 5, PATIENCE);
        stage.cluster.restart(2);
        load.more(OPERATIONS, PATIENCE);
        stage.wait_for_lie();
        stage.end(load);
    }
}
