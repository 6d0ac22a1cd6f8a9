//! `agreement`: no two honest validators decide different payloads for a height.

use std::collections::BTreeMap;

use super::{Checker, Sight};
use crate::types::{Digest, Height};

/// See the file's header.
#[derive(Debug, Default)]
pub struct Agreement {
    agreed: BTreeMap<Height, [u8; 32]>,
}

impl Checker for Agreement {
    fn id(&self) -> &'static str {
        "agreement"
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        let Sight::Executed { node, block, .. } = sight else { return Ok(()) };
        let here = *blake3::hash(&block.payload).as_bytes();
        let agreed = self.agreed.entry(block.height).or_insert(here);
        if *agreed != here {
            let [one, other] = [*agreed, here].map(Digest::new);
            return Err(format!("node {node} executed {other:?} at height {}, others {one:?}", block.height));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::checkers::planted::executed;

    #[test]
    fn equal_histories_pass_however_often_they_are_played() {
        let mut checker = Agreement::default();
        for height in [1, 1, 2, 1, 2, 3] {
            executed(&mut checker, height, 0, 0).unwrap();
        }
    }

    #[test]
    fn another_payload_is_noticed() {
        let mut checker = Agreement::default();
        executed(&mut checker, 1, 0, 0).unwrap();
        executed(&mut checker, 1, 0, 1).unwrap_err();
    }
}
