//! The ordering brain: which instances live, what is proposed, in which order blocks are executed, who is answered,
//! and how a replica that fell behind catches up.
//!
//! Called by the replica actor and the simulator, one [`Input`] at a time. Like every brain it owns no clock, disk,
//! socket or randomness; it checks no signature and executes nothing, its hands do. Listeners run it as well: they
//! open instances without a vote and forward their clients' commands.
//!
//! Rules, each named where it is upheld:
//! * `OB-1` With e executed, heights e + 1 … e + window are live; what governs x was fixed by the state after
//!   x − window − 1 (`chain`, `schedule`).
//! * `OB-2` Commands go to whoever can propose them next, and to all when nothing moves (`forward`, `demand`).
//! * `OB-4` A command has one fate however often it is submitted; a second one under its client and sequence is
//!   refused (`mempool`, `replies`).
//! * `OB-5` Nothing expired, nothing twice, nothing under way elsewhere is proposed; commands of losing proposals stay
//!   (`proposal`, `flight`).
//! * `OB-10` Without a memory of its votes it follows, and votes only where it cannot have voted before (`rejoin`).
//! * `OB-8` Every so many heights the state is signed; whoever has another one stops (`checkpoint`).
//! * `OB-7` Instance ids name the history; `OB-9` nothing more than window + 1 above the tip is verified (`chain`,
//!   `catch_up`).
//! * `RP-O1` Blocks are executed in height order whatever order they were decided in (`order`).
//! * `RP-O2` Recording and executing run beside each other; clients are answered when a height and everything below it
//!   are both recorded and executed (`order`, `replies`).
//! * `RP-F1` No client and no peer can crowd the others out of the mempool or of a payload (`mempool`, `quota`,
//!   `fair`).
//! * `RP-B1` Everything is bounded; a full mempool refuses (`mempool`, `replies`, `peers`, `catch_up`).
//! * `RP-S1` What peers say of themselves is a hint; silent peers and liars are left for others (`peers`, `catch_up`).
//! * `SL-T5` Live instances learn who waits for them (`demand`). `SL-W2` Whoever sends something for a closed height
//!   is told its decision.
//!
//! Limits: genesis' window; [`Settings::mempool_commands_max`] and [`Settings::mempool_bytes_max`]; as many waiting
//! clients as commands; the constants of `catch_up`, `peers`, `order` and `replies`.

mod admission;
mod catch_up;
mod certificate;
mod chain;
mod checkpoint;
mod contract;
mod demand;
mod fair;
mod flight;
mod forward;
mod lag;
mod mempool;
mod notice;
mod order;
mod peers;
mod proposal;
mod quota;
mod rejoin;
mod replies;
mod schedule;
mod serve;
pub mod snapshot;
mod stable_proof;
mod state_proof;
#[cfg(test)]
mod tests;
pub mod waiting;
pub mod wire;

use std::{collections::BTreeMap, time::Duration};

use catch_up::{Around, CatchUp};
pub use certificate::{CertificateDocument, CertificateError};
use chain::Chain;
use checkpoint::Checkpoints;
pub use contract::*;
use demand::Demands;
use flight::{Flights, Stage};
use forward::Forwarder;
use lag::Lag;
pub use lag::Progress;
use mempool::{Entry, Key, Mempool};
pub use notice::Notice;
use order::Order;
use peers::Peers;
use quota::Source;
use rejoin::Rejoin;
use replies::Replies;
use schedule::{Outlook, Schedule};
pub use serve::{blocks_from, last_checkpoint};
pub use stable_proof::CheckpointDocument;
pub use state_proof::{Attestation, StateProofDocument, StateProofError};
use wire::PeerStatus;

use crate::{
    app::{Block, Header, Payload, Receipt, Status, Turn},
    protocol::{Lifetime, Rejection, Slot},
    types::{Digest, Height, Time, ValidatorIndex, codec},
};

/// The ordering brain of one replica.
pub struct Replica {
    status_interval: Duration,
    chain: Chain,
    order: Order,
    schedule: Schedule,
    checkpoints: Checkpoints,
    mempool: Mempool,
    flights: Flights,
    replies: Replies,
    forwarder: Forwarder,
    demands: Demands,
    peers: Peers,
    catch_up: CatchUp,
    rejoin: Rejoin,
    /// Decided blocks that recovery found, until [`Input::Begin`].
    recovered: BTreeMap<Height, Block>,
    /// The last checkpoint of an earlier life, until [`Input::Begin`].
    last_checkpoint: Option<Header>,
    oldest: Height,
    /// Up to here the journal's blocks reach: they are executed again first.
    replayable: Height,
    has_begun: bool,
    lag: Lag,
    announced_at: Time,
    now: Time,
}

impl Replica {
    /// A replica that goes on where recovery ended. Nothing happens before [`Input::Begin`].
    ///
    /// # Panics
    /// If genesis was never validated or no header was recovered.
    pub fn new(settings: Settings, recovered: Recovered) -> Self {
        let chain = Chain::new(&settings, &recovered);
        let validators = chain.set(chain.executed()).len();
        Self {
            status_interval: settings.status_interval,
            mempool: Mempool::new(settings.mempool_commands_max, settings.mempool_bytes_max, validators),
            replies: Replies::new(settings.mempool_commands_max),
            forwarder: Forwarder::new(settings.timing.forward_after),
            catch_up: CatchUp::new(settings.fetch_timeout, settings.timing),
            order: Order::new(chain.executed()),
            schedule: Schedule::default(),
            checkpoints: Checkpoints::new(settings.genesis.checkpoint_interval(), recovered.signed, recovered.stable),
            rejoin: Rejoin::new(&chain),
            replayable: replayable(chain.executed(), &recovered.decided),
            chain,
            flights: Flights::default(),
            demands: Demands::default(),
            peers: Peers::default(),
            recovered: recovered.decided,
            last_checkpoint: recovered.checkpoint,
            oldest: recovered.oldest,
            has_begun: false,
            lag: Lag::default(),
            announced_at: Time::ZERO,
            now: Time::ZERO,
        }
    }

    /// Takes one input. `now` never goes back.
    ///
    /// # Panics
    /// If the executor executes anything but the block it was given, in order and whole: then this replica must stop.
    pub fn step(&mut self, now: Time, input: Input, out: &mut Outbox) {
        self.now = self.now.max(now);
        match input {
            Input::Begin => self.on_begin(out),
            Input::Submit { commands } => {
                commands.into_iter().for_each(|(ticket, command)| self.on_submit(ticket, command, out));
            }
            Input::Abandon { ticket } => self.replies.abandon(ticket),
            Input::Forwarded { from, commands } => self.on_forwarded(from, commands, out),
            Input::Build { slot, wall_ms } => self.on_build(slot, wall_ms, out),
            Input::Proposed { height, payload } => self.on_proposed(height, &payload),
            Input::Leading { round, leader } => self.on_leading(round, leader),
            Input::Decided { block } => self.on_decided(block, out),
            Input::Measured { quorum_delay } => self.chain.pace(quorum_delay),
            Input::Recorded { height } => self.order.recorded(height),
            Input::Executed { header, receipts, turn } => self.on_executed(header, receipts, turn, out),
            Input::PeerUp { peer, validator } => self.on_peer_up(peer, validator, out),
            Input::PeerDown { peer } => self.peers.down(peer),
            Input::Status { peer, status } => self.on_status(peer, status, out),
            Input::Abstained { through } => self.chain.abstain_through(through),
            Input::Stray { peer, height } => self.on_stray(peer, height, out),
            Input::Blocks { peer, blocks } => self.on_blocks(peer, blocks, out),
            Input::Checked { peer, block } => self.on_checked(peer, block, out),
            Input::Vote { peer, vote } => self.checkpoints.on_vote(peer, vote, &self.chain, out),
            Input::VoteChecked { peer, vote } => {
                if let Err(reason) = self.checkpoints.on_examined(peer, vote, &self.chain, out) {
                    self.blame(peer, reason, out);
                }
            }
            Input::Attested { vote } => self.checkpoints.on_attested(vote, &self.chain, out),
            Input::Wake => {}
        }
        if self.has_begun {
            self.settle(out);
        }
    }

    /// When to send [`Input::Wake`] at the latest.
    pub fn deadline(&self) -> Option<Time> {
        if !self.has_begun {
            return None;
        }
        let announce = (!self.peers.is_empty()).then(|| self.announced_at.plus(self.status_interval));
        let forward = self.forwarder.deadline(&self.mempool);
        announce.into_iter().chain(forward).chain(self.catch_up.deadline(self.now, &self.peers)).min()
    }

    /// The last executed height.
    pub fn executed(&self) -> Height {
        self.chain.executed()
    }

    /// Whether a command waits here to be decided.
    pub fn waits(&self, command: &Digest) -> bool {
        self.mempool.contains(command)
    }

    /// What an operator may see.
    pub fn view(&self) -> View {
        View {
            executed: self.chain.executed(),
            state_root: Some(self.chain.tip().state_root),
            target: self.peers.target(self.now).max(self.chain.executed()),
            sync: self.lag.progress(self.now, self.chain.executed(), self.peers.target(self.now)),
            abstention: self.chain.abstention().filter(|a| a.covers(self.chain.executed().next())),
            in_window: self.chain.live().collect(),
            leader: self.schedule.leader(),
            stable: self.checkpoints.stable().map(|stable| stable.checkpoint.height),
            mempool_commands: self.mempool.len(),
            mempool_bytes: self.mempool.bytes(),
        }
    }

    /// What was decided and recorded before a restart is executed first; it need not be recorded again.
    fn on_begin(&mut self, out: &mut Outbox) {
        self.has_begun = true;
        self.announced_at = self.now;
        if let Some(header) = self.last_checkpoint.take() {
            self.checkpoints.on_recovered(&header, &self.chain, out);
        }
        for (height, block) in std::mem::take(&mut self.recovered) {
            if height > self.chain.executed() {
                self.adopt(block, true);
            }
        }
    }

    fn on_peer_up(&mut self, peer: Peer, validator: Option<ValidatorIndex>, out: &mut Outbox) {
        if self.peers.is_empty() {
            self.announced_at = self.now;
        }
        self.peers.up(peer, validator);
        self.announce_to(Some(peer), out);
    }

    /// A validator with another header at a height of ours executes something else than we do, or says so.
    fn on_status(&mut self, peer: Peer, status: PeerStatus, out: &mut Outbox) {
        self.peers.report(peer, status);
        if let Source::Validator(validator) = self.peers.source(peer) {
            self.rejoin.claim(validator, status);
            let height = status.executed;
            if let (Some(ours), Some(theirs)) = (self.chain.hash(height), status.tip)
                && ours != theirs
            {
                out.events.push(Event::Diverged { height, validator });
            }
        }
    }

    /// `OB-5`. Without commands nothing is proposed, unless a higher height waits for this one.
    fn on_build(&mut self, slot: Slot, wall_ms: u64, out: &mut Outbox) {
        let mut payload = None;
        let is_undecided = self.schedule.is_live(slot.height, &self.chain) && !self.order.is_decided(slot.height);
        if let Some(me) = self.chain.me(slot.height).filter(|_| is_undecided) {
            let (bytes_max, waiting) = (self.chain.payload_bytes_max(), (&self.mempool, &self.flights));
            let proposal = proposal::propose(slot, me, wall_ms, bytes_max, waiting);
            if !proposal.keys.is_empty() {
                self.depart(slot.height, Stage::Offered, proposal.keys);
                payload = Some(proposal.payload);
            } else if self.chain.lifetime() == Lifetime::Epoch {
                self.demands.on_nothing_to_propose(&self.mempool);
            } else if demand::is_waited_on(slot.height, &self.flights) {
                payload = Some(proposal.payload);
            }
        }
        out.effects.push(Effect::Offer { slot, payload });
    }

    /// `OB-5`: what a leader has under way is left out when the lead comes to us.
    fn on_proposed(&mut self, height: Height, payload: &[u8]) {
        let is_undecided = self.schedule.is_live(height, &self.chain) && !self.order.is_decided(height);
        if is_undecided && let Ok(payload) = codec::decode::<Payload>(payload) {
            let keys = payload.commands.iter().map(Key::of).collect();
            self.depart(height, Stage::Offered, keys);
        }
    }

    /// Whoever leads now has other plans than the one before.
    fn on_leading(&mut self, round: u64, leader: ValidatorIndex) {
        if self.schedule.on_leading(round, leader) {
            for key in self.flights.ground() {
                self.mempool.set_stage(key, || self.flights.stage(key));
            }
        }
    }

    fn on_decided(&mut self, block: Block, out: &mut Outbox) {
        if self.schedule.is_live(block.height, &self.chain) && self.adopt(block.clone(), false) {
            out.effects.push(Effect::Record { block });
        }
    }

    /// Takes a decided block; returns whether it is news.
    fn adopt(&mut self, block: Block, is_recorded: bool) -> bool {
        let height = block.height;
        let Some(keys) = self.order.decide(block, is_recorded) else { return false };
        self.catch_up.on_decided(height);
        self.depart(height, Stage::Decided, keys);
        true
    }

    fn on_executed(&mut self, header: Header, receipts: Vec<(Digest, Receipt)>, turn: Turn, out: &mut Outbox) {
        let height = header.height;
        let keys = self.order.executed(height);
        self.checkpoints.on_executed(&header, out);
        self.chain.push(header, turn);
        if let Some(validator) = turn.missed {
            out.events.push(Event::TurnMissed { height, validator });
        }
        assert_eq!(keys.len(), receipts.len(), "each command of the block has a receipt");
        self.replies.begin(height, receipts.len());
        let mut outcomes = Vec::with_capacity(receipts.len());
        for (key, (id, receipt)) in keys.into_iter().zip(receipts) {
            let is_over = |entry: &Entry| entry.id == id || receipt.status != Status::Expired;
            let mut since = None;
            match self.mempool.remove(key, is_over) {
                Some(entry) if entry.id == id => since = Some(entry.since).filter(|_| entry.source == Source::Clients),
                Some(rival) => self.refuse(&rival.id, &Fate::Conflict, out),
                None => {}
            }
            self.replies.executed(height, id, &receipt, since);
            outcomes.push((key, id, receipt));
        }
        self.replies.remember(height, outcomes);
        for key in self.flights.arrive(height) {
            self.mempool.set_stage(key, || self.flights.stage(key));
        }
        for late in self.mempool.expire(height) {
            self.refuse(&late, &Fate::Expired, out);
        }
    }

    /// `SL-W2` for closed heights. Whoever is busy above our window has executed what lies a window below.
    fn on_stray(&mut self, peer: Peer, height: Height, out: &mut Outbox) {
        let executed = self.chain.executed();
        let is_committed = height <= executed && !self.order.is_decided(height);
        if is_committed || self.order.is_recorded(height) {
            out.effects.push(Effect::Enlighten { peer, height });
        } else if height > executed.plus(self.chain.window()) {
            self.peers.hint(peer, height.minus(self.chain.window()));
        }
    }

    fn on_blocks(&mut self, peer: Peer, blocks: Vec<Block>, out: &mut Outbox) {
        let mut around = Around { chain: &self.chain, order: &self.order, peers: &mut self.peers };
        if let Err(reason) = self.catch_up.on_blocks(self.now, peer, blocks, &mut around) {
            self.blame(peer, reason, out);
        }
    }

    fn on_checked(&mut self, peer: Peer, block: Result<Block, Height>, out: &mut Outbox) {
        match block {
            Ok(block) if block.height > self.chain.executed() => {
                let (height, certificate) = (block.height, block.certificate.clone());
                if self.adopt(block.clone(), false) {
                    out.effects.push(Effect::Record { block });
                    out.events.push(Event::Synced { height });
                    out.effects.extend(self.schedule.on_decided_elsewhere(height, &certificate, &self.chain));
                }
            }
            Ok(_) => {}
            Err(_) => self.blame(peer, Rejection::NoQuorum, out),
        }
    }

    fn blame(&mut self, peer: Peer, reason: Rejection, out: &mut Outbox) {
        self.peers.condemn(self.now, peer);
        self.catch_up.discard(peer);
        out.effects.push(Effect::Blame { peer, reason });
    }

    /// Puts commands under way in place of what was under way at that height.
    fn depart(&mut self, height: Height, stage: Stage, keys: Vec<Key>) {
        for key in self.flights.depart(height, stage, keys) {
            self.mempool.set_stage(key, || self.flights.stage(key));
        }
    }

    /// Does whatever the present state calls for.
    fn settle(&mut self, out: &mut Outbox) {
        self.execute(out);
        self.commit(out);
        let mut around = Around { chain: &self.chain, order: &self.order, peers: &mut self.peers };
        self.catch_up.advance(self.now, &mut around, out);
        self.checkpoints.advance(&self.chain, out);
        self.open(out);
        out.effects.extend(self.rejoin.advance(&self.chain));
        let undecided = self.schedule.undecided(&self.chain, &self.order);
        let leader = self.schedule.leader();
        self.forwarder.advance(self.now, (&undecided, leader), &self.chain, &self.mempool, out);
        self.demands.advance(&undecided, &self.chain, &self.mempool, &self.flights, out);
        self.watch_lag(out);
        self.announce(out);
    }

    /// `RP-O1`.
    fn execute(&mut self, out: &mut Outbox) {
        while let Some(block) = self.order.next_to_execute(self.chain.verifiable()) {
            self.forwarder.on_payload(block.payload.len());
            let electorate = self.chain.electorate(block.height).expect("what can be verified has its history here");
            out.effects.push(Effect::Execute { block, instance: electorate.id });
        }
    }

    /// `RP-O2`.
    fn commit(&mut self, out: &mut Outbox) {
        while let Some(height) = self.order.next_committed() {
            let settlement = self.replies.committed(height);
            out.effects.extend(settlement.answers.into_iter().map(|(ticket, fate)| Effect::Reply { ticket, fate }));
            let latencies = settlement.since.into_iter().map(|since| self.now.since(since)).collect();
            out.events.push(Event::Committed { height, commands: settlement.commands, latencies });
            self.checkpoints.on_committed(height, &self.chain, out);
            out.effects.extend(self.schedule.on_committed(height, &self.chain));
        }
    }

    /// `OB-1`. A long instance is opened once the journal is replayed: it goes on from there.
    fn open(&mut self, out: &mut Outbox) {
        if self.chain.lifetime() == Lifetime::Epoch && self.chain.executed() < self.replayable {
            return;
        }
        let outlook = Outlook {
            chain: &self.chain,
            order: &self.order,
            catch_up: &self.catch_up,
            stable: self.checkpoints.stable(),
            interval: self.checkpoints.interval(),
        };
        self.schedule.advance(&outlook, out);
    }

    /// Says when we fell behind, and when we caught up.
    fn watch_lag(&mut self, out: &mut Outbox) {
        let (executed, target) = (self.chain.executed(), self.peers.target(self.now));
        let gap = target.above(executed);
        let is_syncing = gap > 1 && (self.lag.is_syncing() || self.catch_up.is_fetching(&self.peers));
        if self.lag.note(self.now, executed, is_syncing) {
            out.events.push(Event::Syncing { is_syncing, executed, target: target.max(executed) });
        }
    }

    fn announce(&mut self, out: &mut Outbox) {
        if !self.peers.is_empty() && self.now >= self.announced_at.plus(self.status_interval) {
            self.announced_at = self.now;
            self.announce_to(None, out);
        }
    }

    /// Our last vote for a checkpoint goes along: whoever has lost it gets it here.
    fn announce_to(&self, to: Option<Peer>, out: &mut Outbox) {
        out.effects.push(Effect::Announce { to, status: self.status() });
        out.effects.extend(self.checkpoints.latest().map(|vote| Effect::Vouch { to, vote: vote.clone() }));
    }

    /// How far we are. While the journal is replayed it counts as executed: a peer without memory relies on our never
    /// going back behind what we have voted on top of (`OB-10`).
    pub fn status(&self) -> PeerStatus {
        let executed = self.chain.executed().max(self.replayable);
        PeerStatus { executed, tip: self.chain.hash(executed), oldest: self.oldest }
    }
}

/// Up to where decided blocks lie above the tip without a gap.
fn replayable(executed: Height, decided: &BTreeMap<Height, Block>) -> Height {
    let mut through = executed;
    while decided.contains_key(&through.next()) {
        through = through.next();
    }
    through
}
