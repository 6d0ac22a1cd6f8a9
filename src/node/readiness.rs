//! Whether a node takes part: whom it reaches, whether they are a quorum, how far behind it is, and whether an operator
//! wants it to end.
//!
//! Asked by the HTTP server and for the metrics, through [`NodeBackend`]; decides nothing.

use tokio::time::{Instant, sleep_until};

use super::backend::NodeBackend;
use crate::{
    api::port::{Backend as _, SILENT, ValidatorView},
    protocol::Abstention,
    types::Tally,
};

/// How far behind the furthest peer a node may be and still be ready.
const READY_LAG_MAX: u64 = 10;

impl NodeBackend {
    /// Whether this node and the validators connected to it are a quorum.
    pub(super) fn is_quorum(&self, validators: &[ValidatorView]) -> bool {
        let reachable = validators.iter().filter(|validator| validator.is_self || validator.is_connected);
        self.set.is_quorum(reachable.fold(Tally::ZERO, |sum, validator| sum.plus(validator.power)))
    }

    /// How many of the validators in reach, the most powerful first, may fail before the others are no quorum; -1 when
    /// they are none already, `None` on a listener, which does not know who its peers are.
    pub(super) fn spare_validators(&self) -> Option<i32> {
        self.me?;
        let now = self.clock.now();
        let is_in_reach = |validator: &ValidatorView| {
            let is_heard = || self.metrics.validator_silence(validator.index, now) <= SILENT;
            validator.is_self || (validator.is_connected && is_heard())
        };
        let validators = self.validators();
        let mut powers: Vec<_> = validators.iter().filter(|it| is_in_reach(it)).map(|it| it.power).collect();
        powers.sort_unstable();
        let mut spare = -1;
        while self.set.is_quorum(powers.iter().fold(Tally::ZERO, |sum, power| sum.plus(*power))) {
            spare += 1;
            powers.pop();
        }
        Some(spare)
    }

    /// Waits until the time is over after which an operator lets the node stop; for ever when nobody does.
    pub(super) async fn drained(&self) {
        let mut orders = self.drain.subscribe();
        loop {
            let end = *orders.borrow_and_update();
            let over = async {
                match end {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            // The sender lives as long as this: a change is another time.
            tokio::select! {
                () = over => return,
                _ = orders.changed() => {}
            }
        }
    }

    /// Whether clients should be sent here.
    ///
    /// # Errors
    /// Why not, for people.
    pub(super) fn try_ready(&self) -> Result<(), String> {
        if let Some(end) = *self.drain.borrow() {
            let left = end.saturating_duration_since(Instant::now());
            return Err(format!("draining: the node stops in {} s", left.as_secs()));
        }
        let view = self.snapshot.borrow().view.clone();
        match view.abstention {
            Some(Abstention::Everywhere) => return Err("rejoining: the other validators are being asked".into()),
            Some(Abstention::Through(last)) => return Err(format!("rejoining: votes above height {last}")),
            None => {}
        }
        let lag = view.target.above(view.executed);
        if view.sync.is_some() || lag > READY_LAG_MAX {
            return Err(format!("behind: executed {} of {}", view.executed, view.target));
        }
        // Validators prove who they are to each other only: a listener knows its peers by nothing but their answers.
        let is_listener = self.me.is_none();
        if is_listener && self.network.peers().is_empty() {
            return Err("no peer is connected".into());
        }
        if !is_listener && !self.is_quorum(&self.validators()) {
            return Err("connected validators are no quorum".into());
        }
        Ok(())
    }
}
