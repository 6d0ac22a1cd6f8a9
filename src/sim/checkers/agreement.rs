//! `agreement`: at equal heights, equal blocks, equal headers and equal state roots, on every validator and before
//! and after every crash; and no validator skips a height.

use std::collections::BTreeMap;

use super::{Checker, Sight};
use crate::types::{Digest, Height};

/// The checker's own digest of a payload, not the production one.
type PayloadHash = [u8; 32];

/// See the file's header.
#[derive(Debug, Default)]
pub struct Agreement {
    agreed: BTreeMap<Height, (Digest, PayloadHash)>,
}

impl Checker for Agreement {
    fn id(&self) -> &'static str {
        "agreement"
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        let Sight::Executed { node, header, block, .. } = sight else { return Ok(()) };
        let here = (header.hash(), *blake3::hash(&block.payload).as_bytes());
        if block.height != header.height {
            return Err(format!("node {node} executed block {} as height {}", block.height, header.height));
        }
        if header.height.get() > 1 && !self.agreed.contains_key(&header.height.minus(1)) {
            return Err(format!("node {node} executed height {} before {}", header.height, header.height.minus(1)));
        }
        let agreed = self.agreed.entry(header.height).or_insert(here);
        if *agreed != here {
            return Err(format!("node {node} executed another block at height {}", header.height));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        app::{Block, Header},
        sim::checkers::planted::{block, header},
    };

    fn executed(checker: &mut Agreement, header: &Header, block: &Block) -> Result<(), String> {
        checker.see(&Sight::Executed { node: 0, header, block, receipts: &[] })
    }

    #[test]
    fn equal_histories_pass_however_often_they_are_played() {
        let mut checker = Agreement::default();
        for height in [1, 1, 2, 1, 2, 3] {
            executed(&mut checker, &header(height, 0), &block(height, 0)).unwrap();
        }
    }

    #[test]
    fn another_state_another_payload_and_a_skipped_height_are_noticed() {
        let mut checker = Agreement::default();
        executed(&mut checker, &header(1, 0), &block(1, 0)).unwrap();
        executed(&mut checker, &header(1, 1), &block(1, 0)).unwrap_err();
        executed(&mut checker, &header(1, 0), &block(1, 1)).unwrap_err();
        executed(&mut checker, &header(3, 0), &block(3, 0)).unwrap_err();
        executed(&mut checker, &header(2, 0), &block(1, 0)).unwrap_err();
    }
}
