//! Simulated runs against the model: every vote that an honest validator makes durable is one that the model allows at
//! that moment, every executed decision is one that the model has come to, and agreement holds after each step.

use std::collections::BTreeMap;

use thalweg::{
    journal::Entry,
    protocol::{
        Certificate, Record,
        streamlette::{self, Header},
    },
    sim::{
        Faults, Lie, Scenario,
        checkers::{Checker, Sight},
        run_with,
    },
    types::Digest,
};

use crate::{
    rules::{Model, Rules, Vote},
    state::{Id, State},
};

const TWINS: u32 = 16;

/// One instance, followed through the model.
struct Run {
    model: Model,
    state: State,
    headers: BTreeMap<Digest, Header>,
    ids: BTreeMap<Digest, Id>,
}

impl Run {
    fn new(model: Model) -> Self {
        let state = State::of(model.honest);
        Self { model, state, headers: BTreeMap::new(), ids: BTreeMap::new() }
    }

    /// The model's id of a message: the next free one of its tick when it is new.
    fn id(&mut self, target: Digest, tick: streamlette::Tick) -> Result<Id, String> {
        if let Some(id) = self.ids.get(&target) {
            return Ok(*id);
        }
        let first = u32::try_from(tick.get()).map_err(|_| "a tick beyond all reason")? * TWINS;
        let free = (first..first + TWINS).find(|id| self.ids.values().all(|taken| taken != id));
        let id = free.ok_or("more twins of a tick than a liar has votes for")?;
        self.ids.insert(target, id);
        Ok(id)
    }

    /// A record of a vote: what it stands on comes with it, or came with an earlier one (`SL-V3`).
    fn on_vote(
        &mut self,
        voter: usize,
        instance: &Digest,
        vote: streamlette::Vote,
        items: &[streamlette::Item],
    ) -> Result<(), String> {
        self.headers.extend(items.iter().filter_map(|item| Some((item.vote(instance).target, item.header()?))));
        let header = *self.headers.get(&vote.target).ok_or("nothing is known of what it votes for")?;
        let parent = match header.parent() {
            None => None,
            Some(parent) => Some(*self.ids.get(&parent).ok_or("nobody honest has voted for the parent")?),
        };
        let id = self.id(vote.target, vote.tick)?;
        let step = Vote { voter, id, parent };
        // After a crash the journal tells it once more.
        if self.state.voters[voter].voted.contains(&id) {
            return Ok(());
        }
        self.model.allows(&self.state, step)?;
        self.state = self.model.cast(&self.state, step);
        let depth = self.state.get(id).map(|message| u64::from(message.depth));
        if depth != Some(header.depth().get()) {
            return Err(format!("it stands at depth {depth:?}, not {:?}", header.depth()));
        }
        if self.model.is_agreed(&self.state) && self.model.has_no_rivals(&self.state) {
            Ok(())
        } else {
            Err("with it, two values are decided".into())
        }
    }

    fn on_decision(&self, certificate: &streamlette::Certificate, instance: &Digest) -> Result<(), String> {
        let root = Header::Proposal(certificate.proposal).id(instance);
        let root = self.ids.get(&root).ok_or("nobody honest has voted for what is decided")?;
        let decisions = self.model.decisions(&self.state);
        if decisions.iter().any(|decision| decision.root == *root) {
            Ok(())
        } else {
            Err("the model has not decided that".into())
        }
    }
}

/// A world, followed through the model.
struct Replay {
    model: Model,
    runs: BTreeMap<Digest, Run>,
    /// Which of the model's voters each honest node is, in the order in which they are first seen.
    voters: BTreeMap<usize, usize>,
}

impl Replay {
    fn new(scenario: &Scenario) -> Self {
        let liars = scenario.liars;
        let honest = scenario.validators - liars;
        let model = Model { rules: Rules::Ours, honest, liars, ticks: u32::MAX / TWINS, twins: TWINS };
        Self { model, runs: BTreeMap::new(), voters: BTreeMap::new() }
    }

    fn on_entries(&mut self, node: usize, entries: &[Entry]) -> Result<(), String> {
        let next = self.voters.len();
        let voter = *self.voters.entry(node).or_insert(next);
        for entry in entries {
            let Entry::Instance { instance, record, .. } = entry else { continue };
            let Record::Streamlette(streamlette::Record::Vote { vote, items, .. }) = record else { continue };
            let run = self.runs.entry(*instance).or_insert_with(|| Run::new(self.model));
            let step = run.on_vote(voter, instance, *vote, items);
            step.map_err(|why| format!("the model forbids node {node} its vote in tick {:?}: {why}", vote.tick))?;
        }
        Ok(())
    }
}

impl Checker for Replay {
    fn id(&self) -> &'static str {
        "model"
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        match sight {
            Sight::Persisted { node, entries } | Sight::Remembered { node, entries, .. } => {
                self.on_entries(*node, entries)
            }
            Sight::Executed { instance, block, .. } => {
                let Certificate::Streamlette(certificate) = &block.certificate else {
                    return Err("a decision of another protocol".into());
                };
                let run = self.runs.get(instance).ok_or("a decision of an instance without votes")?;
                run.on_decision(certificate, instance)
            }
            _ => Ok(()),
        }
    }
}

fn play(scenario: &Scenario, seeds: u64) {
    for seed in 0..seeds {
        let report = run_with(scenario, seed, Box::new(Replay::new(scenario)));
        assert_eq!(report.violation, None, "seed {seed} of {scenario:?}");
        assert!(report.height.get() > 0, "seed {seed} decided nothing");
    }
}

/// Whose memory rots is no longer honest, but its votes of before would count as such.
const BAD_DAY: Faults = Faults { rot: 0, ..Faults::HEAVY };

#[test]
fn honest_runs_are_steps_of_the_model() {
    play(&Scenario { faults: BAD_DAY, is_swarm: true, commands: 10, ..Scenario::default() }, 15);
}

#[test]
fn runs_with_a_liar_are_steps_of_the_model() {
    for lie in [None, Some(Lie::Equivocator), Some(Lie::Turncoat), Some(Lie::Withholder), Some(Lie::Twins)] {
        play(&Scenario { liars: 1, lie, faults: BAD_DAY, is_swarm: true, commands: 8, ..Scenario::default() }, 4);
    }
}

/// The replay is alive: beyond a third, what is voted for and decided is not what the model comes to.
#[test]
fn runs_beyond_the_model_are_noticed() {
    let scenario =
        Scenario { liars: 2, lie: Some(Lie::Conspirator), faults: Faults::NONE, commands: 5, ..Scenario::default() };
    let noticed = (0..10).any(|seed| {
        // As if one of the two were honest: the model hears nothing of its votes.
        let replay = Replay::new(&Scenario { liars: 1, ..scenario.clone() });
        run_with(&scenario, seed, Box::new(replay)).violation.is_some_and(|violation| violation.checker == "model")
    });
    assert!(noticed);
}
