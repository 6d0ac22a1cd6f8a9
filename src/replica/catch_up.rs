//! Fetching decided blocks from peers.
//!
//! Rules: `OB-9` (certificates are checked at most `window + 1` above the tip; further blocks are only held),
//! `RP-S1` (peers' claims are hints; silent peers and liars are left for others).
//! What a lying peer can do: answer with garbage once, be blamed, and be avoided for ten minutes; claim a height that
//! does not exist and be asked for it once for each claim.
//! Limits: [`FETCHES_MAX`] requests at a time, one for each peer; [`PREFETCH_MAX`] blocks and [`PREFETCH_BYTES_MAX`].

use std::{collections::BTreeMap, time::Duration};

use super::{
    chain::Chain,
    contract::{Effect, Outbox, Peer},
    order::Order,
    peers::{Ask, Peers},
};
use crate::{
    app::Block,
    protocol::{Rejection, Timing},
    types::{Height, Time, codec},
};

/// The most requests at a time.
pub(super) const FETCHES_MAX: usize = 4;
/// The most heights above the tip for which blocks are held.
pub(super) const PREFETCH_MAX: u64 = 1024;
/// The most bytes of blocks held, besides the one that is needed next.
pub(super) const PREFETCH_BYTES_MAX: usize = 32 << 20;

/// A block that a peer served.
struct Fetched {
    peer: Peer,
    block: Block,
    bytes: usize,
    /// Whether its certificate is being checked.
    is_checking: bool,
}

/// What is being fetched.
pub(super) struct CatchUp {
    timeout: Duration,
    timing: Timing,
    fetched: BTreeMap<Height, Fetched>,
    bytes: usize,
    /// How many blocks an answer has: where the next peer's part begins. Until the first answer shows it, one peer is
    /// asked for everything.
    stride: u64,
    /// Up to where everything was decided here when peers were first seen to be further, and when that was.
    lagging: Option<(Height, Time)>,
    /// When that is worth a request.
    due: Option<Time>,
}

impl CatchUp {
    /// Nothing is being fetched.
    pub(super) fn new(timeout: Duration, timing: Timing) -> Self {
        Self { timeout, timing, fetched: BTreeMap::new(), bytes: 0, stride: PREFETCH_MAX, lagging: None, due: None }
    }

    /// Whether a block of that height is here and awaits its check.
    pub(super) fn holds(&self, height: Height) -> bool {
        self.fetched.contains_key(&height)
    }

    /// Takes a peer's blocks. They may also answer a decider's question, so they need not begin where we asked; but
    /// they must be consecutive, within the size limit, and begin where anything was asked for.
    pub(super) fn on_blocks(
        &mut self,
        now: Time,
        peer: Peer,
        blocks: Vec<Block>,
        brain: &mut Around<'_>,
    ) -> Result<(), Rejection> {
        let ask = brain.peers.asked(peer);
        let Some(first) = blocks.first().map(|block| block.height) else {
            if ask.is_some() {
                brain.peers.fail(now, peer, self.timeout);
            }
            return Ok(());
        };
        let executed = brain.chain.executed();
        let asked = ask.map(|ask| ask.from);
        let is_expected = Some(first) == asked || brain.peers.may_answer_late(peer, first);
        if !is_expected && first > executed.plus(brain.chain.window()) {
            return Err(Rejection::Malformed);
        }
        let expected = (0..).map(|above| first.plus(above));
        if blocks.iter().zip(expected).any(|(block, height)| block.height != height) {
            return Err(Rejection::Malformed);
        }
        if blocks.iter().any(|block| block.payload.len() > brain.chain.payload_bytes_max()) {
            return Err(Rejection::TooLarge);
        }
        if Some(first) == asked {
            brain.peers.praise(peer);
            // An answer that ends at the target says nothing of how much fits into one.
            let count = blocks.len() as u64;
            if first.plus(count) <= brain.peers.target(now) {
                self.stride = count.min(PREFETCH_MAX);
            }
        }
        let needed = brain.order.decided_through().next();
        for block in blocks {
            let is_useful = block.height > executed && block.height <= executed.plus(PREFETCH_MAX);
            if is_useful && !brain.order.is_decided(block.height) && !self.holds(block.height) {
                self.hold(peer, block, needed);
            }
        }
        Ok(())
    }

    /// A height is decided: its block need not be held.
    pub(super) fn on_decided(&mut self, height: Height) {
        self.release(height);
    }

    /// Forgets everything that a liar served.
    pub(super) fn discard(&mut self, liar: Peer) {
        let of_liar = self.fetched.iter().filter(|(_, fetched)| fetched.peer == liar);
        let heights: Vec<Height> = of_liar.map(|(height, _)| *height).collect();
        for height in heights {
            self.release(height);
        }
    }

    /// Checks what can be checked and asks for what is missing.
    pub(super) fn advance(&mut self, now: Time, brain: &mut Around<'_>, out: &mut Outbox) {
        self.check(brain, out);
        brain.peers.pass(now, self.timeout);
        self.fetch(now, brain, out);
    }

    /// When to look again; `None`: nothing is being waited for.
    pub(super) fn deadline(&self, now: Time, peers: &Peers) -> Option<Time> {
        peers.deadline().into_iter().chain(self.due.filter(|due| *due > now)).min()
    }

    /// Whether blocks are asked for or held.
    pub(super) fn is_fetching(&self, peers: &Peers) -> bool {
        !self.fetched.is_empty() || peers.asks().next().is_some()
    }

    /// How many blocks and bytes are held.
    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.fetched.len(), self.bytes)
    }

    /// From when on the gap up to `target` is worth a request: at once when live instances cannot close it, otherwise
    /// when they have had time to.
    fn due(&mut self, now: Time, through: Height, target: Height, brain: &Around<'_>) -> Option<Time> {
        let gap = target.above(through);
        if gap == 0 {
            self.lagging = None;
            self.stride = PREFETCH_MAX;
            return None;
        }
        let (_, since) = *self.lagging.insert(self.lagging.filter(|(at, _)| *at == through).unwrap_or((through, now)));
        let patience = match gap {
            _ if self.is_fetching(brain.peers) || gap > brain.chain.window() + 1 => Duration::ZERO,
            1 => self.timing.forward_after,
            _ => self.timing.pull_interval,
        };
        Some(since.plus(patience))
    }

    fn fetch(&mut self, now: Time, brain: &mut Around<'_>, out: &mut Outbox) {
        let executed = brain.chain.executed();
        let through = brain.order.decided_through();
        let target = brain.peers.target(now);
        self.due = self.due(now, through, target, brain);
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        let ceiling = target.min(executed.plus(PREFETCH_MAX));
        while brain.peers.asks().count() < FETCHES_MAX {
            let from = self.first_missing(through.next(), brain);
            let is_full = self.bytes >= PREFETCH_BYTES_MAX && from > through.next();
            if from > ceiling || is_full {
                return;
            }
            let Some(peer) = brain.peers.best(now, from) else { return };
            brain.peers.ask(peer, Ask { from, deadline: now.plus(self.timeout) });
            out.effects.push(Effect::Fetch { peer, from });
        }
    }

    /// The lowest height from `from` on that is neither decided, nor here, nor in a part that was asked for.
    fn first_missing(&self, from: Height, brain: &Around<'_>) -> Height {
        let mut asked: Vec<Height> = brain.peers.asks().map(|ask| ask.from).collect();
        asked.sort_unstable();
        let mut missing = from;
        loop {
            let before = missing;
            for (height, _) in self.fetched.range(missing..) {
                if *height != missing {
                    break;
                }
                missing = missing.next();
            }
            for part in &asked {
                if *part <= missing && missing < part.plus(self.stride) {
                    missing = part.plus(self.stride);
                }
            }
            while brain.order.is_decided(missing) {
                missing = missing.next();
            }
            if missing == before {
                return missing;
            }
        }
    }

    fn check(&mut self, brain: &Around<'_>, out: &mut Outbox) {
        let checkable = brain.chain.executed().next()..=brain.chain.verifiable();
        for (height, fetched) in self.fetched.range_mut(checkable).filter(|(_, fetched)| !fetched.is_checking) {
            if let Some(electorate) = brain.chain.electorate(*height) {
                fetched.is_checking = true;
                out.effects.push(Effect::Check { peer: fetched.peer, block: fetched.block.clone(), electorate });
            }
        }
    }

    /// Keeps a block. Past the limit of bytes only the one needed next is kept, in place of the highest.
    fn hold(&mut self, peer: Peer, block: Block, needed: Height) {
        let bytes = block.payload.len() + codec::encode(&block.certificate).len();
        if self.bytes + bytes > PREFETCH_BYTES_MAX {
            if block.height != needed {
                return;
            }
            if let Some(highest) = self.fetched.keys().next_back().copied() {
                self.release(highest);
            }
        }
        self.bytes += bytes;
        self.fetched.insert(block.height, Fetched { peer, block, bytes, is_checking: false });
    }

    fn release(&mut self, height: Height) -> Option<Fetched> {
        let fetched = self.fetched.remove(&height)?;
        self.bytes -= fetched.bytes;
        Some(fetched)
    }
}

/// The parts of the brain that catching up looks at.
pub(super) struct Around<'a> {
    /// What is executed.
    pub(super) chain: &'a Chain,
    /// What is decided.
    pub(super) order: &'a Order,
    /// Whom to ask.
    pub(super) peers: &'a mut Peers,
}
