//! Answers pulls with nonsense: votes under wrong signatures or names, halves of diffs, endless continuations, old
//! certificates with new values, or nothing.

use bytes::Bytes;

use super::{Hand, Liar};
use crate::{
    protocol::{
        Message, pbft,
        streamlette::{self as sl, Ballot, Diff, Item, Votes},
    },
    replica::wire::Response,
    sim::letter::Mail,
    types::{BoundedVec, Signature},
};

/// See the file's header.
pub struct FalseDiffs;

impl Liar for FalseDiffs {
    fn speak(&mut self, to: usize, mail: Mail, hand: &mut Hand<'_>) {
        let mail = match mail {
            Mail::Response(question, Response::Diff(Message::Streamlette(message))) => {
                let response = match falsify(message, hand) {
                    Some(message) => Response::Diff(Message::Streamlette(message)),
                    None => Response::Busy,
                };
                Mail::Response(question, response)
            }
            Mail::Response(question, Response::Diff(Message::Pbft(message))) => {
                let response = match falsify_pbft(message.into_diff(), hand) {
                    Some(diff) => Response::Diff(Message::Pbft(pbft::Message::Diff(diff))),
                    None => Response::Busy,
                };
                Mail::Response(question, response)
            }
            other => other,
        };
        hand.send(to, mail);
    }
}

fn falsify(message: sl::Message, hand: &mut Hand<'_>) -> Option<sl::Message> {
    match message {
        sl::Message::Certificate { certificate, .. } => {
            Some(sl::Message::Certificate { certificate, payload: Bytes::from_static(b"another value") })
        }
        sl::Message::Diff(diff) => match hand.dice.below(4) {
            0 => None,
            1 => Some(sl::Message::Diff(Diff { more: true, ..Diff::default() })),
            2 => {
                // Children without their parents.
                let items: Vec<Item> = diff.items.into_vec().into_iter().skip(1).collect();
                Some(sl::Message::Diff(Diff { wants: diff.wants, more: true, ..Diff::of(items) }))
            }
            _ => {
                let items = diff.items.into_vec().into_iter().map(|item| {
                    let votes = spoil(item.votes(), hand);
                    item.with_votes(votes)
                });
                Some(sl::Message::Diff(Diff { more: diff.more, ..Diff::of(items.collect()) }))
            }
        },
        other => Some(other),
    }
}

/// Votes with some signatures that do not hold.
fn spoil(votes: &Votes, hand: &mut Hand<'_>) -> Votes {
    let ballot = |ballot: &Ballot| {
        if hand.dice.chance(400) { Ballot { signature: Signature::new([1; 64]), ..*ballot } } else { *ballot }
    };
    votes.iter().map(ballot).collect()
}

/// PBFT: other values in place of those that were asked for, decisions of something else, views that are cut short.
fn falsify_pbft(mut diff: pbft::Diff, hand: &mut Hand<'_>) -> Option<pbft::Diff> {
    match hand.dice.below(4) {
        0 => return None,
        1 => return Some(pbft::Diff { more: true, ..pbft::Diff::default() }),
        2 => {
            let other = |_: &Bytes| Bytes::from_static(b"another value");
            diff.bodies = BoundedVec::try_from(diff.bodies.iter().map(other).collect::<Vec<_>>()).unwrap_or_default();
            let mut certificates = diff.certificates.into_vec();
            certificates.iter_mut().for_each(|it| it.proposal.payload_root = hand.noise());
            diff.certificates = BoundedVec::try_from(certificates).unwrap_or_default();
        }
        _ => {
            let mut votes = diff.votes.into_vec();
            votes.iter_mut().for_each(|vote| vote.signature = Signature::new([1; 64]));
            diff.votes = BoundedVec::try_from(votes).unwrap_or_default();
            if let Some(new_view) = &mut diff.new_view {
                let changes: Vec<_> = new_view.changes.iter().skip(1).cloned().collect();
                new_view.changes = BoundedVec::try_from(changes).unwrap_or_default();
            }
        }
    }
    Some(pbft::Diff { more: true, ..diff })
}
