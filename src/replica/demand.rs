//! What live instances are told about who waits for them.
//!
//! Rules: `SL-T5` (an instance is dormant until it is wanted), `OB-2` (an idle owner must learn that commands wait).
//! The lowest undecided height is wanted by every waiting command; a height of our own by those that are not under way
//! elsewhere; any height by what is decided, or offered by us, above it. A long instance is wanted by every command that
//! is not decided; and once it had nothing to propose, it is told again as soon as a command has come in.
//! Limit: one entry for each live height.

use std::collections::BTreeMap;

use super::{
    chain::Chain,
    contract::{Effect, Outbox},
    flight::{Flights, Stage},
    mempool::Mempool,
};
use crate::{
    protocol::Lifetime,
    types::{Height, Time},
};

/// What was told to whom.
#[derive(Default)]
pub(super) struct Demands {
    told: BTreeMap<Height, (Option<Time>, bool)>,
    /// How many commands had come in when a long instance had nothing to propose.
    idle_since: Option<u64>,
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
        if chain.lifetime() == Lifetime::Epoch {
            return self.advance_long(undecided, chain, mempool, flights, out);
        }
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

    /// A long instance was told that there is nothing to propose.
    pub(super) fn on_nothing_to_propose(&mut self, mempool: &Mempool) {
        self.idle_since = Some(mempool.arrivals());
    }

    fn advance_long(
        &mut self,
        undecided: &[Height],
        chain: &Chain,
        mempool: &Mempool,
        flights: &Flights,
        out: &mut Outbox,
    ) {
        let Some(lowest) = undecided.first().copied() else { return };
        let instance = chain.first_height(lowest);
        let now = (since_undecided(mempool), is_waited_on(lowest, flights));
        let has_news = self.idle_since.is_some_and(|arrivals| mempool.arrivals() > arrivals);
        if self.told.insert(instance, now) != Some(now) || has_news {
            self.idle_since = None;
            let (commands_since, waited_on) = now;
            out.effects.push(Effect::Demand { height: instance, commands_since, waited_on });
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
    if is_lowest || (chain.is_own(height) && flights.is_offered(height)) {
        since_undecided(mempool)
    } else if chain.is_own(height) {
        mempool.oldest(Stage::Idle)
    } else {
        None
    }
}

fn since_undecided(mempool: &Mempool) -> Option<Time> {
    [Stage::Idle, Stage::Offered].into_iter().filter_map(|stage| mempool.oldest(stage)).min()
}
