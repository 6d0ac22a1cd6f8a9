//! Blocks and headers for tests that plant violations.

use bytes::Bytes;

use crate::{
    app::{Block, Header},
    protocol::{
        Certificate,
        streamlette::{self, Proposal, Tick},
    },
    types::{Digest, Height, ValidatorIndex},
};

/// A header; `branch` tells histories apart.
pub fn header(height: u64, branch: u8) -> Header {
    let digest = Digest::new([branch; 32]);
    let height = Height::new(height);
    Header { height, parent: digest, payload_root: digest, time_ms: 0, state_root: digest }
}

/// A block with `content` as its payload.
pub fn block(height: u64, content: u8) -> Block {
    let proposal = Proposal {
        tick: Tick::ZERO,
        leader: ValidatorIndex::new(0),
        payload_root: Digest::new([0; 32]),
        payload_len: 1,
    };
    let certificate = streamlette::Certificate { proposal, votes: Default::default(), steps: Default::default() };
    let certificate = Certificate::Streamlette(certificate);
    Block { height: Height::new(height), payload: Bytes::copy_from_slice(&[content]), certificate }
}
