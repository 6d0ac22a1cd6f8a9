//! Clusters of real processes, through the command line and HTTP only, as a user would run them; afterwards their
//! journals are read as a restart would.
//!
//! Each test starts a cluster, puts clients to work on all nodes, does something to the nodes, and ends with
//! [`audit::audit`]: what the clients saw is linearizable, nothing answered is lost, replicas agree, and nobody has
//! contradicted itself.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod admin;
mod audit;
mod backups;
mod bad_input;
mod bench;
mod clients;
mod clocks;
mod cluster;
mod commands;
mod disks;
mod doctor;
mod figures;
mod first_day;
mod flooder;
mod garbage;
mod history;
mod kills;
mod liars;
mod links;
mod listeners;
mod load;
mod logs;
mod names;
mod partitions;
mod passphrases;
mod pauses;
mod proofs;
mod rejoin;
mod relay;
mod rolling;
mod signed;
mod soak;
mod supervision;
#[path = "../../examples/trust_no_node/client.rs"]
mod trust_no_node;
