//! The vote journal: what a replica must remember to be honest after a crash.
//!
//! Called by the storage actor and the simulator, over a [`Disk`]. It decides what bytes are written and what may be
//! believed of those that are read; it never looks into the records it keeps, and never decides when to write.
//!
//! | id | rule |
//! |---|---|
//! | `JN-1` | What [`Journal::flush`] has covered comes back after any crash. What it has not is lost from the end: the records that come back are a prefix of those that were appended, whole batch by whole batch. |
//! | `JN-2` | Records are written twice, whatever their length, in sectors of their own. Either intact copy counts, and mends the other one. Bodies are written once, by digest, before the records that name them and under the same sync. |
//! | `JN-3` | A batch is written only when everything before it is synced, and says where it begins. So bad data with an intact batch after it was synced once and is rotten, which is a fault. Bad data at the very end was never acknowledged: it is wiped without a word to the operator. |
//! | `JN-4` | No sector that is synced is written again, except to mend a bad copy from a good one. |
//! | `JN-5` | Nothing that a peer sent can pass for a part of the journal's own structure. |
//! | `JN-6` | A journal that is missing, or lacks a segment, is a fault (`OB-10`); an empty one is only ever created by name. The one that takes a lost one's place says from its first moment that nothing may be voted for. |
//! | `JN-7` | Segments whose heights are all below the floor are removed; facts without a height are repeated at the start of each segment. A journal in steady use does not grow, and recovery reads only live segments. |
//! | `JN-8` | Segments are filled with zeros before they are used, as far as the disk has room and somebody makes spares, of segments that were removed if there are any; a batch that does not fit begins the next. So a sync finds no metadata to write. Zeros to the end of a segment are the end of the journal, and say nothing else. |
//! | `JN-9` | A rotten body takes no record with it. The record comes back without it: what restricts votes is never forgotten for the sake of something that peers serve. |
//!
//! Records and bodies. An entry is a record with the payloads taken out of it, each of which is a body: known by its
//! digest, kept once for each height, however many entries name it (the vote for it, and the block once it is decided).
//! So a vote's numbers and all that justifies them exist twice, and a payload of megabytes does not.
//!
//! Why a body may be lost. It restricts nothing: `SL-V1` needs the two numbers, which are in the record, and whatever
//! was voted for is named there by its digest, so that nothing else can take its place. Nobody needs this copy
//! either. A vote is visible only when its body is durable (`SL-V3`), so a notarized message's body is on the disks of
//! more than 2W/3, more than W/3 of them honest; a disk that rots counts among the faulty. What was proposed and voted for by
//! ourselves alone decides nothing, and its tick passes. So a record without its body still restores the numbers and
//! sends its vote again; the message itself is pulled from peers like any other that is missing, and a decided block is
//! caught up with.
//!
//! Limits. Rot in both copies of the very last batch cannot be told from a torn write, and wipes that batch.
//! [`Journal::seal`] closes that gap whenever there is time to, and opening does at once. A torn write, too, can leave
//! a record without its body; its vote never left.
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
pub use log::{Fact, Item, Kind, Log, SEGMENT_BYTES, Scope, Sequence};
pub use recovery::Survey;
