//! What happens to a journal, one mishap at a time.

use super::*;
use crate::{
    crypto::seeded_rng,
    journal::{Disk as _, SECTOR, Sequence},
};

#[test]
fn gives_back_what_was_flushed_in_order() {
    let mut log = create();
    batch(&mut log, [vote(1, b"first"), body(1, 5), vote(1, b"second")]);
    batch(&mut log, [standing(b"counter 1")]);
    log.append(vote(2, b"never flushed"));
    let (_, survey) = open(&log.into_disk()).unwrap();
    assert_eq!(contents(&survey), [&b"first"[..], &[5; BODY_BYTES], b"second", b"counter 1"]);
    let sequences: Vec<_> = survey.items.iter().map(|(sequence, _)| *sequence).collect();
    assert_eq!(sequences, [Sequence(1), Sequence(2), Sequence(3), Sequence(4)]);
    assert_eq!((survey.lost, survey.mended, survey.torn_bytes), (0, 0, 0));
}

#[test]
fn goes_on_counting_after_a_restart() {
    let mut log = create();
    batch(&mut log, [vote(1, b"a"), vote(1, b"b")]);
    let (mut log, _) = open(&log.into_disk()).unwrap();
    assert_eq!(log.append(vote(1, b"c")), Sequence(3));
    assert_eq!(log.flush().unwrap(), Sequence(3));
    let (_, survey) = open(&log.into_disk()).unwrap();
    assert_eq!(contents(&survey), [b"a", b"b", b"c"]);
}

/// `JN-3`: power loss in the middle of a write that nobody was told of stops no node and asks no operator.
#[test]
fn torn_tail_is_wiped_and_the_rest_comes_back() {
    let (mut was_wiped, mut was_kept) = (false, false);
    for seed in 0..50 {
        let mut log = create();
        batch(&mut log, [vote(1, b"acknowledged")]);
        log.append(body(1, 3));
        log.append(vote(1, b"torn"));
        // The write is done in part, the sync never is.
        log.disk_mut().fail_after(0);
        log.flush().unwrap_err();
        let mut disk = log.into_disk();
        disk.repair();
        disk.crash(&mut seeded_rng(seed));
        let (log, survey) = open(&disk).unwrap();
        // `JN-9`: if the record is whole it stays, with or without its body. Nobody was told of it, nothing restricts
        // more than it did, and what is here twice may have been synced.
        match contents(&survey)[..] {
            [b"acknowledged"] => was_wiped |= survey.torn_bytes > 0,
            [b"acknowledged", .., b"torn"] => was_kept |= survey.lost > 0,
            ref other => panic!("{other:?}"),
        }
        let end = usize::try_from(log.bytes()).unwrap();
        let disk = log.into_disk();
        assert!(disk.bytes(1).unwrap()[end..].iter().all(|byte| *byte == 0), "something is left behind the end");
        assert_eq!(open(&disk).unwrap().1.torn_bytes, 0);
    }
    assert!(was_wiped && was_kept);
}

/// `JN-2`
#[test]
fn rotten_copy_of_a_vote_is_mended_from_the_other_one() {
    let mut log = create();
    let place = batch(&mut log, [vote(1, b"the vote")]);
    batch(&mut log, [vote(1, b"later")]);
    let mut disk = log.into_disk();
    let good = disk.bytes(1).unwrap()[..place.end].to_vec();
    disk.rot(1, place.start + 30, 0x10);
    let (log, survey) = open(&disk).unwrap();
    assert_eq!(contents(&survey), [&b"the vote"[..], b"later"]);
    assert_eq!(survey.mended, 1);
    // Mended: now the other copy may rot.
    let mut disk = log.into_disk();
    assert_eq!(disk.bytes(1).unwrap()[..place.end], good);
    disk.rot(1, place.end - SECTOR + 30, 0x10);
    assert_eq!(contents(&open(&disk).unwrap().1), [&b"the vote"[..], b"later"]);
}

/// `JN-3`: cutting off from here would be amnesia.
#[test]
fn rot_in_both_copies_of_a_vote_is_a_fault() {
    let mut log = create();
    let place = batch(&mut log, [vote(1, b"the vote")]);
    batch(&mut log, [vote(1, b"later")]);
    let mut disk = log.into_disk();
    disk.rot(1, place.start + 30, 0x10);
    disk.rot(1, place.end - SECTOR + 30, 0x01);
    let offset = place.start as u64;
    assert!(matches!(open(&disk), Err(OpenError::Rotten { segment: 1, offset: at }) if at == offset));
}

/// The seal stands in for a later batch.
#[test]
fn rot_in_the_last_vote_is_a_fault_once_it_is_sealed() {
    for is_sealed in [false, true] {
        let mut log = create();
        let place = batch(&mut log, [vote(1, b"the vote")]);
        if is_sealed {
            log.seal().unwrap();
        }
        assert_eq!(log.is_sealed(), is_sealed);
        let mut disk = log.into_disk();
        disk.rot(1, place.start + 30, 0x10);
        disk.rot(1, place.end - SECTOR + 30, 0x01);
        assert_eq!(matches!(open(&disk), Err(OpenError::Rotten { .. })), is_sealed);
    }
}

/// `JN-9`: whether or not anything was written after it.
#[test]
fn rotten_body_takes_no_record_with_it() {
    for is_sealed in [false, true] {
        let mut log = create();
        let place = batch(&mut log, [body(2, 2), vote(2, b"vote for the body")]);
        if is_sealed {
            log.seal().unwrap();
        }
        let mut disk = log.into_disk();
        disk.rot(1, place.start + SECTOR + 500, 0xff);
        let (mut log, survey) = open(&disk).unwrap();
        assert_eq!((contents(&survey), survey.lost), (vec![&b"vote for the body"[..]], 1));
        // Had from a peer, it is kept again.
        batch(&mut log, [body(2, 2)]);
        let (_, survey) = open(&log.into_disk()).unwrap();
        assert_eq!(contents(&survey), [&b"vote for the body"[..], &[2; BODY_BYTES]]);
    }
}

/// `JN-2`: a hundred validators' votes are no body.
#[test]
fn large_record_is_kept_twice() {
    let large = [3; 40_000];
    let mut log = create();
    let place = batch(&mut log, [vote(1, &large)]);
    batch(&mut log, [vote(1, b"later")]);
    for at in [place.start + 20_000, place.end - 20_000] {
        let mut disk = log.disk_mut().clone();
        disk.rot(1, at, 0x01);
        let (_, survey) = open(&disk).unwrap();
        assert_eq!((contents(&survey), survey.mended), (vec![&large[..], b"later"], 1));
    }
}

/// `JN-2`: by the voter, and when it is decided; also in the same batch, and after a restart.
#[test]
fn body_is_kept_once_for_its_height() {
    let mut log = create();
    let place = batch(&mut log, [body(1, 1), vote(1, b"vote"), body(1, 1), vote(1, b"decided")]);
    assert!(place.len() < 2 * BODY_BYTES, "{place:?}");
    let (mut log, _) = open(&log.into_disk()).unwrap();
    assert!(batch(&mut log, [body(1, 1), vote(1, b"once more")]).len() < BODY_BYTES);
    // Height 1 may go before height 2 does.
    assert!(batch(&mut log, [body(2, 1)]).len() > BODY_BYTES);
    log.forget_below(Height::new(2));
    batch(&mut log, [body(2, 1), body(2, 2)]);
    let (_, survey) = open(&log.into_disk()).unwrap();
    let bodies: Vec<_> = survey.items.iter().filter_map(|(_, item)| item.body()).collect();
    let name = |height, fill| (Height::new(height), Digest::new([fill; 32]));
    assert_eq!(bodies, [name(1, 1), name(2, 1), name(2, 2)]);
}

/// `JN-6`, `OB-10`
#[test]
fn missing_journal_is_a_fault_and_an_existing_one_is_never_replaced() {
    assert!(matches!(open(&SimDisk::default()), Err(OpenError::Missing)));
    let disk = create().into_disk();
    assert!(matches!(Log::create(disk, CHAIN, SALT, SEGMENT_BYTES), Err(OpenError::Exists)));
}

/// `JN-6`
#[test]
fn missing_segment_is_a_fault() {
    let mut log = create();
    for height in 0..40 {
        batch(&mut log, [body(height, 1)]);
    }
    let disk = log.into_disk();
    let newest = *disk.segments().unwrap().last().unwrap();
    assert!(newest > 3);
    for lost in 1..newest {
        let mut disk = disk.clone();
        disk.lose(lost);
        assert!(matches!(open(&disk), Err(OpenError::SegmentMissing { segment }) if segment == lost));
    }
}

#[test]
fn foreign_chain_is_refused_by_name() {
    let disk = create().into_disk();
    let other = Digest::new([8; 32]);
    assert!(matches!(Log::open(disk, other, SEGMENT_BYTES), Err(OpenError::Chain { found }) if found == CHAIN));
}

/// `JN-7`
#[test]
fn forgotten_segments_go_and_standing_facts_stay() {
    let mut log = create();
    batch(&mut log, [standing(b"counter 7")]);
    let mut largest = 0;
    for height in 1..500 {
        batch(&mut log, [body(height, 1), vote(height, b"vote")]);
        log.forget_below(Height::new(height));
        largest = largest.max(log.bytes());
    }
    assert!(largest < 3 * SEGMENT_BYTES, "{largest}");
    let disk = log.into_disk();
    assert!(disk.segments().unwrap().len() <= 2);
    let (log, survey) = open(&disk).unwrap();
    // The last floor waits for a batch to be written with.
    assert_eq!(log.floor(), Height::new(498));
    let facts = contents(&survey);
    assert!(facts.contains(&&b"counter 7"[..]));
    assert!(facts.ends_with(&[&[1; BODY_BYTES], b"vote"]));
}

/// `JN-7`: the crash comes when the new segment is begun and nothing is said again in it yet.
#[test]
fn standing_fact_survives_a_crash_between_two_segments() {
    let mut was_torn = false;
    for seed in 0..20 {
        let mut log = create();
        batch(&mut log, [standing(b"counter 7")]);
        // One more does not fit.
        let mut fill = 0;
        while log.bytes() + BODY_BYTES as u64 + 4 * SECTOR as u64 <= SEGMENT_BYTES {
            fill += 1;
            batch(&mut log, [body(1, fill)]);
        }
        log.append(body(1, 0));
        log.append(vote(1, b"torn"));
        // Creating, writing and syncing the header, and syncing the directory.
        let begin_segment = 4;
        log.disk_mut().fail_after(begin_segment);
        log.flush().unwrap_err();
        let mut disk = log.into_disk();
        disk.repair();
        disk.crash(&mut seeded_rng(seed));
        assert_eq!(disk.segments().unwrap(), [1, 2]);
        let (mut log, survey) = open(&disk).unwrap();
        was_torn |= !contents(&survey).contains(&&b"torn"[..]);
        log.forget_below(Height::new(2));
        batch(&mut log, [vote(2, b"goes on")]);
        let disk = log.into_disk();
        assert_eq!(disk.segments().unwrap(), [2]);
        assert!(contents(&open(&disk).unwrap().1).ends_with(&[b"counter 7", b"goes on"]));
    }
    assert!(was_torn);
}

/// `JN-8`: what is written in steady use was there before, as zeros.
#[test]
fn segments_do_not_grow_while_batches_fit() {
    let mut log = create();
    let growing = create_on(SimDisk::default()).into_disk();
    assert_eq!(growing.bytes(1).unwrap().len(), 4 * SECTOR, "two headers and an empty batch");
    for height in 1..50 {
        batch(&mut log, [vote(height, b"vote"), body(height, 1)]);
    }
    // Larger than a segment: it grows one of its own.
    let oversized = usize::try_from(SEGMENT_BYTES).unwrap();
    batch(&mut log, [vote(50, &vec![7; oversized])]);
    batch(&mut log, [vote(51, b"vote")]);
    let disk = log.into_disk();
    let lengths: Vec<u64> =
        disk.segments().unwrap().iter().map(|segment| disk.bytes(*segment).unwrap().len() as u64).collect();
    assert!(lengths.len() > 10);
    let (grown, kept): (Vec<u64>, Vec<u64>) = lengths.iter().partition(|length| **length > SEGMENT_BYTES);
    assert!(kept.iter().all(|length| *length == SEGMENT_BYTES), "{lengths:?}");
    assert_eq!(grown.len(), 1, "{lengths:?}");
    assert_eq!(contents(&open(&disk).unwrap().1).last(), Some(&&b"vote"[..]));
}

/// `JN-8`: a journal that grew is filled up when it is opened, as after a start on a full disk.
#[test]
fn grown_segment_is_filled_up_at_the_next_start() {
    let mut log = create_on(SimDisk::default());
    batch(&mut log, [vote(1, b"vote")]);
    let with_room = log.into_disk().with_room(usize::try_from(SEGMENT_BYTES).unwrap());
    let (log, survey) = open(&with_room).unwrap();
    assert_eq!((contents(&survey), survey.torn_bytes), (vec![&b"vote"[..]], 0));
    assert_eq!(log.into_disk().bytes(1).unwrap().len() as u64, SEGMENT_BYTES);
}

/// `JN-8`: rot behind the end of the journal is no record, and no fault.
#[test]
fn rot_in_the_zeros_behind_the_end_is_wiped() {
    let mut log = create();
    let place = batch(&mut log, [vote(1, b"the vote")]);
    let mut disk = log.into_disk();
    disk.rot(1, place.end + 3 * SECTOR + 5, 0x80);
    let (log, survey) = open(&disk).unwrap();
    assert_eq!(contents(&survey), [b"the vote"]);
    assert_eq!(survey.torn_bytes, 4 * SECTOR as u64);
    assert_eq!(open(&log.into_disk()).unwrap().1.torn_bytes, 0);
}

/// `JN-7`
#[test]
fn segment_of_a_live_height_stays() {
    let mut log = create();
    batch(&mut log, [vote(1, b"old and undecided")]);
    for height in 2..30 {
        batch(&mut log, [body(height, 1)]);
    }
    log.forget_below(Height::new(1));
    log.seal().unwrap();
    let (_, survey) = open(&log.into_disk()).unwrap();
    assert_eq!(contents(&survey)[0], b"old and undecided");
}

/// `JN-5`: a peer hides the second copy of an index in a payload, and waits for the first one to be damaged.
#[test]
fn peer_cannot_forge_structure_without_the_salt() {
    // The liar knows the program, the chain and what else is in the batch, but has to guess the salt.
    let guess = Salt::new([10; 16]);
    let mut liar = Log::create(SimDisk::default(), CHAIN, guess, SEGMENT_BYTES).unwrap();
    let place = batch(&mut liar, [vote(1, b"a vote never cast")]);
    let forged = liar.into_disk().bytes(1).unwrap()[place.start..place.start + SECTOR].to_vec();

    let mut log = create();
    let payload = forged.repeat(6);
    assert!(payload.len() > INLINE_BYTES_MAX);
    let place = batch(&mut log, [Item { kind: Kind::Body(CHAIN), ..vote(1, &payload) }]);
    batch(&mut log, [vote(1, b"later")]);
    let mut disk = log.into_disk();
    disk.rot(1, place.start + 30, 0x10);
    let (_, survey) = open(&disk).unwrap();
    assert_eq!(contents(&survey), [&payload[..], b"later"]);
}

/// `JN-1`, `JN-8`: a full disk is a fault of the moment. It never looks like rot, and with room again all goes on.
#[test]
fn full_disk_loses_nothing_acknowledged_and_is_no_rot() {
    for prepared in [0, usize::try_from(SEGMENT_BYTES).unwrap()] {
        for capacity in (300 << 10..600 << 10).step_by(7_000) {
            let mut log = create_on(SimDisk::prepared(prepared));
            log.disk_mut().set_capacity(Some(capacity));
            let mut acknowledged = 0;
            let fault = loop {
                log.append(vote(1, &[acknowledged; 3_000]));
                log.append(body(1, acknowledged));
                match log.flush() {
                    Ok(_) => acknowledged += 1,
                    Err(fault) => break fault,
                }
            };
            assert!(fault.is_disk_full(), "{fault}");
            let still_full = log.into_disk();
            match open(&still_full) {
                Ok((_, survey)) => assert!(survey.items.len() >= 2 * usize::from(acknowledged)),
                Err(OpenError::Fault(fault)) => assert!(fault.is_disk_full(), "{fault}"),
                Err(error) => panic!("a full disk is taken for damage: {error}"),
            }
            let mut with_room = still_full;
            with_room.set_capacity(None);
            let (mut log, survey) = open(&with_room).unwrap();
            let whole: Vec<_> = (0..acknowledged).map(|fill| vec![fill; BODY_BYTES]).collect();
            let back: Vec<_> = contents(&survey).into_iter().filter(|bytes| bytes.len() == BODY_BYTES).collect();
            assert!(back.starts_with(&whole.iter().map(Vec::as_slice).collect::<Vec<_>>()));
            batch(&mut log, [vote(2, b"goes on")]);
        }
    }
}

#[test]
fn failed_journal_stays_failed() {
    let mut log = create();
    log.disk_mut().fail_after(1);
    log.append(vote(1, b"vote"));
    let first = log.flush().unwrap_err().to_string();
    assert!(first.contains("the simulated disk fails"), "{first}");
    assert_eq!(log.flush().unwrap_err().to_string(), "the journal has failed before");
}
