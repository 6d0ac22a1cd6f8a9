//! The tree as data, for the console.

use std::collections::BTreeSet;

use super::{message::Header, tree::Tree};
use crate::{
    protocol::picture::{PictureKind, PictureMessage},
    types::Digest,
};

/// All Proposals and Solicits with their voters; marked is what a decision here rests on.
pub fn draw(tree: &Tree) -> Vec<PictureMessage> {
    let decided = decided(tree);
    let message = |(id, node): (&Digest, &super::tree::Node)| PictureMessage {
        id: *id,
        kind: if let Header::Proposal(_) = node.header { PictureKind::Proposal } else { PictureKind::Solicit },
        round: node.header.tick().get(),
        leader: node.header.leader(),
        parent: node.header.parent(),
        votes: node.voters().iter().collect(),
        commits: Vec::new(),
        is_notarized: node.is_notarized(),
        is_decided: decided.contains(id),
    };
    tree.iter().map(message).collect()
}

/// The three messages that decide (`SL-F1`), and the Proposal that they stand on.
fn decided(tree: &Tree) -> BTreeSet<Digest> {
    let Some(deciding) = tree.iter().find_map(|(id, _)| tree.deciding_with(id)) else { return BTreeSet::new() };
    let root = tree.get(&deciding.middle).map(|node| node.root);
    deciding.first.into_iter().chain([deciding.middle, deciding.last]).chain(root).collect()
}
