//! The authenticated state: rows of the application and of the runtime under one root.
//!
//! Written by applications and by the executor while a block is executed, read by queries. Every row of
//! [`Table::State`] is a leaf of one tree (`tree`), so one root covers the application's keys and all that replicas
//! must agree on besides them (`OB-8`): digests of remembered replies and the times of proposals. Application keys and
//! the runtime's are kept apart by their first byte. A long value that a command brought along is not stored a second
//! time: its row says where in the block it lies (`value`).

mod page;
mod proof;
mod tree;
mod value;

#[cfg(test)]
mod tests;

use bytes::Bytes;
pub use page::{Leaf, hash_value};
pub use proof::{BadProof, Level, Proof, prove};
use tree::{Tree, Update};

pub(super) use self::tree::Crown;
use self::{page::hash_key, value::Executing};
use super::payload_rows;
use crate::{
    store::{Change, Changes, Overlay, Rows, Table},
    types::{Digest, Height},
};

const APPLICATION: u8 = 0;
const SYSTEM: u8 = 1;

/// The state as one block, command or query sees it: committed rows under the writes so far.
pub struct State<'a> {
    rows: Overlay<'a, dyn Rows + 'a>,
    /// The writes of the running command, latest last, with what they replaced.
    undo: Vec<(Bytes, Option<Change>)>,
    executing: Option<Executing>,
}

impl<'a> State<'a> {
    /// The committed state.
    pub fn new(rows: &'a (dyn Rows + 'a)) -> Self {
        Self { rows: Overlay::new(rows), undo: Vec::new(), executing: None }
    }

    /// The committed state, on which a block is to be executed. Its payload is put into the rows here.
    pub(super) fn executing(rows: &'a (dyn Rows + 'a), height: Height, payload: &Bytes) -> Self {
        let mut state = Self::new(rows);
        for (key, part) in payload_rows::rows(height, payload) {
            state.rows.put(Table::Payloads, key, part);
        }
        state.executing = Some(Executing { height, payload: payload.clone() });
        state
    }

    /// The value under a key.
    pub fn get(&self, key: &[u8]) -> Option<Bytes> {
        self.value(&application_key(key))
    }

    /// Whether there is a value under a key. Costs less than to [`Self::get`] it.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.rows.get(Table::State, &application_key(key)).is_some()
    }

    /// Puts a value under a key. A long one that is a part of the running command's body, and not a copy of it, is not
    /// stored a second time: it stays where it is in its block.
    pub fn put(&mut self, key: &[u8], value: impl AsRef<[u8]>) {
        let (key, row) = (Bytes::from(application_key(key)), value::row(value.as_ref(), self.executing.as_ref()));
        let before = self.rows.put(Table::State, key.clone(), row);
        self.undo.push((key, before));
    }

    /// Deletes a key.
    pub fn delete(&mut self, key: &[u8]) {
        let key = Bytes::from(application_key(key));
        let before = self.rows.delete(Table::State, key.clone());
        self.undo.push((key, before));
    }

    /// Visits keys that start with `prefix`, in order, until `visit` returns `false`.
    pub fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        let prefix = application_key(prefix);
        self.scan_all(&prefix, &mut |key, value| key.starts_with(&prefix) && visit(&key[1..], &value));
    }

    /// The root with all writes so far, and the rows to be changed for it.
    pub fn finish(self) -> (Digest, Changes) {
        self.seal(&mut Crown::default())
    }

    /// As [`Self::finish`], with the pages near the root at hand.
    pub(super) fn seal(mut self, crown: &mut Crown) -> (Digest, Changes) {
        let written = self.rows.changes().range(Table::State, &[]);
        let hash = |row: &Bytes| hash_value(&value::read(row, &self.rows));
        let mut updates: Vec<Update> =
            written.map(|(key, row)| Update { key: hash_key(key), value: row.as_ref().map(hash) }).collect();
        updates.sort_unstable_by_key(|update| update.key);
        let root = Tree { rows: &mut self.rows, crown }.update(&updates);
        (root, self.rows.into_changes())
    }

    /// Keeps the running command's writes.
    pub(super) fn keep(&mut self) {
        self.undo.clear();
    }

    /// Takes the running command's writes back.
    pub(super) fn revert(&mut self) {
        while let Some((key, before)) = self.undo.pop() {
            self.rows.undo(Table::State, key, before);
        }
    }

    /// A value of the runtime's own.
    pub(super) fn system(&self, name: &[u8]) -> Option<Bytes> {
        self.value(&in_space(SYSTEM, name))
    }

    /// Visits the names of the runtime's own values that start with `prefix`, without it, in order.
    pub(super) fn scan_system(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8])) {
        let prefix = in_space(SYSTEM, prefix);
        self.rows.scan(Table::State, &prefix, &mut |key, _| key.strip_prefix(&*prefix).map(&mut *visit).is_some());
    }

    /// Puts a value of the runtime's own, for good.
    pub(super) fn put_system(&mut self, name: &[u8], value: impl AsRef<[u8]>) {
        self.put_any(in_space(SYSTEM, name), value);
    }

    /// Deletes a value of the runtime's own, for good.
    pub(super) fn delete_system(&mut self, name: &[u8]) {
        self.rows.delete(Table::State, in_space(SYSTEM, name));
    }

    /// Visits the values of application and runtime from a row's key on, in order, until `visit` returns `false`.
    pub(super) fn scan_all(&self, from: &[u8], visit: &mut dyn FnMut(&[u8], Bytes) -> bool) {
        let read = |row: &[u8]| value::read(&Bytes::copy_from_slice(row), &self.rows);
        self.rows.scan(Table::State, from, &mut |key, row| visit(key, read(row)));
    }

    /// Puts a value under a row's key, for good.
    pub(super) fn put_any(&mut self, key: impl Into<Bytes>, value: impl AsRef<[u8]>) {
        self.rows.put(Table::State, key, value::row(value.as_ref(), None));
    }

    fn value(&self, key: &[u8]) -> Option<Bytes> {
        self.rows.get(Table::State, key).map(|row| value::read(&row, &self.rows))
    }

    /// The rows of the other tables.
    pub(super) fn rows(&mut self) -> &mut Overlay<'a, dyn Rows + 'a> {
        &mut self.rows
    }
}

/// The row's key of an application's key.
fn application_key(key: &[u8]) -> Vec<u8> {
    in_space(APPLICATION, key)
}

fn in_space(space: u8, key: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(1 + key.len());
    row.push(space);
    row.extend(key);
    row
}
