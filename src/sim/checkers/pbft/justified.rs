//! `justified`: a record proves what it claims. A value was proposed by its view's primary, and not where the view
//! proposes again; what is prepared has a quorum's votes; an account of what is prepared leaves nothing out, and is
//! proven; a view was opened by its primary, on accounts of a quorum, with what follows from them (`PB-A1`, `PB-V1` to
//! `PB-V4`).

use std::collections::{BTreeMap, BTreeSet};

use super::{Jury, choose};
use crate::{
    crypto::Transcript,
    protocol::pbft::{Account, Phase, Proposal, Record, ViewNumber, Vote},
    sim::checkers::Facts,
    types::{Digest, Height, Signature, codec},
};

/// What is known of the records of honest validators.
#[derive(Debug, Default)]
pub struct Justified {
    /// What each has written as prepared, in the highest view.
    prepared: BTreeMap<(usize, Digest, Height), ViewNumber>,
    /// The views that each has entered, and the last height that is proposed again there.
    entered: BTreeMap<(usize, Digest, ViewNumber), Height>,
    /// Records that were found to hold, by their bytes.
    proven: BTreeSet<Digest>,
}

impl Justified {
    /// Something is on a validator's disk.
    pub fn on_record(&mut self, facts: &Facts, node: usize, instance: Digest, record: &Record) -> Result<(), String> {
        let jury = Jury { set: &facts.set, instance };
        let judged = match record {
            Record::Accepted { proposal, signature, .. } => self.accepted(facts, node, &jury, *proposal, *signature),
            Record::Prepared { proposal, proof } => {
                let highest = self.prepared.entry((node, instance, proposal.height)).or_default();
                *highest = (*highest).max(proposal.view);
                self.once(record, instance, || jury.check_proof(*proposal, proof))
            }
            Record::Changing { account, .. } => {
                self.is_complete(node, instance, account)?;
                self.once(record, instance, || changing(&jury, account))
            }
            Record::Opening { draft, .. } if facts.peers[node] != Some(jury.primary(draft.view)) => {
                Err(format!("it does not lead view {}", draft.view))
            }
            Record::Opening { draft, .. } => self.once(record, instance, || {
                jury.check_changes(draft.view, &draft.changes)?;
                jury.check_choice(&choose(&draft.changes), draft.stable.as_ref(), &draft.proofs)
            }),
            Record::Entered { new_view, .. } => {
                let view = new_view.opening.message.view;
                self.entered.insert((node, instance, view), choose(&new_view.changes).last());
                self.once(record, instance, || jury.check_new_view(new_view))
            }
        };
        judged.map_err(|what| format!("node {node} writes what it has no reason for: {what}"))
    }

    /// All nodes write the same records: each is looked at once.
    fn once(
        &mut self,
        record: &Record,
        instance: Digest,
        check: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), String> {
        let key = Transcript::new("justified").digest(&instance).bytes(&codec::encode(record)).finish();
        if !self.proven.contains(&key) {
            check()?;
            self.proven.insert(key);
        }
        Ok(())
    }

    fn accepted(
        &self,
        facts: &Facts,
        node: usize,
        jury: &Jury<'_>,
        proposal: Proposal,
        signature: Option<Signature>,
    ) -> Result<(), String> {
        let Proposal { view, height, .. } = proposal;
        let primary = jury.primary(view);
        let is_proposed = match signature {
            Some(signature) => jury.has_signed(primary, &Vote { phase: Phase::Prepare, proposal }, signature),
            None => facts.peers[node] == Some(primary),
        };
        if !is_proposed {
            return Err(format!("{primary} never proposed {proposal:?}"));
        }
        let taken = self.entered.get(&(node, jury.instance, view)).copied();
        match taken.or((view == ViewNumber::ZERO).then_some(Height::ZERO)) {
            None => Err(format!("{proposal:?} is of a view that it has not entered")),
            Some(taken) if height <= taken => Err(format!("view {view} proposes again up to {taken}: {proposal:?}")),
            Some(_) => Ok(()),
        }
    }

    /// Nothing that was ever prepared above the low mark in lower views is left out. Others come after it, where a journal
    /// is read again.
    fn is_complete(&self, node: usize, instance: Digest, Account { change, .. }: &Account) -> Result<(), String> {
        let above = (node, instance, change.stable.next())..=(node, instance, Height::new(u64::MAX));
        let mut prepared = self.prepared.range(above);
        let is_told = |height: Height, view: ViewNumber| {
            change.claims.iter().any(|claim| claim.height == height && claim.view >= view)
        };
        match prepared.find(|((.., height), view)| **view < change.view && !is_told(*height, **view)) {
            None => Ok(()),
            Some(((.., height), view)) => Err(format!(
                "node {node} leaves for view {} and does not tell that {height} was prepared in {view}",
                change.view
            )),
        }
    }
}

fn changing(jury: &Jury<'_>, Account { change, stable, proofs }: &Account) -> Result<(), String> {
    jury.check_stable(change.stable, stable.as_ref())?;
    if change.claims.len() != proofs.len() {
        return Err(format!("{} proofs for {} claims", proofs.len(), change.claims.len()));
    }
    change.claims.iter().zip(proofs.iter()).try_for_each(|(claim, proof)| jury.check_proof(*claim, proof))
}
