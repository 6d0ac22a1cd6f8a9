//! Pages of the authentication tree: what they hold, how they hash and how they are stored.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{crypto::Transcript, types::Digest};

/// The most leaves of a page; a subtree with more is split sixteenfold.
pub(super) const LEAVES_MAX: usize = 16;
/// How many children an inner page has room for: one for each half-byte.
pub(super) const FANOUT: usize = 16;

const TAG_LEAVES: u8 = 0;
const TAG_INNER: u8 = 1;
const DIGEST_BYTES: usize = 32;
const LEAF_BYTES: usize = 2 * DIGEST_BYTES;
const CHILD_BYTES: usize = DIGEST_BYTES + 8;

/// One row of the state, hashed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Leaf {
    /// The hash of its key: where it hangs in the tree.
    pub key: Digest,
    /// The hash of its value.
    pub value: Digest,
}

/// A page as its parent knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Child {
    pub hash: Digest,
    /// How many leaves hang below.
    pub leaves: u64,
}

/// A node of the tree with its own row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Page {
    /// At most [`LEAVES_MAX`] leaves, ordered by key.
    Leaves(Vec<Leaf>),
    /// More leaves than that, by their next half-byte.
    Inner(Box<[Option<Child>; FANOUT]>),
}

impl Page {
    pub fn as_child(&self) -> Child {
        match self {
            Self::Leaves(leaves) => Child { hash: hash_leaves(leaves), leaves: leaves.len() as u64 },
            Self::Inner(children) => {
                let hashes = children.each_ref().map(|child| child.as_ref().map(|child| child.hash));
                Child { hash: hash_inner(&hashes), leaves: total(children) }
            }
        }
    }

    /// The row's bytes.
    pub fn encode(&self) -> Bytes {
        let mut row;
        match self {
            Self::Leaves(leaves) => {
                row = Vec::with_capacity(1 + leaves.len() * LEAF_BYTES);
                row.push(TAG_LEAVES);
                extend_leaves(&mut row, leaves);
            }
            Self::Inner(children) => {
                row = Vec::with_capacity(3 + FANOUT * CHILD_BYTES);
                row.push(TAG_INNER);
                row.extend(bitmap(children.each_ref().map(Option::is_some)).to_le_bytes());
                for child in children.iter().flatten() {
                    row.extend(child.hash.as_bytes());
                    row.extend(child.leaves.to_le_bytes());
                }
            }
        }
        row.into()
    }

    /// Reads a row; `None` if it is none of ours.
    pub fn decode(row: &[u8]) -> Option<Self> {
        match row.split_first()? {
            (&TAG_LEAVES, leaves) => {
                let (leaves, []) = leaves.as_chunks::<LEAF_BYTES>() else { return None };
                Some(Self::Leaves(
                    leaves
                        .iter()
                        .map(|leaf| {
                            let (key, value) = leaf.split_at(DIGEST_BYTES);
                            Some(Leaf { key: digest(key)?, value: digest(value)? })
                        })
                        .collect::<Option<_>>()?,
                ))
            }
            (&TAG_INNER, rest) => {
                let (present, rest) = rest.split_first_chunk::<2>()?;
                let present = u16::from_le_bytes(*present);
                let (entries, []) = rest.as_chunks::<CHILD_BYTES>() else { return None };
                let mut entries = entries.iter();
                let mut children = Box::new([None; FANOUT]);
                for (nibble, child) in children.iter_mut().enumerate() {
                    if present & 1 << nibble != 0 {
                        let (hash, leaves) = entries.next()?.split_at(DIGEST_BYTES);
                        *child =
                            Some(Child { hash: digest(hash)?, leaves: u64::from_le_bytes(leaves.try_into().ok()?) });
                    }
                }
                entries.next().is_none().then_some(Self::Inner(children))
            }
            _ => None,
        }
    }
}

/// How many leaves hang below all children.
pub(super) fn total(children: &[Option<Child>; FANOUT]) -> u64 {
    children.iter().flatten().map(|child| child.leaves).sum()
}

/// The hash of a page of leaves; of no leaves at all, the root of the empty state.
pub(super) fn hash_leaves(leaves: &[Leaf]) -> Digest {
    let mut bytes = Vec::with_capacity(leaves.len() * LEAF_BYTES);
    extend_leaves(&mut bytes, leaves);
    Transcript::new("thalweg state leaves v1").bytes(&bytes).finish()
}

/// The hash of an inner page: which children it has, and their hashes.
pub(super) fn hash_inner(children: &[Option<Digest>; FANOUT]) -> Digest {
    let mut bytes = [0; FANOUT * DIGEST_BYTES];
    let mut end = 0;
    for hash in children.iter().flatten() {
        bytes[end..end + DIGEST_BYTES].copy_from_slice(hash.as_bytes());
        end += DIGEST_BYTES;
    }
    let present = bitmap(children.each_ref().map(Option::is_some));
    Transcript::new("thalweg state inner v1").number(present.into()).bytes(&bytes[..end]).finish()
}

/// The hash of a row's key.
pub(super) fn hash_key(key: &[u8]) -> Digest {
    Transcript::new("thalweg state key v1").bytes(key).finish()
}

/// The hash of a value of the state, as [`super::Proof::verify`] returns it.
pub fn hash_value(value: &[u8]) -> Digest {
    Transcript::new("thalweg state value v1").bytes(value).finish()
}

fn extend_leaves(bytes: &mut Vec<u8>, leaves: &[Leaf]) {
    for leaf in leaves {
        bytes.extend(leaf.key.as_bytes());
        bytes.extend(leaf.value.as_bytes());
    }
}

fn bitmap(present: [bool; FANOUT]) -> u16 {
    present.iter().enumerate().fold(0, |bits, (at, present)| bits | u16::from(*present) << at)
}

fn digest(bytes: &[u8]) -> Option<Digest> {
    bytes.try_into().ok().map(Digest::new)
}
