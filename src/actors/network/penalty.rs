//! How long a peer that lies is turned away.
//!
//! What an honest peer can send by being late, early or differently informed costs nothing; a bad encoding or
//! signature costs so much that a few of them end the connection. Points halve with time, so that a rare corrupted
//! frame is forgotten. Nobody is turned away for ever: an honest validator behind a bug comes back. Peer ids cost
//! nothing, so a stranger's origin is turned away with it. Bounded: when too many peers are remembered, the least
//! guilty is forgotten.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use libp2p::PeerId;

use super::origin::Origin;
use crate::protocol::Rejection;

/// From how many points on a peer is turned away.
const BLOCK_AT: u32 = 100;
/// How long it takes until half of the points are forgotten.
const HALF_LIFE: Duration = Duration::from_secs(60);
/// The most peers with points.
const PEERS_MAX: usize = 4_096;

#[derive(Clone, Copy)]
struct Score {
    points: u32,
    since: Instant,
}

/// The points of all peers.
#[derive(Default)]
pub(super) struct Penalties {
    scores: HashMap<PeerId, Score>,
    blocked: HashMap<PeerId, Instant>,
    banned: HashMap<Origin, Instant>,
}

/// What a rejection costs.
const fn points(rejection: Rejection) -> u32 {
    match rejection {
        Rejection::Malformed | Rejection::TooLarge | Rejection::BadSignature => 34,
        // Only the signer can have made these, and honest peers do not pass them on.
        Rejection::WrongAncestry | Rejection::WrongTarget | Rejection::WrongPayload | Rejection::NoQuorum => 20,
        // An honest peer never sends the same words twice, but a few old ones may linger on its way.
        Rejection::Replayed => 5,
        Rejection::OverRate => 1,
        Rejection::UnknownSigner
        | Rejection::ForeignInstance
        | Rejection::NotLeader
        | Rejection::FarFuture
        | Rejection::UnknownParent
        | Rejection::TooManyTwins
        | Rejection::Late => 0,
    }
}

/// Whether a peer may stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sentence {
    /// It may.
    Stay,
    /// Disconnect it now and refuse it until [`Penalties::pardoned`] names it.
    Block,
    /// Disconnect it now; too many are refused already to remember another.
    Disconnect,
}

impl Penalties {
    /// Counts a rejection against a peer.
    pub fn blame(&mut self, peer: PeerId, rejection: Rejection, block_for: Duration, now: Instant) -> Sentence {
        let cost = points(rejection);
        if cost == 0 {
            return Sentence::Stay;
        }
        if self.scores.len() >= PEERS_MAX && !self.scores.contains_key(&peer) {
            self.forget_least(now);
        }
        let score = self.scores.entry(peer).or_insert(Score { points: 0, since: now });
        *score = Score { points: decayed(*score, now).saturating_add(cost), since: now };
        if score.points < BLOCK_AT {
            return Sentence::Stay;
        }
        self.block(peer, block_for, now)
    }

    /// Turns a peer away at once, whatever its score.
    pub fn block(&mut self, peer: PeerId, block_for: Duration, now: Instant) -> Sentence {
        self.scores.remove(&peer);
        if self.blocked.len() >= PEERS_MAX {
            return Sentence::Disconnect;
        }
        self.blocked.insert(peer, now + block_for);
        Sentence::Block
    }

    /// Turns strangers from an origin away; whether there was room to remember it.
    pub fn ban(&mut self, origin: Origin, ban_for: Duration, now: Instant) -> bool {
        let has_room = self.banned.len() < PEERS_MAX || self.banned.contains_key(&origin);
        if has_room {
            self.banned.insert(origin, now + ban_for);
        }
        has_room
    }

    /// Takes out the peers and the origins whose time is over.
    pub fn pardoned(&mut self, now: Instant) -> (Vec<PeerId>, Vec<Origin>) {
        let peers = self.blocked.extract_if(|_, until| *until <= now).map(|(peer, _)| peer).collect();
        let origins = self.banned.extract_if(|_, until| *until <= now).map(|(origin, _)| origin).collect();
        (peers, origins)
    }

    /// How many peers are turned away at the moment.
    pub fn blocked(&self) -> usize {
        self.blocked.len()
    }

    fn forget_least(&mut self, now: Instant) {
        if let Some(peer) = self.scores.iter().min_by_key(|(_, score)| decayed(**score, now)).map(|(peer, _)| *peer) {
            self.scores.remove(&peer);
        }
    }
}

fn decayed(score: Score, now: Instant) -> u32 {
    let halvings = now.saturating_duration_since(score.since).as_secs() / HALF_LIFE.as_secs();
    score.points.checked_shr(u32::try_from(halvings).unwrap_or(u32::MAX)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_after_three_bad_encodings_and_pardons_in_time() {
        let (peer, now, block_for) = (PeerId::random(), Instant::now(), Duration::from_secs(5));
        let mut penalties = Penalties::default();
        let mut blame = |rejection, at| penalties.blame(peer, rejection, block_for, at);
        assert_eq!(blame(Rejection::Late, now), Sentence::Stay);
        assert_eq!(blame(Rejection::Malformed, now), Sentence::Stay);
        assert_eq!(blame(Rejection::BadSignature, now), Sentence::Stay);
        assert_eq!(blame(Rejection::Malformed, now), Sentence::Block);
        assert_eq!(penalties.pardoned(now + Duration::from_secs(4)), (vec![], vec![]));
        assert_eq!(penalties.pardoned(now + block_for), (vec![peer], vec![]));
        assert_eq!(penalties.blocked(), 0);
    }

    #[test]
    fn origins_are_pardoned_in_time_and_bounded() {
        let (now, ban_for) = (Instant::now(), Duration::from_secs(5));
        let origin = |number: usize| {
            let address = format!("/ip4/10.0.{}.{}", number / 256, number % 256).parse().unwrap();
            crate::actors::network::origin::origin(&address).unwrap()
        };
        let mut penalties = Penalties::default();
        assert!((0..PEERS_MAX).all(|number| penalties.ban(origin(number), ban_for, now)));
        assert!(!penalties.ban(origin(PEERS_MAX), ban_for, now));
        assert!(penalties.ban(origin(0), 2 * ban_for, now), "known ones are renewed");
        assert_eq!(penalties.pardoned(now + ban_for).1.len(), PEERS_MAX - 1);
        assert_eq!(penalties.pardoned(now + 2 * ban_for).1, [origin(0)]);
    }

    #[test]
    fn flood_of_requests_or_replays_is_worth_a_block_and_lateness_is_not() {
        let (now, mut penalties) = (Instant::now(), Penalties::default());
        for (rejection, times) in [(Rejection::OverRate, 100), (Rejection::Replayed, 20)] {
            let peer = PeerId::random();
            let sentences = (0..times).map(|_| penalties.blame(peer, rejection, HALF_LIFE, now)).collect::<Vec<_>>();
            assert_eq!(sentences.iter().position(|sentence| *sentence == Sentence::Block), Some(times - 1));
        }
        let late = PeerId::random();
        for _ in 0..10_000 {
            assert_eq!(penalties.blame(late, Rejection::Late, HALF_LIFE, now), Sentence::Stay);
        }
    }

    #[test]
    fn forgets_rare_faults() {
        let (peer, mut now) = (PeerId::random(), Instant::now());
        let mut penalties = Penalties::default();
        for _ in 0..20 {
            now += HALF_LIFE;
            assert_eq!(penalties.blame(peer, Rejection::Malformed, HALF_LIFE, now), Sentence::Stay);
        }
    }
}
