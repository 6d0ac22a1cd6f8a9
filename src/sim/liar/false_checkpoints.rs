//! Signs one checkpoint before one half of the validators and another one before the other half, of a state that nobody
//! has, and checkpoints of heights that are far away (`OB-8`). Its statuses tell of that state as well.

use super::{Hand, Liar};
use crate::{protocol::Checkpoint, replica::wire::Frame, sim::letter::Mail};

/// See the file's header.
pub struct FalseCheckpoints;

impl Liar for FalseCheckpoints {
    fn speak(&mut self, to: usize, mail: Mail, hand: &mut Hand<'_>) {
        if let Mail::Frame(Frame::Status { mut status, wall_ms }) = mail {
            status.tip = Some(hand.noise());
            return hand.send(to, Mail::Frame(Frame::Status { status, wall_ms }));
        }
        let Mail::Frame(Frame::Checkpoint(vote)) = &mail else { return hand.send(to, mail) };
        let mut checkpoint = vote.message;
        match hand.dice.below(4) {
            0 => checkpoint.height = checkpoint.height.plus(1 + hand.dice.below(100)),
            1 => checkpoint = Checkpoint { header: hand.noise(), ..checkpoint },
            _ => checkpoint = Checkpoint { state_root: hand.noise(), ..checkpoint },
        }
        let lie = hand.key().sign(checkpoint, hand.index(), &hand.plan.epoch);
        if !hand.camp(to) {
            hand.send(to, Mail::Frame(Frame::Checkpoint(lie)));
        }
        if hand.camp(to) || hand.dice.chance(500) {
            hand.send(to, mail);
        }
    }
}
