//! A long instance as it runs: several heights under way, checkpoints that become stable, views that change.

use thalweg::{
    protocol::ProtocolName,
    sim::{Amnesia, Faults, Lie, Report, Scenario},
};

use crate::play::{hold, seeds};

fn long(faults: Faults) -> Scenario {
    Scenario {
        protocol: ProtocolName::Pbft,
        window: 8,
        checkpoint_interval: Some(8),
        commands: 24,
        faults,
        is_swarm: true,
        ..Scenario::default()
    }
}

fn play(scenario: &Scenario, default: u64) -> Vec<Report> {
    seeds(default).map(|seed| hold(scenario, seed)).collect()
}

#[test]
fn holds_with_liars_of_all_kinds_on_a_bad_day() {
    let reports = play(&Scenario { liars: 1, ..long(Faults::HEAVY) }, 25);
    assert!(reports.iter().any(|report| report.stable.get() >= 16), "checkpoints are played");
}

#[test]
fn holds_when_accounts_and_openings_are_false() {
    for lie in [Lie::Perjurer, Lie::Misleader, Lie::Equivocator, Lie::Turncoat, Lie::Usurper, Lie::FalseCheckpoints] {
        play(&Scenario { liars: 1, lie: Some(lie), ..long(Faults::HEAVY) }, 4);
    }
}

/// `OB-10`, `PB-D3`: one that loses its disk again and again never contradicts itself, whatever view it is in, and leaves
/// nothing out that it had committed to.
#[test]
fn a_validator_that_loses_its_memory_contradicts_nothing() {
    // Narrow, so that the silence at heights is soon over.
    let narrow = Scenario { window: 1, checkpoint_interval: Some(2), ..long(Faults::HEAVY) };
    play(&Scenario { amnesia: Amnesia::Rejoins, ..narrow }, 20);
    play(&Scenario { amnesia: Amnesia::Rejoins, ..long(Faults::HEAVY) }, 6);
}

#[test]
fn larger_clusters_hold_with_as_many_liars_as_are_tolerated() {
    play(&Scenario { validators: 7, liars: 2, commands: 12, ..long(Faults::HEAVY) }, 4);
}
