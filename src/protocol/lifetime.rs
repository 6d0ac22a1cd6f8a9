//! Which instance decides which height: the schedule of instances, as far as it follows from the protocol.
//!
//! An instance is known by its *first height*. A one-shot protocol runs one for each height, which is then its first
//! and only one. A long instance decides all heights of an epoch, in which the validators do not change. Validators do
//! not change yet: there is one epoch, from height 1 on.

use super::ProtocolName;
use crate::types::Height;

/// For how long an instance lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lifetime {
    /// It decides one height.
    Height,
    /// It decides every height of an epoch.
    Epoch,
}

impl ProtocolName {
    /// The first height of the instance that decides `height`.
    pub fn first_height(self, height: Height) -> Height {
        match self.lifetime() {
            Lifetime::Height => height,
            Lifetime::Epoch => epoch(height),
        }
    }

    /// How many heights are live at once unless genesis says otherwise. A long instance keeps several under way, or it
    /// would stand still while each is executed; heights of one-shot instances have owners that fill them side by
    /// side, which an application must want.
    pub const fn window_default(self) -> u64 {
        match self.lifetime() {
            Lifetime::Height => 1,
            Lifetime::Epoch => 8,
        }
    }
}

/// The first height of the epoch of `height`.
pub fn epoch(_height: Height) -> Height {
    Height::FIRST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_one_shot_protocol_has_an_instance_for_each_height() {
        let streamlette = ProtocolName::Streamlette;
        assert_eq!(streamlette.lifetime(), Lifetime::Height);
        assert_eq!(streamlette.first_height(Height::new(7)), Height::new(7));
        assert_eq!(epoch(Height::new(7)), Height::FIRST);
    }
}
