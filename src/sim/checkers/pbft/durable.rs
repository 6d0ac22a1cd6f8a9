//! `durable`: before anyone sees it, a prepare is on its owner's disk with the value that was accepted or the view that
//! proposes it again, a commit with its proof, a view change and an opening word for word; and nothing of it, nor the
//! view that a validator is in, is gone after a crash (`PB-D1`, `PB-D2`).

use std::collections::{BTreeMap, BTreeSet};

use super::{Jury, choose};
use crate::{
    crypto::Signed,
    journal::Entry,
    protocol::{
        self,
        pbft::{Change, Message, NewView, Phase, Proposal, Record, ViewNumber, Vote},
        votes::Votes,
    },
    sim::checkers::Facts,
    types::{Digest, Height, ValidatorIndex},
};

/// What is on a validator's disk. Nothing ever leaves it.
#[derive(Debug, Default)]
struct Disk {
    /// What may be prepared.
    accepted: BTreeSet<(Digest, Proposal)>,
    /// Of that, what has a record of its own.
    own: BTreeSet<(Digest, Proposal)>,
    /// What may be committed to.
    prepared: BTreeSet<(Digest, Proposal)>,
    changes: BTreeMap<(Digest, ViewNumber), Change>,
    openings: BTreeMap<(Digest, ViewNumber), Vec<Signed<Change>>>,
    view: ViewNumber,
}

impl Disk {
    fn store(&mut self, instance: Digest, record: &Record) {
        match record {
            Record::Accepted { proposal, .. } => {
                self.accepted.insert((instance, *proposal));
                self.own.insert((instance, *proposal));
            }
            Record::Prepared { proposal, .. } => {
                self.prepared.insert((instance, *proposal));
            }
            Record::Changing { account, .. } => {
                self.changes.insert((instance, account.change.view), account.change.clone());
            }
            Record::Opening { draft, .. } => {
                self.accept_all(instance, draft.view, &draft.changes);
                self.openings.insert((instance, draft.view), draft.changes.to_vec());
            }
            Record::Entered { new_view, .. } => {
                self.accept_all(instance, new_view.opening.message.view, &new_view.changes);
            }
        }
        self.view = self.view.max(view(record).unwrap_or_default());
    }

    fn accept_all(&mut self, instance: Digest, view: ViewNumber, changes: &[Signed<Change>]) {
        self.accepted.extend(choose(changes).proposals(view).into_iter().map(|proposal| (instance, proposal)));
    }
}

/// The view that a record says its writer is in.
fn view(record: &Record) -> Option<ViewNumber> {
    match record {
        Record::Changing { account, .. } => Some(account.change.view),
        Record::Opening { draft, .. } => Some(draft.view),
        Record::Entered { new_view, .. } => Some(new_view.opening.message.view),
        Record::Accepted { .. } | Record::Prepared { .. } => None,
    }
}

fn records(entries: &[Entry]) -> impl Iterator<Item = (Digest, &Record)> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Instance { instance, record: protocol::Record::Pbft(record), .. } => Some((*instance, record)),
        _ => None,
    })
}

/// The disks of honest validators.
#[derive(Debug, Default)]
pub struct Disks {
    disks: BTreeMap<usize, Disk>,
    /// The instance, as it was written last: answers do not name it.
    epoch: Option<Digest>,
}

impl Disks {
    /// Something is on a disk.
    pub fn store(&mut self, node: usize, entries: &[Entry]) {
        let disk = self.disks.entry(node).or_default();
        for (instance, record) in records(entries) {
            self.epoch = Some(instance);
            disk.store(instance, record);
        }
    }

    /// The instance that answers belong to.
    pub fn epoch(&self) -> Option<Digest> {
        self.epoch
    }

    /// Every value accepted or proven above what is in the store is back, and so is the view.
    pub fn remember(&mut self, node: usize, entries: &[Entry], stored: Height) -> Result<(), String> {
        let mut back = Disk::default();
        records(entries).for_each(|(instance, record)| back.store(instance, record));
        let disk = self.disks.entry(node).or_default();
        let is_gone =
            |back: &BTreeSet<(Digest, Proposal)>, of: &(Digest, Proposal)| of.1.height > stored && !back.contains(of);
        let accepted = disk.own.iter().find(|it| is_gone(&back.own, it));
        let prepared = disk.prepared.iter().find(|it| is_gone(&back.prepared, it));
        if let Some((_, proposal)) = accepted.or(prepared) {
            return Err(format!("node {node} forgets {proposal:?}"));
        }
        if back.view < disk.view {
            return Err(format!("node {node} forgets that it is in view {}, not {}", disk.view, back.view));
        }
        Ok(())
    }

    /// An honest validator says this, or passes it on.
    pub fn on_message(&mut self, facts: &Facts, node: usize, jury: &Jury<'_>, said: &Message) -> Result<(), String> {
        let Some(me) = facts.peers[node] else { return Ok(()) };
        let own = Own { disk: self.disks.entry(node).or_default(), node, me, instance: jury.instance };
        let diff = said.clone().into_diff();
        diff.votes.iter().filter(|vote| vote.signer == me).try_for_each(|vote| own.vote(vote.message))?;
        let led = diff.proposals.iter().map(|it| it.proposal).filter(|it| jury.primary(it.view) == me);
        led.into_iter().try_for_each(|proposal| own.vote(Vote { phase: Phase::Prepare, proposal }))?;
        for certificate in diff.certificates.iter() {
            own.ballots(Phase::Commit, certificate.proposal, &certificate.commits)?;
        }
        for it in diff.changes.iter() {
            own.change(&it.change)?;
            for (claim, proof) in it.change.message.claims.iter().zip(it.proofs.iter()) {
                own.ballots(proof.phase, *claim, &proof.votes)?;
            }
        }
        diff.new_view.iter().try_for_each(|new_view| own.new_view(new_view))
    }
}

/// What a validator says of its own.
struct Own<'a> {
    disk: &'a Disk,
    node: usize,
    me: ValidatorIndex,
    instance: Digest,
}

impl Own<'_> {
    fn vote(&self, vote: Vote) -> Result<(), String> {
        let of_phase = match vote.phase {
            Phase::Prepare => &self.disk.accepted,
            Phase::Commit => &self.disk.prepared,
        };
        let is_there = of_phase.contains(&(self.instance, vote.proposal));
        is_there.then_some(()).ok_or_else(|| format!("node {} shows {vote:?}, for which nothing is on disk", self.node))
    }

    fn ballots(&self, phase: Phase, proposal: Proposal, votes: &Votes) -> Result<(), String> {
        let is_among = votes.iter().any(|ballot| ballot.voter == self.me);
        if is_among { self.vote(Vote { phase, proposal }) } else { Ok(()) }
    }

    fn change(&self, change: &Signed<Change>) -> Result<(), String> {
        let known = self.disk.changes.get(&(self.instance, change.message.view));
        if change.signer != self.me || known == Some(&change.message) {
            return Ok(());
        }
        Err(format!("node {} shows {:?}, on no disk", self.node, change.message))
    }

    fn new_view(&self, new_view: &NewView) -> Result<(), String> {
        new_view.changes.iter().try_for_each(|change| self.change(change))?;
        for (claim, proof) in choose(&new_view.changes).chosen.into_values().flatten().zip(new_view.proofs.iter()) {
            self.ballots(proof.phase, claim, &proof.votes)?;
        }
        let view = new_view.opening.message.view;
        let known = self.disk.openings.get(&(self.instance, view)).map(Vec::as_slice);
        if new_view.opening.signer != self.me || known == Some(&new_view.changes[..]) {
            return Ok(());
        }
        Err(format!("node {} opens view {view}, which is on no disk", self.node))
    }
}
