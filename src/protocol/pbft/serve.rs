//! Asking others for what is not here, and answering them. Pull is the truth, push is the shortcut.

use super::{Diff, Known, Message, Pbft, Phase, PrePrepare, Summary, change::CLAIMS_MAX, slot::Slot};
use crate::{
    protocol::{self, Effect, Origin, Outbox},
    types::{Bitmap, BoundedVec, Height, ValidatorIndex, codec, planted},
};

/// Left free for what encloses an answer.
const FRAME_BYTES_MAX: usize = 64;
/// The most bytes of an encoded vote.
const VOTE_BYTES_MAX: usize = 1 + 10 + 10 + 32 + 3 + 64;

/// What is left of a byte budget.
struct Room {
    left: usize,
    more: bool,
}

impl Room {
    /// Takes bytes if they are there, else notes that something was left out.
    fn take(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                self.more = true;
                false
            }
        }
    }

    fn filter<T: serde::Serialize>(&mut self, item: T) -> Option<T> {
        self.take(codec::encode(&item).len()).then_some(item)
    }
}

impl Pbft {
    pub(super) fn ask(&self, peer: Option<ValidatorIndex>, out: &mut Outbox) {
        let Some(peer) = peer.filter(|peer| Some(*peer) != self.setup.me && !planted::is("never-pull")) else { return };
        out.act(Effect::Ask { peer, summary: protocol::Summary::Pbft(self.summary()) });
    }

    /// Asks the sender of something that is ahead of us, once in a while.
    pub(super) fn ask_out_of_turn(&mut self, origin: Origin, out: &mut Outbox) {
        let interval = self.pace.pull_interval();
        let Some(last) = origin.validator.and_then(|peer| self.last_asked.get_mut(peer.position())) else { return };
        if last.is_none_or(|last| self.now.since(last) >= interval) {
            *last = Some(self.now);
            self.ask(origin.validator, out);
        }
    }

    fn summary(&self) -> Summary {
        let known = self.open_slots().filter(|(_, slot)| slot.certificate.is_none() || slot.lacks().is_some());
        let known = known.map(|(height, slot)| Known {
            height: *height,
            has_proposal: slot.offer.is_some(),
            lacks: slot.lacks(),
            prepares: slot.voters(Phase::Prepare),
            commits: slot.voters(Phase::Commit),
        });
        let certified = self.open_slots().filter(|(_, slot)| slot.certificate.is_some()).map(|(height, _)| *height);
        let changes: Vec<_> = self.changes.iter().map(|it| it.as_ref().map(|it| it.change.message.view)).collect();
        Summary {
            view: self.turn.view,
            is_active: self.turn.is_active(),
            decided: self.marks.executed,
            high: self.marks.high(),
            known: bounded(known),
            certified: bounded(certified),
            changes: bounded(changes),
        }
    }

    /// Every pull gets one answer, if only an empty one.
    pub(super) fn on_pull(&self, asker: u64, summary: &Summary, budget: usize, out: &mut Outbox) {
        let mut room = Room { left: budget.saturating_sub(FRAME_BYTES_MAX), more: false };
        let diff = self.missing(summary, &mut room);
        let message = Message::Diff(Diff { more: room.more, ..diff });
        out.act(Effect::Answer { asker, message: protocol::Message::Pbft(message) });
    }

    /// What lacks there, the view first: without it votes are of little use.
    fn missing(&self, summary: &Summary, room: &mut Room) -> Diff {
        let mut diff = Diff::default();
        let is_behind = summary.view < self.turn.view || (summary.view == self.turn.view && !summary.is_active);
        if is_behind && let Some(new_view) = self.turn.new_view() {
            diff.new_view = room.filter(Box::new(new_view.clone()));
        }
        let lacks_change = |at: usize| summary.changes.get(at).copied().flatten();
        let changes = self.changes.iter().enumerate().filter_map(|(at, it)| it.as_ref().map(|it| (at, it)));
        let changes = changes.filter(|(at, it)| {
            let view = it.change.message.view;
            (view > summary.view || view == summary.view && !summary.is_active) && lacks_change(*at) < Some(view)
        });
        diff.changes = bounded(changes.filter_map(|(_, it)| room.filter(it.clone())));
        let (mut proposals, mut votes, mut certificates, mut bodies) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let above = self.slots.range(summary.decided.next()..).take(CLAIMS_MAX);
        for (height, slot) in above.filter(|(height, _)| **height <= summary.high) {
            let known = summary.known.iter().find(|known| known.height == *height);
            if let Some(body) = known.and_then(|known| known.lacks).and_then(|root| slot.body(&root)) {
                bodies.extend(room.filter(body));
            }
            if summary.certified.contains(height) {
                continue;
            }
            if let Some(certificate) = &slot.certificate {
                certificates.extend(room.filter(certificate.clone()));
                let is_bodiless = known.is_none_or(|known| known.lacks.is_none() && !known.has_proposal);
                bodies.extend(
                    slot.body(&certificate.proposal.payload_root)
                        .filter(|_| is_bodiless)
                        .and_then(|it| room.filter(it)),
                );
                continue;
            }
            if summary.view != self.turn.view && summary.is_active && diff.new_view.is_none() {
                continue;
            }
            if !known.is_some_and(|known| known.has_proposal) {
                proposals.extend(self.pre_prepare(*height, slot).and_then(|it| room.filter(it)));
            }
            let none = Bitmap::default();
            let (prepares, commits) = known.map_or((&none, &none), |known| (&known.prepares, &known.commits));
            let beyond = slot.votes_beyond(Phase::Prepare, prepares).chain(slot.votes_beyond(Phase::Commit, commits));
            votes.extend(beyond.filter(|_| room.take(VOTE_BYTES_MAX)));
        }
        diff.proposals = bounded(proposals);
        diff.votes = bounded(votes);
        diff.certificates = bounded(certificates);
        diff.bodies = bounded(bodies);
        diff
    }

    /// The primary's proposal of a new value, as it came.
    fn pre_prepare(&self, height: Height, slot: &Slot) -> Option<PrePrepare> {
        let offer = slot.offer.filter(|_| height > self.turn.taken)?;
        let payload = slot.body(&offer.proposal.payload_root)?;
        let vote = slot.vote_of(Phase::Prepare, self.primary(), self.turn.view)?;
        (vote.message.proposal == offer.proposal).then_some(PrePrepare {
            proposal: offer.proposal,
            signature: vote.signature,
            payload,
        })
    }
}

fn bounded<T, const MAX: usize>(items: impl IntoIterator<Item = T>) -> BoundedVec<T, MAX> {
    let items: Vec<T> = items.into_iter().take(MAX).collect();
    BoundedVec::try_from(items).unwrap_or_default()
}
