//! Streamlette: one decision from a tree of proposals, solicits and votes.
//!
//! The rules, their ids, the safety argument, deviations and limits are in [`spec`]. This file holds the state and
//! the step; each part of the work has a file of its own: `screen` decides what of an arrived message is worth a
//! check, `absorb` takes in what is verified, `turn` moves through the ticks, `cast` leads and votes, `serve` answers others, `recover`
//! comes back after a crash.
//!
//! Called by a [`crate::protocol::seat::Seat`], never directly by anything that does I/O.

pub mod spec;

mod absorb;
mod cast;
mod certificate;
mod desk;
mod diff;
mod evidence;
mod graphviz;
mod journal;
mod leader;
mod message;
mod pace;
mod picture;
mod recover;
mod safety;
mod screen;
mod serve;
mod tick;
mod tree;
mod turn;
mod wants;

pub use certificate::{Certificate, Step};
pub use diff::{Known, Summary};
pub use evidence::Evidence;
pub use journal::Record;
pub use leader::{Leaders, segment, segment_start};
pub use message::{Content, Diff, Header, Item, Message, NODES_MAX, Proposal, Solicit, Unsigned, Vote, Want, Wish};
pub use safety::Safety;
pub use tick::{Depth, Tick};

use self::{desk::Desk, journal::Recovery, pace::Pace, tree::Tree, turn::Turn, wants::Wants};
pub use super::votes::{Ballot, Votes};
use super::{Electorate, Input, Instance, Judgement, Outbox, Picture, Rejection, Setup, Token, View};
use crate::types::{Digest, Height, Time, ValidatorIndex};

/// What is wanted of this instance (`SL-T5`).
#[derive(Clone, Copy, Debug, Default)]
struct Demand {
    commands_since: Option<Time>,
    is_waited_on: bool,
    executed: Height,
    /// Whether anything verified was seen here.
    is_stirred: bool,
}

/// How it ended.
#[derive(Clone, Debug)]
enum Phase {
    /// Not yet.
    Open,
    /// Decided here; the answer is ready to be sent. Boxed: it is there once, and seldom.
    Decided(Box<serve::Answer>),
    /// Decided elsewhere.
    Closed,
}

/// An instance of Streamlette.
#[derive(Clone, Debug)]
pub struct Streamlette {
    setup: Setup,
    electorate: Electorate,
    leaders: Leaders,
    tree: Tree,
    safety: Safety,
    wants: Wants,
    desk: Desk,
    pace: Pace,
    turn: Turn,
    demand: Demand,
    recovery: Recovery,
    /// The message that the next step of recovery waits for.
    awaited: Option<Digest>,
    /// Validators whose double votes have been reported.
    exposed: crate::types::Bitmap,
    last_token: Token,
    /// When each validator was last asked, or answered, out of turn.
    last_asked: Vec<Option<Time>>,
    certificates_flying: serve::CertificatesFlying,
    is_retired: bool,
    phase: Phase,
}

impl Streamlette {
    /// A new instance, before its first input.
    pub fn new(setup: Setup) -> Self {
        let set = &setup.set;
        Self {
            electorate: Electorate { id: setup.id, set: set.clone() },
            leaders: Leaders::new(setup.id, set.clone(), setup.owner),
            tree: Tree::new(set.clone()),
            safety: Safety::default(),
            wants: Wants::new(set.clone()),
            desk: Desk::new(set.clone()),
            pace: Pace::new(setup.timing),
            turn: Turn::default(),
            demand: Demand::default(),
            recovery: Recovery::default(),
            awaited: None,
            exposed: crate::types::Bitmap::default(),
            last_token: Token::default(),
            last_asked: vec![None; set.len()],
            certificates_flying: serve::CertificatesFlying::new(),
            is_retired: false,
            phase: Phase::Open,
            setup,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// Whether votes, wishes and messages of our own may be made.
    fn takes_part(&self) -> Option<ValidatorIndex> {
        self.setup.me.filter(|_| !self.is_retired && self.is_open())
    }

    fn on_executed(&mut self, height: Height) {
        self.demand.executed = self.demand.executed.max(height);
        self.ask_undecided();
    }

    fn on_demand(&mut self, commands_since: Option<Time>, is_waited_on: bool) {
        self.demand.commands_since = commands_since;
        self.demand.is_waited_on = is_waited_on;
        self.turn.has_nothing = false;
    }
}

impl Instance for Streamlette {
    fn step(&mut self, now: Time, input: Input, out: &mut Outbox) {
        match input {
            Input::Begin { records, .. } => self.on_begin(records, out),
            Input::Arrived { origin, message: super::Message::Streamlette(message) } => {
                self.on_arrived(now, origin, message, out);
            }
            Input::Message { origin, message } => {
                if let Some(message) = message.filter_map(super::Message::streamlette) {
                    self.on_verified(now, origin, message, out);
                }
            }
            Input::Refused { origin, message: super::Message::Streamlette(message) } => {
                self.on_refused(origin, message, out);
            }
            Input::Wake => self.on_wake(now, out),
            Input::Demand { commands_since, waited_on } => self.on_demand(commands_since, waited_on),
            Input::Payload { slot, payload } => self.on_payload(slot, payload),
            Input::Verdict { id, verdict } => self.on_verdict(&id, verdict),
            Input::Executed { height } => self.on_executed(height),
            Input::Closed { .. } => self.on_closed(out),
            Input::Pull { asker, summary: super::Summary::Streamlette(summary), budget } => {
                self.on_pull(asker, &summary, budget, out);
            }
            Input::PeerUp { validator } => self.on_peer_up(now, validator, out),
            Input::Retire => self.is_retired = true,
            // Nobody honest sends what belongs to another protocol here.
            Input::Arrived { origin, .. } => out.judge(origin, Judgement::Reject(Rejection::ForeignInstance)),
            // `Durable` is the seat's business; the rest belongs to long instances and to fetching protocols.
            Input::Durable(_)
            | Input::Refused { .. }
            | Input::Pull { .. }
            | Input::Body { .. }
            | Input::Stable { .. }
            | Input::Horizon { .. } => {}
        }
        self.settle(now, out);
    }

    fn deadline(&self) -> Option<Time> {
        self.next_wake()
    }

    fn view(&self) -> View {
        let tick = self.turn.tick;
        let nodes = self.tree.of_tick(tick).iter().filter_map(|id| self.tree.get(id));
        let voters = nodes.fold(std::collections::BTreeSet::new(), |mut voters, node| {
            voters.extend(node.ballots().map(|ballot| ballot.voter));
            voters
        });
        View {
            round: tick.get(),
            leader: Some(self.leaders.leader(tick)),
            is_wanted: self.turn.timer.is_some(),
            voters: voters.into_iter().collect(),
            is_decided: matches!(self.phase, Phase::Decided(_)),
            messages: self.tree.len(),
            unverified: self.desk.len(),
            next_leader: Some(self.leaders.leader(tick.next())),
        }
    }

    fn graphviz(&self) -> String {
        graphviz::draw(&self.tree)
    }

    fn picture(&self, height: Height) -> Option<Picture> {
        let picture = || Picture {
            round: self.turn.tick.get(),
            leader: Some(self.leaders.leader(self.turn.tick)),
            is_decided: !self.is_open(),
            messages: picture::draw(&self.tree),
            messages_left_out: 0,
        };
        (height == self.setup.height).then(picture).map(Picture::bounded)
    }
}
