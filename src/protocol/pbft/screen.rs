//! What of an arrived message is worth a signature check: cheap checks first, signatures last. What is known is
//! ignored, what is wrong is rejected, the rest is verified, without what is known already.

use super::{Diff, Message, Pbft, PrePrepare, ViewChange, Vote};
use crate::{
    crypto::Signed,
    protocol::{self, Effect, Event, Judgement, Origin, Outbox, Rejection},
    types::BoundedVec,
};

impl Pbft {
    pub(super) fn on_arrived(&mut self, origin: Origin, message: Message, out: &mut Outbox) {
        let diff = message.into_diff();
        if let Err(reason) = self.check_form(&diff) {
            return out.judge(origin, Judgement::Reject(reason));
        }
        if self.standing == super::Standing::Recovering {
            return out.judge(origin, Judgement::Ignore);
        }
        if self.is_ahead(&diff) {
            self.ask_out_of_turn(origin, out);
        }
        let mut fault = None;
        let sifted = self.sift(origin, diff, &mut fault);
        if let Some(reason) = fault {
            out.tell(Event::Rejected { reason });
        }
        if !sifted.is_unsigned() {
            if sifted.new_view.is_some() || !sifted.changes.is_empty() || !sifted.certificates.is_empty() {
                self.flying.insert(origin.validator);
            }
            let message = protocol::Message::Pbft(Message::Diff(sifted));
            return out.act(Effect::Verify { origin, message });
        }
        let more = sifted.more;
        let are_new = sifted.bodies.iter().filter(|body| self.take_body(body)).count() > 0;
        out.act(Effect::Judge { origin, judgement: if are_new { Judgement::Accept } else { Judgement::Ignore } });
        if more && are_new {
            self.ask(origin.validator, out);
        }
    }

    /// What can be said without knowing anything but the validators. Certain to be a lie if it fails.
    fn check_form(&self, diff: &Diff) -> Result<(), Rejection> {
        let (start, set) = (self.marks.start, &self.setup.set);
        if let Some(new_view) = &diff.new_view {
            new_view.check_form(start, &self.electorate)?;
        }
        diff.changes.iter().try_for_each(|change| change.check_form(start, set))?;
        for proposal in diff.proposals.iter() {
            if proposal.payload.len() > self.setup.payload_bytes_max {
                return Err(Rejection::TooLarge);
            }
            if !proposal.has_right_payload() {
                return Err(Rejection::WrongPayload);
            }
        }
        if diff.votes.iter().any(|vote| set.get(vote.signer).is_none()) {
            return Err(Rejection::UnknownSigner);
        }
        diff.certificates.iter().try_for_each(|certificate| certificate.check_form(&self.electorate))
    }

    /// Whether it speaks of views that are not open here.
    fn is_ahead(&self, diff: &Diff) -> bool {
        let view = self.turn.view;
        let votes = diff.votes.iter().map(|vote| vote.message.proposal.view);
        diff.proposals.iter().map(|it| it.proposal.view).chain(votes).any(|other| other > view)
    }

    /// Keeps what is new and near; `fault` is why something was left out.
    fn sift(&self, origin: Origin, diff: Diff, fault: &mut Option<Rejection>) -> Diff {
        let mut keep = |verdict: Result<bool, Rejection>| match verdict {
            Ok(is_new) => is_new,
            Err(reason) => {
                *fault = fault.or(Some(reason));
                false
            }
        };
        // Of each sender one large thing is checked at a time: pulling brings it again.
        let is_free = origin == Origin::OWN || !self.flying.contains(&origin.validator);
        let new_view = diff.new_view.filter(|it| is_free && self.is_new_view_of_use(it));
        let changes = diff.changes.into_vec().into_iter().filter(|it| is_free && keep(self.judge_change(it)));
        let changes: Vec<_> = changes.collect();
        let proposals: Vec<_> =
            diff.proposals.into_vec().into_iter().filter(|it| keep(self.judge_proposal(it))).collect();
        let votes: Vec<_> = diff.votes.into_vec().into_iter().filter(|it| keep(self.judge_vote(it))).collect();
        let is_open = |height| self.is_kept(height) && !self.is_decided(height);
        let certificates = diff.certificates.into_vec().into_iter().filter(|it| is_free && is_open(it.proposal.height));
        let certificates: Vec<_> = certificates.collect();
        // Trimming only ever shortens lists that were within their bounds.
        Diff {
            new_view,
            changes: BoundedVec::try_from(changes).unwrap_or_default(),
            proposals: BoundedVec::try_from(proposals).unwrap_or_default(),
            votes: BoundedVec::try_from(votes).unwrap_or_default(),
            certificates: BoundedVec::try_from(certificates).unwrap_or_default(),
            bodies: diff.bodies,
            more: diff.more,
        }
    }

    fn is_new_view_of_use(&self, it: &super::NewView) -> bool {
        let is_rival = || self.turn.new_view().is_some_and(|known| known.opening.message != it.opening.message);
        it.view() > self.turn.view || it.view() == self.turn.view && (!self.turn.is_active() || is_rival())
    }

    fn judge_change(&self, it: &ViewChange) -> Result<bool, Rejection> {
        let message = &it.change.message;
        if message.view < self.turn.view || (message.view == self.turn.view && self.turn.is_active()) {
            return Err(Rejection::Late);
        }
        let known = self.changes.get(it.change.signer.position()).and_then(Option::as_ref);
        Ok(known.is_none_or(|known| {
            let known = &known.change.message;
            let is_rival = known.view == message.view && known != message;
            known.view < message.view || (is_rival && !self.exposed.contains(it.change.signer))
        }))
    }

    fn judge_proposal(&self, it: &PrePrepare) -> Result<bool, Rejection> {
        let proposal = it.proposal;
        let lacks = |slot: &super::slot::Slot| slot.lacks() == Some(proposal.payload_root);
        if self.slots.get(&proposal.height).is_some_and(lacks) {
            return Ok(true);
        }
        if proposal.view < self.turn.view || proposal.height <= self.marks.low {
            return Err(Rejection::Late);
        }
        if !self.is_kept(proposal.height) {
            return Err(Rejection::FarFuture);
        }
        if self.is_decided(proposal.height) {
            return Ok(false);
        }
        let Some(slot) = self.slots.get(&proposal.height) else { return Ok(true) };
        let primary = proposal.view.primary(&self.setup.set);
        if proposal.view == self.turn.view && self.turn.is_active() {
            return Ok(match slot.offer {
                None => true,
                Some(offer) if offer.proposal == proposal => slot.body(&proposal.payload_root).is_none(),
                Some(_) => !self.exposed.contains(primary),
            });
        }
        Ok(slot.early.as_ref().is_none_or(|early| proposal.view < early.proposal.view))
    }

    fn judge_vote(&self, it: &Signed<Vote>) -> Result<bool, Rejection> {
        let Vote { phase, proposal } = it.message;
        if proposal.view < self.turn.view || proposal.height <= self.marks.low {
            return Err(Rejection::Late);
        }
        if !self.is_kept(proposal.height) {
            return Err(Rejection::FarFuture);
        }
        if self.is_decided(proposal.height) {
            return Ok(false);
        }
        let slot = self.slots.get(&proposal.height);
        Ok(match slot.and_then(|slot| slot.vote_of(phase, it.signer, proposal.view)) {
            Some(known) => known.message != it.message && !self.exposed.contains(it.signer),
            None => true,
        })
    }
}
