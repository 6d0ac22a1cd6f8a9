//! What an instance holds, as people see it: its messages with their voters, the same for all protocols.
//!
//! Drawn by the instances for the console; never read by a brain. At most [`PICTURE_MESSAGES_MAX`] messages, those of
//! the last rounds.

use serde::Serialize;

use crate::types::{Digest, Height, ValidatorIndex};

/// The most messages of a picture.
pub const PICTURE_MESSAGES_MAX: usize = 64;

/// One height of an instance.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Picture {
    /// The round it is in.
    pub round: u64,
    /// Who leads that.
    pub leader: Option<ValidatorIndex>,
    /// Whether it is decided.
    pub is_decided: bool,
    /// Its messages, parents before children.
    pub messages: Vec<PictureMessage>,
    /// How many more there were.
    pub messages_left_out: usize,
}

/// A message that is voted for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PictureMessage {
    /// Its digest; of a slot, that of its payload.
    pub id: Digest,
    /// What it is.
    pub kind: PictureKind,
    /// Of which round.
    pub round: u64,
    /// By whom.
    pub leader: ValidatorIndex,
    /// What it extends, if that is a message.
    pub parent: Option<Digest>,
    /// Who votes for it; in PBFT, who has prepared it.
    pub votes: Vec<ValidatorIndex>,
    /// Who has committed it, in PBFT.
    pub commits: Vec<ValidatorIndex>,
    /// Whether a quorum votes for it.
    pub is_notarized: bool,
    /// Whether the decision rests on it.
    pub is_decided: bool,
}

/// What kind of message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PictureKind {
    /// It brings a value.
    Proposal,
    /// It asks for votes on what is there.
    Solicit,
    /// A height of a long instance, with its prepares and commits.
    Slot,
}

impl PictureKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Proposal, Self::Solicit, Self::Slot];

    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proposal => "proposal",
            Self::Solicit => "solicit",
            Self::Slot => "slot",
        }
    }
}

impl Picture {
    /// Keeps the last messages only.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        let extra = self.messages.len().saturating_sub(PICTURE_MESSAGES_MAX);
        self.messages.drain(..extra);
        self.messages_left_out += extra;
        self
    }
}

/// A picture with what the hands know beside it: when.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Drawing {
    /// Of which height.
    pub height: Height,
    /// Of which instance.
    pub instance: Digest,
    /// When something happened at this height first here, in milliseconds since the Unix epoch.
    pub began_at_ms: u64,
    /// How long after that it was decided here, milliseconds.
    pub decided_after_ms: Option<u64>,
    /// When whose votes were counted here, in that order.
    pub ballots: Vec<Counted>,
    /// What it looks like.
    #[serde(flatten)]
    pub picture: Picture,
}

/// The first vote of a validator that was counted in a round.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Counted {
    /// Whose.
    pub validator: ValidatorIndex,
    /// In which round.
    pub round: u64,
    /// How long after the beginning, milliseconds.
    pub after_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_keeps_the_last_messages_and_says_how_many_are_missing() {
        let message = |round| PictureMessage {
            id: Digest::new([1; 32]),
            kind: PictureKind::Solicit,
            round,
            leader: ValidatorIndex::new(0),
            parent: None,
            votes: Vec::new(),
            commits: Vec::new(),
            is_notarized: false,
            is_decided: false,
        };
        let picture = Picture { messages: (0..70).map(message).collect(), ..Picture::default() }.bounded();
        assert_eq!((picture.messages.len(), picture.messages_left_out), (64, 6));
        assert_eq!(picture.messages[0].round, 6);
    }
}
