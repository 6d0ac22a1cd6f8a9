//! Checkpoints: what validators sign of a state, and when so many have that it is stable.
//!
//! Rule `OB-8`. Every `checkpoint_interval` heights a validator that has committed the height (its blocks are durable
//! and executed) signs its tuple of height, header hash and state root; that is durable before the signature leaves.
//! Exact tuples are counted, one for each signer; a second one is evidence. With a quorum on the tuple that we have
//! executed ourselves the checkpoint is *stable*, with a proof that verifies alone. If more than a third sign another
//! tuple, that is an alarm; if a quorum does, or if a height that is executed again after a restart gives another tuple
//! than we have signed, this replica has another state than the chain, and stops.
//!
//! Lost votes do not matter: our last one goes out again with our status.
//! Limits: [`HELD_MAX`] votes of each signer and own tuples; one vote under examination for each peer.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    chain::Chain,
    contract::{Effect, Event, Outbox, Peer},
};
use crate::{
    app::Header,
    crypto::{Signed, Verified},
    protocol::{Checkpoint, CheckpointEvidence, Evidence, Rejection, StableCheckpoint, Voucher},
    types::{BoundedVec, Digest, Height, Tally, ValidatorIndex, planted},
};

/// How many votes of each signer are held, and own tuples: the highest.
pub(super) const HELD_MAX: usize = 4;

/// A tuple of our own.
struct Own {
    checkpoint: Checkpoint,
    is_committed: bool,
}

/// What is known of checkpoints.
pub(super) struct Checkpoints {
    interval: u64,
    own: BTreeMap<Height, Own>,
    /// What we have signed in earlier lives.
    signed: BTreeMap<Height, Checkpoint>,
    votes: BTreeMap<(Height, ValidatorIndex), Signed<Checkpoint>>,
    checking: BTreeSet<Peer>,
    latest: Option<Signed<Checkpoint>>,
    stable: Option<StableCheckpoint>,
    /// The last height of which an alarm was given.
    alarmed: Height,
    has_news: bool,
}

impl Checkpoints {
    /// Goes on where recovery ended.
    pub(super) fn new(interval: u64, signed: Vec<Checkpoint>, stable: Option<StableCheckpoint>) -> Self {
        Self {
            interval,
            own: BTreeMap::new(),
            signed: signed.into_iter().map(|checkpoint| (checkpoint.height, checkpoint)).collect(),
            votes: BTreeMap::new(),
            checking: BTreeSet::new(),
            latest: None,
            stable,
            alarmed: Height::ZERO,
            has_news: false,
        }
    }

    /// How many heights lie between checkpoints.
    pub(super) fn interval(&self) -> u64 {
        self.interval
    }

    /// The last stable one.
    pub(super) fn stable(&self) -> Option<&StableCheckpoint> {
        self.stable.as_ref()
    }

    /// Our last vote, for peers that may lack it.
    pub(super) fn latest(&self) -> Option<&Signed<Checkpoint>> {
        self.latest.as_ref()
    }

    /// The header of a checkpoint that was committed in an earlier life: our vote is given again, with no other word.
    pub(super) fn on_recovered(&mut self, header: &Header, chain: &Chain, out: &mut Outbox) {
        self.on_executed(header, out);
        self.on_committed(header.height, chain, out);
    }

    /// A height is executed.
    pub(super) fn on_executed(&mut self, header: &Header, out: &mut Outbox) {
        let height = header.height;
        if !self.is_due(height) {
            return;
        }
        let hash = if planted::is("stale-checkpoint") { header.parent } else { header.hash() };
        let checkpoint = Checkpoint { height, header: hash, state_root: header.state_root };
        if let Some(signed) = self.signed.remove(&height).filter(|signed| *signed != checkpoint) {
            out.effects.push(Effect::Halt { ours: checkpoint, theirs: signed });
            return;
        }
        self.own.insert(height, Own { checkpoint, is_committed: false });
        self.has_news = true;
        while self.own.len() > HELD_MAX {
            self.own.pop_first();
        }
    }

    /// A height and all below are durable and executed: now it may be signed.
    pub(super) fn on_committed(&mut self, height: Height, chain: &Chain, out: &mut Outbox) {
        if let Some(own) = self.own.get_mut(&height) {
            own.is_committed = true;
            self.has_news = true;
            if chain.me(height).is_some() {
                out.effects.push(Effect::Attest { checkpoint: own.checkpoint, scope: chain.epoch(height).id });
            }
        }
    }

    /// Our own vote is durable and signed.
    pub(super) fn on_attested(&mut self, vote: Verified<Signed<Checkpoint>>, chain: &Chain, out: &mut Outbox) {
        let is_newer = self.latest.as_ref().is_none_or(|latest| latest.message.height < vote.get().message.height);
        if is_newer {
            self.latest = Some(vote.get().clone());
            out.effects.push(Effect::Vouch { to: None, vote: vote.get().clone() });
        }
        self.count(vote, chain, out);
    }

    /// A peer sent a vote. It is examined if it can matter.
    pub(super) fn on_vote(&mut self, peer: Peer, vote: Signed<Checkpoint>, chain: &Chain, out: &mut Outbox) {
        let height = vote.message.height;
        let is_useful = self.is_due(height)
            && height > self.stable_height()
            && self.votes.get(&(height, vote.signer)).is_none_or(|known| known.message != vote.message);
        if is_useful && self.checking.insert(peer) {
            out.effects.push(Effect::CheckVote { peer, vote, electorate: chain.epoch(height) });
        }
    }

    /// A vote was examined.
    ///
    /// # Errors
    /// A [`Rejection`]: its signature does not hold.
    pub(super) fn on_examined(
        &mut self,
        peer: Peer,
        vote: Option<Verified<Signed<Checkpoint>>>,
        chain: &Chain,
        out: &mut Outbox,
    ) -> Result<(), Rejection> {
        self.checking.remove(&peer);
        self.count(vote.ok_or(Rejection::BadSignature)?, chain, out);
        Ok(())
    }

    /// Compares what others signed with what we have executed.
    pub(super) fn advance(&mut self, chain: &Chain, out: &mut Outbox) {
        if !std::mem::take(&mut self.has_news) {
            return;
        }
        let stable = self.stable_height();
        let above: Vec<Height> = self.own.range(stable.next()..).map(|(height, _)| *height).rev().collect();
        for height in above {
            self.compare(height, chain, out);
            if self.stable_height() > stable {
                return;
            }
        }
    }

    fn is_due(&self, height: Height) -> bool {
        height > Height::ZERO && height.get().is_multiple_of(self.interval)
    }

    fn stable_height(&self) -> Height {
        self.stable.as_ref().map_or(Height::ZERO, |stable| stable.checkpoint.height)
    }

    /// The first vote of a signer for a height counts.
    fn count(&mut self, vote: Verified<Signed<Checkpoint>>, chain: &Chain, out: &mut Outbox) {
        let vote = vote.into_inner();
        let (height, signer) = (vote.message.height, vote.signer);
        if height <= self.stable_height() {
            return;
        }
        if let Some(first) = self.votes.get(&(height, signer)) {
            if first.message != vote.message {
                let evidence = Evidence::Checkpoint(CheckpointEvidence { first: first.clone(), second: vote });
                out.effects.push(Effect::Accuse { evidence, electorate: chain.epoch(height) });
            }
            return;
        }
        self.votes.insert((height, signer), vote);
        self.has_news = true;
        let own: Vec<_> = self.votes.keys().filter(|(_, other)| *other == signer).copied().collect();
        for lowest in own.iter().take(own.len().saturating_sub(HELD_MAX)) {
            self.votes.remove(lowest);
        }
    }

    fn compare(&mut self, height: Height, chain: &Chain, out: &mut Outbox) {
        let Some(own) = self.own.get(&height) else { return };
        let (ours, is_committed) = (own.checkpoint, own.is_committed);
        let set = chain.epoch(height).set;
        let mut tallies: BTreeMap<(Digest, Digest), (Checkpoint, Tally)> = BTreeMap::new();
        for vote in self.votes_at(height) {
            let tuple = vote.message;
            let (_, power) = tallies.entry((tuple.header, tuple.state_root)).or_insert((tuple, Tally::ZERO));
            *power = power.plus(set.power(vote.signer));
        }
        for (tuple, power) in tallies.into_values() {
            if tuple == ours {
                if is_committed && set.is_quorum(power) {
                    self.settle(ours, out);
                }
            } else if set.is_quorum(power) {
                out.effects.push(Effect::Halt { ours, theirs: tuple });
            } else if set.is_blocking(power) && height > self.alarmed {
                self.alarmed = height;
                out.events.push(Event::StateMismatch { height });
            }
        }
    }

    fn votes_at(&self, height: Height) -> impl Iterator<Item = &Signed<Checkpoint>> {
        let (first, last) = (ValidatorIndex::new(0), ValidatorIndex::new(u16::MAX));
        self.votes.range((height, first)..=(height, last)).map(|(_, vote)| vote)
    }

    /// It is stable: what lies below is not needed any more.
    fn settle(&mut self, checkpoint: Checkpoint, out: &mut Outbox) {
        let vouchers = self.votes_at(checkpoint.height).filter(|vote| vote.message == checkpoint);
        let vouchers: Vec<_> =
            vouchers.map(|vote| Voucher { signer: vote.signer, signature: vote.signature }).collect();
        // A set has at most as many members as a proof has room for.
        let Ok(vouchers) = BoundedVec::try_from(vouchers) else { return };
        let stable = StableCheckpoint { checkpoint, vouchers };
        self.own.retain(|height, _| *height > checkpoint.height);
        self.votes.retain(|(height, _), _| *height > checkpoint.height);
        self.signed.retain(|height, _| *height > checkpoint.height);
        out.events.push(Event::Stabilised { height: checkpoint.height });
        out.effects.push(Effect::Keep { stable: stable.clone() });
        self.stable = Some(stable);
    }
}
