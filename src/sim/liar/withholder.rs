//! Says most things late: a vote that completes a quorum comes when everyone has gone on.

use std::time::Duration;

use super::{Hand, Liar};
use crate::sim::letter::Mail;

/// The longest that anything is withheld.
const WITHHELD_MAX: Duration = Duration::from_secs(4);

/// See the file's header.
pub struct Withholder;

impl Liar for Withholder {
    fn speak(&mut self, to: usize, mail: Mail, hand: &mut Hand<'_>) {
        if hand.dice.chance(250) {
            return hand.send(to, mail);
        }
        let delay = hand.dice.span(Duration::from_millis(50), WITHHELD_MAX);
        hand.send_later(delay, to, mail);
    }
}
