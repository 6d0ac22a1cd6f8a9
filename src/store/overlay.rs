//! Uncommitted changes on top of rows.

use bytes::Bytes;

use super::{Change, Changes, Rows, Table};

/// Rows as they will be when `changes` are applied to `base`.
pub struct Overlay<'a, R: Rows + ?Sized> {
    base: &'a R,
    changes: Changes,
}

impl<'a, R: Rows + ?Sized> Overlay<'a, R> {
    /// No changes yet.
    pub fn new(base: &'a R) -> Self {
        Self::with(base, Changes::default())
    }

    /// Starts from some changes.
    pub fn with(base: &'a R, changes: Changes) -> Self {
        Self { base, changes }
    }

    /// Puts a row, as [`Changes::put`].
    pub fn put(&mut self, table: Table, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Option<Change> {
        self.changes.put(table, key, value)
    }

    /// Deletes a row, as [`Changes::delete`].
    pub fn delete(&mut self, table: Table, key: impl Into<Bytes>) -> Option<Change> {
        self.changes.delete(table, key)
    }

    /// Undoes the latest change of a row, as [`Changes::undo`].
    pub fn undo(&mut self, table: Table, key: Bytes, before: Option<Change>) {
        self.changes.undo(table, key, before);
    }

    /// The changes so far.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// The changes so far, which are not on top any more.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// The changes, for good.
    pub fn into_changes(self) -> Changes {
        self.changes
    }
}

impl<R: Rows + ?Sized> Rows for Overlay<'_, R> {
    fn get(&self, table: Table, key: &[u8]) -> Option<Bytes> {
        match self.changes.get(table, key) {
            Some(changed) => changed.clone(),
            None => self.base.get(table, key),
        }
    }

    fn range(&self, table: Table, from: &[u8], until: Option<&[u8]>, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        let is_within = |(key, _): &(&Bytes, &Change)| until.is_none_or(|until| key.as_ref() <= until);
        let mut changed = self.changes.range(table, from).take_while(is_within).peekable();
        let mut go_on = true;
        self.base.range(table, from, until, &mut |key, value| {
            while let Some((early, new)) = changed.next_if(|(early, _)| early.as_ref() < key) {
                if let Some(new) = new {
                    go_on = visit(early, new);
                    if !go_on {
                        return false;
                    }
                }
            }
            go_on = match changed.next_if(|(same, _)| same.as_ref() == key) {
                Some((same, Some(new))) => visit(same, new),
                Some((_, None)) => true,
                None => visit(key, value),
            };
            go_on
        });
        for (key, new) in changed {
            if !go_on {
                return;
            }
            if let Some(new) = new {
                go_on = visit(key, new);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryRows;

    proptest::proptest! {
        #[test]
        fn reads_as_if_applied(
            base in proptest::collection::btree_map(0u8..30, 0u8.., 0..20),
            changes in proptest::collection::btree_map(0u8..30, proptest::option::of(0u8..), 0..20),
            from in 0u8..30,
            length in proptest::option::of(0u8..30),
            stop in 0usize..12,
        ) {
            let mut rows = MemoryRows::default();
            let mut first = Changes::default();
            for (key, value) in base {
                first.put(Table::State, vec![key], vec![value]);
            }
            rows.apply(first);
            let mut later = Changes::default();
            for (key, value) in changes {
                match value {
                    Some(value) => later.put(Table::State, vec![key], vec![value]),
                    None => later.delete(Table::State, vec![key]),
                };
            }
            let mut applied = rows.clone();
            applied.apply(later.clone());
            let overlay = Overlay::with(&rows, later);
            let read = |rows: &dyn Rows| {
                let mut seen = Vec::new();
                let until = length.map(|length| [from + length]);
                rows.range(Table::State, &[from], until.as_ref().map(<[u8; 1]>::as_slice), &mut |key, value| {
                    seen.push((key.to_vec(), value.to_vec()));
                    seen.len() < stop
                });
                seen
            };
            proptest::prop_assert_eq!(read(&overlay), read(&applied));
            proptest::prop_assert_eq!(overlay.get(Table::State, &[from]), applied.get(Table::State, &[from]));
        }
    }
}
