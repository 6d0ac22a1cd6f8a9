//! Speaks to one half of the others only; answers everyone.

use super::{Hand, Liar};
use crate::sim::letter::Mail;

/// See the file's header.
pub struct Partial;

impl Liar for Partial {
    fn speak(&mut self, to: usize, mail: Mail, hand: &mut Hand<'_>) {
        if hand.camp(to) || !matches!(mail, Mail::Frame(_)) {
            hand.send(to, mail);
        }
    }
}
