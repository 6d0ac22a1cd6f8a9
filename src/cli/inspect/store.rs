//! What the store holds: its height, its tip, how many rows.

use std::path::Path;

use serde::Serialize;

use super::bytes_below;
use crate::{
    cli::table::table,
    node::{StorageError, StoreView},
    types::{Digest, Height},
};

/// A store, for people and programs.
#[derive(Debug, Serialize)]
pub(super) struct StoreReport {
    was_closed: bool,
    bytes_on_disk: u64,
    /// `None` before the first start.
    height: Option<Height>,
    time_ms: Option<u64>,
    state_root: Option<Digest>,
    header: Option<Digest>,
    rows: Vec<Table>,
}

#[derive(Debug, Serialize)]
struct Table {
    table: &'static str,
    rows: u64,
}

impl StoreReport {
    /// Reads a data directory's store.
    pub(super) fn read(data: &Path, chain: &Digest) -> Result<Self, StorageError> {
        let view = StoreView::read(data, chain)?;
        let tip = view.tip.as_ref();
        Ok(Self {
            was_closed: view.was_closed,
            bytes_on_disk: bytes_below(&StoreView::file(data)),
            height: tip.map(|tip| tip.height),
            time_ms: tip.map(|tip| tip.time_ms),
            state_root: tip.map(|tip| tip.state_root),
            header: tip.map(crate::app::Header::hash),
            rows: view.rows.into_iter().map(|(table, rows)| Table { table: table.as_str(), rows }).collect(),
        })
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        let counts = self.rows.iter().map(|Table { table, rows }| format!("{rows} {table}"));
        let mut rows = vec![row("store", format!("{} bytes", self.bytes_on_disk))];
        if !self.was_closed {
            let what = "the node was killed: its height is known again after the next start, which puts it in order";
            rows.push(row("not closed", what.to_owned()));
            return table(&rows) + "\n";
        }
        rows.push(row("height", self.height.map_or("none yet".to_owned(), |height| height.to_string())));
        rows.extend(self.state_root.map(|root| row("state root", root.to_string())));
        rows.extend(self.header.map(|header| row("header", header.to_string())));
        rows.push(row("rows", counts.collect::<Vec<_>>().join(", ")));
        table(&rows) + "\n"
    }
}
