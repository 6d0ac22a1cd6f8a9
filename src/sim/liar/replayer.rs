//! Says again what was said long ago, by anyone, of any height.

use std::collections::VecDeque;

use super::{Hand, Liar};
use crate::sim::letter::Mail;

/// The most that is remembered.
const REMEMBERED_MAX: usize = 512;

/// See the file's header.
#[derive(Default)]
pub struct Replayer {
    heard: VecDeque<Mail>,
}

impl Replayer {
    fn remember(&mut self, mail: &Mail) {
        // Answers are bound to their question by the transport; nobody can send one unasked.
        if matches!(mail, Mail::Response(..)) {
            return;
        }
        if self.heard.len() == REMEMBERED_MAX {
            self.heard.pop_front();
        }
        self.heard.push_back(mail.clone());
    }
}

impl Liar for Replayer {
    fn speak(&mut self, to: usize, mail: Mail, hand: &mut Hand<'_>) {
        self.remember(&mail);
        hand.send(to, mail);
        if hand.dice.chance(300) && !self.heard.is_empty() {
            let drawn = usize::try_from(hand.dice.below(self.heard.len() as u64)).unwrap_or(0);
            hand.send(to, self.heard[drawn].clone());
        }
    }

    fn hear(&mut self, mail: &Mail, _hand: &mut Hand<'_>) {
        self.remember(mail);
    }
}
