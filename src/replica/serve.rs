//! Serving decided blocks to those who fell behind.

use crate::{
    app::{Block, StoredBlock},
    store::{Rows, Table},
    types::{Height, codec},
};

/// Stored blocks from a height on, consecutive, as many as fit into `bytes_max`, at least one if it is there.
pub fn blocks_from(rows: &dyn Rows, from: Height, bytes_max: usize) -> Vec<Block> {
    let (mut blocks, mut bytes, mut expected) = (Vec::new(), 0, from);
    rows.scan(Table::Blocks, &from.get().to_be_bytes(), &mut |_, row| {
        let Ok(stored) = codec::decode::<StoredBlock>(row) else { return false };
        bytes += row.len();
        if stored.block.height != expected || (bytes > bytes_max && !blocks.is_empty()) {
            return false;
        }
        expected = expected.next();
        blocks.push(stored.block);
        true
    });
    blocks
}
