use std::collections::BTreeMap;

use proptest::{collection::vec, option, prelude::*, test_runner::TestCaseError};

use super::*;
use crate::store::MemoryRows;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn key(number: u16) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// Commits one block of writes.
fn commit(rows: &mut MemoryRows, crown: &mut Crown, writes: &[(u16, Option<u8>)]) -> Digest {
    let mut state = State::new(rows);
    for (number, value) in writes {
        match value {
            Some(value) => state.put(&key(*number), vec![*value]),
            None => state.delete(&key(*number)),
        }
    }
    let (root, changes) = state.seal(crown);
    rows.apply(changes);
    root
}

/// The root of a state made at once, and all rows of it.
fn made_at_once(model: &Model) -> (Digest, MemoryRows) {
    let mut rows = MemoryRows::default();
    let mut state = State::new(&rows);
    model.iter().rev().for_each(|(key, value)| state.put(key, value.clone()));
    let (root, changes) = state.finish();
    rows.apply(changes);
    (root, rows)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn root_and_rows_depend_on_contents_alone(
        blocks in vec(vec((0u16..300, option::weighted(0.7, 0u8..4)), 0..150), 1..8),
        forget in vec(any::<bool>(), 8),
    ) {
        let (mut rows, mut crown, mut model) = (MemoryRows::default(), Crown::default(), Model::new());
        for (block, forget) in blocks.iter().zip(forget) {
            if forget {
                crown = Crown::default();
            }
            let root = commit(&mut rows, &mut crown, block);
            for (number, value) in block {
                match value {
                    Some(value) => model.insert(key(*number), vec![*value]),
                    None => model.remove(&key(*number)),
                };
            }
            let (expected, expected_rows) = made_at_once(&model);
            prop_assert_eq!(root, expected);
            prop_assert!(rows == expected_rows, "no page is left behind and none is missing");
        }
    }

    #[test]
    fn proves_what_is_there_and_what_is_not(present in vec(0u16..2000, 0..400), asked in vec(0u16..2000, 1..6)) {
        let model: Model = present.iter().map(|number| (key(*number), number.to_le_bytes().to_vec())).collect();
        let (root, rows) = made_at_once(&model);
        for number in asked.iter().chain(present.iter().take(5)) {
            let proof = prove(&rows, &key(*number));
            let expected = model.get(&key(*number)).map(|value| hash_value(value));
            prop_assert_eq!(proof.verify(&root, &key(*number)), Ok(expected));
            mutants_fail(&proof, &root, &key(*number))?;
        }
    }

    #[test]
    fn reads_see_earlier_writes_and_revert_forgets_them(
        committed in vec((0u16..30, 0u8..), 0..20),
        kept in vec((0u16..30, option::of(0u8..)), 0..20),
        reverted in vec((0u16..30, option::of(0u8..)), 0..20),
    ) {
        let committed: Vec<_> = committed.into_iter().map(|(number, value)| (number, Some(value))).collect();
        let mut rows = MemoryRows::default();
        commit(&mut rows, &mut Crown::default(), &committed);
        let mut model: BTreeMap<u16, Option<u8>> = committed.into_iter().collect();
        let mut state = State::new(&rows);
        let write = |state: &mut State<'_>, number: u16, value: Option<u8>| match value {
            Some(value) => state.put(&key(number), vec![value]),
            None => state.delete(&key(number)),
        };
        for (number, value) in kept {
            write(&mut state, number, value);
            model.insert(number, value);
            prop_assert_eq!(state.get(&key(number)), value.map(|value| Bytes::from(vec![value])));
        }
        state.keep();
        for (number, value) in reverted {
            write(&mut state, number, value);
        }
        state.revert();
        let mut seen = Vec::new();
        state.scan(&[0], &mut |key, value| {
            seen.push((key.to_vec(), value.to_vec()));
            true
        });
        let expected = model.iter().filter_map(|(number, value)| Some((key(*number), vec![(*value)?])));
        prop_assert_eq!(seen, expected.collect::<Vec<_>>());
    }
}

/// What a command brought along is read from its block, and counts in the root as a value of its own does.
#[test]
fn a_long_value_of_the_block_is_not_stored_again() {
    let payload: Bytes = (0..40_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let written = [(b"in one part", 10..810), (b"over parts!", 100..39_900), (b"short value", 7..20)];
    let mut rows = MemoryRows::default();
    let mut state = State::executing(&rows, Height::FIRST, &payload);
    let mut model = Model::new();
    for (key, range) in &written {
        state.put(*key, &payload[range.clone()]);
        state.keep();
        model.insert(key.to_vec(), payload[range.clone()].to_vec());
        assert_eq!(state.get(*key).as_ref(), Some(&payload.slice(range.clone())));
    }
    let copy = payload[..500].to_vec();
    state.put(b"a copy", &copy);
    state.keep();
    state.put(b"over parts!", &payload[..300]);
    state.put(b"new", &payload[..300]);
    state.revert();
    model.insert(b"a copy".to_vec(), copy);
    let (root, changes) = state.finish();
    assert_eq!(root, made_at_once(&model).0);
    let lengths: Vec<usize> =
        changes.range(Table::State, &[]).filter_map(|(_, row)| row.as_ref().map(Bytes::len)).collect();
    assert_eq!(lengths, [501, 17, 17, 14]);
    rows.apply(changes);
    let mut read = Model::new();
    State::new(&rows).scan(b"", &mut |key, value| read.insert(key.to_vec(), value.to_vec()).is_none());
    assert_eq!(read, model);
}

/// No other proof with one field changed leads to the root.
fn mutants_fail(proof: &Proof, root: &Digest, key: &[u8]) -> Result<(), TestCaseError> {
    let flipped = |digest: &Digest| {
        let mut bytes = *digest.as_bytes();
        bytes[7] ^= 1;
        Digest::new(bytes)
    };
    let mut mutants = Vec::new();
    for at in 0..proof.leaves.len() {
        let mut leaves = proof.leaves.to_vec();
        leaves[at].value = flipped(&leaves[at].value);
        mutants.push(Proof { leaves: leaves.clone().try_into().unwrap(), ..proof.clone() });
        leaves.remove(at);
        mutants.push(Proof { leaves: leaves.try_into().unwrap(), ..proof.clone() });
    }
    for at in 0..proof.levels.len() {
        let mut levels = proof.levels.to_vec();
        levels[at].siblings ^= 1;
        mutants.push(Proof { levels: levels.clone().try_into().unwrap(), ..proof.clone() });
        levels[at] = proof.levels[at].clone();
        let mut hashes = levels[at].hashes.to_vec();
        if let Some(first) = hashes.first_mut() {
            *first = flipped(first);
            levels[at].hashes = hashes.try_into().unwrap();
            mutants.push(Proof { levels: levels.clone().try_into().unwrap(), ..proof.clone() });
        }
        levels.remove(at);
        mutants.push(Proof { levels: levels.try_into().unwrap(), ..proof.clone() });
    }
    for mutant in mutants {
        prop_assert_eq!(mutant.verify(root, key), Err(BadProof), "{:?}", mutant);
    }
    prop_assert_eq!(proof.verify(&flipped(root), key), Err(BadProof));
    Ok(())
}

#[test]
fn keys_of_the_runtime_are_out_of_reach_of_applications() {
    let rows = MemoryRows::default();
    let mut state = State::new(&rows);
    state.put_system(b"name", "value");
    assert_eq!(state.get(b"name"), None);
    assert_eq!(state.system(b"name").as_deref(), Some(b"value".as_slice()));
    let mut seen = 0;
    state.scan(b"", &mut |_, _| {
        seen += 1;
        true
    });
    assert_eq!(seen, 0);
}

#[test]
fn golden_roots() {
    let number = |count: u16| (0..count).map(|number| (key(number), b"value".to_vec())).collect::<Model>();
    let root = |count| made_at_once(&number(count)).0.to_string();
    assert_eq!(root(0), "3bc30f1dc76e6760ef33ba0569861186632d37c43aa4b89830f803aef8f85fcc");
    assert_eq!(root(1), "282c597cd5e3076fbd9fc53265f751da26b8c92ff0c5b342aec805c65b70e139");
    assert_eq!(root(16), "874c1aa760e626fd0bd6378569fc242580da7f6edf7e52cef759d2b5a87d8dff");
    assert_eq!(root(17), "41fa8b844ea8173071ef85cc351320469bd46debd910841f58411555ceb3dc1d");
}
