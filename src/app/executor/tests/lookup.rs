//! Commands that are looked for: by their ids, before and after their heights are sorted, and by client and sequence.

use super::*;
use crate::app::executor::by_id::GROUP_HEIGHTS;

#[test]
fn every_remembered_command_is_found_and_no_other() {
    let retention = 2 * GROUP_HEIGHTS + 10;
    let mut chain = Chain::of(Box::new(kv::KeyValue), Genesis { retention_heights: retention, ..genesis(1) });
    let of = |height: u64| [1, 2, 3].map(|client| command(client, height, kv::put(&height.to_be_bytes(), b"value")));
    // Its slot is taken: it comes again and again and is never executed, and the latest time counts.
    let conflict = command(1, 1, kv::delete(b"another"));
    for height in 1..=5 * GROUP_HEIGHTS {
        let mut commands = of(height).to_vec();
        if height % 7 == 0 && height < retention {
            commands.push(conflict.clone());
        }
        chain.run(&commands);
        if height % 29 != 0 && height % GROUP_HEIGHTS > 1 {
            continue;
        }
        for earlier in 1..=height {
            let expected = (earlier + retention > height).then_some((earlier, Status::Applied));
            assert!(of(earlier).iter().all(|command| chain.reply(command) == expected), "{earlier} at {height}");
        }
        let last = height.min(retention - 1) / 7 * 7;
        let expected = (last > 0 && last + retention > height).then_some((last, Status::Conflict));
        assert_eq!(chain.reply(&conflict), expected, "at {height}");
    }
    assert!(count(&chain, Table::Ids) > 0);
    chain.run_to(7 * GROUP_HEIGHTS + retention);
    assert_eq!(count(&chain, Table::Ids), 0, "none is left of heights that are forgotten");
}

/// Runs of any length, before and after one another.
#[test]
fn each_sequence_of_a_long_run_is_known_and_none_beside_it() {
    let mut chain = Chain::new(1);
    let of = |sequence| command(1, sequence, kv::put(b"k", b"v"));
    for run in [1000..1300, 700..900, 900..905, 1300..1301] {
        chain.run(&run.map(of).collect::<Vec<_>>());
    }
    assert_eq!(count(&chain, Table::Replies), 3 + 2 + 1 + 1);
    let asked: Vec<Identified> = (690..1310).map(|sequence| of(sequence).into()).collect();
    for (sequence, reply) in (690_u64..1310).zip(replies(&chain.rows, &asked)) {
        let height = match sequence {
            1000..1300 => Some(1),
            700..900 => Some(2),
            900..905 => Some(3),
            1300 => Some(4),
            _ => None,
        };
        assert_eq!(reply.map(|(height, _)| height.get()), height, "{sequence}");
    }
    chain.run_to(RETENTION + 1);
    assert_eq!(count(&chain, Table::Replies), 2 + 1 + 1, "the first height is forgotten");
}
