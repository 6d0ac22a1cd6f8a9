//! Whether a payload may be voted for.

use std::collections::BTreeSet;

use super::{
    super::{CommandView, PayloadView},
    Executor,
    replies::{Holder, Slot, Slots},
};
use crate::{
    crypto::Check,
    protocol::Verdict,
    store::Rows,
    types::{Height, ValidatorIndex, planted},
};

impl Executor {
    /// `SL-V5`, `OB-5`: whether a payload may be voted for at a height, proposed by this validator.
    ///
    /// It may if it is within the size limit, is the canonical encoding of a [`crate::app::Payload`] that names its
    /// proposer, and if each command passes [`Self::check`], has not expired, occurs once, and is not remembered as executed at or
    /// below height − window − 1, and if the client has signed it where genesis requires that (`OB-11`): `hold` says
    /// whether signatures do. Nothing above that height has a say, nor has a clock, so honest replicas agree
    /// however far each has executed. Undecided while that height has not been executed here;
    /// without meaning once the height itself has been.
    pub fn validate(
        &self,
        rows: &dyn Rows,
        height: Height,
        proposer: ValidatorIndex,
        payload: &[u8],
        hold: &mut dyn FnMut(&[Check]) -> bool,
    ) -> Verdict {
        if payload.len() > self.limits.payload_bytes_max {
            return Verdict::Invalid;
        }
        let Ok(payload) = PayloadView::read(payload) else { return Verdict::Invalid };
        if payload.proposer != proposer || proposer.position() >= self.validators {
            return Verdict::Invalid;
        }
        let slots = Slots::of(&payload.commands);
        if !self.is_sound(height, &payload.commands, &slots) {
            return Verdict::Invalid;
        }
        let settled = height.minus(self.limits.window + if planted::is("window-off-by-one") { 2 } else { 1 });
        if self.tip.height < settled {
            return Verdict::Undecided;
        }
        let holders = slots.holders(rows);
        let mut held =
            payload.commands.iter().zip(&holders).filter_map(|(command, holder)| Some((command, holder.as_ref()?)));
        if held.any(|(command, holder)| self.was_executed(height, settled, command, holder)) {
            return Verdict::Invalid;
        }
        if self.are_signed(&payload.commands, hold) { Verdict::Valid } else { Verdict::Invalid }
    }

    /// `OB-11`: last, for it costs most, and all in one batch.
    fn are_signed(&self, commands: &[CommandView<'_>], hold: &mut dyn FnMut(&[Check]) -> bool) -> bool {
        let claims = commands.iter().map(|command| self.signing.claim(command));
        let claims: Result<Vec<_>, _> = claims.filter_map(Result::transpose).collect();
        claims.is_ok_and(|checks| checks.is_empty() || hold(&checks))
    }

    /// What can be said of commands without any state.
    fn is_sound(&self, height: Height, commands: &[CommandView<'_>], slots: &Slots) -> bool {
        let is_sound = |command: &CommandView<'_>| {
            command.expires_at_height.is_none_or(|last| height <= last) && self.check(command.body).is_ok()
        };
        let are_distinct = |alike: &[Slot]| {
            let mut seen = BTreeSet::new();
            // All fields, as in the id, without the price of hashing them.
            let mut rest = alike.iter().map(|slot| &commands[slot.position]);
            alike.len() == 1 || rest.all(|command| seen.insert((command.expires_at_height, command.body)))
        };
        commands.iter().all(is_sound) && slots.alike().all(are_distinct)
    }

    /// Whether a command was executed at or below `settled`, according to every state from there up to the one below
    /// `height`: rows that some of these have forgotten already do not count.
    fn was_executed(&self, height: Height, settled: Height, command: &CommandView<'_>, holder: &Holder) -> bool {
        holder.height <= settled
            && holder.height.plus(self.limits.retention_heights) >= height
            && holder.id == command.id()
    }
}
