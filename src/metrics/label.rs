//! Labels whose values are known beforehand, so that every series exists from the first scrape.

use crate::protocol::{ProtocolName, Rejection};

/// The values of one label, as a type.
pub trait Label: Copy + 'static {
    /// All values, in the order of [`Self::position`].
    fn all() -> &'static [Self];

    /// The value in the exposition.
    fn as_str(self) -> &'static str;

    /// Its place in [`Self::all`].
    fn position(self) -> usize;
}

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $name { $($(#[$value_doc])* $value,)* }

        impl Label for $name {
            fn all() -> &'static [Self] {
                &[$(Self::$value,)*]
            }

            fn as_str(self) -> &'static str {
                match self { $(Self::$value => $text,)* }
            }

            fn position(self) -> usize {
                self as usize
            }
        }
    )*};
}

labels! {
    /// Whose mailbox.
    Actor {
        /// The network.
        Network = "network",
        /// The router.
        Router = "router",
        /// The verifier.
        Verifier = "verifier",
        /// All deciders together.
        Decider = "decider",
        /// The pacemaker.
        Pacemaker = "pacemaker",
        /// The storage.
        Storage = "storage",
        /// The replica.
        Replica = "replica",
        /// The executor.
        Executor = "executor",
    }

    /// Which way something travelled.
    Direction {
        /// To us.
        In = "in",
        /// From us.
        Out = "out",
    }

    /// What travelled.
    MessageKind {
        /// A proposal.
        Proposal = "proposal",
        /// A solicit.
        Solicit = "solicit",
        /// A vote.
        Vote = "vote",
        /// A wish to advance.
        Want = "want",
        /// What a peer lacked.
        Diff = "diff",
        /// A question for what we lack.
        Pull = "pull",
        /// A certificate.
        Certificate = "certificate",
        /// Forwarded commands.
        Commands = "commands",
        /// How far a peer is.
        Status = "status",
        /// Decided blocks, and questions for them.
        Blocks = "blocks",
        /// Anything else.
        Other = "other",
    }

    /// What became of a command.
    Outcome {
        /// Executed, in any block, whoever submitted it.
        Committed = "committed",
        /// Refused by the application before it was admitted.
        Invalid = "invalid",
        /// Turned away: the mempool is full.
        Full = "full",
        /// Another one has its client and sequence.
        Conflict = "conflict",
        /// Its last height was over.
        Expired = "expired",
    }

    /// Whose votes.
    VoteKind {
        /// Our own.
        Cast = "cast",
        /// Others', verified and counted.
        Received = "received",
    }

    /// Why a connection was refused or ended at the gate of the network.
    Refusal {
        /// The peer is turned away for its lies.
        Blocked = "blocked",
        /// Strangers from there are turned away.
        Banned = "banned",
        /// Too many per second from one origin.
        Rate = "rate",
        /// Too many are being opened.
        Pending = "pending",
        /// Too many connections of one peer.
        PerPeer = "per_peer",
        /// Too many strangers from one origin.
        PerOrigin = "per_origin",
        /// Too many strangers.
        Full = "full",
        /// A stranger that had to make room for a newcomer.
        PutOut = "put_out",
        /// A peer that did not read what it was sent.
        Slow = "slow",
    }

    /// Where the network dropped something. All of it is repaired by pulling, or asked for again.
    Bound {
        /// A frame from a peer, the newest: the receiver of events is behind.
        Inbound = "inbound",
        /// A frame to a validator, the oldest: its substream is slow.
        Outbound = "outbound",
        /// An order to the network: its task is behind.
        Order = "order",
        /// A frame of our own larger than frames may be.
        TooLarge = "too_large",
        /// A verdict on a frame that is forgotten.
        Verdict = "verdict",
        /// A request of a peer above its limits, answered: busy.
        Request = "request",
    }

    /// Which limit of one client was passed.
    Limit {
        /// Requests a second.
        Requests = "requests",
        /// Bytes of request bodies a second.
        Bytes = "bytes",
        /// Requests to the admin side.
        Tries = "tries",
    }

    /// What a connected peer is.
    PeerState {
        /// Proven to be a validator.
        Validator = "validator",
        /// Anyone else who is connected.
        Listener = "listener",
        /// Being called.
        Dialing = "dialing",
        /// Turned away for a while.
        Blocked = "blocked",
    }
}

impl Label for Rejection {
    fn all() -> &'static [Self] {
        &Self::ALL
    }

    fn as_str(self) -> &'static str {
        Self::as_str(self)
    }

    fn position(self) -> usize {
        self as usize
    }
}

impl Label for ProtocolName {
    fn all() -> &'static [Self] {
        &Self::ALL
    }

    fn as_str(self) -> &'static str {
        Self::as_str(self)
    }

    fn position(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions_match<L: Label>() {
        let positions: Vec<usize> = L::all().iter().map(|value| value.position()).collect();
        assert_eq!(positions, (0..L::all().len()).collect::<Vec<_>>());
        let mut texts: Vec<&str> = L::all().iter().map(|value| value.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), L::all().len(), "two values share a text");
    }

    #[test]
    fn every_value_is_listed_at_its_position_and_named_once() {
        positions_match::<Actor>();
        positions_match::<Direction>();
        positions_match::<MessageKind>();
        positions_match::<Outcome>();
        positions_match::<VoteKind>();
        positions_match::<PeerState>();
        positions_match::<Refusal>();
        positions_match::<Bound>();
        positions_match::<Limit>();
        positions_match::<Rejection>();
        positions_match::<ProtocolName>();
    }
}
