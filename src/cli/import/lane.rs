//! Which line may go next.
//!
//! Lines of one key form a lane: at most one of them is on its way, the others wait behind it in the file's order. So
//! however batches overtake each other, equal keys never do. Lines of different keys do not wait for each other.

use std::collections::{HashMap, VecDeque};

use super::line::{Content, Line};

/// The most commands of a batch; nodes take no more.
pub(super) const BATCH_COMMANDS_MAX: usize = 1_000;
/// The most bytes of a batch's JSON, far below what nodes take.
pub(super) const BATCH_BYTES_MAX: usize = 1 << 20;
/// The most lines, and bytes of lines, that wait for their key; then reading waits too.
const WAITING_LINES_MAX: usize = 20_000;
const WAITING_BYTES_MAX: usize = 64 << 20;

/// Lines that have been read and are not yet finished.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// For each key with a line that is ready or on its way: those that wait behind it.
    lanes: HashMap<Vec<u8>, VecDeque<Line>>,
    /// May go now, in the order in which they became ready.
    ready: VecDeque<Line>,
    ready_bytes: usize,
    waiting: usize,
    waiting_bytes: usize,
}

impl Lanes {
    /// Whether more lines can be taken in, and are of use: there is room, and no full batch is ready.
    pub(super) fn wants_more(&self) -> bool {
        let has_room = self.waiting < WAITING_LINES_MAX && self.waiting_bytes < WAITING_BYTES_MAX;
        has_room && self.ready.len() < BATCH_COMMANDS_MAX && self.ready_bytes < BATCH_BYTES_MAX
    }

    /// Takes a line in, in the file's order.
    pub(super) fn admit(&mut self, line: Line) {
        if let Some(lane) = self.lanes.get_mut(&line.key) {
            self.waiting += 1;
            self.waiting_bytes += line.bytes();
            lane.push_back(line);
        } else {
            self.lanes.insert(line.key.clone(), VecDeque::new());
            self.make_ready(line);
        }
    }

    /// What goes next, within the limits of a batch; no two lines of one key. A line that travels raw goes alone, and
    /// so does one that is larger than a batch: the node will say so.
    pub(super) fn take_batch(&mut self) -> Option<Vec<Line>> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(line) = self.ready.front() {
            let is_raw = matches!(line.content, Content::Raw(_));
            let fits = batch.len() < BATCH_COMMANDS_MAX && bytes + line.bytes() <= BATCH_BYTES_MAX && !is_raw;
            if !batch.is_empty() && !fits {
                break;
            }
            bytes += line.bytes();
            batch.extend(self.ready.pop_front());
            if is_raw {
                break;
            }
        }
        self.ready_bytes -= bytes;
        (!batch.is_empty()).then_some(batch)
    }

    /// A line has ended, one way or the other: the next one of its key is ready.
    pub(super) fn finish(&mut self, line: &Line) {
        let Some(lane) = self.lanes.get_mut(&line.key) else { return };
        match lane.pop_front() {
            Some(next) => {
                self.waiting -= 1;
                self.waiting_bytes -= next.bytes();
                self.make_ready(next);
            }
            None => {
                self.lanes.remove(&line.key);
            }
        }
    }

    fn make_ready(&mut self, line: Line) {
        self.ready_bytes += line.bytes();
        self.ready.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(number: u64, key: u8) -> Line {
        let (content, idempotency_key) = (Content::Item(String::new()), String::new());
        Line { number, key: vec![key], content, idempotency_key, signed: None }
    }

    fn numbers(batch: Option<Vec<Line>>) -> Vec<u64> {
        batch.unwrap_or_default().iter().map(|line| line.number).collect()
    }

    #[test]
    fn a_line_waits_for_earlier_ones_of_its_key_and_for_no_others() {
        let mut lanes = Lanes::default();
        for (number, key) in [(1, b'a'), (2, b'a'), (3, b'b'), (4, b'a')] {
            lanes.admit(line(number, key));
        }
        assert_eq!(numbers(lanes.take_batch()), [1, 3]);
        assert_eq!(lanes.take_batch(), None, "the key is on its way");
        lanes.finish(&line(3, b'b'));
        assert_eq!(lanes.take_batch(), None);
        lanes.finish(&line(1, b'a'));
        assert_eq!(numbers(lanes.take_batch()), [2]);
        lanes.finish(&line(2, b'a'));
        assert_eq!(numbers(lanes.take_batch()), [4]);
        lanes.finish(&line(4, b'a'));
        assert!(lanes.lanes.is_empty());
        assert_eq!((lanes.waiting, lanes.waiting_bytes, lanes.ready_bytes), (0, 0, 0));
    }

    #[test]
    fn batches_stay_within_their_limits() {
        let mut lanes = Lanes::default();
        let sized = |number: u64, bytes: usize| Line {
            key: number.to_be_bytes().to_vec(),
            content: Content::Item("x".repeat(bytes)),
            ..line(number, 0)
        };
        for (number, bytes) in [(1, BATCH_BYTES_MAX / 2), (2, BATCH_BYTES_MAX / 2), (3, 2 * BATCH_BYTES_MAX), (4, 1)] {
            lanes.admit(sized(number, bytes));
        }
        lanes.admit(Line { content: Content::Raw(vec![0xff]), ..sized(5, 0) });
        let batches: Vec<_> = std::iter::from_fn(|| lanes.take_batch()).map(|batch| numbers(Some(batch))).collect();
        assert_eq!(batches, [vec![1], vec![2], vec![3], vec![4], vec![5]], "5 is raw, and travels alone");
        for number in 10..10 + 2 * BATCH_COMMANDS_MAX as u64 {
            lanes.admit(sized(number, 1));
        }
        assert!(!lanes.wants_more());
        assert_eq!(lanes.take_batch().unwrap().len(), BATCH_COMMANDS_MAX);
    }

    #[test]
    fn reading_waits_when_too_much_waits_for_one_key() {
        let mut lanes = Lanes::default();
        let mut number = 0;
        while lanes.wants_more() {
            lanes.admit(line(number, b'a'));
            number += 1;
        }
        assert_eq!(lanes.waiting, WAITING_LINES_MAX);
    }

    proptest! {
        #[test]
        fn equal_keys_end_in_order_whatever_order_batches_end_in(
            keys in proptest::collection::vec(0u8..4, 0..60),
            choices in proptest::collection::vec(any::<prop::sample::Index>(), 200),
        ) {
            let mut lanes = Lanes::default();
            for (number, &key) in (0u64..).zip(&keys) {
                lanes.admit(line(number, key));
            }
            let (mut flying, mut ended): (Vec<Line>, Vec<Line>) = Default::default();
            for choice in choices {
                flying.extend(lanes.take_batch().unwrap_or_default());
                if flying.is_empty() {
                    break;
                }
                let line = flying.remove(choice.index(flying.len()));
                lanes.finish(&line);
                ended.push(line);
            }
            prop_assert_eq!(ended.len(), keys.len(), "every line ends once");
            for key in 0..4 {
                let order: Vec<u64> = ended.iter().filter(|line| line.key == [key]).map(|line| line.number).collect();
                prop_assert!(order.is_sorted(), "{:?}", order);
            }
        }
    }
}
