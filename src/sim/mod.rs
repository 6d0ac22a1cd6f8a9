//! The world: whole clusters in one thread under virtual time, everything from one seed.
//!
//! Each validator is its real brains — replica, deciders with their seats, executor, journal recovery — with a mailbox
//! before each; the seed orders the deliveries between mailboxes too, so every interleaving that the actors could
//! produce is one the world can try. Signatures are real. Events are ordered by (time, sequence), never by time alone.
//!
//! Called by `thalweg simulate`, tests and benches; nothing else in the tree knows it.
//!
//! | file | what |
//! |---|---|
//! | [`scenario`] | what is played, and how it went |
//! | [`world`] | time, the queue of events, crashes, restarts, who sits where |
//! | [`client`] | who wants what done, and waits for it |
//! | [`letter`] | what travels inside a validator and between them |
//! | [`node`] | the hands of one validator: mailboxes before its brains |
//! | [`ledger`] | the application: it counts what it executes |
//! | [`fault`] | what goes wrong without ill will, drawn for each seed |
//! | [`liar`] | what goes wrong with it, one lie a file |
//! | [`network`] | delays, loss and partitions |
//! | [`disk`] | a disk that forgets what was not synced |
//! | [`estate`] | what a crash leaves of a validator, or an operator who lost its disk |
//! | [`planted`] | bugs on demand, and who must find them |
//! | [`checkers`] | what must hold, one invariant a file, with their own arithmetic |
//! | [`trace`] | one line an event, for people |

pub mod checkers;
pub mod client;
pub mod disk;
pub mod estate;
pub mod fault;
pub mod ledger;
pub mod letter;
pub mod liar;
pub mod network;
pub mod node;
pub mod planted;
mod random;
pub mod scenario;
#[cfg(test)]
mod tests;
pub mod trace;
pub mod world;

pub use fault::Faults;
pub use liar::Lie;
pub use random::Dice;
pub use scenario::{Amnesia, Report, Scenario, Violation};
pub use world::{run, run_with, watch};
