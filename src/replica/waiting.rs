//! Frames that arrived a little before their instance was opened here.

use std::collections::VecDeque;

use super::Peer;
use crate::{
    protocol::Message,
    types::{Digest, Height},
};

/// The most frames that wait. When full, the oldest goes: pulling brings it back.
const FRAMES_MAX: usize = 512;
/// The most of them from one peer, so that a liar cannot crowd the others out.
const FRAMES_PER_PEER_MAX: usize = 64;

/// A frame that waits.
#[derive(Debug)]
pub struct Early {
    /// From whom.
    pub peer: Peer,
    /// The network's mark for the verdict.
    pub ticket: Option<Digest>,
    /// The height it claims.
    pub height: Height,
    /// The instance it is for.
    pub instance: Digest,
    /// The message.
    pub message: Message,
}

/// Where they wait.
#[derive(Debug, Default)]
pub struct Room {
    frames: VecDeque<Early>,
}

impl Room {
    /// Keeps a frame and returns what had to go for it.
    pub fn keep(&mut self, early: Early) -> Option<Early> {
        let own = self.frames.iter().filter(|other| other.peer == early.peer).count();
        let dropped = if own >= FRAMES_PER_PEER_MAX {
            let oldest = self.frames.iter().position(|other| other.peer == early.peer);
            oldest.and_then(|at| self.frames.remove(at))
        } else if self.frames.len() >= FRAMES_MAX {
            self.frames.pop_front()
        } else {
            None
        };
        self.frames.push_back(early);
        dropped
    }

    /// How many frames wait.
    pub fn waiting(&self) -> usize {
        self.frames.len()
    }

    /// Everything that waits for `height` or below, in order of arrival.
    pub fn take(&mut self, height: Height) -> Vec<Early> {
        let (taken, kept) = std::mem::take(&mut self.frames).into_iter().partition(|early| early.height <= height);
        self.frames = kept;
        Vec::from_iter::<VecDeque<_>>(taken)
    }
}
