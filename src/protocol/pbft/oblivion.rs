//! Coming back without a memory (`PB-D3`): from where on nothing can have been said before.
//!
//! Whoever lost its journal votes on no height up to one that its hands know (`OB-10`), call it F: all honest votes above F
//! are made after the loss. But a view change speaks of a view, and of all heights above a low mark, and what its sender
//! votes for afterwards is bound by it. So nothing at all is said before
//! * the low mark is at F or above: then a view change may leave out all that was forgotten (`PB-V2`), and
//! * a height above F is decided, in a view v: then we have left for view v + 1 at most, and say nothing of views up to
//!   that.
//!
//! *Why v + 1.* An honest validator comes to a view w only when a quorum has left for w − 1, or gone beyond (`PB-T2`;
//! `PB-T4` only follows). Say that this was our last view before the loss. The quorum that decided above F did so after
//! the loss, and without us. It has more than W/3 in common with the other one, hence an honest validator that votes
//! in no view below w − 1 any more (`PB-V1`). So v ≥ w − 1.
//!
//! We follow the views that others open. When one up to v + 1 ends for us, we leave for v + 2: beyond all that others
//! leave for without us, so that they meet us there; not before several deadlines have passed, for they may do without.
//!
//! Limit: a second loss, of this validator or of one that followed it, before a view above v + 1 was open finds the same
//! v + 2, and may leave for it with another account. That breaks nothing, for nothing was said below it in between, but
//! looks like a lie.

use super::{Pbft, ViewNumber};
use crate::types::{Height, planted};

/// Deadlines of silent views are doubled so many times.
const DOUBLINGS: u64 = 2;

/// What may have been said and is not remembered.
#[derive(Clone, Copy, Debug)]
pub struct Oblivion {
    /// Votes up to this height.
    forgotten: Height,
    /// View changes up to this view, once that is known.
    last_view: Option<ViewNumber>,
}

impl Oblivion {
    /// Of a validator whose votes up to a height may be forgotten; `Height::ZERO`: none are.
    pub fn of(forgotten: Height) -> Option<Self> {
        (forgotten > Height::ZERO && !planted::is("pbft-second-life")).then_some(Self { forgotten, last_view: None })
    }
}

impl Pbft {
    /// Whether something may have been said in the current view and is not remembered.
    pub(super) fn is_oblivious(&self) -> bool {
        self.first_leave().is_none_or(|first| self.turn.view < first)
    }

    /// The first view that we may leave for; `None` as long as that is not known.
    pub(super) fn first_leave(&self) -> Option<ViewNumber> {
        match self.oblivion {
            None => Some(ViewNumber::ZERO),
            Some(it) => it.last_view.filter(|_| self.marks.low >= it.forgotten).map(ViewNumber::next),
        }
    }

    /// How many views in a row were fruitless; more while we are silent, so that others go on without us first.
    pub(super) fn patience(&self) -> u64 {
        self.turn.fruitless() + if self.is_oblivious() { DOUBLINGS } else { 0 }
    }

    /// Learns from a decision up to which view we may have spoken.
    pub(super) fn bound_oblivion(&mut self) {
        let Some(it) = self.oblivion.as_mut().filter(|it| it.last_view.is_none()) else { return };
        let decided = self.slots.range(it.forgotten.next()..).filter_map(|(_, slot)| slot.certificate.as_ref());
        let view = decided.map(|certificate| certificate.proposal.view).max();
        it.last_view = view.map(|view| view.max(self.turn.view).next());
    }
}
