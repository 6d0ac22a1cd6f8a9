//! `OB-4`, `RP-B1`, `RP-F1`: what clients are told.

use super::hands::*;
use crate::{
    app::{Command, Status},
    replica::{Event, Fate, Input, Peer, Ticket},
};

fn committed(replies: &[(u64, Fate)]) -> Vec<u64> {
    replies.iter().filter(|(_, fate)| matches!(fate, Fate::Committed { .. })).map(|(ticket, _)| *ticket).collect()
}

#[test]
fn a_command_submitted_twice_is_executed_once_and_answered_twice() {
    let mut hands = Hands::new(1, 1);
    hands.submit(1, &command(9));
    hands.submit(2, &command(9));
    assert_eq!(hands.build(1).unwrap().commands, [command(9)]);
    hands.decide(1, &[command(9)]);
    hands.execute();
    // Executed, but not yet on disk: a third client joins the same fate and waits as well.
    hands.take();
    hands.submit(3, &command(9));
    assert_eq!(hands.replies(), []);
    hands.record();
    assert_eq!(committed(&hands.replies()), [1, 2, 3]);
    hands.take();
    hands.submit(4, &command(9));
    assert_eq!(committed(&hands.replies()), [4]);
    assert_eq!(hands.applied.len(), 1);
    assert_eq!(hands.replica.view().mempool_commands, 0);
}

#[test]
fn the_same_command_decided_in_two_lanes_is_answered_once_with_the_first_height() {
    let mut hands = Hands::new(4, 0);
    hands.submit(1, &command(9));
    hands.decide(2, &[command(9)]);
    hands.decide(1, &[command(9)]);
    hands.run();
    let replies = hands.replies();
    assert!(matches!(&replies[1..], [(1, Fate::Committed { height: at, .. })] if *at == height(1)), "{replies:?}");
    hands.take();
    hands.submit(2, &command(9));
    assert!(matches!(hands.replies()[..], [(2, Fate::Committed { height: at, .. })] if at == height(1)));
}

#[test]
fn another_command_of_the_same_client_and_sequence_is_a_conflict() {
    let mut hands = Hands::new(1, 1);
    let other = Command { body: "other".into(), ..command(9) };
    hands.submit(1, &command(9));
    hands.submit(2, &other);
    assert_eq!(hands.replies()[1..], [(2, Fate::Conflict)]);
    hands.commit(1, &[command(9)]);
    hands.take();
    hands.submit(3, &other);
    assert_eq!(hands.replies(), [(3, Fate::Conflict)]);
    assert!(hands.events.contains(&Event::Refused { fate: Fate::Conflict }));
}

#[test]
fn a_waiting_command_whose_rival_is_executed_ends_as_conflict() {
    let mut hands = Hands::new(1, 1);
    hands.submit(1, &command(9));
    hands.take();
    hands.commit(1, &[Command { body: "other".into(), ..command(9) }]);
    assert_eq!(hands.replies(), [(1, Fate::Conflict)]);
    assert_eq!(hands.replica.view().mempool_commands, 0);
}

#[test]
fn a_command_that_came_too_late_in_a_block_is_told_its_receipt() {
    let mut hands = Hands::new(4, 1);
    let fleeting = Command { expires_at_height: Some(height(2)), ..command(9) };
    hands.submit(1, &fleeting);
    hands.take();
    hands.decide(3, std::slice::from_ref(&fleeting));
    hands.commit(1, &[]);
    assert_eq!(hands.replies(), []);
    hands.commit(2, &[]);
    assert_eq!(hands.replies(), [(1, Fate::Expired)]);
    assert!(hands.applied.is_empty());
    hands.take();
    hands.submit(2, &fleeting);
    assert_eq!(hands.replies(), [(2, Fate::Expired)]);
}

#[test]
fn an_abandoned_ticket_is_never_answered_but_its_command_is_executed() {
    let mut hands = Hands::new(1, 1);
    hands.submit(1, &command(9));
    hands.step(Input::Abandon { ticket: Ticket(1) });
    hands.take();
    hands.commit(1, &[command(9)]);
    assert_eq!(hands.replies(), []);
    assert_eq!(hands.applied.len(), 1);
}

#[test]
fn a_full_mempool_refuses_and_forgets_nothing_it_accepted() {
    let mut hands = Hands::new(1, 1);
    (0..2000).for_each(|number| hands.submit(number, &command(number)));
    let accepted = hands.replies().iter().filter(|(_, fate)| *fate == Fate::Accepted).count();
    assert_eq!(accepted, 750, "their own quarter and the shared half");
    assert_eq!(hands.replies().iter().filter(|(_, fate)| *fate == Fate::Full).count(), 2000 - accepted);
    assert_eq!(hands.replica.view().mempool_commands, accepted);
    hands.step(Input::Submit { commands: vec![(None, command(5000).into())] });
    assert_eq!(hands.replica.view().mempool_commands, accepted);
}

#[test]
fn a_mempool_full_of_bytes_refuses() {
    let mut hands = Hands::with(crate::replica::Settings { mempool_bytes_max: 10_000, ..settings(1, Some(1)) });
    let large = |number| Command { body: vec![1; 1000].into(), ..command(number) };
    (0..20).for_each(|number| hands.submit(number, &large(number)));
    assert!(hands.replica.view().mempool_bytes <= 10_000);
    assert!(hands.replies().contains(&(19, Fate::Full)));
    hands.submit(50, &Command { body: vec![1; 1025].into(), ..command(50) });
    assert!(hands.replies().contains(&(50, Fate::Full)), "larger than genesis allows");
}

#[test]
fn a_flood_from_one_validator_leaves_room_for_clients_and_other_validators() {
    let mut hands = Hands::new(1, 1);
    (0..4).filter(|at| *at != 1).for_each(|at| hands.peer_up(at.into(), Some(at)));
    let flood: Vec<Command> = (0..3000).map(|number| command(10_000 + number)).collect();
    hands.step(Input::Forwarded { from: Peer(3), commands: flood.into_iter().map(Into::into).collect() });
    hands.step(Input::Forwarded { from: Peer(2), commands: vec![command(1).into(), command(2).into()] });
    hands.submit(1, &command(3));
    assert_eq!(hands.replies(), [(1, Fate::Accepted)]);
    // And what was let in first does not come first: everyone has the same part of a payload.
    let proposed = hands.build(1).unwrap().commands;
    assert!(proposed.len() > 10);
    assert!([1, 2, 3].iter().all(|number| proposed[..6].contains(&command(*number))));
}

#[test]
fn a_single_client_takes_at_most_half_of_the_room() {
    let mut hands = Hands::new(1, 1);
    (0..900).for_each(|number| hands.submit(number, &command_of(7, number)));
    assert_eq!(hands.replica.view().mempool_commands, 500);
    hands.take();
    hands.submit(1000, &command_of(8, 0));
    assert_eq!(hands.replies(), [(1000, Fate::Accepted)]);
    assert!(hands.build(1).unwrap().commands[..2].contains(&command_of(8, 0)));
}

#[test]
fn a_refused_outcome_is_an_outcome() {
    let mut hands = Hands::new(1, 1);
    hands.submit(1, &command(9));
    hands.commit(1, &[Command { body: "rival".into(), ..command(8) }, command(9)]);
    let replies = hands.replies();
    assert!(matches!(&replies[1], (1, Fate::Committed { receipt, .. }) if receipt.status == Status::Applied));
}
