//! Digests, keys, and the one doorway through which a message becomes [`Verified`].
//!
//! * `CR-D1` Every signature is over a [`Transcript`] that names protocol, kind, version and instance, so no two kinds
//!   and no two instances can share signed bytes.
//! * `CR-V1` One predicate decides validity, ZIP 215, by one implementation that agrees for single and batch checks on
//!   every input, small-order and mixed-order keys included. A batch predicate that differs from the single one would
//!   let a liar craft votes that only some replicas count.
//! * `CR-V2` A batch that fails is searched for exactly the bad signatures: one liar costs nobody else's vote.
//! * `CR-V3` A signature that was found good need not be checked again; only good ones are remembered, with all that they
//!   are about, and a bounded number of them.
//! * `CR-K1` Keys are refused unless canonical, of large order and torsion-free.
//!
//! Source: SPEC.md section 5; ZIP 215; RFC 8032; RFC 8410 for key files, RFC 5958 and 8018 for
//! encrypted ones.

mod encrypted;
mod key;
mod memory;
mod transcript;
mod verify;

pub use key::{KeyError, SecretKey, check_key};
pub use memory::Memory;
pub use transcript::{Kind, Signable, Signed, Transcript};
pub use verify::{BatchRng, Check, Claim, UnknownSigner, Verified, admit, bad_signatures, seeded_rng};

#[cfg(test)]
mod tests;
