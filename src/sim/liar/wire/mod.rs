//! What liars must know of messages to put their own in the place of honest ones, one protocol a file.

pub mod pbft;
pub mod streamlette;

use super::super::letter::Mail;
use crate::{
    crypto::Transcript,
    protocol::Message,
    replica::wire::Frame,
    types::{Digest, Height},
};

/// A message of an instance, with where it belongs.
#[derive(Clone, Copy)]
pub struct Place {
    /// The height.
    pub height: Height,
    /// The instance.
    pub instance: Digest,
}

impl Place {
    /// The mail that takes a message there.
    pub fn mail(self, message: impl Into<Message>) -> Mail {
        let Self { height, instance } = self;
        Mail::Frame(Frame::Instance { height, instance, message: message.into() })
    }
}

/// The message of an instance in a frame.
fn message(mail: &Mail) -> Option<(Place, &Message)> {
    match mail {
        Mail::Frame(Frame::Instance { height, instance, message }) => {
            Some((Place { height: *height, instance: *instance }, message))
        }
        _ => None,
    }
}

/// The digest of a payload, as the protocols have it.
fn payload_root(payload: &[u8]) -> Digest {
    Transcript::new("thalweg payload v1").bytes(payload).finish()
}
