//! Reading the chain for peers, and for our own next life.

use crate::{
    app::{self, Block, Header},
    config::Genesis,
    store::Rows,
    types::{Height, codec},
};

/// Stored blocks from a height on, consecutive, as many as fit into `bytes_max`, at least one if it is there.
pub fn blocks_from(rows: &dyn Rows, from: Height, bytes_max: usize) -> Vec<Block> {
    let (mut blocks, mut bytes, mut height) = (Vec::new(), 0, from);
    while let Some(stored) = app::stored_block(rows, height) {
        bytes += codec::encoded_len(&stored.block);
        if bytes > bytes_max && !blocks.is_empty() {
            break;
        }
        blocks.push(stored.block);
        height = height.next();
    }
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
