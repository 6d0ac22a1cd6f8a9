//! Never says anything: neither messages nor answers.

use super::{Hand, Liar};
use crate::sim::letter::Mail;

/// See the file's header.
pub struct Silent;

impl Liar for Silent {
    fn speak(&mut self, _to: usize, _mail: Mail, _hand: &mut Hand<'_>) {}
}
