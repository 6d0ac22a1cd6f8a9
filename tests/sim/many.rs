//! A thousand small worlds of every protocol, half of them with a liar, and some of larger clusters: each seed draws its
//! faults and lies. In four parts, which run side by side.

use std::{collections::BTreeSet, ops::Range};

use thalweg::{
    protocol::{Lifetime, ProtocolName},
    sim::{Faults, Scenario, run},
};

use crate::play::{hold, play};

/// A small world of a seed.
fn small(protocol: ProtocolName, seed: u64) -> Scenario {
    let liars = usize::from(seed % 2 == 1);
    let small = Scenario { protocol, liars, commands: 4, faults: Faults::HEAVY, is_swarm: true, ..Scenario::default() };
    match protocol.lifetime() {
        Lifetime::Height => small,
        // As it runs: with several heights under way, and in some worlds beyond a checkpoint or two.
        Lifetime::Epoch => {
            let commands = if seed % 8 < 2 { 20 } else { 4 };
            Scenario { commands, window: 8, checkpoint_interval: Some(8), ..small }
        }
    }
}

/// All invariants hold; different seeds play different worlds; the same seed twice plays the same.
fn small_worlds(seeds: &Range<u64>) {
    for protocol in ProtocolName::ALL {
        let worlds = seeds.clone().map(|seed| hold(&small(protocol, seed), seed).hash);
        let hashes: Vec<_> = worlds.collect();
        let different: BTreeSet<_> = hashes.iter().collect();
        assert_eq!(different.len(), hashes.len(), "two seeds of {protocol:?} play the same world");
        for (seed, hash) in seeds.clone().zip(&hashes).step_by(50) {
            assert_eq!(run(&small(protocol, seed), seed).hash, *hash, "seed {seed} of {protocol:?} played twice");
        }
    }
}

#[test]
fn small_worlds_hold_from_0_to_250() {
    small_worlds(&(0..250));
}

#[test]
fn small_worlds_hold_from_250_to_500() {
    small_worlds(&(250..500));
}

#[test]
fn small_worlds_hold_from_500_to_750() {
    small_worlds(&(500..750));
}

#[test]
fn small_worlds_hold_from_750_to_1000() {
    small_worlds(&(750..1000));
}

#[test]
fn seven_and_thirteen_validators_hold_with_as_many_liars_as_are_tolerated() {
    let seven = Scenario { validators: 7, liars: 2, commands: 4, is_swarm: true, ..Scenario::default() };
    play(&seven, 10);
    play(&Scenario { validators: 13, liars: 4, ..seven }, 3);
}
