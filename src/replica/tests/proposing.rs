//! `OB-5`, `SL-T5`: what is proposed, and who is told that something waits.

use super::hands::*;
use crate::{
    app::Command,
    replica::{Input, Peer},
};

// With four validators, validator 1 owns heights 1, 5, 9 …

#[test]
fn proposes_nothing_while_nothing_waits_and_an_empty_payload_when_a_higher_height_does() {
    let mut hands = Hands::new(4, 1);
    assert_eq!(hands.build(1), None);
    hands.decide(3, &[command(1)]);
    assert!(hands.demands().contains(&(1, false, true)));
    assert_eq!(hands.build(1).unwrap().commands, []);
}

#[test]
fn offers_nothing_for_a_height_that_is_over_or_not_live() {
    let mut hands = Hands::new(1, 1);
    hands.submit(1, &command(1));
    assert_eq!(hands.build(2), None);
    hands.decide(1, &[]);
    assert_eq!(hands.build(1), None);
}

#[test]
fn leaves_out_what_is_under_way_at_other_live_heights() {
    let mut hands = Hands::new(4, 1);
    (1..=3).for_each(|number| hands.submit(number, &command(number)));
    hands.decide(3, &[command(1)]);
    assert_eq!(hands.build(1).unwrap().commands, [command(2), command(3)]);
    // Asked again for the same height (a later round), it offers the same again.
    assert_eq!(hands.build(1).unwrap().commands, [command(2), command(3)]);
    hands.submit(4, &command(4));
    assert_eq!(hands.build(2).unwrap().commands, [command(4)]);
}

#[test]
fn commands_of_a_losing_proposal_are_proposed_again() {
    let mut hands = Hands::new(1, 1);
    hands.submit(1, &command(1));
    assert_eq!(hands.build(1).unwrap().commands, [command(1)]);
    hands.commit(1, &[command(2)]);
    assert_eq!(hands.build(2).unwrap().commands, [command(1)]);
}

#[test]
fn never_proposes_what_is_executed_or_expired() {
    let mut hands = Hands::new(4, 1);
    let fleeting = Command { expires_at_height: Some(height(2)), ..command(1) };
    hands.submit(1, &fleeting);
    hands.submit(2, &command(2));
    assert_eq!(hands.build(3).unwrap().commands, [command(2)]);
    assert_eq!(hands.build(2).unwrap().commands, [fleeting]);
    hands.commit(1, &[command(2)]);
    hands.commit(2, &[]);
    hands.commit(3, &[]);
    assert_eq!(hands.replica.view().mempool_commands, 0);
}

#[test]
fn fills_a_payload_to_its_limit_and_never_beyond() {
    let mut hands = Hands::new(1, 1);
    (0..500).for_each(|number| hands.submit(number, &command(number)));
    let commands = hands.build(1).unwrap().commands;
    let bytes: usize = commands.iter().map(|command| crate::types::codec::encode(command).len()).sum();
    assert!((4000..=4096).contains(&bytes), "{bytes}");
}

#[test]
fn keeps_the_order_of_a_client_whatever_fits() {
    let mut hands = Hands::new(1, 1);
    for sequence in 0..20 {
        let body = vec![b'x'; if sequence % 3 == 0 { 1000 } else { 10 }].into();
        hands.submit(sequence, &Command { body, ..command_of(7, sequence) });
    }
    let mut executed = Vec::new();
    for at in 1..20 {
        let Some(payload) = hands.build(at) else { break };
        executed.extend(payload.commands.iter().map(|command| command.sequence));
        hands.commit(at, &payload.commands);
    }
    assert_eq!(executed, (0..20).collect::<Vec<_>>());
}

#[test]
fn demand_is_told_once_and_withdrawn() {
    let mut hands = Hands::new(1, 0);
    assert_eq!(hands.demands(), []);
    hands.submit(1, &command(1));
    hands.submit(2, &command(2));
    assert_eq!(hands.demands(), [(1, true, false)]);
    hands.take();
    hands.commit(1, &[command(1)]);
    assert_eq!(hands.demands(), [(2, true, false)], "command 2 still waits");
    hands.take();
    hands.step(Input::Wake);
    assert_eq!(hands.demands(), []);
    hands.commit(2, &[command(2)]);
    assert_eq!(hands.demands(), []);
}

#[test]
fn demand_reaches_the_lowest_height_and_our_own_lane() {
    let mut hands = Hands::new(4, 3);
    hands.submit(1, &command(1));
    assert_eq!(hands.demands(), [(1, true, false), (3, true, false)]);
    hands.take();
    hands.build(3);
    assert_eq!(hands.demands(), [(1, true, true), (2, false, true)], "they stand before our proposal");
    hands.take();
    hands.decide(1, &[]);
    assert_eq!(hands.demands(), [(2, true, true)]);
}

#[test]
fn demand_of_an_owner_who_had_nothing_to_propose_returns_with_the_next_command() {
    let mut hands = Hands::new(4, 3);
    hands.submit(1, &command(1));
    hands.decide(2, &[command(1)]);
    hands.take();
    assert_eq!(hands.build(3), None, "the only command is decided below");
    hands.submit(2, &command(2));
    assert!(hands.demands().contains(&(3, true, false)));
}

#[test]
fn commands_that_others_forwarded_make_the_height_wanted() {
    let mut hands = Hands::new(1, 0);
    hands.peer_up(1, Some(1));
    hands.step(Input::Forwarded { from: Peer(1), commands: vec![command(1).into()] });
    assert_eq!(hands.demands(), [(1, true, false)]);
}
