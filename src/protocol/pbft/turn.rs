//! Changing views: leaving one, joining others who leave, opening one's own, entering.

use super::{
    Account, Change, Draft, NewView, Pbft, Phase, Plan, Proof, Proposal, Record, Standing, Unsigned, ViewChange,
    ViewNumber,
    slot::{Offer, Validity},
};
use crate::{
    crypto::Signed,
    protocol::{self, Effect, Event, Outbox, To},
    types::{Height, Tally, ValidatorIndex, planted},
};

/// Where we are among the views.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The current view.
    pub view: ViewNumber,
    /// What the journal says of it; `None` for the first view, which is open from the start.
    stage: Option<Stage>,
    /// The view takes new values only above (`PB-V4`).
    pub taken: Height,
    /// The last view in which something was decided (`PB-T2`).
    pub fruitful: ViewNumber,
}

#[derive(Clone, Debug)]
enum Stage {
    /// We have left for it.
    Changing(Account),
    /// We are its primary and open it.
    Opening(Draft),
    /// It is open.
    Entered(Box<NewView>),
}

impl Turn {
    /// In the first view of an epoch.
    pub fn new(start: Height) -> Self {
        Self { view: ViewNumber::ZERO, stage: None, taken: start, fruitful: ViewNumber::ZERO }
    }

    /// Whether the view is open: only then do we vote.
    pub fn is_active(&self) -> bool {
        matches!(self.stage, None | Some(Stage::Entered(_)))
    }

    /// The opening of the current view, if we have entered one.
    pub fn new_view(&self) -> Option<&NewView> {
        if let Some(Stage::Entered(new_view)) = &self.stage { Some(new_view) } else { None }
    }

    /// How many views in a row were fruitless.
    pub fn fruitless(&self) -> u64 {
        self.view.above(self.fruitful)
    }

    /// What must be remembered of all this, written for a height.
    pub fn record(&self, height: Height) -> Option<Record> {
        Some(match self.stage.clone()? {
            Stage::Changing(account) => Record::Changing { height, account },
            Stage::Opening(draft) => Record::Opening { height, draft },
            Stage::Entered(new_view) => Record::Entered { height, new_view },
        })
    }

    /// What we say while the view is not open: our view change, or its opening.
    fn word(&self) -> Option<Unsigned> {
        match self.stage.clone()? {
            Stage::Changing(account) => Some(Unsigned::ViewChange(account)),
            Stage::Opening(draft) => Some(Unsigned::NewView(draft)),
            Stage::Entered(_) => None,
        }
    }

    /// Takes back what was remembered.
    pub fn restore(&mut self, record: Record) {
        let (view, stage) = match record {
            Record::Changing { account, .. } => (account.change.view, Stage::Changing(account)),
            Record::Opening { draft, .. } => (draft.view, Stage::Opening(draft)),
            Record::Entered { new_view, .. } => (new_view.view(), Stage::Entered(new_view)),
            Record::Accepted { .. } | Record::Prepared { .. } => return,
        };
        (self.view, self.fruitful) = (view, view);
        self.stage = Some(stage);
    }
}

impl Pbft {
    /// Leaves the view for a higher one, for good (`PB-V1`): from here on nothing is accepted in lower ones.
    pub(super) fn leave_for(&mut self, view: ViewNumber, out: &mut Outbox) {
        let is_member = self.setup.me.is_some() && self.standing == Standing::Member;
        let Some(view) = self.first_leave().map(|first| view.max(first)) else { return };
        if !is_member || view <= self.turn.view {
            return;
        }
        let account = self.account(view);
        self.turn_to(view, Stage::Changing(account), out);
        self.say_again(&To::Validators, out);
    }

    /// Moves to a view or on within it, and writes that down.
    fn turn_to(&mut self, view: ViewNumber, stage: Stage, out: &mut Outbox) {
        if view > self.turn.view {
            self.turn.view = view;
            self.timers.turned(self.now);
            self.building = None;
            self.has_nothing = false;
            self.slots.values_mut().for_each(|slot| slot.turn(view));
            out.tell(Event::RoundEntered { round: view.get(), leader: self.primary() });
        }
        self.turn.stage = Some(stage);
        if self.keeps_record()
            && let Some(record) = self.turn.record(self.marks.low.next())
        {
            self.persist(record, out);
        }
    }

    /// What we know to be prepared above the low mark (`PB-V1`).
    fn account(&self, view: ViewNumber) -> Account {
        let prepared = self.slots.values().filter_map(|slot| slot.prepared.clone());
        let prepared = prepared.skip(usize::from(planted::is("pbft-untold")));
        let (claims, proofs): (Vec<Proposal>, Vec<Proof>) = prepared.unzip();
        let claims = claims.try_into().expect("nothing is prepared beyond the bound: the high mark sees to it");
        let proofs = proofs.try_into().expect("as many as claims");
        let change = Change { view, stable: self.marks.low, claims };
        Account { change, stable: self.marks.stable.clone(), proofs }
    }

    /// Says again what we wait to be heard for (`PB-T3`).
    pub(super) fn say_again(&mut self, to: &To, out: &mut Outbox) {
        if let Some(word) = self.turn.word().filter(|_| self.takes_part().is_some()) {
            self.send(to.clone(), word, out);
        }
    }

    /// Follows the others when more than a third has left for higher views: at least one of them is honest (`PB-T4`). Not
    /// where it would take us beyond them (`PB-D3`).
    pub(super) fn join(&mut self, out: &mut Outbox) {
        let view = self.backed(|power| self.setup.set.is_blocking(power));
        if let Some(view) =
            view.filter(|view| *view > self.turn.view && self.first_leave().is_some_and(|first| first <= *view))
        {
            self.leave_for(view, out);
        }
    }

    /// The highest view to which enough power wants to go, or beyond it.
    pub(super) fn backed(&self, is_enough: impl Fn(Tally) -> bool) -> Option<ViewNumber> {
        let mut wanted: Vec<(ViewNumber, ValidatorIndex)> = self.wanted().collect();
        wanted.sort_by_key(|(view, _)| std::cmp::Reverse(*view));
        let mut power = Tally::ZERO;
        wanted.into_iter().find_map(|(view, signer)| {
            power = power.plus(self.setup.set.power(signer));
            is_enough(power).then_some(view)
        })
    }

    fn wanted(&self) -> impl Iterator<Item = (ViewNumber, ValidatorIndex)> {
        self.changes.iter().flatten().map(|it| (it.change.message.view, it.change.signer))
    }

    /// Opens our view once a quorum has left for it (`PB-V2`). All that follows is fixed by their view changes.
    pub(super) fn open_view(&mut self, out: &mut Outbox) {
        let view = self.turn.view;
        let is_ours = self.takes_part() == Some(self.primary()) && matches!(self.turn.stage, Some(Stage::Changing(_)));
        if !is_ours {
            return;
        }
        let here: Vec<&ViewChange> =
            self.changes.iter().flatten().filter(|it| it.change.message.view == view).collect();
        let power = here.iter().fold(Tally::ZERO, |sum, it| sum.plus(self.setup.set.power(it.change.signer)));
        if !self.setup.set.is_quorum(power) {
            return;
        }
        let draft = draft(view, &here);
        self.turn_to(view, Stage::Opening(draft), out);
        self.say_again(&To::Validators, out);
    }

    /// Enters a view that a quorum has left for: its primary's proposals are what everyone computes (`PB-V3`). All
    /// signatures are verified, and the form was checked.
    pub(super) fn enter(&mut self, new_view: NewView, out: &mut Outbox) {
        let view = new_view.view();
        if view < self.turn.view || (view == self.turn.view && self.turn.is_active()) {
            return self.compare_openings(&new_view, out);
        }
        let plan = Plan::of(&new_view.changes);
        self.turn_to(view, Stage::Entered(Box::new(new_view.clone())), out);
        self.adopt(&plan, &new_view, out);
        self.changes.iter_mut().for_each(|it| {
            it.take_if(|it| it.change.message.view <= view);
        });
        self.release_early(out);
        self.announce(out);
    }

    /// Takes over what a view proposes again.
    pub(super) fn adopt(&mut self, plan: &Plan, new_view: &NewView, out: &mut Outbox) {
        self.turn.taken = plan.last();
        let signer = new_view.opening.signer;
        for (proposal, signature) in plan.proposals(new_view.view()).zip(new_view.ballots.iter()) {
            if proposal.height <= self.marks.low {
                continue;
            }
            let slot = self.slots.entry(proposal.height).or_default();
            if let Some(known) = &slot.certificate {
                if known.proposal.payload_root != proposal.payload_root {
                    let what = format!("{known:?} is decided, but view {} proposes {proposal:?}", proposal.view);
                    out.tell(Event::Fatal { what });
                }
                continue;
            }
            if proposal.height <= self.marks.executed {
                continue;
            }
            slot.offer = Some(Offer { proposal, signature: None, validity: Validity::Valid, is_accepted: true });
            slot.since = Some(self.now);
            let message = proposal.vote(Phase::Prepare);
            self.count(Signed { message, signer, signature: *signature }, out);
        }
    }

    /// Says who leads.
    pub(super) fn announce(&self, out: &mut Outbox) {
        out.act(Effect::Leading { round: self.turn.view.get(), leader: self.primary(), until: None });
    }

    fn compare_openings(&mut self, other: &NewView, out: &mut Outbox) {
        let Some(known) = self.turn.new_view().filter(|known| known.view() == other.view()) else { return };
        if known.opening.message != other.opening.message && self.exposed.insert(other.opening.signer) {
            let (first, second) = (known.opening.clone(), other.opening.clone());
            out.tell(Event::Equivocated { validator: second.signer, round: other.view().get() });
            let evidence = super::Evidence::Openings { first, second };
            out.act(Effect::Evidence(protocol::Evidence::Pbft(evidence)));
        }
    }
}

/// Everything that a new view stands on.
fn draft(view: ViewNumber, changes: &[&ViewChange]) -> Draft {
    let signed: Vec<Signed<Change>> = changes.iter().map(|it| it.change.clone()).collect();
    let plan = Plan::of(&signed);
    let stable = changes.iter().find(|it| it.change.message.stable == plan.stable).and_then(|it| it.stable.clone());
    let proof = |claim: &Proposal| {
        changes.iter().find_map(|it| {
            let at = it.change.message.claims.iter().position(|known| known == claim)?;
            it.proofs.get(at).cloned()
        })
    };
    let proofs: Vec<Proof> = plan.claims().filter_map(proof).collect();
    Draft {
        view,
        changes: signed.try_into().expect("one of each validator"),
        stable,
        proofs: proofs.try_into().expect("as many as one account holds at most"),
    }
}
