//! Comes back with an old disk, again and again: the world takes its disk, this file only passes its mail on.
//!
//! Each of its lives is honest, and together they contradict each other.

use super::{Hand, Liar};
use crate::sim::letter::Mail;

/// See the file's header.
pub struct Amnesiac;

impl Liar for Amnesiac {
    fn speak(&mut self, to: usize, mail: Mail, hand: &mut Hand<'_>) {
        hand.send(to, mail);
    }
}
