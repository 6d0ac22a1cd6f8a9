//! A height of the window as data, for the console.

use super::{Pbft, Phase, slot::Slot};
use crate::{
    protocol::picture::{PictureKind, PictureMessage},
    types::{Bitmap, Height, ValidatorIndex},
};

/// The proposal of a height with its prepares and commits. Once executed, a height keeps the commits of its
/// certificate only.
pub fn draw(pbft: &Pbft, height: Height) -> Option<PictureMessage> {
    let slot = pbft.slots.get(&height)?;
    let certificate = slot.certificate.as_ref();
    let offered = slot.offer.map(|offer| offer.proposal);
    let proposal = certificate.map(|it| it.proposal).or(offered).or(slot.prepared.as_ref().map(|(it, _)| *it))?;
    let mut commits: Bitmap = voters(slot, Phase::Commit).into_iter().collect();
    for ballot in certificate.iter().flat_map(|certificate| &certificate.commits) {
        commits.insert(ballot.voter);
    }
    Some(PictureMessage {
        id: proposal.payload_root,
        kind: PictureKind::Slot,
        round: proposal.view.get(),
        leader: proposal.view.primary(&pbft.setup.set),
        parent: None,
        votes: voters(slot, Phase::Prepare),
        commits: commits.iter().collect(),
        is_notarized: slot.prepared.is_some() || certificate.is_some(),
        is_decided: certificate.is_some(),
    })
}

fn voters(slot: &Slot, phase: Phase) -> Vec<ValidatorIndex> {
    slot.voters(phase).iter().collect()
}
