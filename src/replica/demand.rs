//! What live instances are told about who waits for them.
//!
//! Rules: `SL-T5` (an instance is dormant until it is wanted), `OB-2` (an idle owner must learn that commands wait).
//! The lowest undecided height is wanted by every waiting command; a height of our own by those that are not under way
//! elsewhere; any height by what is decided, or offered by us, above it.
//! Limit: one entry for each live height.

use std::collections::BTreeMap;

use super::{
    chain::Chain,
    contract::{Effect, Outbox},
    flight::{Flights, Stage},
    mempool::Mempool,
};
use crate::types::{Height, Time};

/// What was told to whom.
#[derive(Default)]
pub(super) struct Demands {
    told: BTreeMap<Height, (Option<Time>, bool)>,
}

impl Demands {
    /// Tells the open and undecided heights, in ascending order, what has changed.
    pub(super) fn advance(
        &mut self,
        undecided: &[Height],
        chain: &Chain,
        mempool: &Mempool,
        flights: &Flights,
        out: &mut Outbox,
    ) {
        self.told.retain(|height, _| undecided.binary_search(height).is_ok());
        for height in undecided.iter().copied() {
            let is_lowest = undecided.first() == Some(&height);
            let commands_since = since(height, is_lowest, chain, mempool, flights);
            let waited_on = is_waited_on(height, flights);
            let told = self.told.entry(height).or_default();
            if *told != (commands_since, waited_on) {
                *told = (commands_since, waited_on);
                out.effects.push(Effect::Demand { height, commands_since, waited_on });
            }
        }
    }

    /// How many heights are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.told.len()
    }
}

/// Whether a higher height waits for this one: it is decided, or we proposed something for it.
pub(super) fn is_waited_on(height: Height, flights: &Flights) -> bool {
    flights.highest().is_some_and(|highest| highest > height)
}

fn since(height: Height, is_lowest: bool, chain: &Chain, mempool: &Mempool, flights: &Flights) -> Option<Time> {
    let idle = mempool.oldest(Stage::Idle);
    let undecided = || idle.into_iter().chain(mempool.oldest(Stage::Offered)).min();
    if is_lowest || (chain.is_own(height) && flights.is_offered(height)) {
        undecided()
    } else if chain.is_own(height) {
        idle
    } else {
        None
    }
}
