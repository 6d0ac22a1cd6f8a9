//! Answering others, before and after the decision, and asking them.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{
    Phase, Streamlette, Summary,
    certificate::Certificate,
    diff::FRAME_BYTES_MAX,
    message::{Diff, Message, Unsigned},
};
use crate::{
    crypto::Verified,
    protocol::{self, Effect, Event, Judgement, Origin, Outbox, Rejection, To, payload_root},
    types::{Time, ValidatorIndex, codec, planted},
};

/// A decision, ready to be passed on.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The value.
    pub payload: Bytes,
    /// The certificate with the value.
    pub seal: Verified<Message>,
}

/// From whom certificates are being checked: one of each.
pub type CertificatesFlying = BTreeSet<Option<ValidatorIndex>>;

impl Streamlette {
    /// Someone sends a certificate: the end for us if it holds. After our own decision only one for another value is
    /// of interest (`SL-F1`).
    pub(super) fn on_certificate(
        &mut self,
        origin: Origin,
        certificate: Certificate,
        payload: Bytes,
        out: &mut Outbox,
    ) {
        let is_of_use = match &self.phase {
            Phase::Open => true,
            Phase::Decided(answer) => payload_root(&answer.payload) != certificate.proposal.payload_root,
            Phase::Closed => false,
        };
        if !is_of_use || self.certificates_flying.contains(&origin.validator) {
            return out.judge(origin, Judgement::Ignore);
        }
        if let Err(reason) = self.check_certificate(&certificate, &payload) {
            return out.judge(origin, Judgement::Reject(reason));
        }
        self.certificates_flying.insert(origin.validator);
        let message = protocol::Message::Streamlette(Message::Certificate { certificate, payload });
        out.act(Effect::Verify { origin, message });
    }

    fn check_certificate(&self, certificate: &Certificate, payload: &Bytes) -> Result<(), Rejection> {
        if payload.len() > self.setup.payload_bytes_max {
            return Err(Rejection::TooLarge);
        }
        certificate.check_form(&self.electorate)?;
        if payload_root(payload) == certificate.proposal.payload_root { Ok(()) } else { Err(Rejection::WrongPayload) }
    }

    /// A verified certificate. Two for different values are possible only when more than a third lies (`SL-F1`).
    pub(super) fn on_certified(&mut self, now: Time, certificate: Certificate, answer: Answer, out: &mut Outbox) {
        match &self.phase {
            Phase::Open => self.conclude(now, certificate, answer, out),
            Phase::Decided(own) if own.payload != answer.payload => {
                let what = format!("two values are decided: the other is {:?}", certificate.proposal.payload_root);
                out.tell(Event::Fatal { what });
            }
            Phase::Decided(_) | Phase::Closed => {}
        }
    }

    /// Whoever still sends something about a decided instance is late: it gets the certificate, once in a while
    /// (`SL-W2`). What was under way at the decision is not answered.
    pub(super) fn answer_laggard(&mut self, now: Time, origin: Origin, out: &mut Outbox) {
        let Some(peer) = origin.validator else { return };
        let Phase::Decided(answer) = &self.phase else { return };
        let message = protocol::Unsigned::Streamlette(Unsigned::Certificate(answer.seal.clone()));
        if self.is_due(now, peer) {
            out.act(Effect::Send { to: To::One(peer), message, after: None });
        }
    }

    /// Asks the sender of something whose ancestors are not here, once in a while.
    pub(super) fn ask_out_of_turn(&mut self, now: Time, origin: Origin, out: &mut Outbox) {
        if let Some(peer) = origin.validator
            && self.is_due(now, peer)
        {
            self.ask(Some(peer), out);
        }
    }

    fn is_due(&mut self, now: Time, peer: ValidatorIndex) -> bool {
        let interval = self.pace.pull_interval();
        let Some(last) = self.last_asked.get_mut(peer.position()) else { return false };
        let is_due = last.is_none_or(|last| now.since(last) >= interval);
        if is_due {
            *last = Some(now);
        }
        is_due
    }

    pub(super) fn ask(&self, peer: Option<ValidatorIndex>, out: &mut Outbox) {
        let Some(peer) = peer.filter(|peer| Some(*peer) != self.setup.me && !planted::is("never-pull")) else { return };
        let summary = Summary::of(self.turn.tick, &self.tree, &self.wants);
        out.act(Effect::Ask { peer, summary: protocol::Summary::Streamlette(summary) });
    }

    /// Every pull gets one answer, if only an empty one: a certificate is not divided, so it needs a budget that holds it.
    pub(super) fn on_pull(&self, asker: u64, summary: &Summary, budget: usize, out: &mut Outbox) {
        let message = match &self.phase {
            Phase::Open => Message::Diff(summary.missing(&self.tree, &self.wants, &self.setup.set, budget)),
            Phase::Decided(answer) => {
                let fits = codec::encode(answer.seal.get()).len() + FRAME_BYTES_MAX <= budget;
                if fits { answer.seal.get().clone() } else { Message::Diff(Diff::default()) }
            }
            Phase::Closed => Message::Diff(Diff::default()),
        };
        out.act(Effect::Answer { asker, message: protocol::Message::Streamlette(message) });
    }

    pub(super) fn on_closed(&mut self, out: &mut Outbox) {
        if self.is_open() {
            self.phase = Phase::Closed;
            out.act(Effect::Finished);
        }
    }
}
