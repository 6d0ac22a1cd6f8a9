//! The vote journal: what a replica must remember to be honest after a crash.
//!
//! Called by the storage actor and the simulator, over a [`Disk`]. It decides what bytes are written and what may be
//! believed of those that are read; it never looks into the records it keeps, and never decides when to write.
//!
//! | id | rule |
//! |---|---|
//! | `JN-1` | What [`Journal::flush`] has covered comes back after any crash. What it has not is lost from the end: whatever comes back is a prefix of what was appended, whole batch by whole batch. |
//! | `JN-2` | Small entries are written twice, in sectors of their own. Either intact copy counts, and mends the other one. |
//! | `JN-3` | A batch is written only when everything before it is synced, and says where it begins. So bad data with an intact batch after it was synced once and is rotten, which is a fault. Bad data at the very end was never acknowledged: it is wiped without a word to the operator. |
//! | `JN-4` | No sector that is synced is written again, except to mend a bad copy from a good one. |
//! | `JN-5` | Nothing that a peer sent can pass for a part of the journal's own structure. |
//! | `JN-6` | A journal that is missing, or lacks a segment, is a fault (`OB-10`); an empty one is only ever created by name. The one that takes a lost one's place says from its first moment that nothing may be voted for. |
//! | `JN-7` | Segments whose heights are all below the floor are removed; facts without a height are repeated at the start of each segment. A journal in steady use does not grow, and recovery reads only live segments. |
//! | `JN-8` | Segments are filled with zeros before they are used, as far as the disk has room and somebody makes spares; a batch that does not fit begins the next. So a sync finds no metadata to write. Zeros to the end of a segment are the end of the journal, and say nothing else. |
//!
//! What is kept twice. An entry of at most [`INLINE_BYTES_MAX`] bytes is kept twice: the numbers that restrict votes
//! always are. A larger one (a body, a large quorum of votes) is kept once, with a checksum. If it rots below what is
//! known to be synced, that is a fault too: the journal does not know what a record restricts, and a leader's record
//! holds its vote. A decided block is the exception. Nothing is promised by it that its certificate does not prove
//! to anyone, and every peer serves it: a rotten one is left out, counted in [`Recovered::lost`], and the replica
//! catches up.
//!
//! Limits. Rot in a large entry of the very last batch cannot be told from a torn write, and wipes that batch; so
//! can rot of both copies there. [`Journal::seal`] closes that gap whenever there is time to, and opening does at once.
//!
//! Source: SPEC.md section 6.

mod disk;
mod entry;
mod fault;
mod file_disk;
mod format;
mod inspection;
mod log;
mod recovery;
#[cfg(test)]
mod tests;

pub use disk::Disk;
pub use entry::{Entry, Journal, Recovered};
pub use fault::{Fault, OpenError, REJOIN, is_disk_full};
pub use file_disk::{DirectoryLock, FileDisk, create_in, directory, make_spare, recreate_in, sync_directory};
pub use format::{INLINE_BYTES_MAX, SECTOR, Salt};
pub use inspection::{Inspection, SegmentView};
pub use log::{Fact, Item, Log, SEGMENT_BYTES, Scope, Sequence};
pub use recovery::Survey;
