//! Clusters with as many liars as are tolerated: nothing may come of any lie.

use std::collections::BTreeSet;

use thalweg::{
    config::ClientSignatures,
    sim::{Faults, Lie, Scenario},
};

use crate::play::{play, play_and};

fn one(lie: Lie) -> Scenario {
    Scenario { liars: 1, lie: Some(lie), commands: 10, faults: Faults::LIGHT, is_swarm: true, ..Scenario::default() }
}

/// Every lie has its seeds; the whole range of them is played by the others.
#[test]
fn no_lie_achieves_anything() {
    for lie in Lie::ALL {
        play_and(&one(lie), 3, |report| {
            assert!(report.liars.iter().all(|(_, of)| *of == lie) && !report.liars.is_empty());
        });
    }
}

#[test]
fn liars_of_all_kinds_on_a_bad_day_achieve_nothing() {
    let mut seen = BTreeSet::new();
    let scenario = Scenario { liars: 1, faults: Faults::HEAVY, is_swarm: true, ..Scenario::default() };
    play_and(&scenario, 40, |report| seen.extend(report.liars.iter().map(|(_, lie)| *lie)));
    assert!(seen.len() > 10 || std::env::var_os("THALWEG_SEEDS").is_some(), "the seeds draw only {seen:?}");
}

#[test]
fn coalitions_in_larger_clusters_achieve_nothing() {
    let scenario = Scenario { validators: 7, liars: 2, commands: 8, is_swarm: true, ..Scenario::default() };
    play(&Scenario { faults: Faults::LIGHT, ..scenario.clone() }, 6);
    play(&Scenario { lie: Some(Lie::Conspirator), faults: Faults::NONE, ..scenario }, 6);
}

#[test]
fn liars_in_a_window_of_several_heights_achieve_nothing() {
    play(&Scenario { window: 4, liars: 1, faults: Faults::HEAVY, is_swarm: true, ..Scenario::default() }, 15);
}

/// `OB-11`: nobody orders in a client's name, whatever the faults.
#[test]
fn where_clients_sign_nobody_orders_for_them() {
    let signed = Scenario { client_signatures: ClientSignatures::Required, ..one(Lie::Poisoner) };
    play(&signed, 8);
    play(&Scenario { lie: None, faults: Faults::HEAVY, ..signed }, 8);
}

/// Whoever leads with two values, and is then gone, is found out: what it left behind must be sorted out with both.
#[test]
fn equivocations_are_exposed() {
    let mut exposed = 0;
    play_and(&Scenario { faults: Faults::NONE, ..one(Lie::Equivocator) }, 5, |report| {
        let liars: BTreeSet<usize> = report.liars.iter().map(|(node, _)| *node).collect();
        assert!(report.exposed.is_subset(&liars));
        exposed += report.exposed.len();
    });
    assert!(exposed > 0, "nobody is ever exposed");
}
