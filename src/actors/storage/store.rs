//! The block and state store: redb, one file.

use std::{collections::BTreeMap, ops::Bound, path::Path, sync::Arc};

use bytes::Bytes;
use redb::{AccessGuard, Database, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition};

use super::{
    OnFault, OpenError, StorageFault,
    layer::{Layer, merged},
};
use crate::{
    store::Table,
    types::{Digest, Height},
};

/// The version of the format, in the store itself.
pub(super) const VERSION: u64 = 3;
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("storage");
const META_VERSION: &str = "version";
const META_CHAIN: &str = "chain";
const META_HEIGHT: &str = "height";

/// Any of redb's errors.
pub(super) type Failed = Box<redb::Error>;

pub(super) fn failed(error: impl Into<redb::Error>) -> Failed {
    Box::new(error.into())
}

pub(super) fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.as_str())
}

/// Whether a store holds this chain; `false` for one that is empty.
///
/// # Errors
/// [`OpenError`] when it holds another one, or is of another version.
pub(super) fn holds(meta: &impl ReadableTable<&'static str, &'static [u8]>, chain: &Digest) -> Result<bool, OpenError> {
    let version = meta.get(META_VERSION).map_err(failed)?.map(|found| number(found.value()));
    let found = meta.get(META_CHAIN).map_err(failed)?.map(|found| found.value().to_vec());
    match (version, found) {
        (None, None) => Ok(false),
        (Some(VERSION), Some(found)) if found == chain.as_bytes() => Ok(true),
        (Some(VERSION), found) => Err(OpenError::StoreChain { found: hex::encode(found.unwrap_or_default()) }),
        (found, _) => Err(OpenError::StoreVersion { found: found.unwrap_or_default() }),
    }
}

/// The writing side. There is one, on a thread of its own.
#[derive(Debug)]
pub(super) struct Store {
    database: Database,
    on_fault: OnFault,
}

impl Store {
    /// Opens the store, or creates an empty one: what it should hold is the journal's to know (`JN-6`).
    pub(super) fn open(path: &Path, chain: &Digest, cache: usize, on_fault: OnFault) -> Result<Self, OpenError> {
        let database = Database::builder().set_cache_size(cache).create(path).map_err(failed)?;
        let transaction = database.begin_write().map_err(failed)?;
        {
            for table in Table::ALL {
                transaction.open_table(definition(table)).map_err(failed)?;
            }
            let mut meta = transaction.open_table(META).map_err(failed)?;
            if !holds(&meta, chain)? {
                meta.insert(META_VERSION, &VERSION.to_be_bytes()[..]).map_err(failed)?;
                meta.insert(META_CHAIN, &chain.as_bytes()[..]).map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)?;
        Ok(Self { database, on_fault })
    }

    /// The height that the last [`Store::apply`] brought it to.
    pub(super) fn height(&self) -> Result<Option<Height>, Failed> {
        let meta = self.database.begin_read().map_err(failed)?.open_table(META).map_err(failed)?;
        let height = meta.get(META_HEIGHT).map_err(failed)?;
        Ok(height.map(|found| Height::new(number(found.value()))))
    }

    /// Writes layers, oldest first, and the height they lead to, in one durable transaction.
    pub(super) fn apply(&self, layers: &[Arc<Layer>], height: Height) -> Result<(), Failed> {
        let mut transaction = self.database.begin_write().map_err(failed)?;
        // Costs a second sync here, where nobody waits, and saves reading the whole file after a crash.
        transaction.set_quick_repair(true);
        for table in Table::ALL {
            let mut rows = transaction.open_table(definition(table)).map_err(failed)?;
            // In key order, so that neighbours are found in one page, and each row once, however often it changed.
            for (key, value) in merged(layers, table) {
                match value {
                    Some(value) => drop(rows.insert(&key[..], &value[..]).map_err(failed)?),
                    None => drop(rows.remove(&key[..]).map_err(failed)?),
                }
            }
        }
        let mut meta = transaction.open_table(META).map_err(failed)?;
        meta.insert(META_HEIGHT, &height.get().to_be_bytes()[..]).map_err(failed)?;
        drop(meta);
        transaction.commit().map_err(failed)
    }

    /// What is in it now, for readers.
    pub(super) fn base(&self) -> Result<Base, Failed> {
        Base::of(&self.database, self.on_fault.clone())
    }
}

/// The rows on disk at one moment: a read transaction with its tables open, shared by all readers.
pub(super) struct Base {
    /// All of [`Table::ALL`].
    tables: BTreeMap<Table, ReadOnlyTable<&'static [u8], &'static [u8]>>,
    on_fault: OnFault,
}

impl Base {
    /// What a database holds now.
    pub(super) fn of(database: &impl ReadableDatabase, on_fault: OnFault) -> Result<Self, Failed> {
        let transaction = database.begin_read().map_err(failed)?;
        let mut tables = BTreeMap::new();
        for table in Table::ALL {
            tables.insert(table, transaction.open_table(definition(table)).map_err(failed)?);
        }
        Ok(Self { tables, on_fault })
    }

    pub(super) fn get(&self, table: Table, key: &[u8]) -> Option<Bytes> {
        let found = self.tables[&table].get(key).unwrap_or_else(|error| self.fail(error));
        found.map(|value| Bytes::copy_from_slice(value.value()))
    }

    pub(super) fn range<'a>(
        &'a self,
        table: Table,
        from: &[u8],
        until: Option<&[u8]>,
    ) -> impl Iterator<Item = (AccessGuard<'a, &'static [u8]>, AccessGuard<'a, &'static [u8]>)> {
        let until = until.map_or(Bound::Unbounded, Bound::Included);
        let rows = self.tables[&table].range::<&[u8]>((Bound::Included(from), until));
        let rows = rows.unwrap_or_else(|error| self.fail(error));
        rows.map(|row| row.unwrap_or_else(|error| self.fail(error)))
    }

    /// A store that cannot be read ends the process: no answer would be right.
    fn fail(&self, error: redb::StorageError) -> ! {
        let fault = StorageFault::Store(failed(error));
        self.on_fault.call(&fault);
        panic!("the fault handler returned from: {fault}");
    }
}

impl std::fmt::Debug for Base {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Base")
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
