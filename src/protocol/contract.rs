//! The contract of an instance: what goes in, what comes out.
//!
//! An instance is a brain: a plain value without clock, socket, disk, thread, lock or randomness. It is stepped with
//! one [`Input`] at a time and answers with [`Effect`]s that must be acted on and [`Event`]s that are only watched.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Certificate, Evidence, Message, Picture, Record, Rejection, Summary, Unsigned};
use crate::{
    crypto::Verified,
    types::{Digest, Height, Time, ValidatorIndex},
};

/// A protocol's run for one value (a height, a payload) or for a long sequence of them.
pub trait Instance: Send {
    /// Takes one input. Never blocks, never fails: what a peer got wrong is a [`Effect::Judge`] with a
    /// [`Rejection`], what is impossible is a panic (our bug).
    fn step(&mut self, now: Time, input: Input, out: &mut Outbox);

    /// When to send [`Input::Wake`] at the latest. `None`: no timer runs.
    fn deadline(&self) -> Option<Time>;

    /// What an operator may see of it.
    fn view(&self) -> View;

    /// The state as a Graphviz digraph, for people.
    fn graphviz(&self) -> String;

    /// What it holds of a height; `None` for one that is not its own, or not any more.
    fn picture(&self, height: Height) -> Option<Picture>;
}

/// Orders the records of one instance: `Durable(n)` covers every record with a token at most n.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Token(pub u64);

/// Where an arrived message came from. The ticket is the hands' own mark: it returns unchanged in
/// [`Effect::Verify`] and [`Effect::Judge`], so that the verdict reaches the gossip network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Origin {
    /// The validator at the other end of the connection, if it is known to be one.
    pub validator: Option<ValidatorIndex>,
    /// The hands' mark: the frame's digest, if somebody waits for the verdict.
    pub ticket: Option<Digest>,
}

impl Origin {
    /// Of what nobody sent: our own messages, and records from our journal. Whatever arrived names its sender or has
    /// a ticket.
    pub const OWN: Self = Self { validator: None, ticket: None };
}

/// Something to be proposed: the position in the sequence, and the round in which it is wanted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Slot {
    /// The height the payload would be decided at.
    pub height: Height,
    /// The round (tick, view, term) of the proposal.
    pub round: u64,
}

/// The application's word on a payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// May be voted for.
    Valid,
    /// Must not be voted for.
    Invalid,
    /// Cannot be known yet; the hands ask again when it can.
    Undecided,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// First input of every instance. `records` are what was persisted before a restart, in order, unverified:
    /// they come back through [`Effect::Verify`] like anything else.
    Begin {
        /// This instance's records from the journal.
        records: Vec<Record>,
        /// Whether this replica ran before: what it sent before is sent again.
        restarted: bool,
    },
    /// A message came in. Nothing has been checked but its encoding.
    Arrived {
        /// From where.
        origin: Origin,
        /// What.
        message: Message,
    },
    /// All signatures of a message from [`Effect::Verify`] are good; or it is our own, signed after `Durable`.
    Message {
        /// From where.
        origin: Origin,
        /// What.
        message: Verified<Message>,
    },
    /// A signature of a message from [`Effect::Verify`] is bad.
    Refused {
        /// From where.
        origin: Origin,
        /// What.
        message: Message,
    },
    /// The deadline has passed.
    Wake,
    /// Every record with this token or a smaller one is on disk.
    Durable(Token),
    /// Whether commands wait to be decided (PBFT's request timer; activation of a dormant instance, `SL-T5`).
    Demand {
        /// Since when the oldest command has been waiting here.
        commands_since: Option<Time>,
        /// Whether something verified exists for a height above that waits on this instance.
        waited_on: bool,
    },
    /// The answer to [`Effect::Build`]. `None`: nothing to propose at present; demand will tell.
    Payload {
        /// The slot asked for.
        slot: Slot,
        /// The bytes to propose, within the size limit.
        payload: Option<Bytes>,
    },
    /// The answer to [`Effect::Validate`].
    Verdict {
        /// The id that was given.
        id: Digest,
        /// The application's word.
        verdict: Verdict,
    },
    /// The answer to [`Effect::Fetch`]: a fetched object that hashes to `digest`.
    Body {
        /// Its digest.
        digest: Digest,
        /// The bytes.
        body: Bytes,
    },
    /// The application has executed everything up to this height.
    Executed {
        /// The last executed height.
        height: Height,
    },
    /// Everything up to this height has a stable checkpoint: the low mark of a long instance.
    Stable {
        /// The checkpoint's height.
        height: Height,
        /// Its proof.
        proof: Bytes,
    },
    /// Nothing above may be decided yet: the high mark of a long instance.
    Horizon {
        /// The highest height that may be decided.
        last_height: Height,
        /// The height after which the validator set changes, if that is known.
        epoch_end: Option<Height>,
    },
    /// Synchronisation has gone past this height: it is decided, whatever this instance knows.
    Closed {
        /// The height.
        height: Height,
        /// Its certificate.
        certificate: Certificate,
    },
    /// A peer asks for what it lacks.
    Pull {
        /// The hands' mark for the answer.
        asker: u64,
        /// What it has.
        summary: Summary,
        /// The most bytes the answer may have.
        budget: usize,
    },
    /// A connection to a validator came up.
    PeerUp {
        /// Which.
        validator: ValidatorIndex,
    },
    /// Stop proposing and voting, go on serving.
    Retire,
}

/// To whom a message goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum To {
    /// One validator.
    One(ValidatorIndex),
    /// Some validators.
    Some(Vec<ValidatorIndex>),
    /// Every validator of the instance.
    Validators,
    /// Everyone who follows, listeners included.
    Everyone,
}

/// What the hands must do. Order within one outbox is the order of doing.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Check all signatures and come back with [`Input::Message`] or [`Input::Refused`].
    Verify {
        /// From where it came.
        origin: Origin,
        /// What.
        message: Message,
    },
    /// The final word on an arrived message that needs no check of signatures.
    Judge {
        /// From where it came.
        origin: Origin,
        /// What to think of it.
        judgement: Judgement,
    },
    /// Append to the journal, then answer [`Input::Durable`]. Tokens rise by one with each record.
    Persist {
        /// This record's token.
        token: Token,
        /// What to remember.
        record: Record,
    },
    /// Sign and send, and hand our own message back as [`Input::Message`]; all that only after `Durable(after)`.
    Send {
        /// To whom.
        to: To,
        /// What.
        message: Unsigned,
        /// The record that must be durable before.
        after: Option<Token>,
    },
    /// The answer to [`Input::Pull`].
    Answer {
        /// The mark of the question.
        asker: u64,
        /// What it lacked, within the budget.
        message: Message,
    },
    /// Ask a validator for what this instance lacks; the answer arrives as [`Input::Arrived`].
    Ask {
        /// Whom.
        peer: ValidatorIndex,
        /// What is here.
        summary: Summary,
    },
    /// Ask for something to propose; the answer is [`Input::Payload`].
    Build {
        /// For which slot.
        slot: Slot,
        /// The payload digests of undecided ancestors, oldest first (long instances).
        ancestors: Vec<Digest>,
    },
    /// Ask the application whether a payload may be voted for; the answer is [`Input::Verdict`] under `id`.
    Validate {
        /// The mark of the question: the payload's digest.
        id: Digest,
        /// The height it is proposed for.
        height: Height,
        /// Who first proposed it for that height. The application refuses a payload that names another.
        proposer: ValidatorIndex,
        /// The payload.
        payload: Bytes,
    },
    /// Get an object by its digest from anyone of `holders`.
    Fetch {
        /// Its digest.
        digest: Digest,
        /// Who has it.
        holders: Vec<ValidatorIndex>,
    },
    /// A height is decided. Each height once, in any order.
    Decided {
        /// Which.
        height: Height,
        /// The value.
        payload: Bytes,
        /// Why anyone must believe it.
        certificate: Certificate,
    },
    /// Reliable broadcast delivered a payload.
    Delivered {
        /// Whose.
        sender: ValidatorIndex,
        /// Its number.
        sequence: u64,
        /// The payload.
        payload: Bytes,
    },
    /// Who leads, so that commands can be sent there at once.
    Leading {
        /// The term or view.
        round: u64,
        /// The leader.
        leader: ValidatorIndex,
        /// Until when, at least.
        until: Option<Time>,
    },
    /// This height is decided elsewhere but its payload is not here.
    Behind {
        /// Which.
        height: Height,
        /// The proof.
        certificate: Certificate,
    },
    /// Proof that a validator lied.
    Evidence(Evidence),
    /// What a quorum takes at present. Instances that are opened from now on begin with it: otherwise each would lose
    /// its first rounds to deadlines that blocks of this size cannot meet.
    Measured {
        /// From a leader's message to its quorum, on a moving average.
        quorum_delay: Duration,
    },
    /// Records of heights below are not needed any more. Done once everything persisted before is on disk: what
    /// stands in their place is persisted first, under a height that is kept.
    Forget {
        /// The lowest height still needed.
        below: Height,
    },
    /// The instance is over: it can be dropped as soon as nobody needs its answers.
    Finished,
}

/// The word on an arrived message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// Good and new.
    Accept,
    /// Neither good nor bad: known already, early, late.
    Ignore,
    /// Bad, and whoever sent it could have known.
    Reject(Rejection),
}

/// What happened inside, for metrics, logs, the event stream and the oracles of tests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A round (tick, view, term) began.
    RoundEntered {
        /// Which.
        round: u64,
        /// Who leads it.
        leader: ValidatorIndex,
    },
    /// A round ended by its deadline.
    RoundTimedOut {
        /// Which.
        round: u64,
    },
    /// We proposed.
    Proposed {
        /// In which round.
        round: u64,
        /// The message.
        id: Digest,
    },
    /// We voted.
    VoteCast {
        /// For which height.
        height: Height,
        /// In which round.
        round: u64,
        /// For what.
        target: Digest,
    },
    /// A verified vote of another validator was counted.
    VoteCounted {
        /// For which height.
        height: Height,
        /// In which round.
        round: u64,
        /// Whose.
        validator: ValidatorIndex,
    },
    /// Something has a quorum of votes.
    Notarized {
        /// In which round it was proposed.
        round: u64,
        /// What.
        id: Digest,
    },
    /// The instance decided.
    Concluded {
        /// Rounds it took.
        rounds: u64,
        /// The payload's digest.
        payload: Digest,
    },
    /// A validator signed two things that exclude each other.
    Equivocated {
        /// Who.
        validator: ValidatorIndex,
        /// In which round.
        round: u64,
    },
    /// Something that a peer sent was refused.
    Rejected {
        /// Why.
        reason: Rejection,
    },
    /// More than a third of the power is proven to be faulty; agreement may be lost.
    Fatal {
        /// What was seen, for people.
        what: String,
    },
}

/// What an operator may see of an instance.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct View {
    /// The current round.
    pub round: u64,
    /// Who leads it.
    pub leader: Option<ValidatorIndex>,
    /// Whether its timer runs.
    pub is_wanted: bool,
    /// Whose votes of the current round are here.
    pub voters: Vec<ValidatorIndex>,
    /// Whether it has decided.
    pub is_decided: bool,
    /// How many verified messages it holds.
    pub messages: usize,
    /// How many votes and messages it holds that are not verified yet.
    pub unverified: usize,
    /// Who leads the next round.
    pub next_leader: Option<ValidatorIndex>,
}

/// Where a brain leaves what it wants. Cleared and used again by the hands.
#[derive(Debug, Default)]
pub struct Outbox {
    /// To be acted on, in order.
    pub effects: Vec<Effect>,
    /// To be watched.
    pub events: Vec<Event>,
}

impl Outbox {
    /// Adds an effect.
    pub fn act(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Adds an event.
    pub fn tell(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Ends a message's way here and counts a rejection.
    pub fn judge(&mut self, origin: Origin, judgement: Judgement) {
        if let Judgement::Reject(reason) = judgement {
            self.tell(Event::Rejected { reason });
        }
        self.act(Effect::Judge { origin, judgement });
    }
}
