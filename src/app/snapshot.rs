//! A state on its way into another store, from whose height a replica goes on without the blocks below.
//!
//! Read by those who serve snapshots, and written by those who restore one; which checkpoint it is, and why anyone
//! must believe in that, is the caller's. What is sent is the values of the state and the receipts of remembered
//! heights; all else follows from them. Nothing in it is believed: the rows must give the checkpoint's state root
//! (`OB-8`), the state holds a digest of each height's receipts, and the headers hang together by their hashes.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    Application, Header, State,
    chain::{height_key, put_base, put_genesis, put_header, tip_height},
    executor,
    state::Crown,
};
use crate::{
    config::Genesis,
    protocol::{Checkpoint, StableCheckpoint},
    store::{Changes, MemoryRows, Rows, Table},
    types::{Digest, Height},
};

/// From how many bytes of rows on a piece is full.
const PIECE_BYTES: usize = 1 << 20;

/// A part of a state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Piece {
    /// Keys and values of the state, in the order of its rows.
    Rows(Vec<(Bytes, Bytes)>),
    /// What the commands of remembered heights came to, in height order, after all rows.
    Receipts(Vec<(Height, Bytes)>),
}

/// Why a state cannot be restored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadSnapshot {
    /// The headers are not the ones that lead to the checkpoint.
    #[error("its headers do not lead to the checkpoint")]
    Headers,
    /// Rows or heights come twice, or too late.
    #[error("its parts are out of order")]
    Order,
    /// A height's receipts are missing, or not those of the state.
    #[error("the receipts of height {0} are missing or not those of its state")]
    Receipts(Height),
    /// The rows are not those that the checkpoint was signed over.
    #[error("its rows give the state root {found}, and the checkpoint was signed over {expected}")]
    Root {
        /// Of the rows.
        found: Digest,
        /// Of the checkpoint.
        expected: Digest,
    },
}

/// The state at the tip of some rows, piece by piece.
pub struct Pieces<'a> {
    rows: &'a dyn Rows,
    /// The first height that is remembered.
    remembered: Height,
    at: Cursor,
}

enum Cursor {
    Rows(Vec<u8>),
    Receipts(Vec<u8>),
    End,
}

impl<'a> Pieces<'a> {
    /// All of it.
    pub fn new(rows: &'a dyn Rows, genesis: &Genesis) -> Self {
        let tip = tip_height(rows).unwrap_or(Height::ZERO);
        Self { rows, remembered: tip.minus(genesis.retention_heights).next(), at: Cursor::Rows(Vec::new()) }
    }
}

/// As many rows as fit, and where the next ones begin.
#[derive(Default)]
struct Filling {
    rows: Vec<(Bytes, Bytes)>,
    bytes: usize,
    next: Option<Vec<u8>>,
}

impl Filling {
    /// Takes a row unless it is full.
    fn take(&mut self, key: &[u8], value: Bytes) -> bool {
        if self.bytes >= PIECE_BYTES {
            self.next = Some(key.to_vec());
            return false;
        }
        self.bytes += key.len() + value.len();
        self.rows.push((Bytes::copy_from_slice(key), value));
        true
    }
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        match &self.at {
            Cursor::Rows(from) => {
                let mut filling = Filling::default();
                State::new(self.rows).scan_all(from, &mut |key, value| filling.take(key, value));
                let Filling { rows, next, .. } = filling;
                self.at = next.map_or_else(|| Cursor::Receipts(height_key(self.remembered).to_vec()), Cursor::Rows);
                Some(Piece::Rows(rows))
            }
            Cursor::Receipts(from) => {
                let mut filling = Filling::default();
                self.rows.scan(Table::Receipts, from, &mut |key, row| filling.take(key, Bytes::copy_from_slice(row)));
                let Filling { rows, next, .. } = filling;
                self.at = next.map_or(Cursor::End, Cursor::Receipts);
                let height = |key: &Bytes| key.first_chunk().map(|key| Height::new(u64::from_be_bytes(*key)));
                Some(Piece::Receipts(rows.into_iter().filter_map(|(key, row)| Some((height(&key)?, row))).collect()))
            }
            Cursor::End => None,
        }
    }
}

/// A state that is being put together. What each step returns must be applied to the rows that the next is given.
pub struct Restore {
    header: Header,
    crown: Crown,
    root: Digest,
    last_key: Option<Bytes>,
    last_height: Height,
}

impl Restore {
    /// Begins with the last headers up to a checkpoint, oldest first, in an empty store.
    ///
    /// # Errors
    /// [`BadSnapshot::Headers`].
    ///
    /// # Panics
    /// If [`Genesis::validate`] would fail.
    pub fn begin(
        app: &dyn Application,
        genesis: &Genesis,
        headers: &[Header],
        checkpoint: &Checkpoint,
    ) -> Result<(Self, Changes), BadSnapshot> {
        let header = headers.last().ok_or(BadSnapshot::Headers)?;
        let first = headers.first().ok_or(BadSnapshot::Headers)?;
        let is_linked = headers
            .array_windows()
            .all(|[below, above]| above.parent == below.hash() && above.height == below.height.next());
        // What governs the heights above was fixed by these (`OB-1`).
        let deepest = header.height.minus(genesis.window.saturating_add(1));
        if !is_linked || first.height > deepest || header.hash() != checkpoint.header {
            return Err(BadSnapshot::Headers);
        }
        let mut changes = Changes::default();
        put_genesis(&mut changes, &genesis.chain_id(), &executor::origin(app, genesis));
        for header in headers.iter().filter(|header| header.height > Height::ZERO) {
            put_header(&mut changes, header);
        }
        let restore = Self {
            header: header.clone(),
            crown: Crown::default(),
            root: State::new(&MemoryRows::default()).finish().0,
            last_key: None,
            last_height: Height::ZERO,
        };
        Ok((restore, changes))
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// [`BadSnapshot`].
    pub fn take(&mut self, rows: &dyn Rows, piece: Piece) -> Result<Changes, BadSnapshot> {
        let mut state = State::new(rows);
        match piece {
            Piece::Rows(pieces) => {
                if self.last_height > Height::ZERO {
                    return Err(BadSnapshot::Order);
                }
                for (key, value) in pieces {
                    if self.last_key.as_ref().is_some_and(|last| *last >= key) {
                        return Err(BadSnapshot::Order);
                    }
                    self.last_key = Some(key.clone());
                    state.put_any(key, value);
                }
                let (root, changes) = state.seal(&mut self.crown);
                self.root = root;
                Ok(changes)
            }
            Piece::Receipts(heights) => {
                for (height, row) in heights {
                    if height <= self.last_height || height > self.header.height {
                        return Err(BadSnapshot::Order);
                    }
                    self.last_height = height;
                    executor::restore(&mut state, height, row).ok_or(BadSnapshot::Receipts(height))?;
                }
                Ok(state.rows().take_changes())
            }
        }
    }

    /// Ends: the rows are a store at the checkpoint's height. `stable` is the checkpoint with its proof.
    ///
    /// # Errors
    /// [`BadSnapshot`].
    pub fn finish(self, rows: &dyn Rows, stable: &StableCheckpoint) -> Result<Changes, BadSnapshot> {
        let (found, expected) = (self.root, self.header.state_root);
        if found != expected {
            return Err(BadSnapshot::Root { found, expected });
        }
        let is_here = |height: &Height| rows.get(Table::Receipts, &height_key(*height)).is_some();
        if let Some(missing) = executor::remembered(rows).into_iter().find(|height| !is_here(height)) {
            return Err(BadSnapshot::Receipts(missing));
        }
        let mut changes = Changes::default();
        put_base(&mut changes, stable);
        Ok(changes)
    }
}
