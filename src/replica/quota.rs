//! How the mempool's room is shared, so that no source can fill it for the others.
//!
//! A quarter of the room is kept for our own clients and a quarter, in equal parts, for each validator that forwards
//! and for everyone else together; the rest goes to whoever comes first. So a flood from one source takes at most its
//! own part and the shared half, and nothing that was accepted is ever thrown out for somebody else.

use std::collections::BTreeMap;

use crate::types::ValidatorIndex;

/// By whom a command was handed to us.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Source {
    /// A client of this node.
    Clients,
    /// A validator that forwarded it.
    Validator(ValidatorIndex),
    /// A peer that is no validator: all of them are one source, because identities cost nothing.
    Followers,
}

/// The room of one kind (commands, or bytes).
pub(super) struct Quota {
    clients_kept: usize,
    other_kept: usize,
    shared_max: usize,
    shared: usize,
    used: BTreeMap<Source, usize>,
}

impl Quota {
    /// Divides `capacity` for a set of `validators`.
    pub(super) fn new(capacity: usize, validators: usize) -> Self {
        let quarter = capacity / 4;
        let other_kept = quarter / (validators + 1);
        let shared_max = capacity - quarter - other_kept * (validators + 1);
        Self { clients_kept: quarter, other_kept, shared_max, shared: 0, used: BTreeMap::new() }
    }

    /// Whether a source may take `amount` more.
    pub(super) fn fits(&self, source: Source, amount: usize) -> bool {
        let used = self.used(source);
        let more = self.beyond(source, used.saturating_add(amount)) - self.beyond(source, used);
        more <= self.shared_max - self.shared
    }

    /// Takes `amount`, which must fit.
    pub(super) fn take(&mut self, source: Source, amount: usize) {
        let used = self.used(source);
        self.set(source, used + amount);
    }

    /// Gives back `amount`, which must have been taken.
    pub(super) fn give(&mut self, source: Source, amount: usize) {
        let used = self.used(source);
        self.set(source, used - amount);
    }

    fn set(&mut self, source: Source, after: usize) {
        let before = self.used(source);
        self.shared = self.shared - self.beyond(source, before) + self.beyond(source, after);
        if after == 0 {
            self.used.remove(&source);
        } else {
            self.used.insert(source, after);
        }
    }

    fn used(&self, source: Source) -> usize {
        self.used.get(&source).copied().unwrap_or(0)
    }

    /// What a use of `used` takes from the shared part.
    fn beyond(&self, source: Source, used: usize) -> usize {
        let kept = if source == Source::Clients { self.clients_kept } else { self.other_kept };
        used.saturating_sub(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(quota: &mut Quota, source: Source) -> usize {
        let mut count = 0;
        while quota.fits(source, 1) {
            quota.take(source, 1);
            count += 1;
        }
        count
    }

    #[test]
    fn leaves_every_source_its_part_when_one_floods() {
        let mut quota = Quota::new(1000, 4);
        let flooder = Source::Validator(ValidatorIndex::new(2));
        assert_eq!(filled(&mut quota, flooder), 550);
        assert_eq!(filled(&mut quota, Source::Validator(ValidatorIndex::new(1))), 50);
        assert_eq!(filled(&mut quota, Source::Followers), 50);
        assert_eq!(filled(&mut quota, Source::Clients), 250);
    }

    proptest::proptest! {
        #[test]
        fn never_exceeds_its_capacity(
            capacity in 0usize..200,
            steps in proptest::collection::vec((0u16..4, 1usize..30, proptest::bool::ANY), 0..200),
        ) {
            let mut quota = Quota::new(capacity, 3);
            let mut held: Vec<(Source, usize)> = Vec::new();
            for (who, amount, is_taking) in steps {
                let source = if who == 0 { Source::Clients } else { Source::Validator(ValidatorIndex::new(who - 1)) };
                if is_taking && quota.fits(source, amount) {
                    quota.take(source, amount);
                    held.push((source, amount));
                } else if !is_taking && !held.is_empty() {
                    let (source, amount) = held.swap_remove(amount % held.len());
                    quota.give(source, amount);
                }
                proptest::prop_assert!(held.iter().map(|(_, amount)| amount).sum::<usize>() <= capacity);
            }
        }
    }
}
