//! Serves blocks that were never decided, and claims to have many more: payloads changed, certificates of other
//! heights, certificates that it signed alone as many times as a quorum needs, gaps, nothing.

use bytes::Bytes;

use super::{Hand, Liar, wire};
use crate::{
    app::{Block, Payload},
    protocol::{
        Certificate,
        pbft::{self, Phase, ViewNumber, Vote},
        streamlette::{self as sl, Ballot, Header, Proposal, Solicit, Step, Tick, Votes},
    },
    replica::wire::{Frame, Request, Response},
    sim::letter::Mail,
    types::{Digest, Height, ValidatorIndex, codec},
};

/// See the file's header.
#[derive(Default)]
pub struct FalseBlocks {
    /// The instance that was heard of last, with its height.
    seen: std::collections::BTreeMap<Height, Digest>,
}

impl FalseBlocks {
    /// A block of its own making. With nobody else's key, its own vote has to stand for a quorum, or strangers' have.
    fn invent(&self, height: Height, hand: &mut Hand<'_>) -> Option<Block> {
        let instance = *self.seen.get(&height)?;
        let with_strangers = hand.dice.chance(500);
        let leader = hand.index();
        let payload: Bytes =
            codec::encode(&Payload { proposer: leader, proposed_at_ms: 3, commands: Vec::new() }).into();
        let place = wire::Place { height, instance };
        let header = Proposal { tick: Tick::ZERO, leader, payload_root: Digest::new([0; 32]), payload_len: 0 };
        let sl::Message::Proposal { header: proposal, .. } =
            wire::streamlette::propose(hand.key(), place, header, payload.clone())
        else {
            return None;
        };
        let root = Header::Proposal(proposal).id(&instance);
        let header = Solicit { tick: Tick::new(1), leader, parent: root, root, depth: sl::Depth::new(1) };
        let votes = |header: &Header| -> Votes {
            let signature =
                wire::streamlette::sign(hand.key(), wire::streamlette::vote_for(header, &instance), &instance);
            let own = Ballot { voter: leader, signature };
            let stranger = |at: u16| Ballot { voter: ValidatorIndex::new(1000 + at), signature };
            if with_strangers {
                std::iter::once(own).chain((0..1000).take(hand.nodes()).map(stranger)).collect()
            } else {
                std::iter::repeat_n(own, hand.nodes()).collect()
            }
        };
        let step = Step { header, votes: votes(&Header::Solicit(header)) };
        let votes = votes(&Header::Proposal(proposal));
        let certificate = sl::Certificate { proposal, votes, steps: vec![step].try_into().ok()? };
        Some(Block { height, payload, certificate: Certificate::Streamlette(certificate) })
    }

    /// The same under PBFT: one instance decides all heights.
    fn invent_pbft(&self, height: Height, hand: &mut Hand<'_>) -> Option<Block> {
        let instance = *self.seen.values().next()?;
        let content = Payload { proposer: hand.index(), proposed_at_ms: 3, commands: Vec::new() };
        let payload: Bytes = codec::encode(&content).into();
        let place = wire::Place { height, instance };
        let slot = (ViewNumber::ZERO, height);
        let pbft::Message::PrePrepare(it) = wire::pbft::propose(hand.key(), place, slot, payload.clone()) else {
            return None;
        };
        let commit = Vote { phase: Phase::Commit, proposal: it.proposal };
        let with_strangers = hand.dice.chance(500);
        let commits = wire::pbft::ballots_of_one(hand, commit, &instance, with_strangers).into_iter().collect();
        let certificate = Certificate::Pbft(pbft::Certificate { proposal: it.proposal, commits });
        Some(Block { height, payload, certificate })
    }

    fn falsify(&self, mut blocks: Vec<Block>, hand: &mut Hand<'_>) -> Vec<Block> {
        let drawn = usize::try_from(hand.dice.below(blocks.len() as u64)).unwrap_or(0);
        match hand.dice.below(5) {
            0 => blocks.clear(),
            1 => {
                if let Some(block) = blocks.get_mut(drawn) {
                    block.payload = Bytes::from_static(b"another value");
                }
            }
            2 => {
                if let [first, second, ..] = &mut blocks[..] {
                    std::mem::swap(&mut first.certificate, &mut second.certificate);
                }
            }
            3 => {
                if drawn < blocks.len() {
                    blocks.remove(drawn);
                }
            }
            _ => {
                for block in &mut blocks {
                    let invented = match &block.certificate {
                        Certificate::Streamlette(_) => self.invent(block.height, hand),
                        Certificate::Pbft(_) => self.invent_pbft(block.height, hand),
                    };
                    if let Some(invented) = invented {
                        *block = invented;
                    }
                }
            }
        }
        blocks
    }
}

impl Liar for FalseBlocks {
    fn speak(&mut self, to: usize, mail: Mail, hand: &mut Hand<'_>) {
        let mail = match mail {
            Mail::Response(question, Response::Blocks { blocks, status }) => {
                let blocks = self.falsify(blocks, hand);
                Mail::Response(question, Response::Blocks { blocks, status })
            }
            Mail::Frame(Frame::Status { mut status, wall_ms }) => {
                status.executed = status.executed.plus(hand.dice.below(3));
                Mail::Frame(Frame::Status { status, wall_ms })
            }
            other => {
                self.note(&other);
                other
            }
        };
        hand.send(to, mail);
    }

    fn hear(&mut self, mail: &Mail, _hand: &mut Hand<'_>) {
        self.note(mail);
    }
}

impl FalseBlocks {
    /// Learns the ids of instances: without them nothing can be signed that anyone would look at.
    fn note(&mut self, mail: &Mail) {
        match mail {
            Mail::Frame(Frame::Instance { height, instance, .. })
            | Mail::Request(_, Request::Diff { height, instance, .. }) => {
                self.seen.insert(*height, *instance);
            }
            _ => {}
        }
    }
}
