//! Who sits where: the validators of a world, its liars, and copies of those that run twice.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, VecDeque},
    rc::Rc,
};

use crate::{
    app::Executor,
    config::{ApplicationName, Genesis},
    crypto::{Memory, SecretKey, Transcript},
    sim::{
        Dice, Faults, Scenario,
        estate::Estate,
        ledger::Ledger,
        letter::{Letter, Mailbox},
        liar::{Liar, Lie, Plan},
        node::{CHECKED_MAX, Identity, Node},
    },
    store::MemoryRows,
    types::{CrashModel, Digest, Height, Power, Time, Validator, ValidatorSet},
};

/// A node's place in the world.
pub(super) struct Place {
    pub(super) identity: Identity,
    pub(super) node: Option<Node>,
    pub(super) estate: Option<Estate>,
    /// Rises with each start: what was meant for an earlier life is lost.
    pub(super) life: u64,
    pub(super) mailboxes: BTreeMap<Mailbox, VecDeque<Letter>>,
    pub(super) busy_until: BTreeMap<Mailbox, Time>,
    pub(super) alarm: Option<Time>,
    /// How it lies.
    pub(super) lie: Option<Lie>,
    pub(super) liar: Option<Box<dyn Liar>>,
    /// The disk that one who forgets comes back with.
    pub(super) old: Option<Estate>,
    /// Never comes up.
    pub(super) is_absent: bool,
    /// Bytes of its journal go bad, which it must bear; but bodies that rot everywhere are lost to all.
    pub(super) rots: bool,
    /// How much faster its timers run, in parts per million.
    drift_ppm: u64,
}

impl Place {
    fn new(identity: Identity, lie: Option<Lie>, is_copy: bool) -> Self {
        Self {
            identity,
            node: None,
            estate: None,
            life: 0,
            mailboxes: BTreeMap::new(),
            busy_until: BTreeMap::new(),
            alarm: None,
            lie,
            liar: lie.map(|lie| lie.take_up(is_copy)),
            old: None,
            is_absent: false,
            rots: false,
            drift_ppm: 0,
        }
    }

    /// Whether what it does is for the checkers to judge.
    pub(super) fn is_honest(&self) -> bool {
        self.lie.is_none() && !self.is_absent
    }

    /// Whether it comes back with an old disk again and again.
    pub(super) fn forgets(&self) -> bool {
        self.lie == Some(Lie::Amnesiac)
    }

    /// The time by its own timers.
    pub(super) fn local(&self, now: Time) -> Time {
        let micros = now.as_micros();
        Time::from_micros(micros + micros / 1000 * self.drift_ppm / 1000)
    }
}

/// The people of a world.
pub(super) fn populate(
    scenario: &Scenario,
    faults: &Faults,
    seed: u64,
    dice: &mut Dice,
) -> (Genesis, Vec<Place>, Plan) {
    let keys: Vec<_> = (0..scenario.validators).map(|index| key(seed, index)).collect();
    let genesis = genesis(scenario, &keys);
    let set = genesis.validate().expect("a world's genesis is valid");
    let present = scenario.validators.saturating_sub(scenario.absent);
    let lies = draw_lies(scenario, present, dice);
    // Who runs twice sits at two places.
    let twice = lies.iter().filter(|(_, lie)| **lie == Lie::Twins).map(|(node, _)| *node);
    let sitting: Vec<usize> = (0..keys.len()).chain(twice).collect();
    let peers: Vec<_> = sitting.iter().map(|node| set.index_of(&keys[*node].public_key())).collect();
    let checked = Rc::new(RefCell::new(Memory::new(CHECKED_MAX)));
    let mut places = Vec::new();
    for (index, node) in sitting.into_iter().enumerate() {
        let ahead = dice.span(std::time::Duration::ZERO, faults.skew_max);
        let identity =
            Identity { index, key: keys[node].clone(), peers: peers.clone(), ahead, checked: Rc::clone(&checked) };
        let mut place = Place::new(identity, lies.get(&node).copied(), index >= keys.len());
        place.is_absent = (present..keys.len()).contains(&index);
        place.drift_ppm = dice.below(faults.drift_ppm + 1);
        places.push(place);
    }
    let of_liar = |node: &usize| Some((peers[*node]?, keys[*node].clone()));
    let plan = Plan::new(lies.keys().filter_map(of_liar).collect(), peers.clone(), epoch(&genesis, &set), dice);
    (genesis, places, plan)
}

/// Who lies how.
fn draw_lies(scenario: &Scenario, present: usize, dice: &mut Dice) -> BTreeMap<usize, Lie> {
    let mut honest: BTreeSet<usize> = (0..present).collect();
    // Many liars together are worth more when they share a plan.
    let is_conspiracy = scenario.liars > 1 && dice.chance(300);
    let mut lies = BTreeMap::new();
    for _ in 0..scenario.liars.min(present) {
        let drawn = usize::try_from(dice.below(honest.len() as u64)).unwrap_or(0);
        let Some(node) = honest.iter().nth(drawn).copied() else { break };
        honest.remove(&node);
        let all: Vec<Lie> = Lie::ALL.into_iter().filter(|lie| lie.is_of(scenario.protocol)).collect();
        let any = all[usize::try_from(dice.below(all.len() as u64)).unwrap_or(0)];
        lies.insert(node, scenario.lie.unwrap_or(if is_conspiracy { Lie::Conspirator } else { any }));
    }
    lies
}

/// What checkpoints are signed within.
fn epoch(genesis: &Genesis, set: &ValidatorSet) -> Digest {
    let (executor, _) = Executor::open(Box::new(Ledger), genesis, &MemoryRows::default());
    genesis.epoch_id(Height::FIRST, set, &executor.tip().hash())
}

fn key(seed: u64, index: usize) -> SecretKey {
    let digest = Transcript::new("world key").number(seed).number(index as u64).finish();
    SecretKey::from_seed(digest.as_bytes())
}

fn genesis(scenario: &Scenario, keys: &[SecretKey]) -> Genesis {
    let validators = keys.iter().map(|key| Validator { public_key: key.public_key(), power: Power::new(1) });
    Genesis {
        chain: "world".into(),
        created_at_ms: 0,
        protocol: scenario.protocol,
        application: ApplicationName::Kv,
        crash_model: CrashModel::Byzantine,
        window: scenario.window,
        retention_heights: 1000,
        payload_bytes_max: 1 << 16,
        command_bytes_max: 1 << 12,
        checkpoint_interval: scenario.checkpoint_interval,
        validators: validators.collect(),
        client_signatures: scenario.client_signatures,
    }
}
