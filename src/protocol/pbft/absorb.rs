//! Taking in what is verified. Everything that the rules demand is checked here again, whatever was screened before.

use super::{
    Certificate, Diff, Evidence, Pbft, Phase, PrePrepare, ViewChange, Vote,
    slot::{Counted, Offer, Validity},
};
use crate::{
    crypto::Signed,
    protocol::{self, Effect, Event, Origin, Outbox, Rejection},
    types::{Height, planted},
};

impl Pbft {
    /// Takes in a message that we asked to be verified, or our own after it was signed.
    pub(super) fn on_verified(&mut self, origin: Origin, diff: Diff, out: &mut Outbox) {
        self.flying.remove(&origin.validator);
        if self.standing == super::Standing::Recovering {
            // What comes back of our own is the proof that the journal holds; nothing else was asked for.
            return if origin == Origin::OWN {
                self.recovered(out);
            };
        }
        let more = diff.more;
        if let Some(new_view) = diff.new_view {
            self.enter(*new_view, out);
        }
        for change in diff.changes.into_vec() {
            self.take_change(change, out);
        }
        for proposal in diff.proposals.into_vec() {
            self.take_proposal(proposal, out);
        }
        for vote in diff.votes.into_vec() {
            self.count(vote, out);
        }
        for certificate in diff.certificates.into_vec() {
            self.take_certificate(certificate, out);
        }
        for body in diff.bodies.into_vec() {
            self.take_body(&body);
        }
        if more {
            self.ask(origin.validator, out);
        }
    }

    /// A signature was bad.
    pub(super) fn on_refused(&mut self, origin: Origin, out: &mut Outbox) {
        out.tell(Event::Rejected { reason: Rejection::BadSignature });
        self.flying.remove(&origin.validator);
        if self.standing == super::Standing::Recovering && origin == Origin::OWN {
            // Our own records do not hold: whoever goes on from them may contradict what was said before.
            self.standing = super::Standing::Retired;
        }
    }

    /// Keeps a validator's view change to its highest view. Two for one view contradict each other (`PB-E1`).
    fn take_change(&mut self, change: ViewChange, out: &mut Outbox) {
        let Signed { message, signer, .. } = change.change.clone();
        let Some(place) = self.changes.get_mut(signer.position()) else { return };
        if let Some(known) = place
            && known.change.message.view == message.view
            && known.change.message != message
            && self.exposed.insert(signer)
        {
            let (first, second) = (known.change.clone(), change.change);
            out.tell(Event::Equivocated { validator: signer, round: message.view.get() });
            let evidence = Evidence::Changes { first, second };
            return out.act(Effect::Evidence(protocol::Evidence::Pbft(evidence)));
        }
        let is_over = message.view < self.turn.view || (message.view == self.turn.view && self.turn.is_active());
        if !is_over && place.as_ref().is_none_or(|known| known.change.message.view < message.view) {
            *place = Some(change);
        }
    }

    /// Takes a primary's proposal of a new value: of the open view the first for a free height (`PB-A1`, `PB-V4`); of
    /// a later view one is kept.
    pub(super) fn take_proposal(&mut self, it: PrePrepare, out: &mut Outbox) {
        let PrePrepare { proposal, signature, payload } = it.clone();
        let height = proposal.height;
        // Whatever the view is, or whether it is decided already: the value may be all that lacks.
        if let Some(slot) = self.slots.get_mut(&height).filter(|slot| slot.lacks() == Some(proposal.payload_root)) {
            slot.keep_body(proposal.payload_root, payload.clone());
        }
        if !self.is_kept(height) || proposal.view < self.turn.view || self.is_decided(height) {
            return;
        }
        let is_open = proposal.view == self.turn.view && self.turn.is_active();
        let is_free = height > self.turn.taken;
        let slot = self.slots.entry(height).or_default();
        if !is_open {
            if slot.early.as_ref().is_none_or(|early| proposal.view < early.proposal.view) {
                slot.early = Some(it);
            }
        } else if is_free && slot.offer.is_none() {
            let validity = Validity::Unknown;
            slot.offer = Some(Offer { proposal, signature: Some(signature), validity, is_accepted: false });
            slot.since = Some(self.now);
        }
        if slot.offer.is_some_and(|offer| offer.proposal == proposal) {
            slot.keep_body(proposal.payload_root, payload);
        }
        let signer = proposal.view.primary(&self.setup.set);
        self.count(Signed { message: proposal.vote(Phase::Prepare), signer, signature }, out);
    }

    /// Takes up proposals of the view that has just been opened.
    pub(super) fn release_early(&mut self, out: &mut Outbox) {
        let early: Vec<PrePrepare> = self.slots.values_mut().filter_map(|slot| slot.early.take()).collect();
        for proposal in early {
            self.take_proposal(proposal, out);
        }
    }

    /// Counts a vote; a second one in the same place is evidence, and does not count (`PB-E1`).
    pub(super) fn count(&mut self, vote: Signed<Vote>, out: &mut Outbox) {
        let Vote { phase: _, proposal } = vote.message;
        if !self.is_kept(proposal.height) || proposal.view < self.turn.view || self.is_decided(proposal.height) {
            return;
        }
        let slot = self.slots.entry(proposal.height).or_default();
        match slot.count(self.turn.view, &vote) {
            Counted::Added if self.setup.me != Some(vote.signer) => {
                out.tell(Event::VoteCounted {
                    height: proposal.height,
                    round: proposal.view.get(),
                    validator: vote.signer,
                });
            }
            Counted::Double(_) if planted::is("pbft-lost-evidence") => {}
            Counted::Double(first) if self.exposed.insert(vote.signer) => {
                out.tell(Event::Equivocated { validator: vote.signer, round: proposal.view.get() });
                let evidence = Evidence::Votes { first, second: vote };
                out.act(Effect::Evidence(protocol::Evidence::Pbft(evidence)));
            }
            Counted::Added | Counted::Known | Counted::Double(_) => {}
        }
    }

    fn take_certificate(&mut self, certificate: Certificate, out: &mut Outbox) {
        let height = certificate.proposal.height;
        if self.is_kept(height) && height > self.marks.executed {
            self.slots.entry(height).or_default();
            self.certify(certificate, out);
        }
    }

    /// Keeps a value wherever its root is known and wanted. Returns whether it is.
    pub(super) fn take_body(&mut self, body: &bytes::Bytes) -> bool {
        let root = protocol::payload_root(body);
        let mut is_wanted = false;
        for slot in self.slots.values_mut().filter(|slot| slot.lacks() == Some(root)) {
            slot.keep_body(root, body.clone());
            is_wanted = true;
        }
        is_wanted
    }

    /// Whether a height is of interest at all (`PB-M1`).
    pub(super) fn is_kept(&self, height: Height) -> bool {
        height > self.marks.low && (height <= self.marks.ceiling() || planted::is("pbft-no-watermark"))
    }

    /// Whether more than a third has voted at a height: then somebody honest waits for it.
    pub(super) fn is_backed(&self, slot: &super::slot::Slot) -> bool {
        self.setup.set.is_blocking(slot.power(&self.setup.set))
    }
}
