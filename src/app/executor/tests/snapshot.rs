//! States on their way into other stores.

use super::*;
use crate::{
    app::{BadSnapshot, Piece, Pieces, Restore, base_height},
    protocol::{Checkpoint, StableCheckpoint},
    types::BoundedVec,
};

fn key(sequence: u64) -> Vec<u8> {
    [b"key", &sequence.to_be_bytes()[..]].concat()
}

/// A chain that has forgotten some heights and remembers others, with short values and with long ones, which are stored
/// in their blocks alone; and the checkpoint of its tip.
fn chain() -> (Chain, StableCheckpoint) {
    let mut chain = Chain::new(1);
    for sequence in 0..3 * RETENTION {
        let value = vec![b'v'; if sequence % 3 == 0 { 800 } else { 5 }];
        let put = command(1, sequence, kv::put(&key(sequence), &value));
        chain.run(&[put, command(1, sequence, kv::delete(b"conflict"))]);
    }
    let tip = chain.executor.tip();
    let checkpoint = Checkpoint { height: tip.height, header: tip.hash(), state_root: tip.state_root };
    (chain, StableCheckpoint { checkpoint, vouchers: BoundedVec::default() })
}

/// Restores what is left of a chain's snapshot when `spoil` has been at it.
fn restored(
    (chain, stable): &(Chain, StableCheckpoint),
    spoil: impl Fn(&mut Vec<Header>, &mut Vec<Piece>),
) -> Result<Chain, BadSnapshot> {
    let mut headers = headers(&chain.rows, 3);
    let mut pieces: Vec<_> = Pieces::new(&chain.rows, &chain.genesis).collect();
    spoil(&mut headers, &mut pieces);
    let mut rows = MemoryRows::default();
    let (mut restore, changes) = Restore::begin(&kv::KeyValue, &chain.genesis, &headers, &stable.checkpoint)?;
    rows.apply(changes);
    for piece in pieces {
        let changes = restore.take(&rows, piece)?;
        rows.apply(changes);
    }
    let changes = restore.finish(&rows, stable)?;
    rows.apply(changes);
    let (executor, initial) = Executor::open(Box::new(kv::KeyValue), &chain.genesis, &rows);
    assert!(initial.is_none());
    Ok(Chain { genesis: chain.genesis.clone(), rows, executor })
}

/// The same headers, and so the same states, from there on; nothing executed twice, nothing forgotten late.
#[test]
fn a_restored_state_goes_on_as_the_one_it_is_of() {
    let mut original = chain();
    let mut copy = restored(&original, |_, _| {}).unwrap();
    let (original, stable) = (&mut original.0, &original.1);
    let base = stable.checkpoint.height;
    assert_eq!((copy.executor.tip(), base_height(&copy.rows)), (original.executor.tip(), base));
    assert_eq!(copy.executor.owners(), original.executor.owners());
    assert_eq!(count(&copy, Table::Replies), count(original, Table::Replies));
    let values = |chain: &Chain| (0..3 * RETENTION).map(|sequence| chain.value(&key(sequence))).collect::<Vec<_>>();
    assert_eq!(values(&copy), values(original));
    let known = command(1, 3 * RETENTION - 1, kv::put(b"key", b"another"));
    for sequence in 3 * RETENTION - 2..6 * RETENTION {
        let commands = [known.clone(), command(1, sequence, kv::put(b"key", b"later"))];
        assert_eq!(copy.run(&commands), original.run(&commands));
        assert_eq!(copy.executor.tip(), original.executor.tip());
    }
    assert_eq!(count(&copy, Table::Replies), count(original, Table::Replies));
    assert_eq!(stored_block(&copy.rows, base), None, "its block is elsewhere");
    assert_eq!(stored_block(&copy.rows, base.next()), stored_block(&original.rows, base.next()));
}

/// `OB-8`: the checkpoint vouches for all of it.
#[test]
fn a_state_with_anything_changed_left_out_or_added_is_refused() {
    let chain = chain();
    let refusal = |spoil: &dyn Fn(&mut Vec<Header>, &mut Vec<Piece>)| restored(&chain, spoil).err();
    type Spoil<'a, Key> = &'a dyn Fn(&mut Vec<(Key, Bytes)>);
    let rows = |pieces: &mut Vec<Piece>, spoil: Spoil<'_, Bytes>| match &mut pieces[0] {
        Piece::Rows(rows) => spoil(rows),
        Piece::Receipts(_) => panic!("rows come first"),
    };
    let receipts = |pieces: &mut Vec<Piece>, spoil: Spoil<'_, Height>| match pieces.last_mut() {
        Some(Piece::Receipts(heights)) => spoil(heights),
        _ => panic!("receipts come last"),
    };
    let is_root = |refusal: Option<BadSnapshot>| matches!(refusal, Some(BadSnapshot::Root { .. }));
    assert!(is_root(refusal(&|_, pieces| rows(pieces, &|rows| rows[0].1 = "forged".into()))));
    assert!(is_root(refusal(&|_, pieces| rows(pieces, &|rows| rows[1].0 = [&rows[1].0[..], b"!"].concat().into()))));
    // Without the last row, which nothing else asks for.
    assert!(is_root(refusal(&|_, pieces| rows(pieces, &|rows| drop(rows.remove(0))))));
    assert!(is_root(refusal(&|_, pieces| rows(pieces, &|rows| rows.push((vec![9].into(), "more".into()))))));
    let twice = refusal(&|_, pieces| rows(pieces, &|rows| rows.insert(0, rows[0].clone())));
    assert_eq!(twice, Some(BadSnapshot::Order));

    let last = Height::new(3 * RETENTION);
    assert_eq!(refusal(&|_, pieces| receipts(pieces, &|all| drop(all.pop()))), Some(BadSnapshot::Receipts(last)));
    let forged = refusal(&|_, pieces| receipts(pieces, &|all| all.last_mut().unwrap().1 = vec![0].into()));
    assert_eq!(forged, Some(BadSnapshot::Receipts(last)));
    let twice = refusal(&|_, pieces| receipts(pieces, &|all| all.push(all.last().unwrap().clone())));
    assert_eq!(twice, Some(BadSnapshot::Order));
    let late = refusal(&|_, pieces| pieces.push(Piece::Rows(vec![(vec![9].into(), "late".into())])));
    assert_eq!(late, Some(BadSnapshot::Order));

    for spoil in [
        |headers: &mut Vec<Header>| headers.truncate(2),
        |headers: &mut Vec<Header>| headers.rotate_left(1),
        |headers: &mut Vec<Header>| headers[0].time_ms += 1,
        Vec::clear,
    ] {
        assert_eq!(refusal(&|headers, _| spoil(headers)), Some(BadSnapshot::Headers));
    }
}
