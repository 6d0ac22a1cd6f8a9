//! Proofs that a key has a value in a state, or has none.

use serde::{Deserialize, Serialize};

use super::{
    application_key,
    page::{FANOUT, LEAVES_MAX, Leaf, Page, hash_inner, hash_key, hash_leaves},
    tree::{Path, load},
};
use crate::{
    store::Rows,
    types::{BoundedVec, Digest},
};

/// A page on the way from the root, without the child on the way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Level {
    /// Which children there are besides the one on the way: bit i stands for half-byte i.
    pub siblings: u16,
    /// Their hashes, by half-byte.
    pub hashes: BoundedVec<Digest, FANOUT>,
}

/// What hangs at a key's place in the state: proof of its value, or that it has none. A few hundred bytes for each
/// sixteenfold of the number of keys.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Proof {
    /// The pages on the way, from the root down.
    pub levels: BoundedVec<Level, 64>,
    /// The leaves of the last page; none when the way ends in nothing.
    pub leaves: BoundedVec<Leaf, LEAVES_MAX>,
}

/// A proof does not lead to the root it is checked against.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the proof does not lead to this state root")]
pub struct BadProof;

/// Proves what the committed state says of an application's key.
///
/// # Panics
/// If `rows` are not those of a state.
pub fn prove(rows: &dyn Rows, key: &[u8]) -> Proof {
    let key = hash_key(&application_key(key));
    let mut path = Path::ROOT;
    let mut levels = Vec::new();
    loop {
        match load(rows, path) {
            Some(Page::Inner(children)) => {
                let nibble = path.nibble(&key);
                let others = || children.iter().enumerate().filter(|(at, child)| *at != nibble && child.is_some());
                levels.push(Level {
                    siblings: others().fold(0, |bits, (at, _)| bits | 1 << at),
                    hashes: bounded(others().filter_map(|(_, child)| child.map(|child| child.hash)).collect()),
                });
                path = path.child(nibble);
            }
            Some(Page::Leaves(leaves)) => return Proof { levels: bounded(levels), leaves: bounded(leaves) },
            None => return Proof { levels: bounded(levels), leaves: BoundedVec::default() },
        }
    }
}

impl Proof {
    /// What the state with this root holds under an application's key: the hash of the value
    /// ([`super::hash_value`]), or nothing.
    ///
    /// # Errors
    /// [`BadProof`] if this proves nothing about that root.
    pub fn verify(&self, root: &Digest, key: &[u8]) -> Result<Option<Digest>, BadProof> {
        let key = hash_key(&application_key(key));
        let mut paths = vec![Path::ROOT];
        for _ in 1..self.levels.len() {
            paths.extend(paths.last().map(|path| path.child(path.nibble(&key))));
        }
        // The way may end in nothing, but only the empty state is an empty page.
        let empty = self.leaves.is_empty() && !self.levels.is_empty();
        let mut hash = (!empty).then(|| hash_leaves(&self.leaves));
        for (level, path) in self.levels.iter().zip(&paths).rev() {
            hash = Some(level.hash(path.nibble(&key), hash)?);
        }
        if hash != Some(*root) {
            return Err(BadProof);
        }
        Ok(self.leaves.iter().find(|leaf| leaf.key == key).map(|leaf| leaf.value))
    }
}

impl Level {
    /// The page's hash, with `child` at `nibble`.
    fn hash(&self, nibble: usize, child: Option<Digest>) -> Result<Digest, BadProof> {
        let mut hashes = self.hashes.iter();
        let mut children = [None; FANOUT];
        for (at, place) in children.iter_mut().enumerate() {
            if self.siblings & 1 << at != 0 {
                *place = Some(*hashes.next().ok_or(BadProof)?);
            }
        }
        if hashes.next().is_some() || children[nibble].is_some() {
            return Err(BadProof);
        }
        children[nibble] = child;
        Ok(hash_inner(&children))
    }
}

fn bounded<T, const MAX: usize>(items: Vec<T>) -> BoundedVec<T, MAX> {
    BoundedVec::try_from(items).ok().expect("pages have at most 16 entries, and paths 64 steps")
}
