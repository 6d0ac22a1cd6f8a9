//! Taking in what is verified: nodes, votes, wishes, and what follows for the decision.

use super::{
    Evidence, Phase, Streamlette,
    certificate::Certificate,
    message::{Content, Diff, Header, Item, Message, Vote, Wish},
    serve::Answer,
    tree::{Counted, Deciding},
};
use crate::protocol::votes::Ballot;
use crate::{
    crypto::{Signed, Verified},
    protocol::{Effect, Event, Origin, Outbox, Rejection},
    types::{Digest, Time, planted},
};

impl Streamlette {
    /// Takes in a message that we asked to be verified, or our own after it was signed.
    pub(super) fn on_verified(&mut self, now: Time, origin: Origin, message: Verified<Message>, out: &mut Outbox) {
        let message = message.map(Message::into_content);
        let diff = match message.get() {
            Content::Diff(diff) => diff,
            Content::Certificate { certificate, payload } => {
                self.certificates_flying.remove(&origin.validator);
                let (certificate, payload) = (certificate.clone(), payload.clone());
                let seal = message
                    .map(|_| Message::Certificate { certificate: certificate.clone(), payload: payload.clone() });
                return self.on_certified(now, certificate, Answer { payload, seal }, out);
            }
        };
        self.note_return(origin, diff);
        self.land(diff);
        if !self.is_open() {
            return;
        }
        self.demand.is_stirred = true;
        let more = diff.more;
        if let Some(deciding) = self.absorb(now, origin, diff, out) {
            // Everything that was counted is verified; what completed it vouches for the whole.
            self.decide(now, deciding, message.map(|_| ()), out);
        } else if more {
            self.ask(origin.validator, out);
        }
    }

    /// A signature was bad. What was held back for its sake gets its chance.
    pub(super) fn on_refused(&mut self, origin: Origin, message: Message, out: &mut Outbox) {
        out.tell(Event::Rejected { reason: Rejection::BadSignature });
        let Content::Diff(diff) = message.into_content() else {
            self.certificates_flying.remove(&origin.validator);
            return;
        };
        self.note_return(origin, &diff);
        self.land(&diff);
        if !self.is_open() {
            return;
        }
        self.reconsider(out);
        for item in diff.items.iter() {
            let held = self.desk.release(&item.vote(&self.setup.id).target);
            self.reconsider_votes(held, false, out);
        }
    }

    fn land(&mut self, diff: &Diff) {
        for item in diff.items.iter() {
            self.desk.land(item, &item.vote(&self.setup.id).target);
        }
    }

    fn absorb(&mut self, now: Time, origin: Origin, diff: &Diff, out: &mut Outbox) -> Option<Deciding> {
        let mut deciding = None;
        let mut grown = Vec::new();
        for item in diff.items.iter() {
            let vote = item.vote(&self.setup.id);
            if let Some(header) = item.header() {
                match self.take_message(now, origin, vote.target, header, item) {
                    Ok(true) => grown.push(vote.target),
                    Ok(false) => {}
                    Err(reason) => out.tell(Event::Rejected { reason }),
                }
            }
            deciding = deciding.or(self.take_votes(vote, item, out));
        }
        for wish in diff.wants.iter() {
            self.wants.raise(*wish);
        }
        for id in &grown {
            let held = self.desk.release(id);
            self.reconsider_votes(held, false, out);
        }
        if !grown.is_empty() {
            self.reconsider(out);
        }
        deciding
    }

    /// Puts a message into the tree; returns whether it is new. Everything that the rules demand of a message is
    /// checked here again, whatever was screened before.
    fn take_message(
        &mut self,
        now: Time,
        origin: Origin,
        id: Digest,
        header: Header,
        item: &Item,
    ) -> Result<bool, Rejection> {
        if self.tree.get(&id).is_some() {
            return Ok(false);
        }
        if header.leader() != self.leaders.leader(header.tick()) && !planted::is("any-leader") {
            return Err(Rejection::NotLeader);
        }
        let is_ours = origin == Origin::OWN;
        if !is_ours {
            self.tree.admit(header.tick(), item.votes().power(&self.setup.set)?)?;
        }
        let payload = if let Item::Proposal { payload, .. } = item { Some(payload.clone()) } else { None };
        self.tree.insert(id, header, payload)?;
        if header.tick() == self.turn.tick {
            self.turn.seen_at = self.turn.seen_at.or(Some(now));
        }
        // What we led was journaled before it was signed.
        if is_ours
            && Some(header.leader()) == self.setup.me
            && let Some(node) = self.tree.get_mut(&id)
        {
            node.is_journaled = true;
        }
        Ok(true)
    }

    fn take_votes(&mut self, vote: Vote, item: &Item, out: &mut Outbox) -> Option<Deciding> {
        let mut deciding = None;
        for Ballot { voter, signature } in item.votes().iter().copied() {
            self.wants.raise(Wish { tick: vote.tick, target: Some(vote.target), signer: voter, signature });
            if self.tree.get(&vote.target).is_some_and(|node| node.header.tick() != vote.tick) {
                out.tell(Event::Rejected { reason: Rejection::WrongTarget });
                continue;
            }
            let counted = self.tree.count(&vote.target, voter, signature);
            if matches!(counted, Counted::Added | Counted::Notarized) {
                if self.setup.me != Some(voter) {
                    out.tell(Event::VoteCounted {
                        height: self.setup.height,
                        round: vote.tick.get(),
                        validator: voter,
                    });
                }
                self.expose(Signed { message: vote, signer: voter, signature }, out);
            }
            if counted == Counted::Notarized {
                out.tell(Event::Notarized { round: vote.tick.get(), id: vote.target });
                if let Some(twin) = self.tree.notarized_twin(&vote.target) {
                    let what = format!("{:?} and {twin:?} are both notarized in tick {:?}", vote.target, vote.tick);
                    out.tell(Event::Fatal { what });
                }
                deciding = deciding.or(self.tree.deciding_with(&vote.target));
            }
        }
        deciding
    }

    /// Reports a validator that voted for two messages of a tick, once. Both votes stay counted (`SL-I4`).
    fn expose(&mut self, second: Signed<Vote>, out: &mut Outbox) {
        let Some((vote, signature)) = self.tree.other_vote(second.signer, &second.message.target) else { return };
        if self.exposed.insert(second.signer) {
            let validator = second.signer;
            out.tell(Event::Equivocated { validator, round: vote.tick.get() });
            let first = Signed { message: vote, signer: validator, signature };
            out.act(Effect::Evidence(crate::protocol::Evidence::Streamlette(Evidence { first, second })));
        }
    }

    fn decide(&mut self, now: Time, deciding: Deciding, seal: Verified<()>, out: &mut Outbox) {
        if let Some(rival) = self.tree.notarized_rival(&deciding.middle) {
            let what = format!("{rival:?} is notarized at the depth of the decided {:?}", deciding.middle);
            out.tell(Event::Fatal { what });
        }
        let root = self.tree.get(&deciding.last).and_then(|last| self.tree.get(&last.root));
        let payload = root.and_then(|root| root.payload().cloned());
        let certificate = Certificate::from_tree(&self.tree, &self.setup.set, deciding);
        let (Some(payload), Some(certificate)) = (payload, certificate) else { return };
        let message = Message::Certificate { certificate: certificate.clone(), payload: payload.clone() };
        self.conclude(now, certificate, Answer { payload, seal: seal.map(|_| message) }, out);
    }

    pub(super) fn conclude(&mut self, now: Time, certificate: Certificate, answer: Answer, out: &mut Outbox) {
        let payload = answer.payload.clone();
        let rounds = certificate.last_tick().next().get();
        out.tell(Event::Concluded { rounds, payload: certificate.proposal.payload_root });
        self.phase = Phase::Decided(Box::new(answer));
        // What is under way at this moment does not show that its sender is late.
        self.last_asked.fill(Some(now));
        let certificate = crate::protocol::Certificate::Streamlette(certificate);
        out.act(Effect::Decided { height: self.setup.height, payload, certificate });
        out.act(Effect::Finished);
    }
}
