//! Answers pulls with nonsense: votes under wrong signatures or names, halves of diffs, endless continuations, old
//! certificates with new values, or nothing.

use bytes::Bytes;

use super::{Hand, Liar};
use crate::{
    protocol::{
        Message,
        streamlette::{self as sl, Ballot, Diff, Item, Votes},
    },
    replica::wire::Response,
    sim::letter::Mail,
    types::Signature,
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
