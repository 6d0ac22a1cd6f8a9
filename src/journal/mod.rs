//! The vote journal.
#![allow(missing_docs)]

use serde::{Deserialize, Serialize};

use crate::{
    app::Block,
    protocol::Record,
    types::{Digest, Height},
};

/// One thing to remember.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Entry {
    /// A record of a live instance: what restricts its later votes.
    Instance {
        /// Its height.
        height: Height,
        /// Its id.
        instance: Digest,
        /// What.
        record: Record,
    },
    /// A decided block, before it is in the store.
    Decided {
        /// The block.
        block: Block,
    },
    /// The highest counter with which we signed our PeerId.
    PeerCounter {
        /// The counter.
        counter: u64,
    },
}
