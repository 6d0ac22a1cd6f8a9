//! The normal case: proposing, voting in two phases, deciding.

use bytes::Bytes;

use super::{
    Pbft, Phase, Proof, Proposal, Record, Unsigned, Vote,
    slot::{Offer, Validity},
};
use crate::{
    crypto::Transcript,
    protocol::{self, Effect, Event, Outbox, To, Verdict, payload_root},
    types::{Digest, Height, planted},
};

impl Pbft {
    /// If this view is ours and open: asks for something to propose for the next free height (`PB-L1`).
    pub(super) fn lead(&mut self, out: &mut Outbox) {
        let is_ours = self.turn.is_active() && self.takes_part() == Some(self.primary());
        let is_wanted = self.demand.commands_since.is_some() || self.demand.is_waited_on;
        if !is_ours || !is_wanted || self.has_nothing || self.building.is_some() {
            return;
        }
        let height = self.next_free();
        if height > self.marks.high() {
            return;
        }
        let undecided = self.open_slots().filter_map(|(_, slot)| slot.offer.map(|offer| offer.proposal.payload_root));
        let slot = protocol::Slot { height, round: self.turn.view.get() };
        let ancestors = undecided.collect();
        self.building = Some(slot);
        out.act(Effect::Build { slot, ancestors });
    }

    /// The lowest height that the view leaves free and for which nothing is proposed in it.
    fn next_free(&self) -> Height {
        let mut height = self.turn.taken.max(self.marks.executed).max(self.marks.low).next();
        while self.slots.get(&height).is_some_and(|slot| slot.offer.is_some() || slot.certificate.is_some()) {
            height = height.next();
        }
        height
    }

    pub(super) fn on_payload(&mut self, asked: protocol::Slot, payload: Option<Bytes>, out: &mut Outbox) {
        if self.building.take_if(|building| *building == asked).is_none() || asked.round != self.turn.view.get() {
            return;
        }
        self.has_nothing = payload.is_none();
        let is_ours = self.turn.is_active() && self.takes_part() == Some(self.primary());
        let Some(payload) = payload.filter(|_| is_ours && asked.height == self.next_free()) else { return };
        assert!(payload.len() <= self.setup.payload_bytes_max, "a payload was built beyond its limit");
        let proposal = Proposal { view: self.turn.view, height: asked.height, payload_root: payload_root(&payload) };
        let slot = self.slots.entry(asked.height).or_default();
        slot.offer = Some(Offer { proposal, signature: None, validity: Validity::Valid, is_accepted: true });
        slot.since = Some(self.now);
        slot.has_sent[0] = true;
        slot.accept(proposal.payload_root);
        slot.keep_body(proposal.payload_root, payload.clone());
        self.persist(Record::Accepted { proposal, signature: None, payload: payload.clone() }, out);
        out.tell(Event::Proposed { round: proposal.view.get(), id: proposal.payload_root });
        out.tell(Event::VoteCast {
            height: proposal.height,
            round: proposal.view.get(),
            target: proposal.payload_root,
        });
        self.send(To::Validators, Unsigned::PrePrepare { proposal, payload }, out);
    }

    /// Votes for what the rules allow, up to the high mark, where nothing is decided yet (`PB-A1`, `PB-A3`).
    pub(super) fn vote(&mut self, out: &mut Outbox) {
        let Some(me) = self.takes_part().filter(|_| self.turn.is_active()) else { return };
        let (is_primary, high) = (me == self.primary(), self.marks.high());
        let heights: Vec<Height> = self.open_slots().map(|(height, _)| *height).filter(|it| *it <= high).collect();
        let mut votes = Vec::new();
        for height in heights {
            if self.is_decided(height) {
                continue;
            }
            let prepare = self.prepare(height, out);
            votes.extend(prepare.filter(|_| !is_primary));
            votes.extend(self.commit(height, out));
        }
        for vote in &votes {
            out.tell(Event::VoteCast {
                height: vote.proposal.height,
                round: vote.proposal.view.get(),
                target: vote.proposal.payload_root,
            });
        }
        if !votes.is_empty() {
            self.send(To::Validators, Unsigned::Votes(votes), out);
        }
    }

    /// Accepts the view's proposal, durably and once (`PB-A1`). The primary's proposal is its prepare.
    fn prepare(&mut self, height: Height, out: &mut Outbox) -> Option<Vote> {
        let slot = self.slots.get_mut(&height)?;
        let mut offer = slot.offer.filter(|_| !slot.has_sent[0])?;
        let body = slot.body(&offer.proposal.payload_root);
        if offer.validity == Validity::Unknown {
            let payload = body.clone()?;
            offer.validity = Validity::Asked;
            let (id, proposer) = (question(&offer.proposal), offer.proposal.view.primary(&self.setup.set));
            out.act(Effect::Validate { id, height, proposer, payload });
        }
        slot.offer = Some(offer);
        if offer.validity != Validity::Valid && !planted::is("never-validate") {
            return None;
        }
        slot.has_sent[0] = true;
        if !offer.is_accepted {
            let payload = body?;
            offer.is_accepted = true;
            slot.offer = Some(offer);
            slot.accept(offer.proposal.payload_root);
            slot.keep_body(offer.proposal.payload_root, payload.clone());
            let Offer { proposal, signature, .. } = offer;
            self.persist(Record::Accepted { proposal, signature, payload }, out);
        }
        Some(offer.proposal.vote(Phase::Prepare))
    }

    /// Commits to what a quorum has prepared in this view, whether or not we have its value (`PB-A3`).
    fn commit(&mut self, height: Height, out: &mut Outbox) -> Option<Vote> {
        let (view, set) = (self.turn.view, self.setup.set.clone());
        let slot = self.slots.get_mut(&height)?;
        if slot.has_sent[1] {
            return None;
        }
        if let Some((proposal, votes)) = slot.quorum(Phase::Prepare, &set) {
            let proof = Proof { phase: Phase::Prepare, votes };
            if slot.prepare(proposal, proof.clone()) {
                out.tell(Event::Notarized { round: view.get(), id: proposal.payload_root });
                self.persist(Record::Prepared { proposal, proof }, out);
            }
        }
        let slot = self.slots.get_mut(&height)?;
        let prepared = slot.prepared.as_ref().map(|(proposal, _)| *proposal).filter(|proposal| proposal.view == view);
        let rash = slot.offer.filter(|_| slot.has_sent[0] && planted::is("pbft-commit-unprepared"));
        let proposal = prepared.or(rash.map(|offer| offer.proposal))?;
        slot.has_sent[1] = true;
        Some(proposal.vote(Phase::Commit))
    }

    pub(super) fn on_verdict(&mut self, id: &Digest, verdict: Verdict) {
        for offer in self.slots.values_mut().filter_map(|slot| slot.offer.as_mut()) {
            if offer.validity == Validity::Asked && question(&offer.proposal) == *id {
                offer.validity = match verdict {
                    Verdict::Valid => Validity::Valid,
                    Verdict::Invalid => Validity::Invalid,
                    // Asked again when more is executed; at once, it would spin.
                    Verdict::Undecided => Validity::Undecided,
                };
            }
        }
    }

    /// Asks the application again where it could not tell.
    pub(super) fn ask_undecided(&mut self) {
        for offer in self.slots.values_mut().filter_map(|slot| slot.offer.as_mut()) {
            if offer.validity == Validity::Undecided {
                offer.validity = Validity::Unknown;
            }
        }
    }

    /// Finds what a quorum commits to, and tells each height once when its value is here (`PB-S1`).
    pub(super) fn decide(&mut self, out: &mut Outbox) {
        let heights: Vec<Height> = self.open_slots().map(|(height, _)| *height).collect();
        for height in heights {
            let Some(slot) = self.slots.get_mut(&height) else { continue };
            if slot.certificate.is_none()
                && let Some((proposal, commits)) = slot.quorum(Phase::Commit, &self.setup.set)
            {
                self.certify(super::Certificate { proposal, commits }, out);
            }
            self.tell(height, out);
        }
    }

    /// Takes a decision, of our own counting or shown by others. All signatures are verified.
    pub(super) fn certify(&mut self, certificate: super::Certificate, out: &mut Outbox) {
        let proposal = certificate.proposal;
        let Some(slot) = self.slots.get_mut(&proposal.height) else { return };
        if let Some(known) = &slot.certificate {
            if known.proposal.payload_root != proposal.payload_root {
                let what = format!("two values are decided: {known:?} and {certificate:?}");
                out.tell(Event::Fatal { what });
            }
            return;
        }
        slot.prepare(proposal, certificate.proof());
        slot.certificate = Some(certificate);
        if proposal.view == self.turn.view {
            if let Some(since) = slot.since {
                self.pace.measure(self.now.since(since));
            }
            self.turn.fruitful = proposal.view;
            self.timers.progressed();
        }
        out.tell(Event::Concluded { rounds: proposal.view.get() + 1, payload: proposal.payload_root });
    }

    /// Hands a decision over when it may be taken and its value is here.
    fn tell(&mut self, height: Height, out: &mut Outbox) {
        if height > self.marks.high() {
            return self.miss(height, out);
        }
        let Some(slot) = self.slots.get_mut(&height) else { return };
        let Some(certificate) = slot.certificate.clone().filter(|_| !slot.is_told) else { return };
        let Some(payload) = slot.body(&certificate.proposal.payload_root) else { return };
        slot.is_told = true;
        let certificate = protocol::Certificate::Pbft(certificate);
        out.act(Effect::Decided { height, payload, certificate });
    }

    /// Says that a height is decided without us: we are too far behind, or its value does not come.
    fn miss(&mut self, height: Height, out: &mut Outbox) {
        let Some(slot) = self.slots.get_mut(&height) else { return };
        let Some(certificate) = slot.certificate.clone().filter(|_| !slot.is_told && !slot.is_missed) else { return };
        slot.is_missed = true;
        out.act(Effect::Behind { height, certificate: protocol::Certificate::Pbft(certificate) });
    }

    /// Gives up waiting for the values of what is decided: a pull interval has passed.
    pub(super) fn miss_values(&mut self, out: &mut Outbox) {
        let lacking = self.open_slots().filter(|(_, slot)| slot.certificate.is_some() && slot.lacks().is_some());
        let lacking: Vec<Height> = lacking.map(|(height, _)| *height).collect();
        lacking.into_iter().for_each(|height| self.miss(height, out));
    }
}

/// The mark of a question to the application: equal values may be proposed for two heights, or by two primaries.
fn question(proposal: &Proposal) -> Digest {
    let start = Transcript::new("thalweg pbft question v1").number(proposal.view.get());
    start.number(proposal.height.get()).digest(&proposal.payload_root).finish()
}
