//! Sends as much as it can of what must be kept for a while: votes for targets that nobody has, wishes for ticks far
//! away, messages of heights to come, commands, and claims of being far ahead.

use bytes::Bytes;

use super::{
    Hand, Liar,
    wire::{self, Place},
};
use crate::{
    app::{Command, kv},
    crypto::Signed,
    protocol::{
        pbft::{self, Proposal, ViewNumber, Vote},
        streamlette::{self as sl, Tick, Want},
    },
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
        if let Some((place, message)) = wire::pbft::message(&mail)
            && let Some((_, vote)) = wire::pbft::votes(message, hand).first().copied()
        {
            flood_views(to, place, vote, hand);
            let elsewhere = Place { instance: hand.noise(), ..place };
            hand.send(to, elsewhere.mail(message.clone()));
        }
        if let Some((mut place, message)) = wire::streamlette::message(&mail) {
            let tick = wire::streamlette::tick(message).unwrap_or(Tick::ZERO);
            for _ in 0..FLOOD {
                let vote = sl::Vote { tick: tick.plus(hand.dice.below(8)), target: hand.noise() };
                let vote = wire::streamlette::vote(hand, hand.index(), place, vote);
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

/// PBFT: votes of later views and for heights far above, and wishes for views far away.
fn flood_views(to: usize, place: Place, near: Vote, hand: &mut Hand<'_>) {
    let vote = |hand: &mut Hand<'_>| {
        let view = ViewNumber::new(near.proposal.view.get() + hand.dice.below(8));
        let far = 1 << (3 * hand.dice.below(8));
        let height = near.proposal.height.plus(hand.dice.below(far));
        let proposal = Proposal { view, height, payload_root: hand.noise() };
        wire::pbft::sign(hand.key(), hand.index(), Vote { proposal, ..near }, &place.instance)
    };
    let votes = (0..FLOOD * FLOOD * 2).map(|_| vote(hand)).collect();
    hand.send(to, place.mail(wire::pbft::say(votes)));
    let far = ViewNumber::new(near.proposal.view.get() + 1 + hand.dice.below(1 << 40));
    if let Some(change) = wire::pbft::leave(hand, place, wire::pbft::nothing_prepared(far)) {
        hand.send(to, place.mail(pbft::Message::ViewChange(Box::new(change))));
    }
}
