//! Sends as much as it can of what must be kept for a while: votes for targets that nobody has, wishes for ticks far
//! away, messages of heights to come, commands, and claims of being far ahead.

use bytes::Bytes;

use super::{Hand, Liar, wire};
use crate::{
    app::{Command, kv},
    crypto::Signed,
    protocol::streamlette::{self as sl, Tick, Vote, Want},
    replica::wire::{Frame, PeerStatus},
    sim::letter::Mail,
    types::{Height, codec},
};

/// How many it sends along with everything it says.
const FLOOD: u64 = 4;

/// See the file's header.
#[derive(Default)]
pub struct Flooder {
    commands: u64,
}

impl Flooder {
    fn command(&mut self, hand: &mut Hand<'_>) -> Command {
        self.commands += 1;
        // Never the same body twice: the worlds' ledger counts by it.
        let body = kv::put(format!("flood {} {}", hand.me, self.commands).as_bytes(), b"");
        Command { client: hand.noise(), sequence: 0, expires_at_height: None, body, signature: None }
    }
}

impl Liar for Flooder {
    fn speak(&mut self, to: usize, mail: Mail, hand: &mut Hand<'_>) {
        if let Some((mut place, message)) = wire::message(&mail) {
            let tick = wire::tick(message).unwrap_or(Tick::ZERO);
            for _ in 0..FLOOD {
                let vote = Vote { tick: tick.plus(hand.dice.below(8)), target: hand.noise() };
                let vote = wire::vote(hand, hand.index(), place, vote);
                hand.send(to, place.mail(vote));
            }
            let want = Want { tick: tick.plus(hand.dice.below(1 << 40)) };
            let signed: Signed<Want> = hand.key().sign(want, hand.index(), &place.instance);
            hand.send(to, place.mail(sl::Message::Want(signed)));
            place.height = place.height.plus(1 + hand.dice.below(3));
            place.instance = hand.noise();
            hand.send(to, place.mail(message.clone()));
        }
        if hand.dice.chance(30) {
            let far = Height::new(1 << (10 + hand.dice.below(40)));
            let status = PeerStatus { executed: far, tip: None, oldest: Height::FIRST };
            hand.send(to, Mail::Frame(Frame::Status { status, wall_ms: u64::MAX }));
            let commands: Vec<_> = (0..FLOOD).map(|_| self.command(hand)).collect();
            let garbage = Command { body: Bytes::from(codec::encode(&far)), ..self.command(hand) };
            let commands = commands.into_iter().chain([garbage]).collect::<Vec<_>>();
            if let Ok(commands) = commands.try_into() {
                hand.send(to, Mail::Frame(Frame::Commands(commands)));
            }
        }
        hand.send(to, mail);
    }
}
