//! `OB-1`, `RP-O1`, `RP-O2`: windows, orders, restarts.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::hands::*;
use crate::{
    app::Block,
    replica::{Effect, Event, Fate, Input, Peer},
    types::{Digest, Height},
};

#[test]
fn opens_exactly_the_window_above_the_tip() {
    for window in [1, 4] {
        let mut hands = Hands::new(window, 0);
        assert_eq!(hands.open.keys().map(|h| h.get()).collect::<Vec<_>>(), (1..=window).collect::<Vec<_>>());
        hands.commit(1, &[command(1)]);
        assert_eq!(hands.open.keys().map(|h| h.get()).collect::<Vec<_>>(), (2..=window + 1).collect::<Vec<_>>());
    }
}

#[test]
fn opens_the_next_height_when_executed_and_closes_the_old_one_when_also_recorded() {
    let mut hands = Hands::new(1, 0);
    hands.decide(1, &[]);
    hands.execute();
    assert_eq!(hands.open.keys().map(|h| h.get()).collect::<Vec<_>>(), [1, 2]);
    hands.record();
    assert_eq!(hands.open.keys().map(|h| h.get()).collect::<Vec<_>>(), [2]);
}

#[test]
fn answers_only_after_recorded_and_executed() {
    for record_first in [true, false] {
        let mut hands = Hands::new(1, 1);
        hands.submit(5, &command(1));
        assert_eq!(hands.replies(), [(5, Fate::Accepted)]);
        hands.decide(1, &[command(1)]);
        hands.take();
        if record_first {
            hands.record();
        } else {
            hands.execute();
        }
        assert_eq!(hands.replies(), []);
        if record_first {
            hands.execute();
        } else {
            hands.record();
        }
        let replies = hands.replies();
        assert!(
            matches!(&replies[..], [(5, Fate::Committed { height, .. })] if *height == Height::new(1)),
            "{replies:?}"
        );
        assert!(
            matches!(hands.events[..], [Event::Committed { commands: 1, ref latencies, .. }] if latencies.len() == 1)
        );
    }
}

#[test]
fn answers_a_height_only_when_everything_below_is_recorded() {
    let mut hands = Hands::new(2, 0);
    hands.submit(1, &command(1));
    hands.submit(2, &command(2));
    hands.decide(1, &[command(1)]);
    hands.decide(2, &[command(2)]);
    hands.execute();
    hands.execute();
    hands.take();
    hands.step(Input::Recorded { height: height(2) });
    assert_eq!(hands.replies(), []);
    hands.step(Input::Recorded { height: height(1) });
    assert_eq!(hands.replies().iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn execution_waits_when_the_journal_lags_far_behind() {
    let mut hands = Hands::new(1, 0);
    let mut at = 0;
    while hands.executed() == height(at) && at < 1000 {
        at += 1;
        hands.decide(at, &[]);
        hands.execute();
    }
    assert_eq!(hands.executed(), height(crate::replica::order::UNRECORDED_MAX as u64));
    hands.run();
    assert_eq!(hands.executed(), height(at));
}

#[test]
fn ignores_a_second_decision_of_a_height() {
    let mut hands = Hands::new(1, 0);
    hands.decide(1, &[command(1)]);
    hands.decide(1, &[command(1)]);
    hands.run();
    hands.decide(1, &[command(1)]);
    hands.run();
    assert_eq!(hands.executed(), height(1));
    assert_eq!(hands.applied.len(), 1);
}

#[test]
fn executes_what_was_decided_before_the_restart_without_recording_it_again() {
    let mut before = Hands::new(1, 0);
    (1..=5).for_each(|at| before.commit(at, &[command(at)]));
    let decided = (6..=8).map(|at| (height(at), block(at, &[command(at)]))).collect();
    let mut after = Hands::restarted(settings(1, Some(0)), before.headers.clone(), decided);
    assert!(after.open.is_empty(), "height 6 is decided");
    after.run();
    assert_eq!(after.executed(), height(8));
    assert_eq!(after.applied, (6..=8).map(|at| command(at).id()).collect::<Vec<_>>());
    assert_eq!(after.open.keys().map(|h| h.get()).collect::<Vec<_>>(), [9]);
    after.commit(9, &[]);
    assert_eq!(after.executed(), height(9));
}

#[test]
fn nothing_happens_before_begin() {
    let mut hands = Hands::new(1, 0);
    let (headers, owners) = (hands.headers.clone(), [1, 2].map(Height::new).map(owner).to_vec());
    let (decided, abstention) = (BTreeMap::new(), crate::protocol::Abstention::NONE);
    let recovered = crate::replica::Recovered {
        origin: headers[0].hash(),
        headers,
        owners,
        decided,
        oldest: Height::FIRST,
        abstention,
        checkpoint: None,
        signed: Vec::new(),
        stable: None,
    };
    hands.replica = crate::replica::Replica::new(settings(1, Some(0)), recovered);
    hands.take();
    hands.step(Input::Wake);
    assert!(hands.effects.is_empty());
    assert_eq!(hands.replica.deadline(), None);
}

/// What a replica did with `blocks`, delivered, recorded and executed in the order that `choices` draws.
fn outcome(blocks: &[Block], choices: &[u8], window: u64) -> (Vec<Digest>, Vec<Digest>) {
    let mut hands = Hands::new(window, 3);
    let mut left: BTreeMap<Height, Block> = blocks.iter().map(|block| (block.height, block.clone())).collect();
    let mut choices = choices.iter().cycle();
    while hands.executed().get() < blocks.len() as u64 {
        let choice = usize::from(*choices.next().unwrap());
        match choice % 5 {
            0 | 1 => {
                let live: Vec<Height> = left.keys().filter(|h| hands.open.contains_key(h)).copied().collect();
                if let Some(block) = live.get(choice / 5 % live.len().max(1)).and_then(|h| left.remove(h)) {
                    hands.step(Input::Decided { block });
                }
            }
            2 => hands.record(),
            3 => {
                hands.execute();
            }
            _ => hands.step(Input::Stray { peer: Peer(1), height: height(1) }),
        }
    }
    (hands.applied, hands.headers.iter().map(|header| header.hash()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn commit_order_is_independent_of_arrival_order(
        contents in proptest::collection::vec(proptest::collection::vec(0u64..12, 0..4), 1..16),
        mut choices in proptest::collection::vec(0u8.., 20..200),
    ) {
        choices.extend([0, 2, 3]);
        let blocks: Vec<Block> = (1..).zip(&contents).map(|(at, numbers)| {
            let commands: Vec<_> = numbers.iter().map(|number| command(*number)).collect();
            block(at, &commands)
        }).collect();
        let straight = outcome(&blocks, &[0, 2, 3], 1);
        prop_assert_eq!(&straight.1.len(), &(blocks.len() + 1));
        // Headers differ from those of window 1 in nothing: only instance ids depend on the window.
        prop_assert_eq!(outcome(&blocks, &choices, 4), straight);
    }
}

#[test]
fn a_listener_opens_instances_without_a_vote() {
    let mut hands = Hands::with(settings(4, None));
    assert!(hands.open.values().all(|setup| setup.me.is_none()));
    assert_eq!(hands.open.len(), 4);
    hands.commit(1, &[command(1)]);
    assert!(hands.take().iter().any(|effect| matches!(effect, Effect::Record { .. })));
}

#[test]
fn a_new_instance_expects_the_delay_that_was_measured_last() {
    let mut hands = Hands::new(1, 0);
    hands.step(Input::Measured { quorum_delay: millis(300) });
    hands.commit(1, &[]);
    assert_eq!(hands.open[&Height::new(2)].timing.quorum_delay, millis(300));
}
