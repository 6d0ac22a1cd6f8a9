//! Every lie does something, under every protocol: a lie that does nothing is a test that cannot fail.

use thalweg::{
    protocol::ProtocolName,
    sim::{Faults, Lie, Report, Scenario},
};

use crate::play::hold;

/// Seeds in which a lie must have acted.
const SEEDS_MAX: u64 = 12;

/// Whether the honest can notice it by a rejection or by evidence. The others keep silent, speak late, say again what is
/// true, or flood; and what Streamlette's turncoat votes for is nowhere, so that nobody looks at its votes.
fn is_noticeable(protocol: ProtocolName, lie: Lie) -> bool {
    match lie {
        Lie::Silent | Lie::Partial | Lie::Withholder | Lie::Replayer | Lie::Flooder => false,
        Lie::Turncoat => protocol == ProtocolName::Pbft,
        _ => true,
    }
}

fn has_acted(protocol: ProtocolName, lie: Lie, report: &Report) -> bool {
    report.lies > 0 && (!is_noticeable(protocol, lie) || report.rejected > 0 || !report.exposed.is_empty())
}

fn scenario(protocol: ProtocolName, lie: Option<Lie>) -> Scenario {
    let liars = usize::from(lie.is_some());
    let small = Scenario { protocol, liars, lie, commands: 12, faults: Faults::HEAVY, ..Scenario::default() };
    Scenario { window: 4, checkpoint_interval: Some(4), ..small }
}

#[test]
fn every_lie_acts_under_every_protocol() {
    let mut idle = Vec::new();
    for protocol in ProtocolName::ALL {
        for lie in Lie::ALL.into_iter().filter(|lie| lie.is_of(protocol)) {
            let scenario = scenario(protocol, Some(lie));
            let acted = (0..SEEDS_MAX).find(|seed| has_acted(protocol, lie, &hold(&scenario, *seed)));
            println!("{protocol:?} {lie:?}: {acted:?}");
            if acted.is_none() {
                idle.push((protocol, lie));
            }
        }
    }
    assert!(idle.is_empty(), "these do nothing: {idle:?}");
}

/// What is noticed is the lie: nothing that honest validators send is rejected, except for being early or late.
#[test]
fn the_honest_reject_nothing_of_the_honest() {
    for protocol in ProtocolName::ALL {
        for seed in 0..5 {
            let report = hold(&scenario(protocol, None), seed);
            assert_eq!((report.lies, report.rejected, report.exposed.len()), (0, 0, 0), "{protocol:?}, seed {seed}");
        }
    }
}
