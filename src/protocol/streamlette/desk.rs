//! What has arrived but is not believed yet: signatures being checked, votes held back, messages that wait for
//! their parent. Nothing here is ever counted, served or put into a certificate.
//!
//! Votes beyond a quorum are held unchecked: they are checked only if one of the quorum fails, if they prove a lie,
//! or if the tick ends without a quorum. So a decision costs a quorum of checks for each tick, not all of them.
//!
//! Limits: [`HELD_PER_VOTER`] votes of each voter, one waiting message for each tick of the window. What comes from
//! its signer's own connection displaces what others relay, so a liar cannot crowd an honest vote out.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    message::{Diff, Item, Vote},
    tick::Tick,
    tree::WINDOW,
};
use crate::{
    protocol::Origin,
    types::{Bitmap, Digest, Signature, Tally, ValidatorIndex, ValidatorSet, planted},
};

/// Votes of one voter that are held at most.
pub const HELD_PER_VOTER: usize = 8;

/// A vote whose signature has not been checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// From where it came.
    pub origin: Origin,
    /// The vote.
    pub vote: Vote,
    /// Who is said to have signed it.
    pub voter: ValidatorIndex,
    /// The unchecked evidence.
    pub signature: Signature,
}

/// Voters of a target whose signatures are being checked.
#[derive(Clone, Debug, Default)]
struct Flight {
    voters: Bitmap,
    power: Tally,
    /// Whether the target itself came with them.
    with_header: bool,
}

/// The desk.
#[derive(Clone, Debug)]
pub struct Desk {
    set: Arc<ValidatorSet>,
    flights: BTreeMap<Digest, Flight>,
    held: Vec<Vec<Held>>,
    waiting: BTreeMap<Tick, (Origin, Diff)>,
}

impl Desk {
    /// An empty desk.
    pub fn new(set: Arc<ValidatorSet>) -> Self {
        let held = vec![Vec::new(); set.len()];
        Self { set, flights: BTreeMap::new(), held, waiting: BTreeMap::new() }
    }

    /// Notes that a vote's signature is being checked, or that our own vote waits for the disk.
    pub fn fly(&mut self, target: Digest, voter: ValidatorIndex) {
        let flight = self.flights.entry(target).or_default();
        if flight.voters.insert(voter) {
            flight.power = flight.power.plus(self.set.power(voter));
        }
    }

    /// Notes that a message's leader is being checked.
    pub fn fly_header(&mut self, id: Digest) {
        self.flights.entry(id).or_default().with_header = true;
    }

    /// Takes the notes back when a check has ended.
    pub fn land(&mut self, item: &Item, target: &Digest) {
        let Some(flight) = self.flights.get_mut(target) else { return };
        for ballot in item.votes() {
            if flight.voters.remove(ballot.voter) {
                flight.power = flight.power.minus(self.set.power(ballot.voter));
            }
        }
        flight.with_header &= item.header().is_none();
        if flight.voters.is_empty() && !flight.with_header {
            self.flights.remove(target);
        }
    }

    /// Forgets all checks under way: their answers are overdue.
    pub fn land_all(&mut self) {
        self.flights.clear();
    }

    /// Whether a vote's signature is being checked.
    pub fn is_flying(&self, target: &Digest, voter: ValidatorIndex) -> bool {
        self.flights.get(target).is_some_and(|flight| flight.voters.contains(voter))
    }

    /// Whether a message's leader is being checked.
    pub fn is_header_flying(&self, id: &Digest) -> bool {
        self.flights.get(id).is_some_and(|flight| flight.with_header)
    }

    /// The power of the votes for a target that are being checked.
    pub fn power_flying(&self, target: &Digest) -> Tally {
        self.flights.get(target).map_or(Tally::ZERO, |flight| flight.power)
    }

    /// Holds a vote back. When its voter's places are taken, one that came from elsewhere makes room for one that
    /// came from the voter itself; otherwise the new one is dropped and pulling repairs it.
    pub fn hold(&mut self, held: Held) {
        let Some(places) = self.held.get_mut(held.voter.position()) else { return };
        if places.iter().any(|known| known.vote == held.vote && known.signature == held.signature) {
            return;
        }
        if places.len() < HELD_PER_VOTER || planted::is("endless-desk") {
            places.push(held);
        } else if is_from(held.origin, held.voter)
            && let Some(place) = places.iter_mut().find(|known| !is_from(known.origin, known.voter))
        {
            *place = held;
        }
    }

    /// Takes back the held votes for a target.
    pub fn release(&mut self, target: &Digest) -> Vec<Held> {
        self.held.iter_mut().flat_map(|places| places.extract_if(.., |held| held.vote.target == *target)).collect()
    }

    /// Takes back the held votes of one voter in a tick.
    pub fn release_voter(&mut self, voter: ValidatorIndex, tick: Tick) -> Vec<Held> {
        let places = self.held.get_mut(voter.position());
        places.map_or_else(Vec::new, |places| places.extract_if(.., |held| held.vote.tick == tick).collect())
    }

    /// Takes back all held votes.
    pub fn release_all(&mut self) -> Vec<Held> {
        self.held.iter_mut().flat_map(std::mem::take).collect()
    }

    /// Keeps a leader's message until its parent is here, or until the check of a namesake has ended.
    pub fn wait(&mut self, tick: Tick, leader: ValidatorIndex, origin: Origin, diff: Diff) {
        if is_from(origin, leader) || !self.waiting.contains_key(&tick) {
            self.waiting.insert(tick, (origin, diff));
        }
    }

    /// Takes back the messages that wait.
    pub fn release_waiting(&mut self) -> Vec<(Origin, Diff)> {
        std::mem::take(&mut self.waiting).into_values().collect()
    }

    /// How many votes and messages are here.
    pub fn len(&self) -> usize {
        self.waiting.len() + self.held.iter().map(Vec::len).sum::<usize>()
    }

    /// Forgets what lies more than the window behind.
    pub fn prune(&mut self, current: Tick) {
        self.held.iter_mut().for_each(|places| places.retain(|held| held.vote.tick.plus(WINDOW) >= current));
        self.waiting.retain(|tick, _| tick.plus(WINDOW) >= current);
    }
}

fn is_from(origin: Origin, signer: ValidatorIndex) -> bool {
    origin.validator == Some(signer)
}
