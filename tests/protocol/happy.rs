//! What happens when nothing goes wrong.

use crate::world::World;

/// `SL-S2`, `SL-T1`
#[test]
fn four_replicas_decide_in_two_ticks() {
    let mut world = World::running(4, 0..4);
    world.demand(0);
    world.deliver_all();
    assert_eq!(world.agreed(0..4).as_deref(), Some(&b"value of 0"[..]), "{}", world.picture());
    for replica in &world.replicas {
        assert_eq!(replica.rounds(), Some(2), "proposal at tick 0 and solicit at tick 1");
        assert_eq!(replica.seat().deadline(), None, "a decided instance has no timer");
    }
}
