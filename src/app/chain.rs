//! Reading the chain out of the store: headers, blocks and receipts.
//!
//! Called by recovery, by those who serve blocks and by the API. All functions panic on rows that the executor did
//! not write: the store checks its own pages, so that is a bug or a foreign file, and nothing true can be said.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Block, Header, Receipt, StoredBlock, executor::Entry, payload_rows};
use crate::{
    config::Genesis,
    protocol::{Certificate, StableCheckpoint},
    store::{Changes, Rows, Table},
    types::{Digest, Height, codec},
};

const TIP: &[u8] = b"tip";
const CHAIN: &[u8] = b"chain";
const FORMAT: &[u8] = b"format";
const BASE: &[u8] = b"base";
const STABLE: &[u8] = b"stable";
/// The version of all rows. A change of any encoding or hash raises it.
const FORMAT_VERSION: &[u8] = b"4";

/// A row of [`Table::Blocks`]; the payload is in rows of its own.
#[derive(Serialize, Deserialize)]
struct BlockRow {
    header: Header,
    instance: Digest,
    certificate: Certificate,
    payload_bytes: u32,
}

/// Why a store cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// It holds another chain.
    #[error("the store holds chain {0}, not the one of this genesis")]
    Foreign(Digest),
    /// It was written in another format.
    #[error("the store was written in another format: start the program that wrote it")]
    Format,
}

/// Checks that a store is empty or holds the chain of this genesis. Must pass before [`super::Executor::open`].
///
/// # Errors
/// [`StoreError`].
pub fn check_store(rows: &dyn Rows, genesis: &Genesis) -> Result<(), StoreError> {
    let Some(chain) = rows.get(Table::Meta, CHAIN) else { return Ok(()) };
    if rows.get(Table::Meta, FORMAT).as_deref() != Some(FORMAT_VERSION) {
        return Err(StoreError::Format);
    }
    match codec::decode::<Digest>(&chain) {
        Ok(chain) if chain == genesis.chain_id() => Ok(()),
        Ok(other) => Err(StoreError::Foreign(other)),
        Err(_) => Err(StoreError::Format),
    }
}

/// The last committed height; `None` in an empty store.
///
/// # Panics
/// If the row is not ours.
pub fn tip_height(rows: &dyn Rows) -> Option<Height> {
    let row = rows.get(Table::Meta, TIP)?;
    Some(Height::new(u64::from_be_bytes(row.as_ref().try_into().expect("the tip is a height of eight bytes"))))
}

/// The last `count` headers, oldest first, ending with the tip; fewer when genesis comes before.
///
/// # Panics
/// If rows are not ours.
pub fn headers(rows: &dyn Rows, count: usize) -> Vec<Header> {
    let Some(tip) = tip_height(rows) else { return Vec::new() };
    let below = u64::try_from(count).unwrap_or(u64::MAX).saturating_sub(1);
    let from = tip.minus(below).get();
    (from..=tip.get()).take(count).filter_map(|height| header(rows, Height::new(height))).collect()
}

/// The header of a committed height, genesis included.
///
/// # Panics
/// If the row is not ours.
pub fn header(rows: &dyn Rows, height: Height) -> Option<Header> {
    let row = rows.get(Table::Blocks, &height_key(height))?;
    // The header comes first in every row, and is all there is below a restored state.
    Some(codec::decode_front(&row).expect("block rows are written by the executor alone"))
}

/// The height that the store began with: genesis, or a checkpoint whose state was restored. Blocks are above it.
///
/// # Panics
/// If the row is not ours.
pub fn base_height(rows: &dyn Rows) -> Height {
    let row = rows.get(Table::Meta, BASE);
    row.map_or(Height::ZERO, |row| codec::decode(&row).expect("the base is a height"))
}

/// The checkpoint whose state was restored.
///
/// # Panics
/// If the row is not ours.
pub fn base_checkpoint(rows: &dyn Rows) -> Option<StableCheckpoint> {
    let row = rows.get(Table::Meta, STABLE)?;
    Some(codec::decode(&row).expect("the base is a checkpoint that was checked"))
}

/// A committed block; `None` for genesis and for heights that are not here.
///
/// # Panics
/// If the row is not ours.
pub fn stored_block(rows: &dyn Rows, height: Height) -> Option<StoredBlock> {
    if height <= base_height(rows) {
        return None;
    }
    let row = rows.get(Table::Blocks, &height_key(height))?;
    let BlockRow { header, instance, certificate, payload_bytes } =
        codec::decode(&row).expect("block rows are written by the executor alone");
    let payload = payload_rows::read(rows, height, 0..payload_bytes as usize).expect("a block has its payload");
    Some(StoredBlock { header, instance, block: Block { height, payload, certificate } })
}

/// The ids and outcomes of the commands first executed at a height, in order.
///
/// # Panics
/// If the row is not ours.
pub fn receipts(rows: &dyn Rows, height: Height) -> Option<Vec<(Digest, Receipt)>> {
    let row = rows.get(Table::Receipts, &height_key(height))?;
    let entries: Vec<Entry> = codec::decode(&row).expect("receipt rows are written by the executor alone");
    Some(entries.into_iter().map(|entry| (entry.id, entry.receipt)).collect())
}

/// Writes the rows that make a store a chain's.
pub(super) fn put_genesis(changes: &mut Changes, chain: &Digest, header: &Header) {
    changes.put(Table::Meta, CHAIN, codec::encode(chain));
    changes.put(Table::Meta, FORMAT, FORMAT_VERSION);
    put_header(changes, header);
    put_tip(changes, Height::ZERO);
}

/// Writes a block, whose payload has been put already, and makes it the tip.
pub(super) fn put_block(changes: &mut Changes, header: &Header, instance: Digest, block: &Block) {
    let payload_bytes = u32::try_from(block.payload.len()).expect("a payload has at most four gigabytes");
    let (header, certificate) = (header.clone(), block.certificate.clone());
    let height = header.height;
    changes.put(
        Table::Blocks,
        height_key(height),
        codec::encode(&BlockRow { header, instance, certificate, payload_bytes }),
    );
    put_tip(changes, height);
}

/// Writes a header whose block is not here.
pub(super) fn put_header(changes: &mut Changes, header: &Header) {
    changes.put(Table::Blocks, height_key(header.height), codec::encode(header));
}

/// Makes a restored state the beginning of a store.
pub(super) fn put_base(changes: &mut Changes, stable: &StableCheckpoint) {
    let height = stable.checkpoint.height;
    changes.put(Table::Meta, BASE, codec::encode(&height));
    changes.put(Table::Meta, STABLE, codec::encode(stable));
    put_tip(changes, height);
}

fn put_tip(changes: &mut Changes, height: Height) {
    changes.put(Table::Meta, TIP, height_key(height));
}

/// The key of a height: big-endian, so that rows are in height order.
pub(super) fn height_key(height: Height) -> Bytes {
    Bytes::copy_from_slice(&height.get().to_be_bytes())
}
