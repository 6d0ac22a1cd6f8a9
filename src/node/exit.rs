//! Why a node's process ended, as its exit status.

/// It was asked to stop, and did.
pub const OK: u8 = 0;
/// It could not start: configuration, keys, ports, files.
pub const FAILED: u8 = 1;
/// It has another state than a quorum of the validators signed, or than it signed itself before a restart: its
/// application is not deterministic, or its data is wrong ([`crate::actors::EXIT_DIVERGED`], `EX_DATAERR`).
pub const DIVERGED: u8 = crate::actors::EXIT_DIVERGED;
/// A part of it ended that should live as long as the node: the network, the HTTP server or an actor
/// (`EX_UNAVAILABLE`). What remained could only pretend to be a node.
pub const PART_ENDED: u8 = 69;
/// A part of it panicked. A dead actor never leaves a half-living node: the process ends and restarts from its
/// journal (`EX_SOFTWARE`).
pub const PANICKED: u8 = 70;
/// The disk failed or is full, at the start or later: a replica that cannot remember must not vote (`EX_IOERR`). The
/// last line of the log says which. When the cause is gone, a start goes on where this ended.
pub const STORAGE: u8 = 74;
