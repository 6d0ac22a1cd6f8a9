//! Coming back: what was written is in force at once, and nothing is said before its signatures have been checked.

use super::{
    Diff, Message, Pbft, Plan, PrePrepare, Record, Standing, Unsigned, Vote,
    slot::{Offer, Validity},
};
use crate::{
    crypto::Signed,
    protocol::{self, Effect, Event, Origin, Outbox, To, payload_root},
    types::{BoundedVec, planted},
};

impl Pbft {
    /// Takes the records of an earlier life (`PB-D2`).
    pub(super) fn on_begin(&mut self, records: Vec<protocol::Record>, out: &mut Outbox) {
        let own = |record| if let protocol::Record::Pbft(record) = record { Some(record) } else { None };
        let records: Vec<Record> = records.into_iter().filter_map(own).collect();
        out.tell(Event::RoundEntered { round: self.turn.view.get(), leader: self.primary() });
        if records.is_empty() {
            return self.announce(out);
        }
        self.standing = Standing::Recovering;
        self.oblivion = None;
        let mut unverified = Vec::new();
        let mut proposals = Vec::new();
        for record in &records {
            match record {
                Record::Prepared { proposal, proof } => {
                    let message = proposal.vote(proof.phase);
                    let votes = proof.votes.iter();
                    unverified.extend(votes.map(|it| Signed { message, signer: it.voter, signature: it.signature }));
                    self.slots.entry(proposal.height).or_default().prepare(*proposal, proof.clone());
                }
                Record::Accepted { proposal, signature, payload } => {
                    let slot = self.slots.entry(proposal.height).or_default();
                    slot.accept(proposal.payload_root);
                    // A body may have been lost where the record was not: it is pulled then (`JN-9`).
                    if payload_root(payload) == proposal.payload_root {
                        slot.keep_body(proposal.payload_root, payload.clone());
                        let payload = payload.clone();
                        let whole = |signature| PrePrepare { proposal: *proposal, signature, payload };
                        proposals.extend(signature.map(whole));
                    }
                }
                standing => {
                    if !planted::is("pbft-forgotten-view") {
                        self.turn.restore(standing.clone());
                    }
                }
            }
        }
        self.reinstate(records, out);
        self.verify_own(unverified, proposals, out);
    }

    /// Puts what the current view has proposed, and we have accepted, in its place again.
    fn reinstate(&mut self, records: Vec<Record>, out: &mut Outbox) {
        if let Some(new_view) = self.turn.new_view().cloned() {
            self.adopt(&Plan::of(&new_view.changes), &new_view, out);
        }
        for record in records {
            if let Record::Accepted { proposal, signature, .. } = record
                && proposal.view == self.turn.view
                && self.turn.is_active()
                && !planted::is("pbft-forgotten-value")
            {
                let slot = self.slots.entry(proposal.height).or_default();
                slot.offer = Some(Offer { proposal, signature, validity: Validity::Valid, is_accepted: true });
                slot.since = Some(self.now);
            }
        }
    }

    /// Has everything of others that the journal holds verified, like anything that arrives.
    fn verify_own(&mut self, votes: Vec<Signed<Vote>>, proposals: Vec<PrePrepare>, out: &mut Outbox) {
        let diff = Diff {
            new_view: self.turn.new_view().cloned().map(Box::new),
            proposals: BoundedVec::try_from(proposals).unwrap_or_default(),
            votes: BoundedVec::try_from(votes).unwrap_or_default(),
            ..Diff::default()
        };
        if diff.is_unsigned() {
            return self.recovered(out);
        }
        let message = protocol::Message::Pbft(Message::Diff(diff));
        out.act(Effect::Verify { origin: Origin::OWN, message });
    }

    /// Goes on where we were, and says again what was said (`PB-D2`): signing is deterministic, so the bytes are the
    /// same. Votes follow by themselves.
    pub(super) fn recovered(&mut self, out: &mut Outbox) {
        if self.standing == Standing::Recovering {
            self.standing = Standing::Member;
        }
        self.timers.turned(self.now);
        self.announce(out);
        self.say_again(&To::Validators, out);
        if self.takes_part() != Some(self.primary()) || !self.turn.is_active() {
            return;
        }
        let executed = self.marks.executed;
        let mut again = Vec::new();
        for (_, slot) in self.slots.range_mut(executed.next()..) {
            let Some(offer) = slot.offer.filter(|offer| offer.proposal.height > self.turn.taken) else { continue };
            slot.has_sent[0] = true;
            again.extend(slot.body(&offer.proposal.payload_root).map(|payload| (offer.proposal, payload)));
        }
        for (proposal, payload) in again {
            self.send(To::Validators, Unsigned::PrePrepare { proposal, payload }, out);
        }
    }
}
