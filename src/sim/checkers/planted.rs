//! Facts, blocks and headers for tests that plant violations.

use std::sync::Arc;

use bytes::Bytes;

use super::{Checker, Facts, Sight};
use crate::{
    app::{Block, Header},
    config::ClientSignatures,
    crypto::{SecretKey, Signable as _, Transcript},
    protocol::{
        Certificate,
        streamlette::{self, Ballot, Depth, Proposal, Solicit, Step, Tick, Vote, Votes},
    },
    types::{CrashModel, Digest, Height, Power, Validator, ValidatorIndex, ValidatorSet},
};

/// Four validators; the keys of the first nodes are those of the seeds 1, 2, …
pub fn facts() -> Facts {
    let members = keys().map(|key| Validator { public_key: key.public_key(), power: Power::new(1) });
    let set = Arc::new(ValidatorSet::new(members.collect(), CrashModel::Byzantine).unwrap());
    Facts {
        peers: keys().map(|key| set.index_of(&key.public_key())).collect(),
        set,
        chain: Digest::new([0xc4; 32]),
        client_signatures: ClientSignatures::Off,
        window: 1,
        heights_held_max: None,
        payload_bytes_max: 1 << 16,
        mempool_commands_max: 100,
        mempool_bytes_max: 1 << 20,
    }
}

fn keys() -> impl Iterator<Item = SecretKey> {
    (1..=4).map(|seed| SecretKey::from_seed(&[seed; 32]))
}

/// A header; `branch` tells histories apart.
pub fn header(height: u64, branch: u8) -> Header {
    let digest = Digest::new([branch; 32]);
    let height = Height::new(height);
    Header { height, parent: digest, payload_root: digest, time_ms: 0, state_root: digest }
}

/// A block with `content` as its payload and no proof.
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

/// A block that the instance of nines decided with a proposal and a solicit of these ticks and so many votes each.
pub fn decided(ticks: [u64; 2], votes: usize) -> Block {
    let (instance, facts) = (Digest::new([9; 32]), facts());
    let payload = Bytes::from_static(b"payload");
    let ballots = |tick, target| -> Votes {
        let digest = Vote { tick, target }.digest(&instance);
        let sign = |(node, key): (usize, SecretKey)| Ballot {
            voter: facts.peers[node].unwrap(),
            signature: key.sign_digest(&digest),
        };
        let mut ballots: Vec<_> = keys().enumerate().take(votes).map(sign).collect();
        ballots.sort_by_key(|ballot| ballot.voter);
        ballots.into_iter().collect()
    };
    let [first, second] = ticks.map(Tick::new);
    let payload_root = Transcript::new("thalweg payload v1").bytes(&payload).finish();
    let leader = ValidatorIndex::new(0);
    let proposal = Proposal { tick: first, leader, payload_root, payload_len: payload.len() as u64 };
    let root = proposal.digest(&instance);
    let header = Solicit { tick: second, leader, parent: root, root, depth: Depth::new(1) };
    let step = Step { header, votes: ballots(second, header.digest(&instance)) };
    let steps = vec![step].try_into().unwrap();
    let certificate = streamlette::Certificate { proposal, votes: ballots(first, root), steps };
    Block { height: Height::FIRST, payload, certificate: Certificate::Streamlette(certificate) }
}

/// Shows a checker that node 0 executed a block.
pub fn executed(checker: &mut impl Checker, height: u64, branch: u8, content: u8) -> Result<(), String> {
    let (header, block) = (header(height, branch), block(height, content));
    let instance = Digest::new([9; 32]);
    checker.see(&Sight::Executed { node: 0, instance, header: &header, block: &block, receipts: &[] })
}
