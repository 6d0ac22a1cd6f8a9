//! What of an arrived message is worth a signature check: cheap checks first, signatures last.
//!
//! What is known is ignored, what is wrong is rejected, what is partly known is trimmed; only the rest is verified.
//! A liar can therefore cost us a check only by signing something new, or by sending garbage that its connection is
//! counted for.

use std::collections::BTreeMap;

use super::{
    Streamlette,
    desk::Held,
    message::{Content, Diff, Header, Item, Message, Vote, Wish},
    tree::{self, WINDOW},
};
use crate::protocol::votes::{Ballot, Votes};
use crate::{
    protocol::{Effect, Event, Judgement, Origin, Outbox, Rejection},
    types::{BoundedVec, Digest, Tally, Time, ValidatorIndex, planted},
};

/// Parents that come with the same message, by id: header and root.
type Arriving = BTreeMap<Digest, (Header, Digest)>;

/// What is left of a message.
#[derive(Debug, Default)]
struct Sifted {
    items: Vec<Item>,
    wants: Vec<Wish>,
    /// What was wrong with the first part that was left out for a fault.
    fault: Option<Rejection>,
    /// Leaders' messages that must wait.
    waiting: Vec<Item>,
    /// Whether one of them stands on something that is not even being checked.
    has_orphan: bool,
    /// What others of its parts may stand on.
    arriving: Arriving,
}

impl Streamlette {
    pub(super) fn on_arrived(&mut self, now: Time, origin: Origin, message: Message, out: &mut Outbox) {
        let diff = match message.into_content() {
            Content::Diff(diff) => diff,
            Content::Certificate { certificate, payload } => {
                return self.on_certificate(origin, certificate, payload, out);
            }
        };
        if !self.is_open() {
            out.judge(origin, Judgement::Ignore);
            return self.answer_laggard(now, origin, out);
        }
        if let Err(reason) = self.check_form(&diff) {
            return out.judge(origin, Judgement::Reject(reason));
        }
        let more = diff.more;
        let sifted = self.sift(origin, diff, out);
        if sifted.has_orphan || sifted.fault == Some(Rejection::FarFuture) {
            self.ask_out_of_turn(now, origin, out);
        }
        self.finish(origin, sifted, more, true, out);
    }

    /// Looks once more at messages that waited. Their tickets have been judged.
    pub(super) fn reconsider(&mut self, out: &mut Outbox) {
        for (origin, diff) in self.desk.release_waiting() {
            let sifted = self.sift(origin, diff, out);
            self.finish(origin, sifted, false, false, out);
        }
    }

    /// Looks once more at held votes. With `all`, those beyond a quorum are checked too.
    pub(super) fn reconsider_votes(&mut self, held: Vec<Held>, all: bool, out: &mut Outbox) {
        for held in held {
            let Held { origin, vote, voter, signature } = held;
            let mut sifted = Sifted::default();
            if all && self.tree.get(&vote.target).is_some_and(|node| !node.has_vote(voter)) {
                self.desk.fly(vote.target, voter);
                sifted.items.push(Item::Votes { vote, votes: Votes::one(voter, signature) });
            } else if all && self.wants.of(voter) < Some(vote.tick) {
                self.desk.hold(held);
                sifted.wants.push(Wish { tick: vote.tick, target: Some(vote.target), signer: voter, signature });
            } else {
                self.sift_votes(origin, vote, &Votes::one(voter, signature), &mut sifted, out);
            }
            self.finish(origin, sifted, false, false, out);
        }
    }

    /// Verifies things from our own journal, like anything that arrives. Returns what shows that they have come back.
    pub(super) fn verify_recovered(&mut self, items: Vec<Item>, out: &mut Outbox) -> Option<Digest> {
        let items = BoundedVec::try_from(items).ok()?;
        let diff = Diff { items, ..Diff::default() };
        let sifted = self.sift(Origin::OWN, diff, out);
        let awaited = sifted.items.first().map(|item| item.vote(&self.setup.id).target);
        self.finish(Origin::OWN, sifted, false, false, out);
        awaited
    }

    fn finish(&mut self, origin: Origin, sifted: Sifted, more: bool, is_fresh: bool, out: &mut Outbox) {
        let Sifted { items, wants, fault, waiting, .. } = sifted;
        if let Some(reason) = fault {
            out.tell(Event::Rejected { reason });
        }
        for item in waiting {
            if let Some(header) = item.header() {
                self.desk.wait(header.tick(), header.leader(), origin, Diff::of(vec![item]));
            }
        }
        if !items.is_empty() || !wants.is_empty() {
            // Trimming only ever shortens lists that were within their bounds.
            let items = BoundedVec::try_from(items).unwrap_or_default();
            let wants = BoundedVec::try_from(wants).unwrap_or_default();
            let message = super::super::Message::Streamlette(Message::Diff(Diff { items, wants, more }));
            out.act(Effect::Verify { origin, message });
        } else if is_fresh {
            let judgement = match fault {
                Some(reason) if is_certain(reason) => Judgement::Reject(reason),
                _ => Judgement::Ignore,
            };
            out.act(Effect::Judge { origin, judgement });
        }
    }

    /// What can be said without knowing anything but the validators. Certain to be a lie if it fails.
    fn check_form(&self, diff: &Diff) -> Result<(), Rejection> {
        let set = &self.setup.set;
        for item in diff.items.iter() {
            item.votes().power(set)?;
            if let Some(header) = item.header() {
                if header.leader() != self.leaders.leader(header.tick()) && !planted::is("any-leader") {
                    return Err(Rejection::NotLeader);
                }
                if !item.votes().has(header.leader()) {
                    return Err(Rejection::Malformed);
                }
            }
            if let Item::Proposal { payload, .. } = item
                && payload.len() > self.setup.payload_bytes_max
            {
                return Err(Rejection::TooLarge);
            }
        }
        let is_known = |wish: &Wish| set.get(wish.signer).is_some();
        if diff.wants.iter().all(is_known) { Ok(()) } else { Err(Rejection::UnknownSigner) }
    }

    fn sift(&mut self, origin: Origin, diff: Diff, out: &mut Outbox) -> Sifted {
        let mut sifted = Sifted::default();
        for item in diff.items.into_vec() {
            match item.header() {
                Some(header) => self.sift_message(origin, header, item, &mut sifted, out),
                None => {
                    let vote = item.vote(&self.setup.id);
                    self.sift_votes(origin, vote, item.votes(), &mut sifted, out);
                }
            }
        }
        for wish in diff.wants.into_vec() {
            if self.wants.of(wish.signer) < Some(wish.tick) {
                sifted.wants.push(wish);
            }
        }
        sifted
    }

    fn sift_message(&mut self, origin: Origin, header: Header, item: Item, sifted: &mut Sifted, out: &mut Outbox) {
        let vote = item.vote(&self.setup.id);
        if self.tree.get(&vote.target).is_some() {
            return self.sift_votes(origin, vote, item.votes(), sifted, out);
        }
        if sifted.arriving.contains_key(&vote.target) || self.desk.is_header_flying(&vote.target) {
            sifted.waiting.push(item);
            return;
        }
        match self.check_message(origin, &header, &item, &sifted.arriving) {
            Ok(root) => {
                self.desk.fly_header(vote.target);
                sifted.arriving.insert(vote.target, (header, root.unwrap_or(vote.target)));
                let votes = self.choose(origin, vote, item.votes(), Some(header.leader()), out);
                sifted.items.push(item.with_votes(votes));
            }
            Err(Rejection::UnknownParent) if self.is_near(header.tick()) => {
                sifted.has_orphan |= !header.parent().is_some_and(|parent| self.desk.is_header_flying(&parent));
                sifted.waiting.push(item);
            }
            Err(reason) => sifted.fault = sifted.fault.or(Some(reason)),
        }
    }

    /// Whether a message may be taken in, and the root of its parent.
    fn check_message(
        &self,
        origin: Origin,
        header: &Header,
        item: &Item,
        arriving: &Arriving,
    ) -> Result<Option<Digest>, Rejection> {
        let power = item.votes().power(&self.setup.set)?;
        let tick = header.tick();
        // What we once voted for is taken back from the journal however long ago that was.
        if origin != Origin::OWN && !self.is_near(tick) && !self.setup.set.is_quorum(power) {
            return Err(if tick > self.turn.tick { Rejection::FarFuture } else { Rejection::Late });
        }
        let mut root = None;
        if let Some(parent) = header.parent() {
            let known = self.tree.get(&parent).map(|node| (node.header, node.root));
            let (parent, parent_root) =
                known.or_else(|| arriving.get(&parent).copied()).ok_or(Rejection::UnknownParent)?;
            tree::fits(header, &parent, parent_root)?;
            root = Some(parent_root);
        }
        self.tree.admit(tick, power)?;
        if item.has_right_payload() { Ok(root) } else { Err(Rejection::WrongPayload) }
    }

    fn is_near(&self, tick: super::Tick) -> bool {
        tick.plus(WINDOW) >= self.turn.tick && self.turn.tick.plus(WINDOW) >= tick
    }

    fn sift_votes(&mut self, origin: Origin, vote: Vote, votes: &Votes, sifted: &mut Sifted, out: &mut Outbox) {
        let target = self.tree.get(&vote.target).map(|node| node.header);
        let target = target.or_else(|| sifted.arriving.get(&vote.target).map(|(header, _)| *header));
        match target {
            Some(header) if header.tick() != vote.tick => {
                sifted.fault = sifted.fault.or(Some(Rejection::WrongTarget));
            }
            Some(_) => {
                let votes = self.choose(origin, vote, votes, None, out);
                if !votes.is_empty() {
                    sifted.items.push(Item::Votes { vote, votes });
                }
            }
            None if self.is_near(vote.tick) => {
                for Ballot { voter, signature } in votes.iter().copied() {
                    self.desk.hold(Held { origin, vote, voter, signature });
                }
            }
            // Far away, a vote says little but where its voter is (`SL-T0`).
            None => sifted.wants.extend(votes.iter().filter_map(|ballot| {
                let Ballot { voter: signer, signature } = *ballot;
                let wish = Wish { tick: vote.tick, target: Some(vote.target), signer, signature };
                (self.wants.of(signer) < Some(vote.tick)).then_some(wish)
            })),
        }
    }

    /// Chooses the votes to be checked now and holds the others: enough for a quorum, and what proves a lie.
    fn choose(
        &mut self,
        origin: Origin,
        vote: Vote,
        votes: &Votes,
        always: Option<ValidatorIndex>,
        out: &mut Outbox,
    ) -> Votes {
        let known = self.tree.get(&vote.target).map_or(Tally::ZERO, |node| node.power());
        let mut power = known.join(self.desk.power_flying(&vote.target));
        if let Some(leader) = always
            && !self.desk.is_flying(&vote.target, leader)
        {
            self.desk.fly(vote.target, leader);
            power = power.plus(self.setup.set.power(leader));
        }
        let mut chosen = Vec::new();
        for Ballot { voter, signature } in votes.iter().copied() {
            if Some(voter) == always {
                chosen.push(Ballot { voter, signature });
                continue;
            }
            if self.tree.get(&vote.target).is_some_and(|node| node.has_vote(voter)) {
                continue;
            }
            let is_flying = self.desk.is_flying(&vote.target, voter);
            let proves_lie = !is_flying && self.contradicts(voter, &vote, out);
            if is_flying || (self.setup.set.is_quorum(power) && !proves_lie) {
                self.desk.hold(Held { origin, vote, voter, signature });
                continue;
            }
            self.desk.fly(vote.target, voter);
            power = power.plus(self.setup.set.power(voter));
            chosen.push(Ballot { voter, signature });
        }
        chosen.into_iter().collect()
    }

    /// Whether a voter seems to have voted for a twin of this target too. Then what was held back of it is checked.
    fn contradicts(&mut self, voter: ValidatorIndex, vote: &Vote, out: &mut Outbox) -> bool {
        let twins = self.tree.of_tick(vote.tick).iter().filter(|id| **id != vote.target);
        let twins: Vec<Digest> = twins.copied().collect();
        if twins.is_empty() {
            return false;
        }
        let mut is_double = false;
        for held in self.desk.release_voter(voter, vote.tick) {
            if !twins.contains(&held.vote.target) {
                self.desk.hold(held);
                continue;
            }
            is_double = true;
            if !self.desk.is_flying(&held.vote.target, voter) {
                self.desk.fly(held.vote.target, voter);
                let votes = Votes::one(voter, held.signature);
                let items = vec![Item::Votes { vote: held.vote, votes }];
                self.finish(held.origin, Sifted { items, ..Sifted::default() }, false, false, out);
            }
        }
        is_double
            || twins.iter().any(|twin| {
                self.desk.is_flying(twin, voter) || self.tree.get(twin).is_some_and(|node| node.has_vote(voter))
            })
    }
}

/// Whether the sender must have known better. Being early, late or ahead of us is no lie.
fn is_certain(reason: Rejection) -> bool {
    !matches!(
        reason,
        Rejection::FarFuture
            | Rejection::Late
            | Rejection::UnknownParent
            | Rejection::TooManyTwins
            | Rejection::OverRate
    )
}
