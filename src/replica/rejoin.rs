//! How a validator that has lost its memory learns from which height on it may vote again.
//!
//! Rule `OB-10`. The validator may have voted before, at heights that it does not remember; a second vote there is a
//! lie. So it follows without a vote, learns how far the others are, and votes only above heights that it cannot have
//! reached in its earlier life. It takes each validator's first status of this life as its *claim*. A claim counts once
//! it is *made good*: everything up to it is executed here, every block proven by its certificate. When claims that
//! count come from more than 2W/3 of the power, our own apart, the validator abstains through executed + 2 × window;
//! that is durable before the first vote above.
//!
//! It cannot vote too early. Say its highest earlier vote was at x. It had executed e ≥ x − window, so e was decided
//! by votes of more than 2W/3. Those who voted at e, and those whose claims count, have more than W/3 in common, so an
//! honest one among them, and not us, whose disk keeps what it synced. Its vote was durable after the block at e − window, which it therefore has again
//! after any restart, and it claims no less while it replays its journal (`Replica::status`). So executed ≥ its claim
//! ≥ e − window here, and x ≤ e + window ≤ executed + 2 × window. A liar can claim less, but not in the honest one's
//! name. Claims made before our last vote cannot be taken for later ones: they come over connections of this process,
//! which holds the lock on the data directory.
//!
//! It cannot be kept silent for ever. A claim beyond the truth is never made good and merely does not count. A
//! validator without memory is one of the faulty, so the honest others have more than 2W/3: their claims are true, and
//! catching up makes them good. With as many others faulty as ever, all together are too many, and no rule helps.
//!
//! A long instance is told how far the silence reached: its rounds go on from before, and what follows for them it knows
//! itself (`PB-D3`).
//!
//! Limit: one claim for each validator. Nothing is produced while nobody has commands: until 2 × window more heights
//! are decided, it stays silent, and the others have to do without it.

use std::collections::BTreeMap;

use super::{chain::Chain, contract::Effect, wire::PeerStatus};
use crate::{
    protocol::Abstention,
    types::{Height, Tally, ValidatorIndex},
};

/// What is learnt on the way back.
pub(super) enum Rejoin {
    /// Nothing to learn: it remembers everything, has learnt enough (and hears when that is durable), or has no vote.
    Over,
    /// The claims so far.
    Learning(BTreeMap<ValidatorIndex, Height>),
}

impl Rejoin {
    /// Begins where the journal says.
    pub(super) fn new(chain: &Chain) -> Self {
        match chain.abstention() {
            Some(Abstention::Everywhere) => Self::Learning(BTreeMap::new()),
            Some(Abstention::Through(_)) | None => Self::Over,
        }
    }

    /// A peer that is proven to be a validator says how far it is.
    pub(super) fn claim(&mut self, validator: ValidatorIndex, status: PeerStatus) {
        if let Self::Learning(claims) = self {
            claims.entry(validator).or_insert(status.executed);
        }
    }

    /// Fixes where to abstain, once enough claims are made good.
    pub(super) fn advance(&mut self, chain: &Chain) -> Option<Effect> {
        let Self::Learning(claims) = self else { return None };
        let executed = chain.executed();
        let set = chain.set(executed.next());
        let made_good = claims.iter().filter(|(_, claim)| **claim <= executed).map(|(validator, _)| *validator);
        let others = made_good.filter(|validator| Some(*validator) != chain.own_index());
        let power =
            others.filter_map(|validator| set.get(validator)).fold(Tally::ZERO, |sum, member| sum.plus(member.power));
        if !set.is_quorum(power) {
            return None;
        }
        *self = Self::Over;
        Some(Effect::Abstain { through: executed.plus(2 * chain.window()) })
    }
}
