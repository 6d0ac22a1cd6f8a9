//! `bounded`: no validator ever holds more than its limits allow, whatever is sent to it; and with an instance goes all
//! that it held.

use super::{Checker, Facts, Sight};
use crate::sim::node::Size;

/// See the file's header.
#[derive(Debug)]
pub struct Bounded {
    most: Size,
}

/// Messages that the tree of an instance may hold.
const MESSAGES_MAX: usize = 4096;
/// Votes of each validator for a height: of two phases, in the view that is open and a later one.
const CAST_MAX: usize = 4;
/// Unverified votes of each validator that an instance may hold.
const VOTES_MAX: usize = 8;
/// Leaders' messages that may wait: one for each tick around the current one.
const WAITING_MAX: usize = 17;
/// Frames that may wait for their instance.
const EARLY_MAX: usize = 512;

impl Bounded {
    /// For a world of these facts.
    pub fn new(facts: Facts) -> Self {
        let window = usize::try_from(facts.window).unwrap_or(usize::MAX);
        let of_height = CAST_MAX * facts.set.len();
        let held = |heights: u64| usize::try_from(heights).unwrap_or(usize::MAX).saturating_mul(of_height);
        let most = Size {
            // Those above the tip, and those that are decided but not executed yet.
            instances: window.saturating_mul(2).saturating_add(1),
            // And of each validator a view change.
            messages: facts.heights_held_max.map_or(MESSAGES_MAX, |heights| held(heights) + facts.set.len()),
            unverified: VOTES_MAX * facts.set.len() + WAITING_MAX,
            early: EARLY_MAX,
            mempool_commands: facts.mempool_commands_max,
            mempool_bytes: facts.mempool_bytes_max,
        };
        Self { most }
    }
}

impl Checker for Bounded {
    fn id(&self) -> &'static str {
        "bounded"
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        let Sight::Measured { node, size } = sight else { return Ok(()) };
        let most = self.most;
        let is_within = size.instances <= most.instances
            && size.messages <= most.messages
            && size.unverified <= most.unverified
            && size.early <= most.early
            && size.mempool_commands <= most.mempool_commands
            && size.mempool_bytes <= most.mempool_bytes;
        if is_within { Ok(()) } else { Err(format!("node {node} holds {size:?}, may hold {most:?}")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::checkers::planted::facts;

    #[test]
    fn anything_beyond_its_limit_is_noticed() {
        let mut checker = Bounded::new(facts());
        let most = checker.most;
        let mut see = |size| checker.see(&Sight::Measured { node: 0, size });
        see(most).unwrap();
        see(Size { instances: most.instances + 1, ..most }).unwrap_err();
        see(Size { messages: most.messages + 1, ..most }).unwrap_err();
        see(Size { unverified: most.unverified + 1, ..most }).unwrap_err();
        see(Size { early: most.early + 1, ..most }).unwrap_err();
        see(Size { mempool_commands: most.mempool_commands + 1, ..most }).unwrap_err();
        see(Size { mempool_bytes: most.mempool_bytes + 1, ..most }).unwrap_err();
    }
}
