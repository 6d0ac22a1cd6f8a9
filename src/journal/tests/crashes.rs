//! Any history of appends, flushes, kills and power losses, against a model that remembers everything.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    crypto::seeded_rng,
    journal::{Disk as _, SECTOR, Sequence},
};

#[derive(Clone, Debug)]
enum Step {
    Append {
        height: u64,
        bytes: usize,
        what: What,
    },
    Flush,
    Seal,
    ForgetBelow(u64),
    /// The disk fails after some more operations, in the middle of whatever runs then.
    FailSoon(u64),
    Stop(Stop),
}

#[derive(Clone, Debug)]
enum Stop {
    /// The process dies; the page cache survives.
    Kill,
    /// The power fails, perhaps twice.
    PowerLoss { seed: u64, opening_fails_after: u64 },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    Record,
    Body,
    Standing(Fact),
}

/// On which segments grow, are filled with zeros in part, or whole.
fn disk() -> impl Strategy<Value = SimDisk> {
    let whole = usize::try_from(SEGMENT_BYTES).expect("small");
    prop_oneof![Just(0), Just(whole / 3), Just(whole)].prop_map(SimDisk::prepared)
}

fn step() -> impl Strategy<Value = Step> {
    let what = prop_oneof![6 => Just(What::Record), 3 => Just(What::Body), 1 => Just(What::Standing(Fact::PeerCounter)),
        1 => Just(What::Standing(Fact::Abstention))];
    let bytes = prop_oneof![3 => 0usize..200, 1 => 3_000usize..40_000];
    prop_oneof![
        8 => (0u64..40, bytes, what).prop_map(|(height, bytes, what)| Step::Append { height, bytes, what }),
        5 => Just(Step::Flush),
        1 => Just(Step::Seal),
        1 => (0u64..40).prop_map(Step::ForgetBelow),
        1 => (0u64..12).prop_map(Step::FailSoon),
        1 => Just(Step::Stop(Stop::Kill)),
        1 => (0u64.., 0u64..20).prop_map(|(seed, opening_fails_after)| {
            Step::Stop(Stop::PowerLoss { seed, opening_fails_after })
        }),
    ]
}

/// What a perfect memory would hold.
#[derive(Default)]
struct Model {
    appended: BTreeMap<Sequence, Item>,
    acknowledged: Sequence,
    standing: BTreeMap<Fact, Item>,
    floor: Height,
    fill: u8,
}

impl Model {
    fn append(&mut self, log: &mut Log<SimDisk>, height: u64, bytes: usize, what: What) {
        self.fill = self.fill.wrapping_add(1);
        let scope =
            if let What::Standing(fact) = what { Scope::Standing(fact) } else { Scope::Height(Height::new(height)) };
        let kind = if what == What::Body { Kind::Body(Digest::new([self.fill; 32])) } else { Kind::Record };
        let item = Item { scope, kind, bytes: vec![self.fill; bytes].into() };
        self.appended.insert(log.append(item.clone()), item);
    }

    /// `JN-1`: everything acknowledged and still needed is back, and nothing that was not appended. Bodies, which peers
    /// have, may be missing if something has rotten.
    fn compare(&mut self, survey: &Survey, has_rotten: bool) {
        let back: BTreeMap<_, _> = survey.items.iter().cloned().collect();
        let last = back.keys().next_back().copied().unwrap_or_default();
        let is_back = |sequence: &Sequence, item: &Item| back.get(sequence) == Some(item);
        for (sequence, item) in &self.appended {
            let is_needed = match item.scope {
                Scope::Height(height) => height >= self.floor,
                Scope::Standing(_) => false,
            };
            if *sequence <= self.acknowledged && is_needed && !(has_rotten && item.kind != Kind::Record) {
                assert!(is_back(sequence, item), "acknowledged {sequence:?} is lost");
            }
        }
        // What was not acknowledged and is gone is gone for good: its numbers are used again.
        let acknowledged = self.acknowledged;
        let gone = |sequence: &Sequence, item: &Item| *sequence > acknowledged && !is_back(sequence, item);
        let is_gone = |(s, item): &(&Sequence, &Item)| gone(s, item) && item.kind == Kind::Record;
        let first_gone = self.appended.iter().find(is_gone).map(|(s, _)| *s);
        self.appended.retain(|sequence, item| !gone(sequence, item));
        self.standing.extend(facts(self.appended.values()));
        for (sequence, item) in &back {
            // What the log repeats by itself has a number of its own.
            let is_repeated = matches!(item.scope, Scope::Standing(_)) && !self.appended.contains_key(sequence);
            assert!(is_repeated || self.appended.get(sequence) == Some(item), "{sequence:?} is made up");
            assert!(is_repeated || first_gone.is_none_or(|gone| *sequence < gone), "{sequence:?} is not in a prefix");
        }
        let latest = facts(survey.items.iter().map(|(_, item)| item));
        assert_eq!(latest, self.standing, "a standing fact is lost or old");
        self.acknowledged = last;
    }
}

/// The last word on each fact.
fn facts<'a>(items: impl Iterator<Item = &'a Item>) -> BTreeMap<Fact, Item> {
    let fact = |item: &Item| match item.scope {
        Scope::Standing(fact) => Some((fact, item.clone())),
        Scope::Height(_) => None,
    };
    items.filter_map(fact).collect()
}

/// Stops the process in its way, then recovers: perhaps interrupted by a second power loss, certainly without a fault.
fn restart(log: Log<SimDisk>, model: &mut Model, stop: Stop) -> Log<SimDisk> {
    let mut disk = log.into_disk();
    disk.repair();
    if let Stop::PowerLoss { seed, opening_fails_after } = stop {
        let rng = &mut seeded_rng(seed);
        disk.crash(rng);
        disk.fail_after(opening_fails_after);
        if let Err(error) = Log::open(&mut disk, CHAIN, SEGMENT_BYTES) {
            assert!(matches!(error, OpenError::Fault(_)), "{error}");
        }
        disk.repair();
        disk.crash(rng);
    }
    let (log, survey) = open(&disk).unwrap_or_else(|error| panic!("a mere crash is a fault: {error}"));
    model.compare(&survey, false);
    log
}

fn run(disk: SimDisk, steps: Vec<Step>) -> (Log<SimDisk>, Model) {
    let mut log = create_on(disk);
    let mut model = Model::default();
    for step in steps {
        let outcome = match step {
            Step::Append { height, bytes, what } => {
                model.append(&mut log, height, bytes, what);
                continue;
            }
            Step::ForgetBelow(height) => {
                log.forget_below(Height::new(height));
                model.floor = model.floor.max(Height::new(height));
                continue;
            }
            Step::FailSoon(operations) => {
                log.disk_mut().fail_after(operations);
                continue;
            }
            Step::Stop(stop) => {
                log = restart(log, &mut model, stop);
                continue;
            }
            Step::Flush => log.flush(),
            Step::Seal => log.seal().and_then(|()| log.flush()),
        };
        match outcome {
            Ok(durable) => model.acknowledged = durable,
            // A disk that fails takes the process with it, and here the power as well.
            Err(_) => log = restart(log, &mut model, Stop::PowerLoss { seed: 1, opening_fails_after: 3 }),
        }
    }
    let log = restart(log, &mut model, Stop::Kill);
    (log, model)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// `JN-1`, `JN-3`, `JN-4`, `JN-7`, `JN-8`
    #[test]
    fn nothing_acknowledged_is_lost_and_no_crash_is_a_fault(
        disk in disk(),
        steps in proptest::collection::vec(step(), 0..60),
    ) {
        run(disk, steps);
    }

    /// `JN-2`, `JN-9`: after any history, one bad byte anywhere is mended, or the loss of what peers have; it never costs
    /// a record, and never stops a node.
    #[test]
    fn one_rotten_byte_costs_no_record(
        disk in disk(),
        steps in proptest::collection::vec(step(), 0..40),
        sector in 0usize..1 << 16,
        byte in prop_oneof![0..64usize, 0..SECTOR],
        mask in 1u8..,
    ) {
        let (log, mut model) = run(disk, steps);
        let mut disk = log.into_disk();
        let segments = disk.segments().unwrap();
        let all: usize = segments.iter().map(|segment| disk.bytes(*segment).unwrap().len()).sum();
        let mut at = (sector * SECTOR + byte) % all;
        for segment in segments {
            let length = disk.bytes(segment).unwrap().len();
            if at < length {
                disk.rot(segment, at, mask);
                break;
            }
            at -= length;
        }
        let (_, survey) = open(&disk).unwrap_or_else(|error| panic!("one bad byte is a fault: {error}"));
        model.compare(&survey, true);
    }
}
