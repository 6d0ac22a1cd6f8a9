//! A crash on the next line, at each durable point.

use std::time::Duration;

use thalweg::protocol::{
    Record,
    pbft::{self, Phase},
};

use super::world::{World, value};

const SECOND: Duration = Duration::from_secs(1);

fn names(world: &World, at: usize) -> Vec<&'static str> {
    let name = |record: &Record| match record {
        Record::Pbft(pbft::Record::Accepted { .. }) => "accepted",
        Record::Pbft(pbft::Record::Prepared { .. }) => "prepared",
        Record::Pbft(pbft::Record::Changing { .. }) => "changing",
        Record::Pbft(pbft::Record::Opening { .. }) => "opening",
        Record::Pbft(pbft::Record::Entered { .. }) => "entered",
        Record::Streamlette(_) => "foreign",
    };
    world.replicas[at].disk.iter().map(name).collect()
}

/// `PB-D1`
#[test]
pub fn nothing_is_said_before_it_is_on_disk() {
    let mut world = World::running(4, 0..4);
    world.replicas[0].holds_disk = true;
    world.want(1, 0..4);
    assert!(world.wire.iter().all(|letter| !letter.is_pre_prepare()));
    world.sync(0);
    assert!(world.wire.iter().any(super::world::Letter::is_pre_prepare));
    world.replicas[1].holds_disk = true;
    world.deliver_if(|letter| !letter.is_pull());
    assert!(world.wire.iter().all(|letter| letter.from != 1 || letter.is_pull()));
    assert_eq!(world.executed([1]), [0], "the others' quorum waits for nobody, but it has not accepted itself");
}

/// `PB-D1`, `PB-D2`: at each record that the replica writes in a run with a view change, it crashes once right before
/// and once right after the disk has it; afterwards everyone still agrees and goes on.
#[test]
fn a_crash_at_any_record_contradicts_nothing() {
    for victim in 1..4 {
        for is_synced in [false, true] {
            for crash_at in 0..7 {
                crash(victim, crash_at, is_synced);
            }
        }
    }
}

fn crash(victim: usize, crash_at: usize, is_synced: bool) {
    let mut world = World::running(4, 0..4);
    world.want(2, 0..4);
    world.deliver_if(|letter| !letter.is_vote(Phase::Commit) && !letter.is_pull());
    world.crash(0);
    world.replicas[victim].holds_disk = true;
    let mut written = 0;
    for _ in 0..400 {
        world.run(Duration::from_millis(50), |_| true);
        while !world.replicas[victim].unsynced.is_empty() {
            if written == crash_at {
                if is_synced {
                    let records: Vec<Record> = world.replicas[victim].unsynced.drain(..).map(|(_, it)| it).collect();
                    world.replicas[victim].disk.extend(records);
                }
                world.crash(victim);
                world.replicas[victim].holds_disk = false;
                world.start(victim);
            } else {
                world.sync(victim);
            }
            written += 1;
        }
    }
    world.start(0);
    world.want(4, 0..4);
    world.run(SECOND * 30, |_| true);
    world.run(SECOND * 30, |_| true);
    let who = format!("replica {victim} at its record {crash_at}, synced {is_synced}");
    assert_eq!(world.executed(0..4), [4; 4], "{who}: {}", world.picture());
    assert_eq!(world.value_at(victim, 1), Some(value(0, 1, 0)), "{who}");
    assert!(world.replicas.iter().all(|replica| replica.evidence.is_empty()), "{who}");
    world.assert_agreement();
}

/// `PB-D2`
#[test]
fn a_restarted_primary_says_the_same_again() {
    let mut world = World::running(4, 0..4);
    world.want(1, 0..4);
    let before: Vec<_> = world.wire.drain(..).filter(|letter| letter.is_pre_prepare()).collect();
    world.crash(0);
    world.start(0);
    let after: Vec<_> = world.wire.drain(..).filter(|letter| letter.is_pre_prepare()).collect();
    assert_eq!(before.len(), 3);
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
}

/// `PB-D2`
#[test]
fn all_restart_together_and_go_on_in_their_view() {
    let mut world = World::running(4, 1..4);
    world.want(3, 1..4);
    world.run(SECOND * 5, |_| true);
    assert_eq!(world.executed(1..4), [3; 3]);
    assert!(names(&world, 2).contains(&"entered"), "{:?}", names(&world, 2));
    (1..4).for_each(|at| world.crash(at));
    (1..4).for_each(|at| world.start(at));
    assert_eq!(world.replicas[2].view(), 1);
    world.want(6, 1..4);
    world.run(SECOND * 5, |_| true);
    assert_eq!(world.executed(1..4), [6; 3]);
    assert_eq!(world.replicas[2].view(), 1);
}
