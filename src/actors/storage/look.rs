//! A look at a store whose node does not run, which changes nothing.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use redb::{DatabaseError, ReadOnlyDatabase, ReadableDatabase as _, ReadableTableMetadata as _};

use super::{
    OnFault, OpenError, Snapshot,
    layer::Hasher,
    store::{Base, Failed, META, definition, failed, holds},
};
use crate::{
    app::{self, Header},
    store::Table,
    types::Digest,
};

/// What a store holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreView {
    /// Whether its node closed it. One that was killed did not: then nothing else is told, since only the next start,
    /// which may write, puts it in order.
    pub was_closed: bool,
    /// The header of the last committed height; `None` before genesis is.
    pub tip: Option<Header>,
    /// How many rows each table has.
    pub rows: Vec<(Table, u64)>,
}

impl StoreView {
    /// The store's file in a data directory.
    pub fn file(data: &Path) -> PathBuf {
        data.join("store.redb")
    }

    /// Reads the store of a chain. Must not be called while a node runs on it: the data directory's lock says so.
    ///
    /// # Errors
    /// [`OpenError`]: there is none, it is another chain's or version's, or the disk fails.
    pub fn read(data: &Path, chain: &Digest) -> Result<Self, OpenError> {
        let database = match ReadOnlyDatabase::open(Self::file(data)) {
            Err(DatabaseError::RepairAborted) => return Ok(Self { was_closed: false, tip: None, rows: Vec::new() }),
            opened => opened.map_err(failed)?,
        };
        let transaction = database.begin_read().map_err(failed)?;
        holds(&transaction.open_table(META).map_err(failed)?, chain)?;
        let count = |table: Table| -> Result<_, Failed> {
            let rows = transaction.open_table(definition(table)).map_err(failed)?;
            Ok((table, rows.len().map_err(failed)?))
        };
        let rows = Table::ALL.into_iter().map(count).collect::<Result<_, _>>()?;
        let base = Arc::new(Base::of(&database, OnFault::default())?);
        let snapshot = Snapshot { base, layers: Vec::new(), hasher: Hasher::default(), height: None };
        let tip = app::tip_height(&snapshot).and_then(|height| app::header(&snapshot, height));
        Ok(Self { was_closed: true, tip, rows })
    }
}
