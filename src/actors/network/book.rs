//! Which frames have arrived, by which ways, and what was thought of them.
//!
//! A frame often comes twice: on a validator's substream and through gossip. The first copy is handed up; the word
//! on it answers for all copies, so that gossip forwards what the brain saw on a substream first and would otherwise
//! call known. Bounded: the oldest entry is forgotten, which for gossip means Ignore.

use std::collections::{HashMap, VecDeque};

use libp2p::PeerId;

use crate::{protocol::Judgement, types::Digest};

/// The most senders remembered for one envelope. More copies than the gossip mesh has links are not worth blaming.
const SENDERS_MAX: usize = 8;

/// How an envelope came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Route {
    /// On the substream of a proven validator.
    Substream,
    /// Through gossip, last passed on by the sender.
    Gossip,
}

/// What to do with an envelope that has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arrival {
    /// Hand it up: nobody has seen it.
    First,
    /// An earlier copy was handed up and waits for its word.
    Waiting,
    /// The word on an earlier copy holds for this one.
    Judged(Judgement),
    /// It has been on a substream before. Every sender's envelopes are its own and go out once, so this is a replay.
    Replayed,
}

/// Whom a word concerns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Concerned {
    /// Who sent a copy.
    pub senders: Vec<PeerId>,
    /// Who passed on the copy that gossip holds back until it is told.
    pub gossip: Option<PeerId>,
}

#[derive(Default)]
struct Entry {
    judgement: Option<Judgement>,
    senders: Vec<PeerId>,
    gossip: Option<PeerId>,
    was_on_substream: bool,
}

/// The book of the last envelopes.
pub(super) struct Book {
    entries: HashMap<Digest, Entry>,
    order: VecDeque<Digest>,
    entries_max: usize,
}

impl Book {
    pub fn new(entries_max: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), entries_max: entries_max.max(1) }
    }

    /// Notes that an envelope has come.
    pub fn arrive(&mut self, id: Digest, sender: PeerId, route: Route) -> Arrival {
        let is_first = !self.entries.contains_key(&id);
        if is_first {
            if self.order.len() >= self.entries_max
                && let Some(oldest) = self.order.pop_front()
            {
                self.entries.remove(&oldest);
            }
            self.order.push_back(id);
        }
        let entry = self.entries.entry(id).or_default();
        if route == Route::Substream && std::mem::replace(&mut entry.was_on_substream, true) {
            return Arrival::Replayed;
        }
        if let Some(judgement) = entry.judgement {
            return Arrival::Judged(judgement);
        }
        if entry.senders.len() < SENDERS_MAX && !entry.senders.contains(&sender) {
            entry.senders.push(sender);
        }
        if route == Route::Gossip {
            entry.gossip = Some(sender);
        }
        if is_first { Arrival::First } else { Arrival::Waiting }
    }

    /// Forgets an envelope that could not be handed up, so that another copy can.
    pub fn forget(&mut self, id: &Digest) {
        if self.entries.remove(id).is_some()
            && let Some(at) = self.order.iter().rposition(|other| other == id)
        {
            self.order.remove(at);
        }
    }

    /// Writes the word down; `None` when the entry is forgotten or has its word already.
    pub fn judge(&mut self, id: &Digest, judgement: Judgement) -> Option<Concerned> {
        let entry = self.entries.get_mut(id).filter(|entry| entry.judgement.is_none())?;
        entry.judgement = Some(judgement);
        Some(Concerned { senders: std::mem::take(&mut entry.senders), gossip: entry.gossip.take() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Rejection;

    fn id(first: u8) -> Digest {
        Digest::new([first; 32])
    }

    #[test]
    fn the_word_on_the_first_copy_answers_for_the_others() {
        let (a, b) = (PeerId::random(), PeerId::random());
        let mut book = Book::new(4);
        assert_eq!(book.arrive(id(1), a, Route::Substream), Arrival::First);
        assert_eq!(book.arrive(id(1), b, Route::Gossip), Arrival::Waiting);
        let concerned = Concerned { senders: vec![a, b], gossip: Some(b) };
        assert_eq!(book.judge(&id(1), Judgement::Accept), Some(concerned));
        assert_eq!(book.judge(&id(1), Judgement::Reject(Rejection::Late)), None, "one word only");
        assert_eq!(book.arrive(id(1), a, Route::Gossip), Arrival::Judged(Judgement::Accept));
    }

    #[test]
    fn second_copy_on_a_substream_is_a_replay_and_one_through_gossip_is_not() {
        let (a, mut book) = (PeerId::random(), Book::new(4));
        assert_eq!(book.arrive(id(1), a, Route::Gossip), Arrival::First);
        assert_eq!(book.arrive(id(1), a, Route::Substream), Arrival::Waiting);
        assert_eq!(book.arrive(id(1), a, Route::Gossip), Arrival::Waiting);
        assert_eq!(book.arrive(id(1), a, Route::Substream), Arrival::Replayed);
        book.judge(&id(1), Judgement::Accept);
        assert_eq!(book.arrive(id(1), a, Route::Substream), Arrival::Replayed);
    }

    #[test]
    fn forgets_the_oldest_when_full_and_what_could_not_be_handed_up() {
        let a = PeerId::random();
        let mut book = Book::new(2);
        for first in 1..=3 {
            assert_eq!(book.arrive(id(first), a, Route::Gossip), Arrival::First);
        }
        assert_eq!(book.judge(&id(1), Judgement::Accept), None, "forgotten");
        book.forget(&id(3));
        assert_eq!(book.arrive(id(3), a, Route::Gossip), Arrival::First);
        assert!(book.judge(&id(2), Judgement::Ignore).is_some(), "forgetting made room");
    }
}
