//! `OB-2`: who is sent which command.

use super::hands::*;
use crate::{
    app::Command,
    replica::{Input, Peer},
};

// With four validators, validator k owns the heights with remainder k.

#[test]
fn forwards_at_once_to_the_owner_when_no_height_is_ours() {
    let mut hands = Hands::new(1, 0);
    hands.submit(1, &command(1));
    assert_eq!(hands.forwards(), [(vec![1], vec![command(1)])]);
    hands.take();
    hands.step(Input::Wake);
    assert_eq!(hands.forwards(), [], "once for each owner and height");
}

#[test]
fn keeps_commands_for_an_own_undecided_height() {
    let mut hands = Hands::new(4, 2);
    hands.submit(1, &command(1));
    assert_eq!(hands.forwards(), []);
    hands.decide(2, &[]);
    assert_eq!(
        hands.forwards(),
        [(vec![1], vec![command(1)]), (vec![3], vec![command(1)]), (vec![0], vec![command(1)])]
    );
}

#[test]
fn forwards_what_still_waits_to_the_next_owner() {
    let mut hands = Hands::new(1, 3);
    hands.submit(1, &command(1));
    hands.submit(2, &command(2));
    hands.take();
    hands.commit(1, &[command(1)]);
    assert_eq!(hands.forwards(), [(vec![2], vec![command(2)])]);
    hands.take();
    hands.commit(2, &[]);
    assert_eq!(hands.forwards(), [], "height 3 is ours");
    hands.commit(3, &[]);
    assert_eq!(hands.forwards(), [(vec![0], vec![command(2)])]);
}

#[test]
fn forwards_to_all_owners_of_the_window_each_once() {
    let mut hands = Hands::with(settings(6, None));
    hands.submit(1, &command(1));
    let owners: Vec<_> = hands.forwards().into_iter().flat_map(|(to, _)| to).collect();
    assert_eq!(owners, [1, 2, 3, 0]);
}

#[test]
fn tells_everyone_when_nothing_is_decided_for_a_while() {
    let mut hands = Hands::new(1, 0);
    hands.submit(1, &command(1));
    hands.take();
    hands.pass(millis(99));
    assert_eq!(hands.forwards(), []);
    assert_eq!(hands.replica.deadline(), Some(hands.now.plus(millis(1))));
    hands.pass(millis(1));
    assert_eq!(hands.forwards(), [(vec![1, 2, 3], vec![command(1)])]);
    hands.take();
    hands.pass(millis(100));
    hands.pass(millis(100));
    hands.pass(millis(100));
    hands.pass(millis(100));
    assert_eq!(hands.forwards().len(), 2, "at growing intervals");
}

#[test]
fn does_not_tell_everyone_while_heights_are_decided() {
    let mut hands = Hands::new(1, 1);
    hands.submit(1, &command(1));
    for at in 1..10 {
        hands.pass(millis(60));
        hands.commit(at, &[]);
    }
    assert!(hands.forwards().iter().all(|(to, _)| to.len() == 1));
}

#[test]
fn a_height_takes_at_most_a_payload_of_commands_from_a_listener() {
    let mut hands = Hands::with(settings(1, None));
    (0..500).for_each(|number| hands.submit(number, &command(number)));
    let sent: Vec<Command> = hands.forwards().into_iter().flat_map(|(_, commands)| commands).collect();
    let bytes: usize = sent.iter().map(|command| crate::types::codec::encode(command).len()).sum();
    assert!((3900..=4096).contains(&bytes), "{bytes}");
    hands.take();
    hands.commit(1, &sent);
    let next: Vec<Command> = hands.forwards().into_iter().flat_map(|(_, commands)| commands).collect();
    assert!(!next.is_empty() && next.iter().all(|command| !sent.contains(command)));
    let bytes: usize = next.iter().map(|command| crate::types::codec::encode(command).len()).sum();
    assert!(bytes <= 4096 / 4 + 100, "the last block was full: an equal part, {bytes}");
    hands.take();
    hands.commit(2, &[]);
    hands.commit(3, &[]);
    assert!(hands.forwards().iter().map(|(_, commands)| commands.len()).sum::<usize>() > 2 * next.len());
}

#[test]
fn a_validator_forwards_few_commands_and_keeps_the_rest_for_its_turn() {
    let mut hands = Hands::new(1, 0);
    (0..500).for_each(|number| hands.submit(number, &command(number)));
    let sent: Vec<Command> = hands.forwards().into_iter().flat_map(|(_, commands)| commands).collect();
    let bytes: usize = sent.iter().map(|command| crate::types::codec::encode(command).len()).sum();
    assert!((1..=4096 / 16).contains(&bytes), "{bytes}");
}

#[test]
fn a_large_command_is_forwarded_alone() {
    let mut hands = Hands::new(1, 0);
    let large = Command { body: vec![0; 1024].into(), ..command(1) };
    hands.submit(1, &large);
    hands.submit(2, &command(2));
    assert_eq!(hands.forwards(), [(vec![1], vec![large])]);
}

#[test]
fn never_forwards_what_was_forwarded_unless_our_client_submits_it_too() {
    let mut hands = Hands::new(1, 0);
    hands.peer_up(2, Some(2));
    hands.step(Input::Forwarded { from: Peer(2), commands: vec![command(1).into()] });
    hands.pass(millis(500));
    assert_eq!(hands.forwards(), []);
    hands.submit(1, &command(1));
    assert_eq!(hands.forwards(), [(vec![1], vec![command(1)])]);
}

#[test]
fn a_forwarded_command_larger_than_genesis_allows_is_a_lie() {
    let mut hands = Hands::new(1, 0);
    hands.peer_up(2, Some(2));
    let large = Command { body: vec![0; 1025].into(), ..command(1) };
    hands.step(Input::Forwarded { from: Peer(2), commands: vec![large.into(), command(2).into()] });
    assert_eq!(hands.blamed(), [2]);
    assert_eq!(hands.replica.view().mempool_commands, 0);
}

/// Nobody owns a height of a long instance: whoever leads it gets what waits, once, and the next one again.
#[test]
fn forwards_to_whoever_leads_a_long_instance() {
    let mut hands = Hands::with(long(4, 100, Some(3)));
    let lead = |hands: &mut Hands, round: u64, leader: u16| {
        hands.take();
        hands.step(Input::Leading { round, leader: validator(leader) });
    };
    hands.submit(1, &command(1));
    assert_eq!(hands.forwards(), [], "nobody is known to lead");
    lead(&mut hands, 0, 0);
    assert_eq!(hands.forwards(), [(vec![0], vec![command(1)])]);
    hands.take();
    hands.submit(2, &command(2));
    assert_eq!(hands.forwards(), [(vec![0], vec![command(2)])], "only what is new");
    lead(&mut hands, 0, 0);
    assert_eq!(hands.forwards(), [], "no news");
    lead(&mut hands, 1, 1);
    assert_eq!(hands.forwards(), [(vec![1], vec![command(1), command(2)])], "the next one has nothing yet");
    lead(&mut hands, 3, 3);
    assert_eq!(hands.forwards(), [], "we lead ourselves");
}

/// That others are decided says nothing of a command that the leader leaves out.
#[test]
fn a_command_that_a_leader_passes_over_goes_to_all() {
    let mut hands = Hands::with(long(4, 100, Some(3)));
    hands.step(Input::Leading { round: 0, leader: validator(0) });
    hands.submit(1, &command(1));
    hands.take();
    let mut to_all = Vec::new();
    for at in 1..=30 {
        hands.pass(millis(50));
        hands.commit(at, &[command(1000 + at)]);
        to_all.extend(hands.forwards().into_iter().filter(|(to, _)| to.len() > 1).map(|(to, _)| (at, to)));
        hands.take();
    }
    let (first, whom) = &to_all[0];
    assert_eq!(whom, &[0, 1, 2]);
    assert!((20..=22).contains(first), "after ten times `forward_after`, which is 100 ms: {to_all:?}");
}
