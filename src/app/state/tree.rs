//! The authentication tree: a sixteen-way radix tree over key hashes.
//!
//! * A subtree of at most [`LEAVES_MAX`] leaves is one page that lists them; a larger one is an inner page of up to
//!   sixteen children. The form depends on the set of leaves alone, so equal states have equal roots whatever their
//!   history.
//! * Each page is a row, named by its path: an update rewrites the pages on its path, about log16(keys / 16) + 1 of
//!   them, and those near the root once for all updates of a block. Nothing is rebuilt at start.
//! * A client who grinds keys to share a path pays sixteen times more for each page that it adds to it, where buckets
//!   of fixed number could be made long at a constant price.
//! * Pages near the root are kept in memory ([`Crown`]); which ones are there never changes a result.

use bytes::Bytes;

use super::page::{Child, FANOUT, LEAVES_MAX, Leaf, Page, hash_leaves, total};
use crate::{
    store::{Overlay, Rows, Table},
    types::Digest,
};

/// Pages at smaller depths than this stay in memory: at most [`CROWN_PAGES`] of them, below 5 MB.
const CROWN_DEPTH: usize = 4;
const CROWN_PAGES: usize = 1 + 16 + 256 + 4096;

/// A row's new value, hashed; `None`: it is deleted.
pub(super) struct Update {
    pub key: Digest,
    pub value: Option<Digest>,
}

/// Where a page hangs: the half-bytes that all key hashes below share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Path {
    depth: usize,
    prefix: [u8; 32],
}

impl Path {
    pub const ROOT: Self = Self { depth: 0, prefix: [0; 32] };

    /// The next half-byte of a key hash below this page.
    pub fn nibble(&self, key: &Digest) -> usize {
        let byte = key.as_bytes()[self.depth / 2];
        usize::from(if self.depth.is_multiple_of(2) { byte >> 4 } else { byte & 0xf })
    }

    /// The path to a child.
    pub fn child(mut self, nibble: usize) -> Self {
        let nibble = u8::try_from(nibble % FANOUT).expect("below sixteen");
        self.prefix[self.depth / 2] |= if self.depth.is_multiple_of(2) { nibble << 4 } else { nibble };
        self.depth += 1;
        self
    }

    /// Which of the [`CROWN_PAGES`] it is, if it is near enough to the root.
    fn place_in_crown(&self) -> Option<usize> {
        let above = *[0, 1, 1 + 16, 1 + 16 + 256].get(self.depth)?;
        let first_half_bytes = usize::from(u16::from_be_bytes([self.prefix[0], self.prefix[1]]));
        Some(above + (first_half_bytes >> (4 * (CROWN_DEPTH - self.depth))))
    }

    fn row(&self) -> Bytes {
        let mut row = Vec::with_capacity(1 + self.depth.div_ceil(2));
        row.push(u8::try_from(self.depth).expect("a key hash has 64 half-bytes"));
        row.extend(&self.prefix[..self.depth.div_ceil(2)]);
        row.into()
    }
}

/// The pages near the root, as of the last update: the root, those of depth one in order, and so on. Starts empty and
/// fills by use.
#[derive(Debug, Default)]
pub(in crate::app) struct Crown(Vec<Option<Page>>);

impl Crown {
    fn take(&mut self, path: &Path) -> Option<Page> {
        self.0.get_mut(path.place_in_crown()?)?.take()
    }

    fn put(&mut self, path: &Path, page: Page) {
        if let Some(place) = path.place_in_crown() {
            self.0.resize(CROWN_PAGES, None);
            self.0[place] = Some(page);
        }
    }
}

/// The tree over uncommitted rows.
pub(super) struct Tree<'t, 'r> {
    pub rows: &'t mut Overlay<'r, dyn Rows + 'r>,
    pub crown: &'t mut Crown,
}

impl Tree<'_, '_> {
    /// Applies updates, ordered by key without repetition, and returns the new root.
    pub fn update(&mut self, updates: &[Update]) -> Digest {
        self.apply(Path::ROOT, updates).map_or_else(|| hash_leaves(&[]), |root| root.hash)
    }

    /// Applies updates to the subtree at `path`; `None` if no leaf is left in it.
    fn apply(&mut self, path: Path, updates: &[Update]) -> Option<Child> {
        match self.take(path) {
            Some(Page::Inner(children)) => self.apply_inner(path, children, updates),
            Some(Page::Leaves(leaves)) => self.plant(path, merge(&leaves, updates), true),
            None => self.plant(path, merge(&[], updates), false),
        }
    }

    fn apply_inner(
        &mut self,
        path: Path,
        mut children: Box<[Option<Child>; FANOUT]>,
        updates: &[Update],
    ) -> Option<Child> {
        for below in updates.chunk_by(|a, b| path.nibble(&a.key) == path.nibble(&b.key)) {
            let nibble = path.nibble(&below[0].key);
            children[nibble] = self.apply(path.child(nibble), below);
        }
        if total(&children) > LEAVES_MAX as u64 {
            return Some(self.store(path, Page::Inner(children)));
        }
        // Few enough to be one page again: no child can be an inner page then.
        let mut leaves = Vec::with_capacity(LEAVES_MAX);
        for nibble in (0..FANOUT).filter(|nibble| children[*nibble].is_some()) {
            if let Some(Page::Leaves(some)) = self.take(path.child(nibble)) {
                leaves.extend(some);
            }
            self.erase(path.child(nibble));
        }
        self.plant(path, leaves, true)
    }

    /// Makes the subtree at `path` out of its leaves; `existed` says whether there is a row to be replaced.
    fn plant(&mut self, path: Path, leaves: Vec<Leaf>, existed: bool) -> Option<Child> {
        if leaves.is_empty() {
            if existed {
                self.erase(path);
            }
            return None;
        }
        if leaves.len() <= LEAVES_MAX {
            return Some(self.store(path, Page::Leaves(leaves)));
        }
        let mut children = Box::new([None; FANOUT]);
        for below in leaves.chunk_by(|a, b| path.nibble(&a.key) == path.nibble(&b.key)) {
            let nibble = path.nibble(&below[0].key);
            children[nibble] = self.plant(path.child(nibble), below.to_vec(), false);
        }
        Some(self.store(path, Page::Inner(children)))
    }

    fn take(&mut self, path: Path) -> Option<Page> {
        self.crown.take(&path).or_else(|| load(&*self.rows, path))
    }

    fn store(&mut self, path: Path, page: Page) -> Child {
        self.rows.put(Table::Authentication, path.row(), page.encode());
        let child = page.as_child();
        self.crown.put(&path, page);
        child
    }

    fn erase(&mut self, path: Path) {
        self.rows.delete(Table::Authentication, path.row());
        self.crown.take(&path);
    }
}

/// Reads a page.
///
/// # Panics
/// If a row is not one that [`Tree`] wrote.
pub(super) fn load(rows: &dyn Rows, path: Path) -> Option<Page> {
    let row = rows.get(Table::Authentication, &path.row())?;
    Some(Page::decode(&row).expect("authentication rows are written by this module alone"))
}

/// The leaves with the updates applied; both are ordered by key.
fn merge(leaves: &[Leaf], updates: &[Update]) -> Vec<Leaf> {
    let mut merged = Vec::with_capacity(leaves.len() + updates.len());
    let mut old = leaves.iter().peekable();
    for update in updates {
        while let Some(leaf) = old.next_if(|leaf| leaf.key < update.key) {
            merged.push(*leaf);
        }
        old.next_if(|leaf| leaf.key == update.key);
        merged.extend(update.value.map(|value| Leaf { key: update.key, value }));
    }
    merged.extend(old);
    merged
}
