//! The nouns everyone shares: numbers with their own types, voting power and quorums, bounded containers, and the
//! one encoding of wire and disk.
//!
//! Called by every other module; knows none of them. The fraction 2/3 occurs in [`power`] and nowhere else.

pub mod bitmap;
pub mod bounded;
pub mod codec;
pub mod number;
pub mod octets;
pub mod planted;
pub mod power;
pub mod time;
pub mod validator;

pub use bitmap::Bitmap;
pub use bounded::{BoundedVec, Full};
pub use number::{Height, Power, ValidatorIndex};
pub use octets::{Digest, Octets, PublicKey, Signature};
pub use power::{CrashModel, Tally};
pub use time::Time;
pub use validator::{Validator, ValidatorSet, ValidatorSetError};

#[cfg(test)]
mod golden;
