//! The network: everything between nodes travels here.
//!
//! The node starts it and feeds its events to the actors; the actors use a [`NetworkPort`]. It decodes within bounds
//! and never verifies a signature of consensus, decides nothing, and nothing depends on a single push of it: pulling
//! repairs whatever is dropped.
//!
//! A libp2p swarm lives in a task of its own on a runtime of its own, so that neither the actors nor the network can
//! hold up the other. Three ways lead to a peer:
//!
//! * persistent **substreams** between validators, one in each direction, opened with a proof of the consensus key;
//! * **gossip** for everyone else, used only while somebody cannot be reached by a substream; forwarded only after
//!   the frame is judged;
//! * **request and response**, for what is pulled.
//!
//! ```text
//!            NetworkPort ──orders──▶ ┌────────┐ ──▶ lane ──▶ writer ──▶ substream of a validator
//!                                    │ swarm  │ ──▶ gossip, request-response
//!        events ◀── inbound ◀──────  └────────┘
//!                      ▲───────────── reader ◀───────────── substream of a validator
//! ```
//!
//! Rules
//! * `NW-P1` A peer is a validator's if the validator's key signed chain, peer id and a counter; the highest counter
//!   seen wins.
//! * `NW-G1` The gossip id covers the whole envelope: signatures, the sender's salt and its re-send counter.
//! * `NW-G2` Reject only what its sender must have known to be wrong, such as a bad encoding or signature; unknown,
//!   early and late are Ignore.
//! * `NW-C1` No number of strangers keeps a known peer out: one whose id was configured, or a proven validator.
//! * `NW-B1` Every queue is bounded, and what happens at the bound is written at it: [`NetworkLimits`], [`Dropped`].
//!
//! What floods, lies and slowness cost whom, and how peers are found: [`crate::docs::network`].
//!
//! Limits: one chain for each network; what was heard of others, their counters and addresses, does not outlive a
//! restart of ours.

mod allowance;
mod behaviour;
mod book;
mod dial;
mod discovery;
mod driver;
mod envelope;
mod event;
mod framing;
mod gate;
mod gauge;
mod identity;
mod inbound;
mod lane;
#[cfg(feature = "planted")]
pub mod mouthpiece;
mod origin;
mod penalty;
mod port;
mod pull;
mod settings;
mod start;
mod stream;
mod substream;
#[cfg(test)]
mod tests;

pub use event::{FrameTicket, InboundHold, NetworkEvent, Reply};
pub use gauge::{Direction, Dropped, Level, MessageKind, NetworkGauges, Refusal};
pub use identity::{NodeKey, PeerProof};
pub use libp2p::{Multiaddr, PeerId};
pub use port::{NetworkPort, PeerView, RequestError, To};
pub use settings::{Discovery, NetworkLimits, NetworkSettings, NetworkTimings};
pub use start::{Network, NetworkFault, start};
