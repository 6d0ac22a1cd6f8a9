//! The one table of metrics: what there is, in which unit, with which labels. Registration, tests and documents are
//! made from it.

use super::label::{Actor, Bound, Direction, Label, Limit, MessageKind, Outcome, PeerState, Refusal, VoteKind};
use crate::protocol::{ProtocolName, Rejection};

/// Every name begins with this.
pub const PREFIX: &str = "thalweg_";

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name, without the prefix.
    pub name: &'static str,
    /// How it behaves.
    pub shape: Shape,
    /// What its numbers count.
    pub unit: &'static str,
    /// Its labels.
    pub labels: &'static [Axis],
    /// What it says, for people.
    pub help: &'static str,
}

/// How a metric behaves.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Shape {
    /// Only rises, from zero at each start.
    Counter,
    /// A whole number that comes and goes.
    Gauge,
    /// A number that comes and goes.
    Real,
    /// Counts observations up to each of these bounds.
    Histogram(&'static [f64]),
}

impl Shape {
    /// Its kind in Prometheus' words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge | Self::Real => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// A label with all its values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Axis {
    /// [`ProtocolName`].
    Protocol,
    /// [`Outcome`].
    Outcome,
    /// [`VoteKind`].
    VoteKind,
    /// [`MessageKind`].
    MessageKind,
    /// [`Direction`].
    Direction,
    /// [`Rejection`].
    Reason,
    /// [`Refusal`].
    Refusal,
    /// [`Bound`].
    Bound,
    /// [`Limit`].
    Limit,
    /// [`Actor`].
    Actor,
    /// [`PeerState`].
    State,
    /// The indices of the validators.
    Validator,
    /// The version of this program.
    Version,
}

impl Axis {
    /// The label's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Protocol => "protocol",
            Self::Outcome => "outcome",
            Self::VoteKind | Self::MessageKind => "kind",
            Self::Direction => "direction",
            Self::Reason | Self::Refusal => "reason",
            Self::Bound => "bound",
            Self::Limit => "limit",
            Self::Actor => "actor",
            Self::State => "state",
            Self::Validator => "validator",
            Self::Version => "version",
        }
    }

    /// All its values on a chain with so many validators.
    pub fn values(self, validators: usize) -> Vec<String> {
        fn of<L: Label>() -> Vec<String> {
            L::all().iter().map(|value| value.as_str().to_owned()).collect()
        }
        match self {
            Self::Protocol => of::<ProtocolName>(),
            Self::Outcome => of::<Outcome>(),
            Self::VoteKind => of::<VoteKind>(),
            Self::MessageKind => of::<MessageKind>(),
            Self::Direction => of::<Direction>(),
            Self::Reason => of::<Rejection>(),
            Self::Refusal => of::<Refusal>(),
            Self::Bound => of::<Bound>(),
            Self::Limit => of::<Limit>(),
            Self::Actor => of::<Actor>(),
            Self::State => of::<PeerState>(),
            Self::Validator => (0..validators).map(|index| index.to_string()).collect(),
            Self::Version => vec![crate::VERSION.to_owned()],
        }
    }
}

/// From a quarter of a millisecond to ten seconds: what waits for disks, networks and quorums.
const SECONDS: Shape = Shape::Histogram(&[
    0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.006, 0.008, 0.012, 0.016, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0,
]);

/// From ten microseconds to a tenth of a second: what computes.
const SHORT_SECONDS: Shape = Shape::Histogram(&[
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_2, 0.000_4, 0.000_8, 0.001_6, 0.003_2, 0.006_4, 0.0125, 0.025, 0.05,
    0.1,
]);

/// From fifty microseconds to two and a half seconds: what waits for one disk, a sick one too.
const DISK_SECONDS: Shape = Shape::Histogram(&[
    0.000_05, 0.000_1, 0.000_2, 0.000_4, 0.000_8, 0.001_6, 0.003_2, 0.006_4, 0.0125, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
    2.5,
]);

const ROUNDS: Shape = Shape::Histogram(&[1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 25.0, 50.0]);

const fn row(name: &'static str, shape: Shape, unit: &'static str, labels: &'static [Axis], help: &'static str) -> Row {
    Row { name, shape, unit, labels, help }
}

/// All metrics of this program. Those of the process come from the operating system, without the prefix.
#[rustfmt::skip]
pub const TABLE: &[Row] = &{
    use Axis::*;
    use Shape::{Counter, Gauge, Real};
    [
        row("height", Gauge, "height", &[], "The last executed height."),
        row("target_height", Gauge, "height", &[], "How far the furthest peer says it is."),
        row("syncing", Gauge, "bool", &[], "Whether blocks are being fetched from peers."),
        row("live_instances", Gauge, "instances", &[], "Heights that are being decided."),
        row("decisions_total", Counter, "decisions", &[Protocol], "Heights that an instance here has decided."),
        row("decision_seconds", SECONDS, "seconds", &[], "From an instance's start to its decision."),
        row("commit_seconds", SECONDS, "seconds", &[], "From a command's submission here to its commit."),
        row("rounds_per_decision", ROUNDS, "rounds", &[], "Rounds that a decision took."),
        row("round_timeouts_total", Counter, "rounds", &[], "Rounds that ended by their deadline."),
        row("proposals_total", Counter, "proposals", &[], "Proposals that this validator made."),
        row("votes_total", Counter, "votes", &[VoteKind], "Votes cast here, and verified votes of others."),
        row("validator_votes_total", Counter, "votes", &[Validator], "Verified votes of the other validators."),
        row("validator_silent_seconds", Real, "seconds", &[Validator],
            "Since a validator's last frame; NaN for oneself and on listeners."),
        row("spare_validators", Real, "validators", &[],
            "How many more may fail until no quorum is in reach; -1: none is; NaN on listeners."),
        row("validators", Gauge, "validators", &[], "Validators of the chain."),
        row("ready", Gauge, "bool", &[], "Whether /readyz says yes."),
        row("equivocations_total", Counter, "lies", &[], "Pairs of signed messages that exclude each other."),
        row("fatal_total", Counter, "proofs", &[], "Proofs that more than a third of the power is faulty."),
        row("validator_missed_total", Counter, "turns", &[Validator], "Turns that a height's owner failed."),
        row("commands_total", Counter, "commands", &[Outcome], "Commands by what became of them."),
        row("mempool_commands", Gauge, "commands", &[], "Commands that wait."),
        row("mempool_bytes", Gauge, "bytes", &[], "Bytes of the commands that wait."),
        row("mempool_capacity_bytes", Gauge, "bytes", &[], "Bytes of commands that may wait."),
        row("messages_total", Counter, "messages", &[MessageKind, Direction], "Messages between nodes."),
        row("message_bytes_total", Counter, "bytes", &[MessageKind, Direction], "Bytes of messages between nodes."),
        row("rejected_messages_total", Counter, "messages", &[Reason], "Messages that were refused."),
        row("refused_connections_total", Counter, "connections", &[Refusal], "Connections refused or ended at the gate."),
        row("diff_requests_total", Counter, "requests", &[Direction], "Questions for what an instance lacks."),
        row("verify_seconds", SHORT_SECONDS, "seconds", &[], "One batch of signatures."),
        row("verified_signatures_total", Counter, "signatures", &[], "Signatures that were checked."),
        row("storage_sync_seconds", DISK_SECONDS, "seconds", &[], "One write of the journal with its sync."),
        row("journal_bytes", Gauge, "bytes", &[], "What the vote journal takes on disk."),
        row("unwritten_bytes", Gauge, "bytes", &[], "Committed rows that are in the journal but not in the store yet."),
        row("sync_blocks_total", Counter, "blocks", &[], "Blocks that came from peers, not from an instance here."),
        row("mailbox_depth", Gauge, "messages", &[Actor], "Messages that wait for an actor."),
        row("mailbox_refused_total", Counter, "messages", &[Actor], "Messages that found an actor's mailbox full."),
        row("dropped_total", Counter, "messages", &[Bound], "What the network dropped because a bound was reached."),
        row("limited_requests_total", Counter, "requests", &[Limit], "HTTP requests refused since one client was over a limit."),
        row("peers", Gauge, "peers", &[State], "Peers by state."),
        row("mesh_peers", Gauge, "peers", &[], "Peers in the gossip mesh."),
        row("disk_free_bytes", Gauge, "bytes", &[], "Free bytes where the data directory lies."),
        row("disk_size_bytes", Gauge, "bytes", &[], "Size of the file system where the data directory lies."),
        row("disk_warning_bytes", Gauge, "bytes", &[],
            "Below so many free bytes the node warns: storage.free_bytes_min."),
        row("clock_offset_seconds", Real, "seconds", &[], "Our clock minus the median of the validators' clocks."),
        row("state_root_mismatch", Gauge, "bool", &[],
            "Whether another state root was seen for an equal height since the last stable checkpoint."),
        row("build_info", Gauge, "constant", &[Version, Protocol], "Always 1; the labels tell what runs."),
    ]
};
