//! Two replicas with one key. Each is honest and hears everything, but speaks to its own half only, so that neither
//! half knows of the other twin before it votes.

use super::{Hand, Liar};
use crate::sim::letter::Mail;

/// See the file's header.
pub struct Twin {
    /// To which half it speaks.
    pub camp: bool,
}

impl Liar for Twin {
    fn speak(&mut self, to: usize, mail: Mail, hand: &mut Hand<'_>) {
        if hand.camp(to) == self.camp {
            hand.send(to, mail);
        }
    }
}
