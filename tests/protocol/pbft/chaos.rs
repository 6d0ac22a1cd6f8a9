//! Random schedules: loss, reordering, slow disks, crashes, and one validator that signs whatever may hurt. Everyone
//! agrees at every step; once the network is well, everyone goes on.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng as _};
use thalweg::protocol::pbft::{Message, NewView, Phase, Proof, Proposal, ViewChange};

use super::world::{Body, World, proposal, value};

const SEEDS: u64 = 100;
const STEPS: usize = 1_200;
const LIAR: usize = 3;
const HONEST: std::ops::Range<usize> = 0..3;

struct Chaos {
    world: World,
    rng: ChaCha12Rng,
    loss: u64,
    /// What the liar has seen proven.
    proofs: Vec<(Proposal, Proof)>,
    changes: BTreeMap<u64, BTreeMap<usize, ViewChange>>,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let mut world = World::running(4, HONEST);
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let loss = rng.next_u64() % 25;
        for at in HONEST {
            world.replicas[at].holds_disk = rng.next_u64().is_multiple_of(2);
        }
        world.want(12, HONEST);
        Self { world, rng, loss, proofs: Vec::new(), changes: BTreeMap::new() }
    }

    fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.rng.next_u64() % count as u64).unwrap()
    }

    fn step(&mut self) {
        match self.below(100) {
            0..70 => self.deliver(),
            70..82 => {
                let at = self.below(3);
                if !self.world.replicas[at].unsynced.is_empty() {
                    self.world.sync(at);
                }
            }
            82..90 => {
                let millis = 1 + self.below(60) as u64;
                self.world.now = self.world.now.plus(Duration::from_millis(millis));
                self.world.wake();
            }
            90..98 => self.lie(),
            98 => {
                let at = self.below(3);
                self.world.crash(at);
                self.world.start(at);
            }
            _ => {
                let at = self.below(3);
                if self.world.replicas[at].behind {
                    self.world.catch_up(at);
                }
            }
        }
        self.world.assert_agreement();
    }

    fn deliver(&mut self) {
        if self.world.wire.is_empty() {
            return;
        }
        let at = self.below(self.world.wire.len().min(12));
        let letter = self.world.wire.remove(at).unwrap();
        if letter.to == LIAR {
            if let Body::Message(message) = letter.body {
                self.learn(message);
            }
        } else if self.rng.next_u64() % 100 >= self.loss {
            self.world.hand_over(letter);
        }
    }

    fn learn(&mut self, message: Message) {
        let diff = message.into_diff();
        for change in diff.changes.iter() {
            for (claim, proof) in change.change.message.claims.iter().zip(change.proofs.iter()) {
                self.proofs.push((*claim, proof.clone()));
            }
            let (view, signer) = (change.change.message.view.get(), change.change.signer.position());
            self.changes.entry(view).or_default().insert(signer, change.clone());
        }
    }

    /// The liar votes for anything, proposes two values, and opens views with the view changes that suit it.
    fn lie(&mut self) {
        let to = self.below(3);
        let view = self.world.replicas[to].view() + self.below(2) as u64;
        let height = self.world.replicas[to].executed + 1 + self.below(3) as u64;
        let payloads = [
            value(usize::try_from(view % 4).unwrap(), height, view),
            value(LIAR, height, view),
            value(LIAR, height, view + 100),
            Bytes::new(),
        ];
        let payload = payloads[self.below(4)].clone();
        let message = match self.below(4) {
            0 => self.world.vote(LIAR, Phase::Prepare, proposal(view, height, &payload)),
            1 => self.world.vote(LIAR, Phase::Commit, proposal(view, height, &payload)),
            2 => {
                let own = view / 4 * 4 + LIAR as u64;
                let value = value(LIAR, height, own + 100 * self.below(2) as u64);
                self.world.pre_prepare(LIAR, own, height, &value)
            }
            _ => return self.lie_about_views(to, view),
        };
        self.world.say(LIAR, to, message);
    }

    fn lie_about_views(&mut self, to: usize, view: u64) {
        let mut claims: BTreeMap<u64, (Proposal, Proof)> = BTreeMap::new();
        for _ in 0..self.below(3).min(self.proofs.len()) {
            let at = self.below(self.proofs.len());
            let (claim, proof) = self.proofs[at].clone();
            if claim.view.get() < view {
                claims.insert(claim.height.get(), (claim, proof));
            }
        }
        if view == 0 {
            return;
        }
        let claims: Vec<_> = claims.into_values().collect();
        let own = self.world.view_change(LIAR, view, &claims);
        self.world.say(LIAR, to, Message::ViewChange(Box::new(own.clone())));
        if view % 4 == LIAR as u64 {
            let mut changes = self.changes.get(&view).cloned().unwrap_or_default();
            changes.insert(LIAR, own);
            if let Some(new_view) = self.open(view, &changes.into_values().collect::<Vec<_>>()) {
                self.world.say(LIAR, to, Message::NewView(Box::new(new_view)));
            }
        }
    }

    fn open(&mut self, view: u64, changes: &[ViewChange]) -> Option<NewView> {
        let skip = if changes.len() == 4 { self.below(4) } else { 4 };
        let chosen: Vec<ViewChange> =
            changes.iter().enumerate().filter(|(at, _)| *at != skip).map(|(_, it)| it.clone()).collect();
        if chosen.len() < 3 || chosen.iter().any(|it| it.stable.is_some()) {
            return None;
        }
        let signed: Vec<_> = chosen.iter().map(|it| it.change.clone()).collect();
        let plan = thalweg::protocol::pbft::Plan::of(&signed);
        let proof = |claim: &Proposal| {
            chosen.iter().find_map(|it| {
                let at = it.change.message.claims.iter().position(|known| known == claim)?;
                it.proofs.get(at).cloned()
            })
        };
        let proofs = plan.claims().map(proof).collect::<Option<Vec<_>>>()?;
        Some(self.world.new_view(LIAR, view, &chosen, proofs))
    }

    /// Whether all that was wanted is executed. The liar may have filled heights above.
    fn is_done(&self) -> bool {
        self.world.executed(HONEST).into_iter().all(|executed| executed >= 12)
    }

    /// The network is well from now on, and the liar is silent.
    fn heal(&mut self) {
        for at in HONEST {
            self.world.replicas[at].holds_disk = false;
            self.world.sync(at);
        }
        for _ in 0..60 {
            self.world.run(Duration::from_secs(5), |letter| letter.to != LIAR);
            HONEST.for_each(|at| self.world.catch_up(at));
            if self.is_done() {
                return;
            }
        }
    }
}

/// Names the seed if a play ends by a panic.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was seed {}", self.0);
        }
    }
}

/// Plays a seed.
pub fn play(seed: u64) {
    let _named = Named(seed);
    let mut chaos = Chaos::new(seed);
    (0..STEPS).for_each(|_| chaos.step());
    chaos.heal();
    let world = &chaos.world;
    world.assert_agreement();
    assert!(chaos.is_done(), "seed {seed}: {}", world.picture());
    for replica in &world.replicas {
        let accused = replica.evidence.iter().map(|it| it.accused().position());
        assert!(accused.clone().all(|at| at == LIAR), "seed {seed}: {:?}", accused.collect::<Vec<_>>());
        assert!(replica.seat.as_ref().is_none_or(|seat| seat.view().messages < 400), "seed {seed}");
    }
}

/// `PB-S1`, `PB-V1`, `PB-V2`, `PB-V3`, `PB-D1`, `PB-D2`
#[test]
fn everyone_agrees_and_goes_on_whatever_one_liar_does() {
    (0..SEEDS).for_each(play);
}
