//! `one-vote`: no honest validator votes or leads twice in a tick, votes in ticks that do not rise, votes on a parent
//! above one that it voted on before, or votes for messages of two leaders of a tick; all its lives together. What that is
//! under PBFT says [`super::pbft`].

use std::collections::BTreeMap;

use super::{
    Checker, Facts, Sight,
    pbft::{Jury, Said},
};
use crate::{
    protocol::{
        Message,
        streamlette::{self as sl, Header, Tick, Vote},
    },
    replica::wire::Frame,
    sim::letter::Mail,
    types::{Digest, ValidatorIndex},
};

/// See the file's header.
#[derive(Debug)]
pub struct OneVote {
    facts: Facts,
    /// Everything that can be voted for, by instance and id.
    headers: BTreeMap<(Digest, Digest), Header>,
    /// What each honest validator voted for in a tick of an instance.
    votes: BTreeMap<(usize, Digest, Tick), Digest>,
    /// The tick of its last vote, and the depth of the deepest parent, below zero as zero.
    last: BTreeMap<(usize, Digest), (Tick, u64)>,
    /// Whose messages honest validators voted for in a tick.
    leaders: BTreeMap<(Digest, Tick), ValidatorIndex>,
    pbft: Said,
}

impl OneVote {
    /// For a world of these facts.
    pub fn new(facts: Facts) -> Self {
        let (headers, votes, last, leaders, pbft) = Default::default();
        Self { facts, headers, votes, last, leaders, pbft }
    }

    fn learn(&mut self, instance: Digest, header: Header) {
        self.headers.insert((instance, header.id(&instance)), header);
    }

    fn on_message(&mut self, node: Option<usize>, instance: Digest, message: &sl::Message) -> Result<(), String> {
        let me = node.and_then(|node| self.facts.peers[node]);
        let led = match message {
            sl::Message::Proposal { header, .. } => Some(Header::Proposal(*header)),
            sl::Message::Solicit { header, .. } => Some(Header::Solicit(*header)),
            sl::Message::Diff(diff) => {
                diff.items.iter().filter_map(sl::Item::header).for_each(|header| self.learn(instance, header));
                None
            }
            _ => None,
        };
        if let Some(header) = led {
            self.learn(instance, header);
        }
        let vote = match (message, led) {
            (_, Some(header)) if Some(header.leader()) == me => {
                Some(Vote { tick: header.tick(), target: header.id(&instance) })
            }
            (sl::Message::Vote(vote), _) if Some(vote.signer) == me => Some(vote.message),
            _ => None,
        };
        match node.zip(vote) {
            Some((node, vote)) => self.on_vote(node, instance, vote, led.is_some()),
            None => Ok(()),
        }
    }

    fn on_vote(&mut self, node: usize, instance: Digest, vote: Vote, is_lead: bool) -> Result<(), String> {
        let Vote { tick, target } = vote;
        let did = if is_lead { "led" } else { "voted" };
        match self.votes.insert((node, instance, tick), target) {
            Some(known) if known == target => return Ok(()),
            Some(known) => {
                return Err(format!("node {node} {did} in tick {tick:?} for {target:?}, before for {known:?}"));
            }
            None => {}
        }
        let header = self.headers.get(&(instance, target)).copied();
        let parent_depth = header.map_or(0, |header| header.depth().get());
        let last = self.last.insert((node, instance), (tick, parent_depth));
        if let Some((before, lock)) = last {
            if tick <= before {
                return Err(format!("node {node} {did} in tick {tick:?} after tick {before:?}"));
            }
            if header.is_some() && parent_depth < lock {
                return Err(format!("node {node} {did} at depth {parent_depth} in tick {tick:?}, before at {lock}"));
            }
            self.last.insert((node, instance), (tick, parent_depth.max(lock)));
        }
        if let Some(header) = header {
            let leader = *self.leaders.entry((instance, tick)).or_insert(header.leader());
            if leader != header.leader() {
                return Err(format!("tick {tick:?} has two leaders, {leader} and {}", header.leader()));
            }
        }
        Ok(())
    }
}

impl Checker for OneVote {
    fn id(&self) -> &'static str {
        "one-vote"
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        let Sight::Sent { node, is_honest, mail } = sight else { return Ok(()) };
        match mail {
            Mail::Frame(Frame::Instance { instance, message: Message::Streamlette(message), .. }) => {
                self.on_message(is_honest.then_some(*node), *instance, message)
            }
            Mail::Frame(Frame::Instance { instance, message: Message::Pbft(message), .. }) if *is_honest => {
                let jury = Jury { set: &self.facts.set, instance: *instance };
                self.pbft.on_message(&self.facts, *node, &jury, message)
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
        protocol::streamlette::{Depth, Solicit, Votes},
        sim::checkers::planted::facts,
        types::{Height, Signature},
    };

    const INSTANCE: Digest = Digest::new([9; 32]);

    fn solicit(tick: u64, leader: u16, depth: u64) -> Solicit {
        let (parent, root) = (Digest::new([1; 32]), Digest::new([2; 32]));
        Solicit { tick: Tick::new(tick), leader: ValidatorIndex::new(leader), parent, root, depth: Depth::new(depth) }
    }

    fn see(checker: &mut OneVote, node: usize, is_honest: bool, message: sl::Message) -> Result<(), String> {
        let message = Message::Streamlette(message);
        let mail = Mail::Frame(Frame::Instance { height: Height::FIRST, instance: INSTANCE, message });
        checker.see(&Sight::Sent { node, is_honest, mail: &mail })
    }

    /// Shows a message of a liar, and the vote of validator 0 for it.
    fn vote(checker: &mut OneVote, header: Solicit) -> Result<(), String> {
        let signature = Signature::new([0; 64]);
        let message = sl::Message::Solicit { header, signature, parent_tick: Tick::ZERO, quorum: Votes::default() };
        see(checker, 3, false, message)?;
        let target = Header::Solicit(header).id(&INSTANCE);
        let vote = Vote { tick: header.tick, target };
        let signed = SecretKey::from_seed(&[1; 32]).sign(vote, facts().peers[0].unwrap(), &INSTANCE);
        see(checker, 0, true, sl::Message::Vote(signed))
    }

    #[test]
    fn votes_that_rise_pass_and_may_be_sent_again() {
        let mut checker = OneVote::new(facts());
        for tick in [1, 2, 2, 5] {
            vote(&mut checker, solicit(tick, 1, tick)).unwrap();
        }
    }

    #[test]
    fn a_second_vote_a_late_one_and_one_below_the_lock_are_noticed() {
        let mut checker = OneVote::new(facts());
        vote(&mut checker, solicit(2, 1, 2)).unwrap();
        vote(&mut checker, solicit(2, 1, 3)).unwrap_err();
        vote(&mut checker, solicit(1, 1, 2)).unwrap_err();
        let mut checker = OneVote::new(facts());
        vote(&mut checker, solicit(2, 1, 2)).unwrap();
        vote(&mut checker, solicit(3, 1, 1)).unwrap_err();
    }

    #[test]
    fn a_second_leader_is_noticed() {
        let mut checker = OneVote::new(facts());
        vote(&mut checker, solicit(2, 1, 2)).unwrap();
        let signature = Signature::new([0; 64]);
        let header = solicit(2, 2, 2);
        let message = sl::Message::Solicit { header, signature, parent_tick: Tick::ZERO, quorum: Votes::default() };
        see(&mut checker, 3, false, message).unwrap();
        let vote = Vote { tick: header.tick, target: Header::Solicit(header).id(&INSTANCE) };
        let signed = SecretKey::from_seed(&[2; 32]).sign(vote, facts().peers[1].unwrap(), &INSTANCE);
        see(&mut checker, 1, true, sl::Message::Vote(signed)).unwrap_err();
    }
}
