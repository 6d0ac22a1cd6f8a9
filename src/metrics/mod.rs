//! Metrics: brains' events and actors' figures, told to Prometheus.
//!
//! [`table`] is the one list of names; everything is registered from it at start, with all label values, so that
//! every name has a sample at the first scrape. Actors hold a [`Metrics`] handle and feed it the events of their
//! brains; brains never hold one. Costs an atomic addition for each figure; never blocks.

mod family;
mod label;
mod page;
pub mod table;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use family::{PerLabel, Registrar};
pub use label::{Actor, Bound, Direction, Label, Limit, MessageKind, Outcome, PeerState, Refusal, VoteKind};
pub use page::page;
use prometheus::{Gauge, Histogram, IntCounter, IntGauge, Registry, TextEncoder};

use crate::{
    protocol::{self, ProtocolName, Rejection},
    replica::{self, Fate},
    types::{Height, Time, ValidatorIndex},
};

/// The handle. Clones share everything.
#[derive(Clone)]
pub struct Metrics(Arc<Series>);

struct Series {
    registry: Registry,
    height: IntGauge,
    target_height: IntGauge,
    syncing: IntGauge,
    live_instances: IntGauge,
    decisions: PerLabel<ProtocolName, IntCounter>,
    decision_seconds: Histogram,
    commit_seconds: Histogram,
    rounds_per_decision: Histogram,
    round_timeouts: IntCounter,
    proposals: IntCounter,
    votes: PerLabel<VoteKind, IntCounter>,
    validator_votes: Vec<IntCounter>,
    validator_silent: Vec<Gauge>,
    /// When each validator was heard last, in milliseconds since the start.
    heard_ms: Vec<AtomicU64>,
    spare_validators: Gauge,
    ready: IntGauge,
    equivocations: IntCounter,
    fatal: IntCounter,
    validator_missed: Vec<IntCounter>,
    commands: PerLabel<Outcome, IntCounter>,
    mempool_commands: IntGauge,
    mempool_bytes: IntGauge,
    mempool_capacity_bytes: IntGauge,
    messages: PerLabel<MessageKind, PerLabel<Direction, IntCounter>>,
    message_bytes: PerLabel<MessageKind, PerLabel<Direction, IntCounter>>,
    rejected: PerLabel<Rejection, IntCounter>,
    refused_connections: PerLabel<Refusal, IntCounter>,
    diff_requests: PerLabel<Direction, IntCounter>,
    verify_seconds: Histogram,
    verified_signatures: IntCounter,
    storage_sync_seconds: Histogram,
    journal_bytes: IntGauge,
    unwritten_bytes: IntGauge,
    sync_blocks: IntCounter,
    mailbox_depth: PerLabel<Actor, IntGauge>,
    mailbox_refused: PerLabel<Actor, IntCounter>,
    dropped: PerLabel<Bound, IntCounter>,
    limited: PerLabel<Limit, IntCounter>,
    peers: PerLabel<PeerState, IntGauge>,
    mesh_peers: IntGauge,
    disk_free_bytes: IntGauge,
    disk_size_bytes: IntGauge,
    disk_warning_bytes: IntGauge,
    clock_offset_seconds: Gauge,
    state_root_mismatch: IntGauge,
}

/// Brings a counter up to a total that is counted elsewhere.
fn raise(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

impl Metrics {
    /// Registers everything for a chain with so many validators.
    ///
    /// # Panics
    /// If the table and its use differ, which is a bug.
    pub fn new(protocol: ProtocolName, validators: usize) -> Self {
        let registry = Registry::new();
        let make = Registrar { registry: &registry, validators };
        make.constant("build_info", &[crate::VERSION, protocol.as_str()]);
        make.gauge("validators").set(size(validators));
        register_process(&registry);
        let series = Series {
            height: make.gauge("height"),
            target_height: make.gauge("target_height"),
            syncing: make.gauge("syncing"),
            live_instances: make.gauge("live_instances"),
            decisions: make.counter_per("decisions_total"),
            decision_seconds: make.histogram("decision_seconds"),
            commit_seconds: make.histogram("commit_seconds"),
            rounds_per_decision: make.histogram("rounds_per_decision"),
            round_timeouts: make.counter("round_timeouts_total"),
            proposals: make.counter("proposals_total"),
            votes: make.counter_per("votes_total"),
            validator_votes: make.counters("validator_votes_total"),
            validator_silent: make.reals("validator_silent_seconds"),
            heard_ms: (0..validators).map(|_| AtomicU64::new(0)).collect(),
            spare_validators: make.real("spare_validators"),
            ready: make.gauge("ready"),
            equivocations: make.counter("equivocations_total"),
            fatal: make.counter("fatal_total"),
            validator_missed: make.counters("validator_missed_total"),
            commands: make.counter_per("commands_total"),
            mempool_commands: make.gauge("mempool_commands"),
            mempool_bytes: make.gauge("mempool_bytes"),
            mempool_capacity_bytes: make.gauge("mempool_capacity_bytes"),
            messages: make.counter_per_two("messages_total"),
            message_bytes: make.counter_per_two("message_bytes_total"),
            rejected: make.counter_per("rejected_messages_total"),
            refused_connections: make.counter_per("refused_connections_total"),
            diff_requests: make.counter_per("diff_requests_total"),
            verify_seconds: make.histogram("verify_seconds"),
            verified_signatures: make.counter("verified_signatures_total"),
            storage_sync_seconds: make.histogram("storage_sync_seconds"),
            journal_bytes: make.gauge("journal_bytes"),
            unwritten_bytes: make.gauge("unwritten_bytes"),
            sync_blocks: make.counter("sync_blocks_total"),
            mailbox_depth: make.gauge_per("mailbox_depth"),
            mailbox_refused: make.counter_per("mailbox_refused_total"),
            dropped: make.counter_per("dropped_total"),
            limited: make.counter_per("limited_requests_total"),
            peers: make.gauge_per("peers"),
            mesh_peers: make.gauge("mesh_peers"),
            disk_free_bytes: make.gauge("disk_free_bytes"),
            disk_size_bytes: make.gauge("disk_size_bytes"),
            disk_warning_bytes: make.gauge("disk_warning_bytes"),
            clock_offset_seconds: make.real("clock_offset_seconds"),
            state_root_mismatch: make.gauge("state_root_mismatch"),
            registry,
        };
        Self(Arc::new(series))
    }

    /// Everything in Prometheus' text format.
    ///
    /// # Panics
    /// Never: metrics that were registered always encode.
    pub fn encode(&self) -> String {
        TextEncoder::new().encode_to_string(&self.0.registry.gather()).expect("registered metrics encode")
    }

    /// An event of an instance that began `age` ago.
    pub fn protocol(&self, protocol: ProtocolName, age: Duration, event: &protocol::Event) {
        use protocol::Event;
        let series = &*self.0;
        match event {
            Event::RoundEntered { .. } | Event::Notarized { .. } => {}
            Event::RoundTimedOut { .. } => series.round_timeouts.inc(),
            Event::Proposed { .. } => series.proposals.inc(),
            Event::VoteCounted { validator, .. } => {
                series.votes.of(VoteKind::Received).inc();
                if let Some(votes) = series.validator_votes.get(validator.position()) {
                    votes.inc();
                }
            }
            Event::VoteCast { .. } => series.votes.of(VoteKind::Cast).inc(),
            Event::Concluded { rounds, .. } => {
                series.decisions.of(protocol).inc();
                series.decision_seconds.observe(age.as_secs_f64());
                series.rounds_per_decision.observe(real(*rounds));
            }
            Event::Equivocated { .. } => series.equivocations.inc(),
            // Counted where the verdict is given, together with what no brain ever sees.
            Event::Rejected { .. } => {}
            Event::Fatal { .. } => series.fatal.inc(),
        }
    }

    /// An event of the ordering brain.
    pub fn replica(&self, event: &replica::Event) {
        use replica::Event;
        let series = &*self.0;
        match event {
            Event::Committed { height, commands, latencies } => {
                self.height(*height);
                series.commands.of(Outcome::Committed).inc_by(u64::try_from(*commands).unwrap_or(u64::MAX));
                for latency in latencies {
                    series.commit_seconds.observe(latency.as_secs_f64());
                }
            }
            Event::Refused { fate } => match fate {
                Fate::Full => series.commands.of(Outcome::Full).inc(),
                Fate::Conflict => series.commands.of(Outcome::Conflict).inc(),
                Fate::Expired => series.commands.of(Outcome::Expired).inc(),
                Fate::Accepted | Fate::Committed { .. } => {}
            },
            Event::Syncing { is_syncing, executed, target } => {
                series.syncing.set(i64::from(*is_syncing));
                self.height(*executed);
                series.target_height.set(whole(target.get()));
            }
            Event::Synced { .. } => series.sync_blocks.inc(),
            // A quorum has the state that we have.
            Event::Stabilised { .. } => series.state_root_mismatch.set(0),
            Event::Diverged { .. } | Event::StateMismatch { .. } => series.state_root_mismatch.set(1),
            Event::TurnMissed { validator, .. } => self.validator_missed(*validator),
        }
    }

    /// What an operator may see of the ordering brain.
    pub fn view(&self, view: &replica::View) {
        let series = &*self.0;
        self.height(view.executed);
        series.target_height.set(whole(view.target.get()));
        series.syncing.set(i64::from(view.sync.is_some()));
        series.live_instances.set(size(view.in_window.len()));
        series.mempool_commands.set(size(view.mempool_commands));
        series.mempool_bytes.set(size(view.mempool_bytes));
    }

    /// The last executed height.
    pub fn height(&self, height: Height) {
        self.0.height.set(whole(height.get()));
    }

    /// How many bytes of commands may wait.
    pub fn mempool_capacity(&self, bytes: usize) {
        self.0.mempool_capacity_bytes.set(size(bytes));
    }

    /// The application refused a command before it was admitted.
    pub fn command_invalid(&self) {
        self.0.commands.of(Outcome::Invalid).inc();
    }

    /// How many messages of a kind travelled since the start, and their bytes, as the network has counted them.
    pub fn messages(&self, kind: MessageKind, direction: Direction, count: u64, bytes: u64) {
        raise(self.0.messages.of(kind).of(direction), count);
        raise(self.0.message_bytes.of(kind).of(direction), bytes);
    }

    /// How many messages of peers were refused for a reason since the start, by whomever.
    pub fn rejected(&self, reason: Rejection, count: u64) {
        raise(self.0.rejected.of(reason), count);
    }

    /// How many connections were refused or ended for a reason since the start.
    pub fn refused_connections(&self, reason: Refusal, count: u64) {
        raise(self.0.refused_connections.of(reason), count);
    }

    /// How many questions for what an instance lacks there were since the start.
    pub fn diff_requests(&self, direction: Direction, count: u64) {
        raise(self.0.diff_requests.of(direction), count);
    }

    /// How much the network dropped at a bound since the start.
    pub fn dropped(&self, bound: Bound, count: u64) {
        raise(self.0.dropped.of(bound), count);
    }

    /// An HTTP request was refused since its client was over a limit.
    pub fn limited(&self, limit: Limit) {
        self.0.limited.of(limit).inc();
    }

    /// A frame of a validator arrived. Indices beyond genesis have no series and are left out.
    pub fn validator_heard(&self, validator: ValidatorIndex, now: Time) {
        if let Some(heard) = self.0.heard_ms.get(validator.position()) {
            heard.store(millis(now), Relaxed);
        }
    }

    /// How long a validator has said nothing; since the start, if it never has.
    pub fn validator_silence(&self, validator: ValidatorIndex, now: Time) -> Duration {
        let heard = self.0.heard_ms.get(validator.position()).map_or(0, |heard| heard.load(Relaxed));
        Duration::from_millis(millis(now).saturating_sub(heard))
    }

    /// Tells of each validator how long it has been silent, as `me` hears it: of oneself that means nothing, and a
    /// listener does not know who its peers are.
    pub fn validators_are_silent(&self, me: Option<ValidatorIndex>, now: Time) {
        for (position, series) in self.0.validator_silent.iter().enumerate() {
            let silence = ValidatorIndex::at(position).filter(|validator| me.is_some_and(|me| me != *validator));
            let silence = silence.map(|validator| self.validator_silence(validator, now).as_secs_f64());
            series.set(silence.unwrap_or(f64::NAN));
        }
    }

    /// How many more validators may fail before none of the quorums is in reach; `None` where nobody can tell.
    pub fn spare_validators(&self, spare: Option<i32>) {
        self.0.spare_validators.set(spare.map_or(f64::NAN, f64::from));
    }

    /// Whether the node takes part and is not behind.
    pub fn ready(&self, is_ready: bool) {
        self.0.ready.set(i64::from(is_ready));
    }

    /// What the journal takes on disk, and how much of it the store still lacks.
    pub fn storage(&self, journal_bytes: u64, unwritten_bytes: u64) {
        self.0.journal_bytes.set(whole(journal_bytes));
        self.0.unwritten_bytes.set(whole(unwritten_bytes));
    }

    /// A batch of signatures was checked.
    pub fn verified(&self, signatures: usize, took: Duration) {
        self.0.verified_signatures.inc_by(u64::try_from(signatures).unwrap_or(u64::MAX));
        self.0.verify_seconds.observe(took.as_secs_f64());
    }

    /// The journal was written and synced.
    pub fn synced_to_disk(&self, took: Duration) {
        self.0.storage_sync_seconds.observe(took.as_secs_f64());
    }

    /// The gauge of messages that wait for an actor, to be raised, lowered or set by whoever knows.
    pub fn mailbox(&self, actor: Actor) -> &IntGauge {
        self.0.mailbox_depth.of(actor)
    }

    /// A message found an actor's mailbox full.
    pub fn mailbox_refused(&self, actor: Actor) {
        self.0.mailbox_refused.of(actor).inc();
    }

    /// How many peers are in a state.
    pub fn peers(&self, state: PeerState, count: usize) {
        self.0.peers.of(state).set(size(count));
    }

    /// How many peers are in the gossip mesh.
    pub fn mesh_peers(&self, count: usize) {
        self.0.mesh_peers.set(size(count));
    }

    /// A height's owner failed its turn. Indices beyond genesis have no series and are left out.
    fn validator_missed(&self, validator: ValidatorIndex) {
        if let Some(series) = self.0.validator_missed.get(validator.position()) {
            series.inc();
        }
    }

    /// Free bytes where the data directory lies, and how many there are.
    pub fn disk(&self, free: u64, size: u64) {
        self.0.disk_free_bytes.set(whole(free));
        self.0.disk_size_bytes.set(whole(size));
    }

    /// Below so many free bytes the node warns.
    pub fn disk_warning(&self, bytes: u64) {
        self.0.disk_warning_bytes.set(whole(bytes));
    }

    /// Our clock minus the median of the validators', in seconds.
    pub fn clock_offset(&self, seconds: f64) {
        self.0.clock_offset_seconds.set(seconds);
    }
}

/// Adds CPU, memory, file descriptors and threads of the process, where the operating system tells them.
fn register_process(registry: &Registry) {
    #[cfg(target_os = "linux")]
    registry
        .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
        .expect("the first collector of its names");
    #[cfg(not(target_os = "linux"))]
    let _ = registry;
}

fn millis(time: Time) -> u64 {
    u64::try_from(time.since(Time::ZERO).as_millis()).unwrap_or(u64::MAX)
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn size(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Rounds are few; beyond 2^32 the histogram's last bucket is all the same.
fn real(number: u64) -> f64 {
    u32::try_from(number).unwrap_or(u32::MAX).into()
}
