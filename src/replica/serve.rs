//! Reading the chain for peers, and for our own next life.

use crate::{
    app::{self, Block, Header, StoredBlock},
    config::Genesis,
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

/// The header of the highest checkpoint that was executed here (`OB-8`): not one whose state was restored.
///
/// # Panics
/// If rows are not ours.
pub fn last_checkpoint(rows: &dyn Rows, genesis: &Genesis) -> Option<Header> {
    let tip = app::tip_height(rows)?;
    let height = tip.minus(tip.get() % genesis.checkpoint_interval());
    app::header(rows, height).filter(|_| height > app::base_height(rows))
}
