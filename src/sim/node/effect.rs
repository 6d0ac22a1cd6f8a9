//! What a node does for its brains: their effects become letters to other mailboxes, and mail.

use std::sync::Arc;

use super::{HAS_GENESIS, Node, node_of};
use crate::{
    app::{self, Block},
    journal::Entry,
    protocol::{self, Abstention, Effect, Electorate, Judgement, Lifetime, Message},
    replica::{
        self, Peer,
        wire::{Frame, Request},
    },
    sim::letter::{Letter, Mail, Question, Then, Turn},
    types::{BoundedVec, Digest, Height, Time},
};

impl Node {
    pub(super) fn act(&mut self, now: Time, height: Height, instance: Digest, effect: Effect, turn: &mut Turn) {
        match effect {
            Effect::Verify { origin, message } => turn.letters.push(Letter::Verify(height, origin, message)),
            Effect::Ask { peer, summary } => {
                if let Some(node) = self.peers.iter().position(|validator| *validator == Some(peer)) {
                    let request = Request::Diff { height, instance, summary };
                    turn.mail.push((node, Mail::Request(Question::Ask(height), request)));
                }
            }
            Effect::Build { slot, .. } => {
                turn.letters.push(Letter::Replica(replica::Input::Build { slot, wall_ms: self.wall_ms(now) }));
            }
            Effect::Validate { id, height: at, proposer, payload } => {
                if self.genesis.protocol.lifetime() == Lifetime::Epoch {
                    let proposed = replica::Input::Proposed { height: at, payload: payload.clone() };
                    turn.letters.push(Letter::Replica(proposed));
                }
                turn.letters.push(Letter::Validate { instance: height, height: at, proposer, id, payload });
            }
            Effect::Leading { round, leader, .. } => {
                turn.letters.push(Letter::Replica(replica::Input::Leading { round, leader }));
            }
            Effect::Forget { below } => self.forget_below(|floors| floors.instances = floors.instances.max(below)),
            Effect::Decided { height, payload, certificate } => {
                let block = Block { height, payload, certificate };
                turn.letters.push(Letter::Replica(replica::Input::Decided { block }));
            }
            Effect::Measured { quorum_delay } => {
                turn.letters.push(Letter::Replica(replica::Input::Measured { quorum_delay }));
            }
            Effect::Judge { judgement: Judgement::Reject(_), .. } => turn.rejected += 1,
            Effect::Evidence(evidence) => {
                let electorate = Electorate { id: instance, set: Arc::clone(&self.set) };
                turn.accusations.push((electorate, evidence));
            }
            _ => {}
        }
    }

    pub(super) fn post(&self, height: Height, instance: Digest, to: &protocol::To, message: Message, turn: &mut Turn) {
        let frame = Frame::Instance { height, instance, message };
        for (node, validator) in self.peers.iter().enumerate() {
            let is_addressed = match to {
                protocol::To::One(one) => *validator == Some(*one),
                protocol::To::Some(some) => validator.is_some_and(|validator| some.contains(&validator)),
                protocol::To::Validators | protocol::To::Everyone => true,
            };
            if is_addressed && node != self.index {
                turn.mail.push((node, Mail::Frame(frame.clone())));
            }
        }
    }

    pub(super) fn act_replica(&mut self, now: Time, effect: replica::Effect, turn: &mut Turn) {
        match effect {
            replica::Effect::Open { setup } => self.open(now, setup, turn),
            replica::Effect::Close { height } => {
                self.deciders.remove(&height);
            }
            replica::Effect::Demand { height, commands_since, waited_on } => {
                let demand = protocol::Input::Demand { commands_since, waited_on };
                turn.letters.push(Letter::Decider(height, demand));
            }
            replica::Effect::Tell { instance, input } => turn.letters.push(Letter::Decider(instance, input)),
            replica::Effect::Offer { slot, payload } => {
                let instance = self.genesis.protocol.first_height(slot.height);
                turn.letters.push(Letter::Decider(instance, protocol::Input::Payload { slot, payload }));
            }
            replica::Effect::Record { block } => {
                let then = Then::Recorded(block.height);
                turn.letters.push(Letter::Append(vec![Entry::Decided { block }], then));
            }
            replica::Effect::Execute { block, instance } => turn.letters.push(Letter::Execute(block, instance)),
            replica::Effect::Forward { to, commands } => {
                let Ok(commands) = BoundedVec::try_from(commands) else { return };
                for (node, validator) in self.peers.iter().enumerate() {
                    if node != self.index && validator.is_some_and(|validator| to.contains(&validator)) {
                        turn.mail.push((node, Mail::Frame(Frame::Commands(commands.clone()))));
                    }
                }
            }
            replica::Effect::Fetch { peer, from } => {
                turn.mail.push((node_of(peer), Mail::Request(Question::Fetch, Request::Blocks { from })));
            }
            replica::Effect::Check { peer, block, electorate } => {
                turn.letters.push(Letter::CheckBlock(peer, block, electorate));
            }
            replica::Effect::Announce { to, status } => {
                self.status = status;
                self.announce(to, turn);
            }
            replica::Effect::Enlighten { peer, .. } => self.announce(Some(peer), turn),
            replica::Effect::Abstain { through } => {
                let entry = Entry::Abstention(Abstention::Through(through));
                turn.letters.push(Letter::Append(vec![entry], Then::Abstained(through)));
            }
            replica::Effect::Blame { .. } => turn.rejected += 1,
            replica::Effect::Attest { checkpoint, scope } => {
                let then = Then::Attested(checkpoint, scope);
                turn.letters.push(Letter::Append(vec![Entry::Checkpoint(checkpoint)], then));
            }
            replica::Effect::CheckVote { peer, vote, electorate } => {
                turn.letters.push(Letter::CheckVote(peer, vote, electorate));
            }
            replica::Effect::Vouch { to, vote } => self.tell_peers(to, &Frame::Checkpoint(vote), turn),
            replica::Effect::Keep { stable } => {
                turn.letters.push(Letter::Append(vec![Entry::Stable(stable.clone())], Then::Kept));
                let history = app::header(&self.rows, Height::ZERO).expect(HAS_GENESIS).hash();
                turn.stable.push((self.genesis.epoch_id(stable.checkpoint.height, &self.set, &history), stable));
            }
            replica::Effect::Accuse { evidence, electorate } => turn.accusations.push((electorate, evidence)),
            replica::Effect::Halt { ours, theirs } => {
                turn.alarms.push(format!("executed {ours:?}, but {theirs:?} was signed"));
            }
            replica::Effect::Reply { ticket, fate } => turn.fates.push((ticket, fate)),
        }
    }

    fn announce(&self, to: Option<Peer>, turn: &mut Turn) {
        self.tell_peers(to, &Frame::Status { status: self.status, wall_ms: 0 }, turn);
    }

    fn tell_peers(&self, to: Option<Peer>, frame: &Frame, turn: &mut Turn) {
        let nodes = 0..self.peers.len();
        for node in nodes.filter(|node| *node != self.index && to.is_none_or(|peer| node_of(peer) == *node)) {
            turn.mail.push((node, Mail::Frame(frame.clone())));
        }
    }
}
