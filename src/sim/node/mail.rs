//! What a node makes of mail: frames, questions and answers of its peers.

use super::{ANSWER_BYTES, Node, node_of};
use crate::{
    app::{self, Identified},
    protocol::{self, Origin},
    replica::{
        self, Peer,
        waiting::Early,
        wire::{Frame, Request, Response},
    },
    sim::letter::{Letter, Mail, Question, Turn},
    types::{Height, Time},
};

impl Node {
    pub(super) fn frame(&mut self, now: Time, peer: Peer, frame: Frame, turn: &mut Turn) {
        let highest = self.deciders.last_key_value().map_or(Height::ZERO, |(height, _)| *height);
        match frame {
            Frame::Instance { height, instance, message } => match self.deciders.get(&height) {
                Some(sitting) if sitting.electorate.id == instance => {
                    let origin = self.origin(peer);
                    self.step_decider(now, height, protocol::Input::Arrived { origin, message }, turn);
                }
                _ if height > highest && height <= highest.plus(2) => {
                    self.early.keep(Early { peer, ticket: None, height, instance, message });
                }
                _ => turn.letters.push(Letter::Replica(replica::Input::Stray { peer, height })),
            },
            Frame::Commands(commands) => {
                let commands = commands.into_vec().into_iter().map(Identified::from);
                let commands = commands.filter(|command| self.is_news(command) && self.is_signed(command)).collect();
                turn.letters.push(Letter::Replica(replica::Input::Forwarded { from: peer, commands }));
            }
            Frame::Checkpoint(vote) => turn.letters.push(Letter::Replica(replica::Input::Vote { peer, vote })),
            Frame::Status { status, .. } => turn.letters.push(Letter::Replica(replica::Input::Status { peer, status })),
        }
    }

    /// Whether a forwarded command may still be proposed: one that was executed long ago spoils every payload.
    fn is_news(&self, command: &Identified) -> bool {
        self.executor.check(&command.command().body).is_ok()
            && app::replies(&self.rows, std::slice::from_ref(command)) == [None]
    }

    /// `OB-11`
    fn is_signed(&mut self, command: &Identified) -> bool {
        let Ok(claim) = self.signing.claim(&command.command().view()) else { return false };
        claim.is_none_or(|check| self.checked.borrow_mut().bad_signatures(&[check], &mut self.rng).is_empty())
    }

    pub(super) fn origin(&self, peer: Peer) -> Origin {
        let validator = usize::try_from(peer.0).ok().and_then(|at| self.peers.get(at).copied().flatten());
        Origin { validator, ticket: None }
    }

    pub(super) fn request(&mut self, now: Time, peer: Peer, question: Question, request: Request, turn: &mut Turn) {
        let response = match request {
            Request::Diff { height, instance, summary } => match self.deciders.get(&height) {
                Some(sitting) if sitting.electorate.id == instance => self.pull(now, height, summary, turn),
                _ if height <= self.tip().height => self.blocks(height),
                _ => {
                    turn.letters.push(Letter::Replica(replica::Input::Stray { peer, height }));
                    Response::Nothing(self.status)
                }
            },
            Request::Blocks { from } => self.blocks(from),
        };
        turn.mail.push((node_of(peer), Mail::Response(question, response)));
    }

    fn blocks(&self, from: Height) -> Response {
        Response::Blocks { blocks: replica::blocks_from(&self.rows, from, ANSWER_BYTES), status: self.status }
    }

    pub(super) fn response(&mut self, peer: Peer, question: Question, response: Response, turn: &mut Turn) {
        let status = match response {
            Response::Diff(message) => {
                if let Question::Ask(height) = question {
                    let origin = self.origin(peer);
                    turn.letters.push(Letter::Decider(height, protocol::Input::Arrived { origin, message }));
                }
                return;
            }
            Response::Blocks { blocks, status } => {
                turn.letters.push(Letter::Replica(replica::Input::Blocks { peer, blocks }));
                status
            }
            // Anything but blocks is no answer to a question for blocks: the brain asks somebody else.
            Response::Nothing(_) | Response::Busy if question == Question::Fetch => {
                turn.letters.push(Letter::Replica(replica::Input::Blocks { peer, blocks: Vec::new() }));
                return;
            }
            Response::Nothing(status) => status,
            Response::Busy => return,
        };
        turn.letters.push(Letter::Replica(replica::Input::Status { peer, status }));
    }
}
