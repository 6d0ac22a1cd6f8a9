//! `OB-2`, `OB-4`, `SL-T5` together: replicas that forward to each other and propose only when their brains say so.
//! The deciders are one oracle that decides a height as soon as somebody who leads it offers a payload.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::hands::*;
use crate::{
    app::{Block, Command},
    replica::{Effect, Fate, Input, Peer},
    types::{Height, ValidatorIndex},
};

/// Draws the next choice.
struct Dice {
    state: u64,
}

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.state >> 33).unwrap() % bound
    }
}

struct Cluster {
    nodes: Vec<Hands>,
    /// Who never proposes.
    dead: Option<ValidatorIndex>,
    decided: BTreeMap<Height, Block>,
    /// What each node's instances were told and have not asked about.
    stirred: Vec<BTreeSet<Height>>,
    wanted: Vec<BTreeSet<Height>>,
    messages: Vec<(usize, usize, Vec<Command>)>,
    empty_blocks: usize,
}

impl Cluster {
    /// Four validators and a listener.
    fn new(window: u64, dead: Option<u16>) -> Self {
        let mut nodes: Vec<Hands> = (0..4).map(|me| Hands::new(window, me)).collect();
        nodes.push(Hands::with(settings(window, None)));
        for node in &mut nodes {
            (0..4).for_each(|peer| node.peer_up(peer.into(), Some(peer)));
            node.peer_up(4, None);
        }
        let mut cluster = Self {
            stirred: vec![BTreeSet::new(); nodes.len()],
            wanted: vec![BTreeSet::new(); nodes.len()],
            nodes,
            dead: dead.map(validator),
            decided: BTreeMap::new(),
            messages: Vec::new(),
            empty_blocks: 0,
        };
        (0..5).for_each(|at| cluster.collect(at));
        cluster
    }

    /// Carries out what a node wants of others.
    fn collect(&mut self, at: usize) {
        for effect in self.nodes[at].take() {
            match effect {
                Effect::Forward { to, commands } => {
                    self.messages.extend(to.iter().map(|to| (at, to.position(), commands.clone())));
                }
                Effect::Open { setup } => {
                    self.stirred[at].insert(setup.height);
                }
                Effect::Demand { height, commands_since, waited_on } => {
                    self.stirred[at].insert(height);
                    if commands_since.is_some() || waited_on {
                        self.wanted[at].insert(height);
                    } else {
                        self.wanted[at].remove(&height);
                    }
                }
                Effect::Reply { fate: Fate::Full | Fate::Conflict | Fate::Expired, .. } => panic!("refused"),
                _ => {}
            }
        }
    }

    /// A node's instance asks for something to propose once for each thing that it was told. A height whose owner is
    /// dead is led by anyone who wants it.
    fn propose(&mut self, at: usize) {
        let me = validator(u16::try_from(at).unwrap());
        let leads = |height: &Height| {
            let owner = owner(*height);
            owner == me || (Some(owner) == self.dead && self.wanted[at].contains(height))
        };
        if at == 4 || Some(me) == self.dead {
            return;
        }
        let Some(height) = self.stirred[at].iter().copied().find(leads) else { return };
        self.stirred[at].remove(&height);
        if let Some(payload) = self.nodes[at].build(height.get())
            && !self.decided.contains_key(&height)
        {
            self.empty_blocks += usize::from(payload.commands.is_empty());
            self.decided.insert(height, block(height.get(), &payload.commands));
        }
        self.collect(at);
    }

    fn act(&mut self, dice: &mut Dice) {
        let at = dice.below(self.nodes.len());
        match dice.below(6) {
            0 if !self.messages.is_empty() => {
                let (from, to, commands) = self.messages.swap_remove(dice.below(self.messages.len()));
                let commands = commands.into_iter().map(Into::into).collect();
                self.nodes[to].step(Input::Forwarded { from: Peer(from as u64), commands });
                self.collect(to);
            }
            1 => self.propose(at),
            2 => {
                let open = self.nodes[at].open.keys().filter(|height| self.decided.contains_key(height));
                let open: Vec<Height> = open.copied().collect();
                if !open.is_empty() {
                    let block = self.decided[&open[dice.below(open.len())]].clone();
                    self.nodes[at].step(Input::Decided { block });
                }
            }
            3 => self.nodes[at].record(),
            4 => {
                self.nodes[at].execute();
            }
            _ => self.nodes[at].pass(millis(20)),
        }
        self.collect(at);
    }
}

fn everything_is_executed_everywhere(window: u64, dead: Option<u16>, submissions: &[(usize, u64)], seed: u64) {
    let mut cluster = Cluster::new(window, dead);
    let mut dice = Dice { state: seed };
    let mut left = submissions.iter();
    let mut wanted = BTreeSet::new();
    for step in 0..200_000 {
        if step % 7 == 0
            && let Some((at, number)) = left.next()
        {
            wanted.insert(command(*number).id());
            cluster.nodes[*at].submit(step, &command(*number));
            cluster.collect(*at);
        }
        cluster.act(&mut dice);
        let is_done = |node: &Hands| node.applied.len() == wanted.len() && node.replica.view().mempool_commands == 0;
        if left.len() == 0 && cluster.messages.is_empty() && cluster.nodes.iter().all(is_done) {
            break;
        }
    }
    let first = cluster.nodes[0].applied.clone();
    assert_eq!(first.iter().copied().collect::<BTreeSet<_>>(), wanted, "lost or stuck");
    assert_eq!(first.len(), wanted.len(), "executed twice");
    assert!(cluster.nodes.iter().all(|node| node.applied == first), "in another order");
    if window == 1 {
        assert_eq!(cluster.empty_blocks, 0, "nobody waits behind the only live height");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_command_is_executed_once_everywhere_whoever_took_it(
        window in prop::sample::select(vec![1u64, 4, 6]),
        dead in prop::option::of(0u16..4),
        submissions in proptest::collection::vec((0usize..5, 0u64..30), 1..30),
        seed in 0u64..,
    ) {
        let alive: Vec<_> = submissions.into_iter().filter(|(at, _)| dead.is_none_or(|dead| usize::from(dead) != *at)).collect();
        everything_is_executed_everywhere(window, dead, &alive, seed);
    }
}
