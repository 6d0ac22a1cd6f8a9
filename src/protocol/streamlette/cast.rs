//! Leading and voting: everything that is signed under `SL-V1` starts here.

use bytes::Bytes;

use super::{
    Depth, Header, Item, Record, Streamlette, Tick, Unsigned, Vote, Votes, journal,
    message::{Proposal, Solicit},
    tree::Validity,
    turn::{Own, send},
};
use crate::{
    protocol::{self, Effect, Event, Outbox, Slot, To, Token, Verdict, payload_root},
    types::{Digest, ValidatorIndex, planted},
};

impl Streamlette {
    /// If this tick is ours and we have not voted in it: extends the longest notarized chain, or proposes (`SL-L1`).
    pub(super) fn lead(&mut self, out: &mut Outbox) {
        let tick = self.turn.tick;
        let Some(me) = self.takes_part().filter(|me| *me == self.leaders.leader(tick)) else { return };
        let tip = self.tree.best_tip().copied();
        let parent_depth = self.depth(tip);
        if !self.safety.may_vote(tick, parent_depth) || self.is_recovering() {
            return;
        }
        match tip.and_then(|id| self.tree.get(&id).map(|node| (id, node))) {
            Some((parent, node)) => {
                let depth = node.header.depth().below();
                let header = Solicit { tick, leader: me, parent, root: node.root, depth };
                let (parent_tick, quorum) = (node.header.tick(), node.quorum(&self.setup.set));
                let item = Item::Solicit { header, votes: Votes::default() };
                self.cast(Unsigned::Solicit { header, parent_tick, quorum }, Some(parent), item, out);
            }
            None => match self.turn.built.take().filter(|(built_for, _)| *built_for == tick) {
                Some((_, payload)) => self.propose(me, payload, out),
                None => self.build(out),
            },
        }
    }

    fn propose(&mut self, me: ValidatorIndex, payload: Bytes, out: &mut Outbox) {
        let payload_len = payload.len() as u64;
        let header = Proposal { tick: self.turn.tick, leader: me, payload_root: payload_root(&payload), payload_len };
        let item = Item::Proposal { header, payload: payload.clone(), votes: Votes::default() };
        self.cast(Unsigned::Proposal { header, payload }, None, item, out);
    }

    /// Asks for something to propose once there is a reason: nothing is produced while nobody wants it.
    fn build(&mut self, out: &mut Outbox) {
        let has_reason = self.demand.commands_since.is_some() || self.demand.is_waited_on || self.turn.timer.is_some();
        if !has_reason || self.turn.has_nothing || self.turn.building == Some(self.turn.tick) {
            return;
        }
        self.turn.building = Some(self.turn.tick);
        let slot = Slot { height: self.setup.height, round: self.turn.tick.get() };
        out.act(Effect::Build { slot, ancestors: Vec::new() });
    }

    pub(super) fn on_payload(&mut self, slot: Slot, payload: Option<Bytes>) {
        if self.turn.building.map(Tick::get) != Some(slot.round) {
            return;
        }
        let Some(tick) = self.turn.building.take().filter(|tick| *tick == self.turn.tick) else { return };
        self.turn.has_nothing = payload.is_none();
        self.turn.built = payload.map(|payload| (tick, payload));
        if let Some((_, payload)) = &self.turn.built {
            assert!(payload.len() <= self.setup.payload_bytes_max, "a payload was built beyond its limit");
        }
    }

    /// Votes for the first message of the current tick that the rules allow (`SL-V1`, `SL-V4`, `SL-V5`).
    pub(super) fn vote(&mut self, out: &mut Outbox) {
        let tick = self.turn.tick;
        if self.takes_part().is_none() || (self.safety.last_vote_tick() >= Some(tick) && !planted::is("late-voting")) {
            return;
        }
        for target in self.candidates(tick) {
            let Some(node) = self.tree.get(&target) else { continue };
            let (header, parent) = (node.header, node.header.parent());
            if !self.tree.is_tip(parent) || !self.safety.may_vote(header.tick(), self.depth(parent)) {
                continue;
            }
            if !self.is_valid(&target, out) {
                continue;
            }
            let Some(item) = self.tree.get(&target).map(|node| node.item(node.leader_vote())) else { continue };
            let vote = Vote { tick: header.tick(), target };
            self.cast(Unsigned::Vote(vote), parent, item, out);
            if let Some(node) = self.tree.get_mut(&target) {
                node.is_journaled = true;
            }
            return;
        }
    }

    /// What may be voted for: the messages of the current tick (`SL-V4`).
    fn candidates(&self, tick: Tick) -> Vec<Digest> {
        if planted::is("late-voting") {
            let is_new = |id: &Digest| self.setup.me.is_some_and(|me| !self.desk.is_flying(id, me));
            let unvoted = self.tree.iter().filter(|(_, node)| self.setup.me.is_some_and(|me| !node.has_vote(me)));
            return unvoted.map(|(id, _)| *id).filter(is_new).collect();
        }
        self.tree.of_tick(tick).to_vec()
    }

    /// Whether the application lets us vote for it; asks if it does not know yet. Solicits pass: what they extend
    /// was notarized, hence valid for honest voters (`SL-V5`).
    fn is_valid(&mut self, target: &Digest, out: &mut Outbox) -> bool {
        let Some(node) = self.tree.get_mut(target) else { return false };
        let Header::Proposal(header) = node.header else { return true };
        if node.validity == Validity::Unknown
            && let Some(payload) = node.payload().cloned()
        {
            node.validity = Validity::Asked;
            let (id, height, proposer) = (header.payload_root, self.setup.height, header.leader);
            out.act(Effect::Validate { id, height, proposer, payload });
        }
        node.validity == Validity::Valid || planted::is("never-validate")
    }

    pub(super) fn on_verdict(&mut self, payload: &Digest, verdict: Verdict) {
        let ids: Vec<Digest> = self.tree.iter().map(|(id, _)| *id).collect();
        for id in ids {
            let Some(node) = self.tree.get_mut(&id) else { continue };
            if matches!(node.header, Header::Proposal(header) if header.payload_root == *payload) {
                node.validity = match verdict {
                    Verdict::Valid => Validity::Valid,
                    Verdict::Invalid => Validity::Invalid,
                    // Asked again at the next pull or when more is executed; at once, it would spin.
                    Verdict::Undecided => Validity::Undecided,
                };
            }
        }
    }

    /// Asks the application again where it could not tell.
    pub(super) fn ask_undecided(&mut self) {
        for target in self.tree.of_tick(self.turn.tick).to_vec() {
            if let Some(node) = self.tree.get_mut(&target)
                && node.validity == Validity::Undecided
            {
                node.validity = Validity::Unknown;
            }
        }
    }

    /// Votes, with all that must be durable before (`SL-V2`, `SL-V3`): the numbers, the target and its justification
    /// go to disk first; the seat signs and sends after.
    fn cast(&mut self, message: Unsigned, parent: Option<Digest>, target: Item, out: &mut Outbox) {
        let vote = target.vote(&self.setup.id);
        self.safety.note(vote.tick, self.depth(parent));
        let mut items = journal::justify(&mut self.tree, &self.setup.set, parent);
        if !self.tree.get(&vote.target).is_some_and(|node| node.is_journaled) {
            items.push(target);
        }
        let record = Record::Vote { vote, lock_depth: self.safety.lock_depth(), items };
        let after = Some(self.persist(record, out));
        if let Some(me) = self.setup.me {
            self.desk.fly(vote.target, me);
        }
        self.turn.last_target = Some(vote.target);
        if !matches!(message, Unsigned::Vote(_)) {
            out.tell(Event::Proposed { round: vote.tick.get(), id: vote.target });
        }
        out.tell(Event::VoteCast { height: self.setup.height, round: vote.tick.get(), target: vote.target });
        let own = Own { message, after };
        send(&own, To::Validators, out);
        self.turn.own_vote = Some(own);
    }

    fn depth(&self, id: Option<Digest>) -> Option<Depth> {
        id.and_then(|id| self.tree.get(&id)).map(|node| node.header.depth())
    }

    pub(super) fn persist(&mut self, record: Record, out: &mut Outbox) -> Token {
        self.last_token = Token(self.last_token.0 + 1);
        let record = protocol::Record::Streamlette(record);
        out.act(Effect::Persist { token: self.last_token, record });
        self.last_token
    }
}
