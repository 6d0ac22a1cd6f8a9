//! Which instances live, and what a long one is told.
//!
//! Rule `OB-1`: with e executed, heights e + 1 … e + window may be decided. A one-shot protocol has an instance for
//! each of them, opened when its height becomes live and closed when it is committed or was decided elsewhere. A long
//! instance is opened once and told its horizon instead, which rises with execution; what was decided elsewhere it is
//! told, and when a checkpoint is stable, that is its low mark (`OB-8`). Its horizon stays within two intervals of the
//! last stable checkpoint, so that what it holds is bounded even when checkpoints do not become stable.
//!
//! A long instance that was opened while its validator had to be silent (`OB-10`) is opened again, with its vote, when
//! that is over: the silence ends above everything that was live in the validator's earlier life. It is told how far that
//! reached, for it speaks of more than heights.
//! Limit: as many instances as live heights.

use std::collections::BTreeSet;

use super::{
    catch_up::CatchUp,
    chain::Chain,
    contract::{Effect, Outbox},
    order::Order,
};
use crate::{
    protocol::{self, Certificate, Lifetime, StableCheckpoint},
    types::{Height, ValidatorIndex, codec},
};

/// The instances that are open.
#[derive(Default)]
pub(super) struct Schedule {
    /// Their first heights.
    open: BTreeSet<Height>,
    long: Long,
}

/// What the long instance was told.
#[derive(Default)]
struct Long {
    has_vote: bool,
    horizon: Height,
    stable: Height,
    leading: Option<(u64, ValidatorIndex)>,
}

/// What there is to open instances for.
pub(super) struct Outlook<'a> {
    /// What is executed.
    pub(super) chain: &'a Chain,
    /// What is decided.
    pub(super) order: &'a Order,
    /// What is fetched.
    pub(super) catch_up: &'a CatchUp,
    /// The last stable checkpoint.
    pub(super) stable: Option<&'a StableCheckpoint>,
    /// How many heights lie between checkpoints.
    pub(super) interval: u64,
}

impl Schedule {
    /// Opens what is missing, and tells the long instance what is new.
    pub(super) fn advance(&mut self, outlook: &Outlook<'_>, out: &mut Outbox) {
        match outlook.chain.lifetime() {
            Lifetime::Height => self.open_heights(outlook, out),
            Lifetime::Epoch => self.advance_long(outlook, out),
        }
    }

    /// Whether an open instance may decide a height.
    pub(super) fn is_live(&self, height: Height, chain: &Chain) -> bool {
        height > chain.executed() && self.is_open(height, chain)
    }

    /// The heights that open instances are to decide, ascending.
    pub(super) fn undecided(&self, chain: &Chain, order: &Order) -> Vec<Height> {
        chain.live().filter(|height| self.is_open(*height, chain) && !order.is_decided(*height)).collect()
    }

    /// A height was decided elsewhere.
    pub(super) fn on_decided_elsewhere(
        &mut self,
        height: Height,
        certificate: &Certificate,
        chain: &Chain,
    ) -> Option<Effect> {
        match chain.lifetime() {
            Lifetime::Height => self.on_committed(height, chain),
            Lifetime::Epoch => {
                let instance = chain.first_height(height);
                let input = protocol::Input::Closed { height, certificate: certificate.clone() };
                self.open.contains(&instance).then_some(Effect::Tell { instance, input })
            }
        }
    }

    /// A height is committed: a one-shot instance is over.
    pub(super) fn on_committed(&mut self, height: Height, chain: &Chain) -> Option<Effect> {
        let is_over = !is_long(chain) && self.open.remove(&height);
        is_over.then_some(Effect::Close { height })
    }

    /// The long instance says who leads it; returns whether that is news.
    pub(super) fn on_leading(&mut self, round: u64, leader: ValidatorIndex) -> bool {
        self.long.leading.replace((round, leader)) != Some((round, leader))
    }

    /// Who leads the long instance, if there is one and it has said so.
    pub(super) fn leader(&self) -> Option<ValidatorIndex> {
        self.long.leading.map(|(_, leader)| leader)
    }

    fn is_open(&self, height: Height, chain: &Chain) -> bool {
        self.open.contains(&chain.first_height(height))
    }

    /// A height whose block is here and being checked needs no instance: either it is proven, or the block is thrown
    /// away and the instance opened then.
    fn open_heights(&mut self, Outlook { chain, order, catch_up, .. }: &Outlook<'_>, out: &mut Outbox) {
        for height in chain.live() {
            if self.open.contains(&height) || order.is_decided(height) || catch_up.holds(height) {
                continue;
            }
            if let Some(setup) = chain.setup(height) {
                self.open.insert(height);
                out.effects.push(Effect::Open { setup });
            }
        }
    }

    fn advance_long(&mut self, Outlook { chain, stable, interval, .. }: &Outlook<'_>, out: &mut Outbox) {
        let (next, window) = (chain.executed().next(), chain.window());
        let instance = chain.first_height(next);
        let may_vote = chain.me(next).is_some();
        if may_vote && !self.long.has_vote && self.open.remove(&instance) {
            out.effects.push(Effect::Close { height: instance });
        }
        if self.open.insert(instance) {
            let Some(setup) = chain.setup(next) else { return };
            self.long = Long { has_vote: may_vote, ..Long::default() };
            out.effects.push(Effect::Open { setup });
        }
        let low = stable.map_or(Height::ZERO, |stable| stable.checkpoint.height);
        let last_height = chain.executed().plus(window).min(low.plus(interval.saturating_mul(2)));
        if last_height > self.long.horizon {
            self.long.horizon = last_height;
            let input = protocol::Input::Horizon { last_height, epoch_end: None };
            out.effects.push(Effect::Tell { instance, input });
        }
        if let Some(stable) = stable.filter(|_| low > self.long.stable && low <= chain.executed()) {
            self.long.stable = low;
            let input = protocol::Input::Stable { height: low, proof: codec::encode(stable).into() };
            out.effects.push(Effect::Tell { instance, input });
        }
    }
}

fn is_long(chain: &Chain) -> bool {
    chain.lifetime() == Lifetime::Epoch
}
