//! Crashes, restarts, disks that fail, and disks that were another time's.

use std::time::Duration;

use super::{Event, World};
use crate::{
    protocol::Timing,
    replica::{Input, Peer},
    sim::{
        Amnesia,
        checkers::Sight,
        estate::Estate,
        letter::{Letter, Mailbox},
        node::Node,
    },
    types::Height,
};

/// How long one who forgets remembers at most.
pub(super) const MEMORY_MAX: Duration = Duration::from_millis(1500);

impl World<'_> {
    /// Somebody crashes, or finds its disk full.
    pub(super) fn crash_someone(&mut self) {
        if self.is_stable() {
            return;
        }
        let victim = self.someone();
        if self.dice.chance(self.faults.disk_full)
            && let Some(node) = self.places[victim].node.as_mut()
        {
            node.fill_disk(self.dice.below(4));
        } else if self.places[victim].node.is_some() {
            self.crash(victim);
            self.rot(victim);
            let down = self.dice.span(Duration::from_millis(10), self.faults.down_max);
            self.schedule(down, Event::Restart(victim));
        }
        self.schedule(self.faults.crash_interval, Event::Crash);
    }

    /// A validator that comes up at all.
    pub(super) fn someone(&mut self) -> usize {
        let present = self.scenario.validators.saturating_sub(self.scenario.absent);
        usize::try_from(self.dice.below(present as u64)).unwrap_or(0)
    }

    fn crash(&mut self, victim: usize) {
        let place = &mut self.places[victim];
        let Some(node) = place.node.take() else { return };
        let storage = place.mailboxes.get_mut(&Mailbox::Storage).and_then(|letters| letters.pop_front());
        let under_way = storage.and_then(|letter| match letter {
            Letter::Append(entries, _) => Some(entries),
            _ => None,
        });
        let kept = node.crash(under_way, &mut self.dice);
        place.estate = Some(match self.scenario.amnesia {
            Amnesia::Rejoins if victim == 0 => Estate::rejoining(&self.genesis),
            Amnesia::Forgets if victim == 0 => Estate::new(&self.genesis),
            _ => kept,
        });
        place.life += 1;
        place.mailboxes.clear();
        place.busy_until.clear();
        place.alarm = None;
        self.clients.lose(victim);
        self.tell_others(victim, |peer| Input::PeerDown { peer });
    }

    /// The disk failed, which ends the process; somebody makes room and starts it again.
    pub(super) fn fail(&mut self, node: usize, fault: &str) {
        self.tell(Some(node), "storage", || fault.to_string());
        self.crash(node);
        let down = self.dice.span(Duration::from_millis(10), Duration::from_secs(1));
        self.schedule(down, Event::Restart(node));
    }

    /// A byte of a crashed validator's journal goes bad, as long as the disks of no more than may be faulty do.
    fn rot(&mut self, victim: usize) {
        let others = self.places.iter().enumerate().filter(|(other, _)| *other != victim);
        let faulty = others.filter(|(_, place)| place.rots || !place.is_honest()).count();
        if !self.dice.chance(self.faults.rot) || faulty >= self.scenario.tolerated() {
            return;
        }
        let place = &mut self.places[victim];
        if let Some(estate) = &mut place.estate {
            place.rots = true;
            estate.rot(&mut self.dice);
            self.tell(Some(victim), "storage", || "rot".into());
        }
    }

    /// One who forgets crashes and comes back as it was long ago, or as new.
    pub(super) fn forget(&mut self, node: usize) {
        self.crash(node);
        self.lies += 1;
        let place = &mut self.places[node];
        if self.dice.chance(300) {
            place.old.clone_from(&place.estate);
        }
        place.estate.clone_from(&place.old);
        let down = self.dice.span(Duration::from_millis(5), Duration::from_millis(200));
        self.schedule(down, Event::Restart(node));
        let next = self.dice.span(MEMORY_MAX / 10, MEMORY_MAX);
        self.schedule(next, Event::Forget(node));
    }

    pub(super) fn restart(&mut self, node: usize) {
        if self.places[node].node.is_some() {
            return;
        }
        let timing = Timing::default();
        let place = &mut self.places[node];
        place.life += 1;
        let is_honest = place.is_honest();
        let entries = match Node::start(&self.genesis, &place.identity, place.estate.take(), timing) {
            Ok((started, entries)) => {
                place.node = Some(started);
                entries
            }
            Err(error) => {
                // One bad byte for each life is no reason, and a crash never is.
                let what = error.to_string();
                self.tell(Some(node), "storage", || what.clone());
                if is_honest {
                    self.see(&Sight::Unopened { node, what: &what });
                }
                return;
            }
        };
        if is_honest {
            let stored = self.places[node].node.as_ref().map_or(Height::ZERO, |node| node.tip().height);
            self.see(&Sight::Remembered { node, entries: &entries, stored });
        }
        let validator = self.places[node].identity.peers[node];
        self.post(node, Letter::Replica(Input::Begin));
        self.tell_others(node, |peer| Input::PeerUp { peer, validator });
        for other in 0..self.places.len() {
            if other != node && self.places[other].node.is_some() {
                let validator = self.places[other].identity.peers[other];
                self.post(node, Letter::Replica(Input::PeerUp { peer: Peer(other as u64), validator }));
            }
        }
    }

    fn tell_others(&mut self, about: usize, input: impl Fn(Peer) -> Input) {
        for other in (0..self.places.len()).filter(|other| *other != about) {
            if self.places[other].node.is_some() {
                self.post(other, Letter::Replica(input(Peer(about as u64))));
            }
        }
    }
}
