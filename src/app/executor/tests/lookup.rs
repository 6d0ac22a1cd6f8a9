//! Commands that are looked for: by their ids, before and after their heights are sorted, and by client and sequence.

use std::cell::RefCell;

use super::*;
use crate::app::executor::{by_id::GROUP_HEIGHTS, replies::Slots};

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Requests of any length, with and without gaps, again and again, forgotten and executed anew.
    #[test]
    fn looking_for_many_finds_what_a_plain_map_has(
        blocks in vec(vec((0u8..3, prop_oneof![4 => 0..300u64, 1 => Just(u64::MAX - 90)], 1..200u64, 1..4u64), 0..4), 1..24),
        asked in vec((0u8..4, prop_oneof![4 => 0..310u64, 1 => u64::MAX - 100..=u64::MAX]), 0..60),
    ) {
        let of = |client, sequence| command(client, sequence, kv::delete(b"k"));
        let (mut chain, mut model, mut tip) = (Chain::new(1), BTreeMap::new(), 0);
        for requests in blocks {
            tip += 1;
            let request = |(client, first, count, step): (u8, u64, u64, u64)| {
                (0..count).filter_map(move |at| Some((client, first.checked_add(at * step)?)))
            };
            let slots: Vec<(u8, u64)> = requests.into_iter().flat_map(request).collect();
            chain.run(&slots.iter().map(|(client, sequence)| of(*client, *sequence)).collect::<Vec<_>>());
            model.retain(|_, executed_at| *executed_at + RETENTION > tip);
            for slot in slots {
                model.entry(slot).or_insert(tip);
            }
        }
        let commands: Vec<Identified> = asked.iter().map(|(client, sequence)| of(*client, *sequence).into()).collect();
        let found = replies(&chain.rows, &commands).into_iter().map(|reply| reply.map(|(height, _)| height.get()));
        prop_assert!(found.eq(asked.iter().map(|slot| model.get(slot).copied())));
    }
}

/// Rows that are empty, and write down how far they were looked through.
#[derive(Default)]
struct Ends(RefCell<Vec<(Bytes, Bytes)>>);

impl Rows for Ends {
    fn get(&self, _: Table, _: &[u8]) -> Option<Bytes> {
        None
    }

    fn range(&self, _: Table, from: &[u8], until: Option<&[u8]>, _: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        let copy = Bytes::copy_from_slice;
        self.0.borrow_mut().push((copy(from), copy(until.expect("an end"))));
    }
}

/// So what a client has done before, and what is deleted of it, costs nobody anything.
#[test]
fn a_look_goes_no_further_than_a_run_is_long() {
    let commands = [500, 10, 501, 502].map(|sequence| command(7, sequence, Bytes::new()));
    let ends = Ends::default();
    Slots::of(&commands.each_ref().map(Command::view)).holders(&ends);
    let inverse = |key: &Bytes| u64::MAX - u64::from_be_bytes(*key.last_chunk().unwrap());
    let looked: Vec<_> = ends.0.take().iter().map(|(from, until)| (inverse(from), inverse(until))).collect();
    assert_eq!(looked, [(10, 0), (502, 373)]);
}
