//! `in-order`: a validator executes every height once in each of its lives, one after another, and begins a life at
//! most where it stood before.

use std::collections::BTreeMap;

use super::{Checker, Sight};
use crate::types::Height;

/// See the file's header.
#[derive(Debug, Default)]
pub struct InOrder {
    /// The last height of each validator, and whether it was executed in its present life.
    last: BTreeMap<usize, (Height, bool)>,
}

impl Checker for InOrder {
    fn id(&self) -> &'static str {
        "in-order"
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        match sight {
            Sight::Remembered { node, .. } => {
                if let Some((_, is_present)) = self.last.get_mut(node) {
                    *is_present = false;
                }
                Ok(())
            }
            Sight::Executed { node, header, block, .. } => {
                let (last, is_present) = self.last.insert(*node, (header.height, true)).unwrap_or_default();
                if block.height != header.height {
                    return Err(format!("node {node} executed block {} as height {}", block.height, header.height));
                }
                let next = last.next();
                if header.height > next || (is_present && header.height != next) {
                    return Err(format!("node {node} executed height {} after {last}", header.height));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::checkers::planted::executed;

    #[test]
    fn a_height_left_out_or_repeated_is_noticed() {
        let mut checker = InOrder::default();
        executed(&mut checker, 2, 0, 0).unwrap_err();
        let mut checker = InOrder::default();
        executed(&mut checker, 1, 0, 0).unwrap();
        executed(&mut checker, 1, 0, 0).unwrap_err();
    }

    #[test]
    fn another_life_may_begin_lower() {
        let mut checker = InOrder::default();
        executed(&mut checker, 1, 0, 0).unwrap();
        executed(&mut checker, 2, 0, 0).unwrap();
        checker.see(&Sight::Remembered { node: 0, entries: &[], stored: Height::ZERO }).unwrap();
        executed(&mut checker, 1, 0, 0).unwrap();
        executed(&mut checker, 2, 0, 0).unwrap();
    }
}
