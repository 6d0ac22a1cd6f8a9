//! `durable`: whatever restricts a validator later is on its disk before anyone sees it: its votes, wherever they are
//! carried, its wishes, and a decision before a client hears of it. And a journal that crashed, or has a rotten byte,
//! always opens, and gives back every vote that may still matter. What that is under PBFT says [`super::pbft`].

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Checker, Facts, Sight,
    pbft::{Disks, Jury},
};
use crate::{
    journal::Entry,
    protocol::{
        Message, Record, pbft,
        streamlette::{self as sl, Header, Tick, Vote, Votes},
    },
    replica::wire::{Frame, Response},
    sim::letter::{Mail, Question},
    types::{Digest, Height, ValidatorIndex},
};

/// What is on a validator's disk. Nothing ever leaves it: what was synced once comes back after every crash.
#[derive(Debug, Default)]
struct Disk {
    /// At which height each was cast.
    votes: BTreeMap<(Digest, Tick, Digest), Height>,
    wants: BTreeMap<Digest, Tick>,
    decided: BTreeSet<Height>,
    checkpoints: BTreeSet<(Height, Digest, Digest)>,
    /// Up to where blocks are in the store.
    stored: Height,
}

/// See the file's header.
#[derive(Debug)]
pub struct DurableBeforeVisible {
    facts: Facts,
    disks: BTreeMap<usize, Disk>,
    /// The instance of each height: answers name only the height they were asked for.
    instances: BTreeMap<Height, Digest>,
    pbft: Disks,
}

impl DurableBeforeVisible {
    /// For a world of these facts.
    pub fn new(facts: Facts) -> Self {
        Self { facts, disks: BTreeMap::new(), instances: BTreeMap::new(), pbft: Disks::default() }
    }

    fn store(&mut self, node: usize, entries: &[Entry]) {
        self.pbft.store(node, entries);
        let disk = self.disks.entry(node).or_default();
        for entry in entries {
            match entry {
                Entry::Instance { height, instance, record: Record::Streamlette(record) } => {
                    self.instances.insert(*height, *instance);
                    match record {
                        sl::Record::Vote { vote, .. } => {
                            disk.votes.insert((*instance, vote.tick, vote.target), *height);
                        }
                        sl::Record::Want { tick } => {
                            let highest = disk.wants.entry(*instance).or_default();
                            *highest = (*highest).max(*tick);
                        }
                    }
                }
                Entry::Instance { record: Record::Pbft(_), .. } => {}
                Entry::Decided { block } => {
                    disk.decided.insert(block.height);
                }
                Entry::Checkpoint(checkpoint) => {
                    disk.checkpoints.insert((checkpoint.height, checkpoint.header, checkpoint.state_root));
                }
                Entry::PeerCounter { .. } | Entry::Abstention(_) | Entry::Stable(_) => {}
            }
        }
    }

    /// Every vote above what is in the store is back. A disk that holds nothing was lost, one that tells of an abstention
    /// has been: whoever has such a one is judged by what it votes for (`OB-10`).
    fn remember(&mut self, node: usize, entries: &[Entry], stored: Height) -> Result<(), String> {
        let disk = self.disks.entry(node).or_default();
        let mut back = BTreeSet::new();
        for entry in entries {
            match entry {
                Entry::Instance { instance, record: Record::Streamlette(sl::Record::Vote { vote, .. }), .. } => {
                    back.insert((*instance, vote.tick, vote.target));
                }
                Entry::Abstention(_) => return Ok(()),
                _ => {}
            }
        }
        let forgotten = disk.votes.iter().find(|(vote, height)| **height > stored && !back.contains(vote));
        match forgotten.filter(|_| !entries.is_empty()) {
            Some(((_, tick, target), height)) => {
                Err(format!("node {node} forgets its vote of tick {tick:?} for {target:?} at {height}"))
            }
            None if entries.is_empty() => Ok(()),
            None => self.pbft.remember(node, entries, stored),
        }
    }

    fn on_pbft(&mut self, node: usize, instance: Digest, message: &pbft::Message) -> Result<(), String> {
        let jury = Jury { set: &self.facts.set, instance };
        self.pbft.on_message(&self.facts, node, &jury, message)
    }

    fn on_message(&mut self, node: usize, instance: Digest, message: &sl::Message) -> Result<(), String> {
        let Some(me) = self.facts.peers[node] else { return Ok(()) };
        let disk = self.disks.entry(node).or_default();
        let own = Own { disk, node, me, instance };
        match message {
            sl::Message::Proposal { header, .. } if header.leader == me => own.led(&Header::Proposal(*header)),
            sl::Message::Solicit { header, parent_tick, quorum, .. } => {
                own.ballots(*parent_tick, header.parent, quorum)?;
                if header.leader == me { own.led(&Header::Solicit(*header)) } else { Ok(()) }
            }
            sl::Message::Vote(vote) if vote.signer == me => own.vote(vote.message),
            sl::Message::Want(want) if want.signer == me => own.want(want.message.tick),
            sl::Message::Diff(diff) => {
                for item in diff.items.iter() {
                    let vote = item.vote(&instance);
                    own.ballots(vote.tick, vote.target, item.votes())?;
                }
                diff.wants.iter().filter(|wish| wish.signer == me).try_for_each(|wish| match wish.target {
                    Some(target) => own.vote(Vote { tick: wish.tick, target }),
                    None => own.want(wish.tick),
                })
            }
            sl::Message::Certificate { certificate, .. } => {
                let id = instance;
                let bottom = Header::Proposal(certificate.proposal);
                own.ballots(bottom.tick(), bottom.id(&id), &certificate.votes)?;
                certificate.steps.iter().try_for_each(|step| {
                    let header = Header::Solicit(step.header);
                    own.ballots(header.tick(), header.id(&id), &step.votes)
                })
            }
            _ => Ok(()),
        }
    }
}

/// What a validator says of its own.
struct Own<'a> {
    disk: &'a Disk,
    node: usize,
    me: ValidatorIndex,
    instance: Digest,
}

impl Own<'_> {
    fn led(&self, header: &Header) -> Result<(), String> {
        let target = header.id(&self.instance);
        self.vote(Vote { tick: header.tick(), target })
    }

    fn ballots(&self, tick: Tick, target: Digest, votes: &Votes) -> Result<(), String> {
        if votes.iter().any(|ballot| ballot.voter == self.me) { self.vote(Vote { tick, target }) } else { Ok(()) }
    }

    fn vote(&self, vote: Vote) -> Result<(), String> {
        let Vote { tick, target } = vote;
        if self.disk.votes.contains_key(&(self.instance, tick, target)) {
            Ok(())
        } else {
            Err(format!("node {} shows its vote of tick {tick:?} for {target:?}, which is on no disk", self.node))
        }
    }

    fn want(&self, tick: Tick) -> Result<(), String> {
        if self.disk.wants.get(&self.instance) >= Some(&tick) {
            Ok(())
        } else {
            Err(format!("node {} wants tick {tick:?}, on no disk", self.node))
        }
    }
}

impl Checker for DurableBeforeVisible {
    fn id(&self) -> &'static str {
        "durable"
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        match sight {
            Sight::Persisted { node, entries } => {
                self.store(*node, entries);
                Ok(())
            }
            Sight::Remembered { node, entries, stored } => {
                self.store(*node, entries);
                let disk = self.disks.entry(*node).or_default();
                disk.stored = disk.stored.max(*stored);
                self.remember(*node, entries, *stored)
            }
            Sight::Unopened { node, what } => Err(format!("node {node} cannot come back: {what}")),
            Sight::Sent { node, is_honest: true, mail } => match mail {
                Mail::Frame(Frame::Instance { instance, message: Message::Streamlette(message), .. }) => {
                    self.on_message(*node, *instance, message)
                }
                Mail::Response(Question::Ask(height), Response::Diff(Message::Streamlette(message))) => {
                    let instance = self.instances.get(height).copied();
                    instance.map_or(Ok(()), |instance| self.on_message(*node, instance, message))
                }
                Mail::Frame(Frame::Instance { instance, message: Message::Pbft(message), .. }) => {
                    self.on_pbft(*node, *instance, message)
                }
                Mail::Response(_, Response::Diff(Message::Pbft(message))) => {
                    self.pbft.epoch().map_or(Ok(()), |epoch| self.on_pbft(*node, epoch, message))
                }
                Mail::Frame(Frame::Checkpoint(vote)) => {
                    let checkpoint = vote.message;
                    let disk = self.disks.entry(*node).or_default();
                    let tuple = (checkpoint.height, checkpoint.header, checkpoint.state_root);
                    if disk.checkpoints.contains(&tuple) {
                        Ok(())
                    } else {
                        Err(format!("node {node} signed {checkpoint:?}, which is on no disk"))
                    }
                }
                _ => Ok(()),
            },
            Sight::Answered { node, command, height } => {
                let disk = self.disks.entry(*node).or_default();
                if disk.decided.contains(height) || *height <= disk.stored {
                    Ok(())
                } else {
                    Err(format!("node {node} answered {command:?} at {height}, which is on no disk"))
                }
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::SecretKey,
        protocol::streamlette::Want,
        sim::checkers::planted::{block, facts},
    };

    const INSTANCE: Digest = Digest::new([9; 32]);

    fn see(checker: &mut DurableBeforeVisible, message: sl::Message) -> Result<(), String> {
        let message = Message::Streamlette(message);
        let mail = Mail::Frame(Frame::Instance { height: Height::FIRST, instance: INSTANCE, message });
        checker.see(&Sight::Sent { node: 0, is_honest: true, mail: &mail })
    }

    fn persist(checker: &mut DurableBeforeVisible, record: sl::Record) {
        let record = Record::Streamlette(record);
        let entries = [Entry::Instance { height: Height::FIRST, instance: INSTANCE, record }];
        checker.see(&Sight::Persisted { node: 0, entries: &entries }).unwrap();
    }

    #[test]
    fn a_vote_and_a_wish_before_the_disk_are_noticed() {
        let (mut checker, key) = (DurableBeforeVisible::new(facts()), SecretKey::from_seed(&[1; 32]));
        let me = facts().peers[0].unwrap();
        let vote = Vote { tick: Tick::new(1), target: Digest::new([1; 32]) };
        let signed = sl::Message::Vote(key.sign(vote, me, &INSTANCE));
        see(&mut checker, signed.clone()).unwrap_err();
        persist(&mut checker, sl::Record::Vote { vote, lock_depth: None, items: Vec::new() });
        see(&mut checker, signed).unwrap();
        let want = |tick| sl::Message::Want(key.sign(Want { tick: Tick::new(tick) }, me, &INSTANCE));
        see(&mut checker, want(2)).unwrap_err();
        persist(&mut checker, sl::Record::Want { tick: Tick::new(2) });
        see(&mut checker, want(2)).unwrap();
        see(&mut checker, want(3)).unwrap_err();
    }

    #[test]
    fn a_vote_that_does_not_come_back_is_noticed() {
        let mut checker = DurableBeforeVisible::new(facts());
        let vote = Vote { tick: Tick::new(1), target: Digest::new([1; 32]) };
        persist(&mut checker, sl::Record::Vote { vote, lock_depth: None, items: Vec::new() });
        let others = [Entry::PeerCounter { counter: 1 }];
        let remembered = |stored| Sight::Remembered { node: 0, entries: &others, stored };
        checker.see(&remembered(Height::ZERO)).unwrap_err();
        checker.see(&remembered(Height::FIRST)).unwrap();
    }

    #[test]
    fn an_answer_before_the_disk_is_noticed() {
        let mut checker = DurableBeforeVisible::new(facts());
        let answered = Sight::Answered { node: 0, command: Digest::new([0; 32]), height: Height::FIRST };
        checker.see(&answered).unwrap_err();
        let entries = [Entry::Decided { block: block(1, 0) }];
        checker.see(&Sight::Persisted { node: 0, entries: &entries }).unwrap();
        checker.see(&answered).unwrap();
        let mut checker = DurableBeforeVisible::new(facts());
        checker.see(&Sight::Remembered { node: 0, entries: &[], stored: Height::FIRST }).unwrap();
        checker.see(&answered).unwrap();
    }
}
